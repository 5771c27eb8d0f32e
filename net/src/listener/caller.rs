//! The handle to one connection, and what it shares with the connection's loop.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mio::Token;
use mio::net::TcpStream;
use wirewright_core::{Close, CloseCode, Message, Misuse, Outbox, Outgoing};

use super::address::Address;
use super::context::Link;
use super::figures::Figures;
use super::mailbox::Command;
use super::opening::About;
use super::options::RouteSettings;
use super::secured::Sealing;
use super::sending::{LOG, Sending};
use super::tally::CallerStats;
use super::tuning::{Tuning, WhenFull};
use crate::clock;
use crate::error::SendError;
use crate::trace;

/// The handle to one of a listener's connections, from any thread, for as long as one likes:
/// once the connection is over, sending answers [`SendError::Closed`].
///
/// Inside a callback of the same connection, what is sent gathers and leaves in one write when
/// all that had arrived is handled; from elsewhere it is written at once if nothing waits.
#[derive(Clone)]
pub struct Caller(pub(super) Arc<Shared>);

/// What a send did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "back-pressure: bytes that wait are bytes that the peer does not read"]
pub enum Sent {
    /// All bytes are with the system.
    Written,
    /// So many bytes wait in the connection's queue.
    Queued(usize),
    /// The message was dropped, as the queue is full and
    /// [`when_full`](crate::ListenerBuilder::when_full) says so.
    Dropped,
}

pub(super) struct Shared {
    id: u64,
    /// The connection's name on its loop.
    pub(super) token: Token,
    /// Bytes in the queue, as the last send or flush left it, and [`HELD`].
    queued: AtomicUsize,
    peer: Address,
    /// `None` for most: an idle connection pays one word.
    pub(super) about: Option<Box<About>>,
    pub(super) link: Arc<Link>,
    /// Milliseconds from the process's first moment to the connection's.
    since: u32,
    /// The latest round trip in microseconds; zero for none.
    rtt: AtomicU32,
    sending: Mutex<Sending>,
}

/// With the queue's length: the peer is not to be read from. No queue is so long, so that one look
/// tells both.
const HELD: usize = 1 << (usize::BITS - 1);

/// The next connection's number.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Caller {
    pub(crate) fn new(parts: CallerParts) -> Self {
        let CallerParts { token, peer, about, stream, sealing, outgoing, out, link } = parts;
        let sending = Sending::new(outgoing, out, (stream, sealing), &link.settings.tuning);
        Self(Arc::new(Shared {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            token,
            queued: AtomicUsize::new(0),
            peer: peer.into(),
            about,
            link,
            since: millis(clock::now()),
            rtt: AtomicU32::new(0),
            sending: Mutex::new(sending),
        }))
    }

    /// Sends a message of either type.
    #[inline]
    pub(super) fn send(&self, message: Message<'_>) -> Result<Sent, SendError> {
        if trace::shows_messages() {
            trace::message("sending", self.id(), message);
        }
        let mut sending = self.lock();
        let sent = sending.send(message, self.tuning());
        if sending.is_plain() {
            self.note(&mut sending);
            return sent;
        }
        self.sent(sending, sent)
    }

    /// What a message has to be followed by where it is not the usual one.
    #[cold]
    pub(super) fn sent(
        &self,
        mut sending: MutexGuard<'_, Sending>,
        sent: Result<Sent, SendError>,
    ) -> Result<Sent, SendError> {
        let tuning = self.tuning();
        let corked = sending.corked;
        if !corked && tuning.idle_timeout.or(tuning.idle_close).is_some() {
            sending.rare().wrote = Some(clock::now());
        }
        if sending.above != 0 || sending.has_others() {
            sending.sent_by(self.is_on_loop());
        }
        self.log_full(&mut sending, &sent);
        let drained = self.note(&mut sending);
        let ended = matches!(sent, Err(SendError::Full { .. } | SendError::Exhausted { .. }))
            && matches!(tuning.when_full, WhenFull::Close(_));
        drop(sending);
        if !corked && (drained || ended) {
            self.look();
        }
        sent
    }

    /// Sends a Ping of at most 125 bytes.
    ///
    /// # Errors
    /// [`SendError::Closed`], or [`SendError::Misuse`] for a longer payload.
    pub fn ping(&self, payload: &[u8]) -> Result<Sent, SendError> {
        let sent = self.send_with(|outgoing, out| outgoing.send_ping(payload, out))?;
        self.figures().pings_out.add_anywhere(1);
        trace::control("sent a ping", self.id(), payload);
        Ok(sent)
    }

    /// Sends a Pong, asked or unasked, of at most 125 bytes.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&self, payload: &[u8]) -> Result<Sent, SendError> {
        let sent = self.send_with(|outgoing, out| outgoing.send_pong(payload, out))?;
        self.figures().pongs_out.add_anywhere(1);
        trace::control("sent a pong", self.id(), payload);
        Ok(sent)
    }

    /// Begins the closing handshake and returns; [`Service::on_close`](super::Service::on_close)
    /// says how it went. What was queued before is sent before.
    ///
    /// # Errors
    /// [`SendError::Closed`] if a Close was sent or the connection is over,
    /// [`SendError::Misuse`] for a code or reason that may not be sent (RFC 6455 §7.4).
    pub fn close(&self, code: u16, reason: &str) -> Result<(), SendError> {
        self.close_within(code, reason, None)
    }

    /// As [`close`](Self::close), with a time of its own for the peer's answer, in place of
    /// [`close_timeout`](crate::ListenerBuilder::close_timeout).
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn close_with(&self, code: u16, reason: &str, timeout: Duration) -> Result<(), SendError> {
        self.close_within(code, reason, Some(timeout))
    }

    fn close_within(
        &self,
        code: u16,
        reason: &str,
        timeout: Option<Duration>,
    ) -> Result<(), SendError> {
        let close = Close::new(code, reason)?;
        let mut sending = self.lock();
        if sending.is_open() && timeout.is_some() {
            sending.rare().close_timeout = timeout;
        }
        sending.send_close(close)?;
        self.figures().closes_out.add_anywhere(1);
        tracing::debug!(caller = ?self, code, "closing");
        self.note(&mut sending);
        let corked = sending.corked;
        drop(sending);
        if !corked {
            // The loop starts the deadline for the peer's answer.
            self.look();
        }
        Ok(())
    }

    /// Ends the connection at once, without a Close and whatever waits; `on_close` follows with
    /// 1006. Does nothing if it is over.
    pub fn abort(&self) {
        let mut sending = self.lock();
        tracing::debug!(caller = ?self, "aborted");
        sending.cut();
        self.note(&mut sending);
        drop(sending);
        self.look();
    }

    /// A number that no other connection of this process has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The other end's address.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.0.peer.into()
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.0.queued.load(Ordering::Relaxed) & !HELD
    }

    /// Whether messages can be sent: no Close was, and the connection is not over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lock().is_open()
    }

    /// The latest round trip of one of the listener's own Pings
    /// ([`keep_alive`](crate::ListenerBuilder::keep_alive)), if one was answered.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        match self.0.rtt.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros.into())),
        }
    }

    /// What has passed on this connection.
    #[must_use]
    pub fn stats(&self) -> CallerStats {
        let sending = self.lock();
        let mut stats = sending.tally.with(sending.rare.as_ref().map(|rare| &rare.totals));
        stats.bytes_out = sending.sent;
        drop(sending);
        stats.rtt = self.rtt();
        let age = millis(clock::now()).wrapping_sub(self.0.since);
        stats.age = Duration::from_millis(age.into());
        stats
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.0.link.figures
    }

    /// A Close of ours is about to be sent, unless one was.
    pub(crate) fn count_close(&self, sending: &Sending) {
        self.figures().closes_out.add_anywhere(u64::from(!sending.is_close_sent()));
    }

    /// Logs that there was no room for a message, once until there is again.
    pub(crate) fn log_full(&self, sending: &mut Sending, sent: &Result<Sent, SendError>) {
        let full = match sent {
            Ok(Sent::Dropped) => "a message was dropped",
            Err(SendError::Full { .. } | SendError::Exhausted { .. }) => "a message was refused",
            _ => return,
        };
        if sending.above & LOG == 0 && sending.is_open() {
            sending.above |= LOG;
            let queued = sending.queued();
            tracing::debug!(caller = ?self, queued, "queue full: {full}");
        }
    }

    pub(crate) fn settings(&self) -> &RouteSettings {
        &self.0.link.settings
    }

    pub(crate) fn tuning(&self) -> &Tuning {
        &self.0.link.settings.tuning
    }

    pub(crate) fn measured(&self, rtt: Duration) {
        let micros = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX);
        self.0.rtt.store(micros.max(1), Ordering::Relaxed);
    }

    fn send_with(
        &self,
        send: impl FnOnce(&mut Outgoing, &mut Outbox) -> Result<(), Misuse>,
    ) -> Result<Sent, SendError> {
        let mut sending = self.lock();
        let (outgoing, out) = sending.open()?;
        send(outgoing, out)?;
        let sent = sending.written();
        self.note_and_look(sending);
        sent
    }

    /// Ends the connection with this code: a callback elsewhere than on the loop has panicked.
    pub(crate) fn fail(&self, code: CloseCode) {
        let mut sending = self.lock();
        self.count_close(&sending);
        sending.fail(code);
        drop(sending);
        self.hold(super::sending::FAILED);
        self.look();
    }

    /// Publishes the queue's length, so that it can be read without the lock; whether the loop is
    /// to look at the connection, if it does not have its turn.
    #[inline(always)]
    pub(crate) fn note(&self, sending: &mut Sending) -> bool {
        if sending.is_plain() {
            self.0.queued.store(sending.encoded(), Ordering::Relaxed);
            return false;
        }
        if sending.is_bare() {
            self.0.queued.store(0, Ordering::Relaxed);
            return false;
        }
        self.note_fully(sending)
    }

    #[inline(never)]
    fn note_fully(&self, sending: &mut Sending) -> bool {
        if !sending.corked {
            sending.account(self.tuning());
        }
        let held = if sending.held() == 0 { 0 } else { HELD };
        self.0.queued.store(sending.queued() | held, Ordering::Relaxed);
        let logged = sending.above & LOG != 0;
        let drained = sending.above != 0 && sending.has_drained(self.tuning());
        if logged && drained {
            tracing::debug!(caller = ?self, "queue drained");
        }
        sending.resume();
        drained || !sending.corked && sending.is_due()
    }

    /// Whether reading is to stop, for a queue of so many bytes or another reason.
    #[inline]
    pub(crate) fn is_at(&self, mark: usize) -> bool {
        self.0.queued.load(Ordering::Relaxed) >= mark
    }

    /// Has the loop give the connection a turn.
    pub(crate) fn look(&self) {
        drop(self.0.link.mailbox.send(Command::Look(self.0.token)));
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Sending> {
        // No callback runs under this lock, and no code of ours panics between two changes.
        self.0.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({}, {})", self.0.id, self.peer_addr())
    }
}

/// What a [`Caller`] is made of.
pub(crate) struct CallerParts {
    pub(crate) token: Token,
    pub(crate) peer: SocketAddr,
    pub(crate) about: Option<Box<About>>,
    pub(crate) stream: Arc<TcpStream>,
    /// Over TLS: how the queue leaves.
    pub(crate) sealing: Option<Sealing>,
    pub(crate) outgoing: Outgoing,
    /// With the handshake's answer in it.
    pub(crate) out: Outbox,
    pub(crate) link: Arc<Link>,
}

/// A point in time in four bytes: after 49 days it begins anew, so that it only tells ages.
fn millis(time: Duration) -> u32 {
    // The remainder is what is meant.
    u32::try_from(time.as_millis() & u128::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::connection::Connection;
    use crate::listener::open::Open;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_idle_connection_stays_within_the_allocators_sizes() {
        // One word more of any costs 16 bytes: glibc rounds what it adds its own word to.
        assert!(size_of::<Shared>() + size_of::<[usize; 2]>() <= 184, "{}", size_of::<Shared>());
        assert!(size_of::<Open>() <= 184, "{}", size_of::<Open>());
        assert!(size_of::<Connection>() <= 64, "{}", size_of::<Connection>());
    }
}
