//! The handle to one connection, and what it shares with the connection's loop.

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Token;
use mio::net::TcpStream;
use wirewright_core::handshake::Identity;
use wirewright_core::{Close, CloseCode, Message, Misuse, Outbox, Outgoing, Reply};

use super::connection::CallerParts;
use super::mailbox::{Command, Mailbox};
use super::opening::About;
use super::options::RouteSettings;
use crate::error::SendError;

/// The handle to one of a listener's connections, from any thread, for as long as one likes:
/// once the connection is over, sending answers [`SendError::Closed`].
///
/// Inside a callback of the same connection, what is sent gathers and leaves in one write when
/// all that had arrived is handled; from elsewhere it is written at once if nothing waits.
#[derive(Clone)]
pub struct Caller(Arc<Shared>);

/// What a send did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "back-pressure: bytes that wait are bytes that the peer does not read"]
pub enum Sent {
    /// All bytes are with the system.
    Written,
    /// So many bytes wait in the connection's queue.
    Queued(usize),
}

struct Shared {
    id: u64,
    /// The connection's name on its loop.
    token: Token,
    /// Bytes in the queue, as the last send or flush left it.
    queued: AtomicUsize,
    peer: SocketAddr,
    /// `None` for most: an idle connection pays one word.
    about: Option<Box<About>>,
    settings: Arc<RouteSettings>,
    sending: Mutex<Sending>,
    mailbox: Arc<Mailbox>,
}

/// The sending side of a connection, under the one lock that callers and loop share.
pub(crate) struct Sending {
    outgoing: Outgoing,
    /// The queue: the loop's, lent for a turn; one of the connection's own while bytes wait.
    out: Option<Box<Outbox>>,
    /// `None` once the connection is over. Its own allocation, so that whoever keeps a caller
    /// does not keep the socket.
    stream: Option<Arc<TcpStream>>,
    /// The loop has lent its outbox and will write what gathers there.
    corked: bool,
    /// Bytes that the system has taken since the connection was opened.
    pub(crate) sent: u64,
    /// The latest reply that found the queue too long to join it: control frames are exempt from
    /// the cap, but of several Pongs one is enough (RFC 6455 §5.5.3).
    owed: Option<Box<Reply>>,
    pub(crate) cap: usize,
}

/// The next connection's number.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);
/// A queue beyond which Pongs no longer join but replace each other.
const REPLIES: usize = 4 * 1024;
/// Payloads from here on are written from where they lie.
const DIRECT: usize = 16 * 1024;

impl Caller {
    pub(crate) fn new(parts: CallerParts) -> Self {
        let CallerParts { token, peer, about, settings, stream, outgoing, out, mailbox } = parts;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let queued = AtomicUsize::new(0);
        let (out, stream, cap) = (Some(Box::new(out)), Some(stream), settings.max_queued);
        let sending = Sending { outgoing, out, stream, corked: false, sent: 0, owed: None, cap };
        let sending = Mutex::new(sending);
        Self(Arc::new(Shared { id, token, queued, peer, about, settings, sending, mailbox }))
    }

    /// Sends a Ping of at most 125 bytes.
    ///
    /// # Errors
    /// [`SendError::Closed`], or [`SendError::Misuse`] for a longer payload.
    pub fn ping(&self, payload: &[u8]) -> Result<Sent, SendError> {
        self.send_with(|outgoing, out| outgoing.send_ping(payload, out))
    }

    /// Sends a Pong, asked or unasked, of at most 125 bytes.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&self, payload: &[u8]) -> Result<Sent, SendError> {
        self.send_with(|outgoing, out| outgoing.send_pong(payload, out))
    }

    /// Begins the closing handshake and returns; [`Service::on_close`](super::Service::on_close)
    /// says how it went. What was queued before is sent before.
    ///
    /// # Errors
    /// [`SendError::Closed`] if a Close was sent or the connection is over,
    /// [`SendError::Misuse`] for a code or reason that may not be sent (RFC 6455 §7.4).
    pub fn close(&self, code: u16, reason: &str) -> Result<(), SendError> {
        let close = Close::new(code, reason)?;
        let mut sending = self.lock();
        let (outgoing, out) = sending.open()?;
        outgoing.send_close(close, out)?;
        let _ = sending.written()?;
        let corked = sending.corked;
        drop(sending);
        if !corked {
            // The loop starts the deadline for the peer's answer.
            drop(self.0.mailbox.send(Command::Look(self.0.token)));
        }
        Ok(())
    }

    /// A number that no other connection of this process has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The other end's address.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.0.peer
    }

    /// The sub-protocol that the handshake agreed on.
    #[must_use]
    pub fn sub_protocol(&self) -> Option<&str> {
        self.0.about.as_ref()?.sub_protocol.as_deref()
    }

    /// Who the peer is, as the authenticator said; `None` where none was asked.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.0.about.as_ref()?.identity.as_ref()
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.0.queued.load(Ordering::Relaxed)
    }

    /// Whether messages can be sent: no Close was, and the connection is not over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let sending = self.lock();
        sending.stream.is_some() && !sending.outgoing.is_close_sent()
    }

    pub(crate) fn settings(&self) -> &RouteSettings {
        &self.0.settings
    }

    fn send_with(
        &self,
        send: impl FnOnce(&mut Outgoing, &mut Outbox) -> Result<(), Misuse>,
    ) -> Result<Sent, SendError> {
        let mut sending = self.lock();
        let (outgoing, out) = sending.open()?;
        send(outgoing, out)?;
        let sent = sending.written();
        self.note(&sending);
        sent
    }

    /// Publishes the queue's length, so that it can be read without the lock.
    #[inline]
    pub(crate) fn note(&self, sending: &Sending) {
        self.0.queued.store(sending.queued(), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Sending> {
        // No callback runs under this lock, and no code of ours panics between two changes.
        self.0.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({}, {})", self.0.id, self.0.peer)
    }
}

impl Sending {
    #[inline]
    pub(crate) fn send(&mut self, message: Message<'_>) -> Result<Sent, SendError> {
        self.make_way()?;
        let (outgoing, out) = self.open()?;
        if message.len() >= DIRECT
            && let Some(head) = outgoing.head(message)?
        {
            return self.write_direct(&head, message.as_bytes());
        }
        outgoing.send(message, out)?;
        self.written()
    }

    /// Sends a message that `send` appends to the queue.
    #[inline]
    pub(crate) fn send_by<E: From<SendError>>(
        &mut self,
        send: impl FnOnce(&mut Outgoing, &mut Outbox) -> Result<(), E>,
    ) -> Result<Sent, E> {
        self.make_way()?;
        let (outgoing, out) = self.open()?;
        let sent = send(outgoing, out);
        // Also after an error: what was made for it is not kept.
        let written = self.written()?;
        sent.map(|()| written)
    }

    /// Before a message: is there room for it, and is anything owed?
    #[inline]
    fn make_way(&mut self) -> Result<(), SendError> {
        if self.queued() >= self.cap {
            let (queued, cap) = (self.flush_or_end()?, self.cap);
            if queued >= cap {
                return Err(SendError::Full { queued, cap });
            }
        }
        if let Some(reply) = self.owed.take() {
            // Or it would wait for an empty queue, which those who go on sending may never leave.
            self.outgoing.reply(*reply, self.out.get_or_insert_default());
        }
        Ok(())
    }

    /// Bytes that wait.
    #[inline]
    pub(crate) fn queued(&self) -> usize {
        self.out.as_ref().map_or(0, |out| out.len())
    }

    /// Lends the loop's outbox for as long as it handles what has arrived.
    #[inline]
    pub(crate) fn cork(&mut self, lent: &mut Option<Box<Outbox>>) {
        if self.queued() == 0 && lent.is_some() {
            self.out = lent.take();
        }
        self.corked = true;
    }

    /// Writes what gathered and takes the lent outbox back, or leaves it while bytes wait.
    #[inline]
    pub(crate) fn uncork(&mut self, lent: &mut Option<Box<Outbox>>) -> io::Result<usize> {
        self.corked = false;
        let queued = self.flush()?;
        if queued == 0 {
            // A connection for which nothing waits holds no queue.
            let out = self.out.take();
            *lent = lent.take().or(out);
        }
        Ok(queued)
    }

    /// Writes what waits, as far as the system takes it; says what still waits.
    pub(crate) fn flush(&mut self) -> io::Result<usize> {
        let (Some(stream), Some(out)) = (&self.stream, &mut self.out) else { return Ok(0) };
        loop {
            while let Some(bytes) = out.poll_transmit() {
                match (&**stream).write(bytes) {
                    Ok(n) => {
                        out.transmitted(n);
                        self.sent += n as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(out.len());
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            match self.owed.take() {
                Some(reply) => self.outgoing.reply(*reply, out),
                None => return Ok(0),
            }
        }
    }

    /// Sends what receiving owes the peer; if much waits, the latest Pong instead of all.
    pub(crate) fn reply(&mut self, reply: Reply) {
        if self.queued() >= REPLIES && !reply.is_close() {
            self.owed = Some(Box::new(reply));
        } else {
            if reply.is_close() {
                self.owed = None;
            }
            self.outgoing.reply(reply, self.out.get_or_insert_default());
        }
    }

    /// Whether so many bytes in all have left, or none are left to.
    pub(crate) fn has_sent(&self, bytes: u64) -> bool {
        self.sent >= bytes || self.queued() == 0
    }

    pub(crate) fn is_close_sent(&self) -> bool {
        self.outgoing.is_close_sent()
    }

    /// The connection is over: the socket closes with the loop's own handle. What is still to be
    /// sent is the loop's.
    pub(crate) fn end(&mut self) -> Outbox {
        self.stream = None;
        self.owed = None;
        self.corked = false;
        self.out.take().map_or_else(Outbox::new, |out| *out)
    }

    /// Tells the peer why the connection fails, unless a Close was sent.
    pub(crate) fn fail(&mut self, code: CloseCode) {
        self.reply(Reply::close(code));
    }

    #[inline]
    fn open(&mut self) -> Result<(&mut Outgoing, &mut Outbox), SendError> {
        if self.stream.is_none() || self.outgoing.is_close_sent() {
            return Err(SendError::Closed);
        }
        Ok((&mut self.outgoing, self.out.get_or_insert_default()))
    }

    /// Writes at once, unless that is for the loop to do.
    #[inline]
    fn written(&mut self) -> Result<Sent, SendError> {
        let queued = if self.corked { self.queued() } else { self.flush_or_end()? };
        if queued == 0 && !self.corked {
            // A connection for which nothing waits holds no queue, and no compressor in it.
            self.out = None;
        }
        Ok(if queued == 0 { Sent::Written } else { Sent::Queued(queued) })
    }

    /// A large message: head and payload straight to the system, behind what waits. Only what it
    /// does not take is copied.
    fn write_direct(&mut self, head: &[u8], payload: &[u8]) -> Result<Sent, SendError> {
        let Some(stream) = &self.stream else { return Err(SendError::Closed) };
        let out = self.out.get_or_insert_default();
        let waiting = out.poll_transmit().unwrap_or_default();
        let parts = [IoSlice::new(waiting), IoSlice::new(head), IoSlice::new(payload)];
        let mut written = match (&**stream).write_vectored(&parts) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(_) => return self.broken(),
        };
        self.sent += written as u64;
        let sent = written.min(waiting.len());
        out.transmitted(sent);
        written -= sent;
        for part in [head, payload] {
            let sent = written.min(part.len());
            out.extend(&part[sent..]);
            written -= sent;
        }
        let queued = out.len();
        Ok(if queued == 0 { Sent::Written } else { Sent::Queued(queued) })
    }

    fn flush_or_end(&mut self) -> Result<usize, SendError> {
        match self.flush() {
            Ok(queued) => Ok(queued),
            Err(_) => self.broken().map(|_| 0),
        }
    }

    /// The transport is gone; the loop will read that too, and say so to the service.
    #[cold]
    fn broken(&mut self) -> Result<Sent, SendError> {
        self.out = None;
        if let Some(stream) = self.stream.take() {
            // Nothing may follow what was cut off.
            let _ = stream.shutdown(Shutdown::Both);
        }
        Err(SendError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What grows here is paid for each connection there is; `docs/PERFORMANCE.md` has the sum.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_idle_connection_shares_no_more_than_it_did() {
        assert!(size_of::<Shared>() <= 168, "{}", size_of::<Shared>());
    }
}
