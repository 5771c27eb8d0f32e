//! The sending side of a connection: what few messages need is in [`queue`](super::queue).

use std::io::{self, Write};
use std::net::Shutdown;
use std::sync::Arc;

use mio::net::TcpStream;
use wirewright_core::{CloseCode, Encoding, Message, MessageKind, Outbox, Outgoing, Reply};

use super::blame;
use super::budget::Charge;
use super::caller::Sent;
use super::context::Link;
use super::rare::Rare;
use super::secured::Sealing;
use super::tally::{HALF, Tally};
use super::tuning::Tuning;
use crate::error::SendError;
use crate::metrics;

/// The sending side of a connection, under the one lock that callers and loop share.
pub(crate) struct Sending {
    pub(super) outgoing: Outgoing,
    /// The queue: the loop's, lent for a turn; one of the connection's own while bytes wait.
    pub(super) out: Option<Box<Outbox>>,
    /// `None` once the connection is over. Its own allocation, so that whoever keeps a caller
    /// does not keep the socket.
    pub(super) stream: Option<Arc<TcpStream>>,
    /// Bytes that the system has taken since the connection was opened.
    pub(crate) sent: u64,
    /// What few connections have, and those not for long.
    pub(super) rare: Option<Box<Rare>>,
    /// A queue of so many bytes takes a message the longer way; zero while something is to be
    /// looked at first, so that the usual way has one comparison for all of that.
    pub(super) gate: u32,
    /// Texts sent that the listener's figures were not told of; counted for `metrics` only.
    pub(super) texts_out: u32,
    pub(crate) tally: Tally,
    /// The loop has lent its outbox and will write what gathers there.
    pub(super) corked: bool,
    /// Why the peer is not to be read from, beside its own queue; and whose fault that is.
    pub(super) hold: u8,
    /// Who is to hear once the queue has drained.
    pub(super) above: u8,
    /// Of those, who has yet to hear that it has.
    pub(super) drained: u8,
}

/// What is still to be sent when a connection ends.
#[derive(Default)]
pub(crate) struct Rest {
    pub(crate) out: Outbox,
    /// What goes before that over TLS.
    pub(super) sealed: Outbox,
    /// Where to count what of it has left.
    pub(crate) link: Option<Arc<Link>>,
    /// Keeps what is left in the budget.
    _charge: Option<Charge>,
}

/// The gate for a connection on whose queue nothing else waits.
pub(super) fn gate(tuning: &Tuning) -> u32 {
    // A queue as long as this counts takes the longer way whatever the options say.
    u32::try_from(tuning.gate()).unwrap_or(u32::MAX)
}

/// Payloads from here on are written from where they lie.
const DIRECT: usize = 16 * 1024;
/// The same over TLS, where sealing copies as well: what is as long as this fills a write.
const DIRECT_SEALED: usize = 64 * 1024;
/// A queue beyond which Pongs no longer join but replace each other.
const REPLIES: usize = 4 * 1024;

/// The service: the queue was above its high mark.
pub(crate) const SERVICE: u8 = 1;
/// Whoever waits for the queue, in a thread or with a stream.
pub(crate) const WAITERS: u8 = 2;
/// Nobody: the connection is only to have a turn.
pub(super) const TURN: u8 = 4;
/// Whoever reads the log, which says that the queue was full.
pub(super) const LOG: u8 = 8;

/// A user's caller asks for it.
pub(crate) const PAUSED: u8 = 1;
/// The workers have enough to do.
pub(crate) const BUSY: u8 = 2;
/// A callback on a worker has panicked.
pub(crate) const FAILED: u8 = 4;

impl Sending {
    pub(crate) fn new(
        outgoing: Outgoing,
        out: Outbox,
        (stream, sealing): (Arc<TcpStream>, Option<Sealing>),
        tuning: &Tuning,
    ) -> Self {
        let rare = |sealing| Box::new(Rare { sealing: Some(sealing), ..Rare::default() });
        Self {
            outgoing,
            out: Some(Box::new(out)),
            stream: Some(stream),
            sent: 0,
            rare: sealing.map(rare),
            gate: gate(tuning),
            texts_out: 0,
            tally: Tally::default(),
            corked: false,
            hold: 0,
            above: 0,
            drained: 0,
        }
    }

    #[inline(always)]
    pub(crate) fn send(
        &mut self,
        message: Message<'_>,
        tuning: &Tuning,
    ) -> Result<Sent, SendError> {
        if self.is_gated() {
            return self.send_gated(message, tuning);
        }
        self.append(message)
    }

    /// Sends a message behind all that is encoded.
    #[inline(always)]
    fn append(&mut self, message: Message<'_>) -> Result<Sent, SendError> {
        let (len, sealed) = (message.len(), message.len() >= DIRECT && self.is_sealed());
        let direct = if sealed { DIRECT_SEALED } else { DIRECT };
        let (outgoing, out) = self.open()?;
        if len >= direct
            && let Some(head) = outgoing.head(message)?
        {
            self.count(message.kind());
            if sealed {
                return self.write_direct_sealed(&head, message.as_bytes());
            }
            return self.write_direct(&head, message.as_bytes());
        }
        outgoing.send(message, out)?;
        let queued = out.len();
        self.count(message.kind());
        // Nothing waits unencoded, or this would wait behind it.
        if self.corked { Ok(Sent::Queued(queued)) } else { self.written() }
    }

    /// Whether what leaves is sealed.
    #[inline]
    fn is_sealed(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.sealing.is_some())
    }

    /// Counts a message.
    #[inline(always)]
    pub(super) fn count(&mut self, kind: MessageKind) {
        self.tally.messages_out += 1;
        if metrics::ON {
            self.texts_out += u32::from(kind == MessageKind::Text);
        }
    }

    /// The system has taken so much.
    #[inline]
    pub(super) fn taken(&mut self, bytes: usize) {
        taken(&mut self.sent, &mut self.drained, bytes);
    }

    /// Whether a message has to go the longer way.
    #[inline]
    pub(super) fn is_gated(&self) -> bool {
        self.encoded() >= self.gate as usize
    }

    /// Sends a message that `send` appends to the queue, behind all that is encoded.
    #[inline]
    pub(super) fn append_by<E: From<SendError>>(
        &mut self,
        kind: MessageKind,
        send: impl FnOnce(&mut Outgoing, &mut Outbox) -> Result<(), E>,
    ) -> Result<Sent, E> {
        let (outgoing, out) = self.open()?;
        let sent = send(outgoing, out);
        if sent.is_ok() {
            self.count(kind);
        }
        // Also after an error: what was made for it is not kept.
        let written = self.written()?;
        sent.map(|()| written)
    }

    /// Whether its length is all there is to say about the queue, in a turn of the loop.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.corked & (self.hold == 0) & (self.above == 0) & self.rare.is_none()
    }

    /// Whether nothing waits outside the loop's turns, nor anybody for anything.
    #[inline]
    pub(super) fn is_bare(&self) -> bool {
        let told = self.hold | self.above | self.drained == 0 && !self.tally.is_high();
        told & !self.corked & self.out.is_none() & self.rare.is_none()
    }

    /// Bytes that wait.
    #[inline]
    pub(crate) fn queued(&self) -> usize {
        self.encoded() + self.rare.as_ref().map_or(0, |rare| rare.waiting_bytes())
    }

    /// Bytes that wait as they go on the wire.
    #[inline]
    pub(super) fn encoded(&self) -> usize {
        self.out.as_ref().map_or(0, |out| out.len())
    }

    /// Lends the loop's outbox for as long as it handles what has arrived.
    #[inline]
    pub(crate) fn cork(&mut self, lent: &mut Option<Box<Outbox>>) {
        if self.encoded() == 0 && lent.is_some() {
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
            self.hold &= !blame::OTHERS;
        }
        Ok(queued)
    }

    /// Writes what waits, as far as the system takes it; says what still waits.
    pub(crate) fn flush(&mut self) -> io::Result<usize> {
        loop {
            let Some(stream) = &self.stream else { return Ok(0) };
            if self.is_sealed() {
                if !self.write_sealed()? {
                    return Ok(self.queued());
                }
            } else if let Some(out) = &mut self.out {
                while let Some(bytes) = out.poll_transmit() {
                    match (&**stream).write(bytes) {
                        Ok(n) => {
                            out.transmitted(n);
                            taken(&mut self.sent, &mut self.drained, n);
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Ok(self.queued());
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            if self.rare.is_none() || !self.refill()? {
                return Ok(0);
            }
        }
    }

    /// [`flush`](Self::flush) outside the loop's turns: a connection for which nothing waits holds
    /// no queue.
    pub(crate) fn flush_alone(&mut self) -> io::Result<usize> {
        let queued = self.flush()?;
        if queued == 0 && !self.corked {
            self.out = None;
        }
        Ok(queued)
    }

    /// Sends what receiving owes the peer; if much waits, the latest Pong instead of all.
    pub(crate) fn reply(&mut self, reply: Reply) {
        if reply.is_close() {
            // Nothing may follow it, so that all that waits goes before.
            self.flatten();
        } else if self.queued() >= REPLIES {
            return self.owe(reply);
        }
        self.outgoing.reply(reply, self.out.get_or_insert_default());
    }

    /// Whether the connection is to have a turn for the figures' sake.
    pub(super) const fn is_due(&self) -> bool {
        self.drained & TURN != 0
    }

    pub(crate) fn is_close_sent(&self) -> bool {
        self.outgoing.is_close_sent()
    }

    /// Whether messages can be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.stream.is_some() && !self.is_close_sent()
    }

    /// Whether a policy ends the connection, as its queue was full, or its identity is a new one.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.overrun.is_some() || rare.is_renewed)
    }

    /// How a message of this length looks that others are sent too.
    pub(crate) fn encoding(&self, len: usize) -> Option<Encoding> {
        self.outgoing.encoding(len)
    }

    /// The connection is over: the socket closes with the loop's own handle. What is still to be
    /// sent is the loop's.
    pub(crate) fn end(&mut self) -> Rest {
        self.stream = None;
        self.corked = false;
        let out = self.out.take().map_or_else(Outbox::new, |out| *out);
        let sealing = self.rare.as_mut().and_then(|rare| rare.sealing.as_mut());
        let sealed = sealing.map(Sealing::take_rest).unwrap_or_default();
        Rest { out, sealed, link: None, _charge: self.end_rare() }
    }

    /// Tells the peer why the connection fails, unless a Close was sent.
    pub(crate) fn fail(&mut self, code: CloseCode) {
        self.reply(Reply::close(code));
    }

    #[inline]
    pub(super) fn open(&mut self) -> Result<(&mut Outgoing, &mut Outbox), SendError> {
        if self.stream.is_none() || self.outgoing.is_close_sent() {
            return Err(SendError::Closed);
        }
        Ok((&mut self.outgoing, self.out.get_or_insert_default()))
    }

    /// Writes at once, unless that is for the loop to do.
    #[inline]
    pub(super) fn written(&mut self) -> Result<Sent, SendError> {
        let queued = if self.corked { self.queued() } else { self.flush_or_end()? };
        if !self.corked {
            if queued == 0 {
                // A connection for which nothing waits holds no queue, and no compressor in it.
                self.out = None;
                self.hold &= !blame::OTHERS;
            } else {
                self.hold |= blame::OTHERS;
            }
        }
        Ok(if queued == 0 { Sent::Written } else { Sent::Queued(queued) })
    }

    pub(super) fn flush_or_end(&mut self) -> Result<usize, SendError> {
        match self.flush() {
            Ok(queued) => Ok(queued),
            Err(_) => self.broken().map(|_| 0),
        }
    }

    /// Ends the transport, whatever waits; the loop reads that, and says so to the service.
    pub(super) fn cut(&mut self) {
        self.out = None;
        if let Some(stream) = self.stream.take() {
            // Nothing may follow what was cut off.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The transport is gone; the loop will read that too, and say so to the service.
    #[cold]
    pub(super) fn broken(&mut self) -> Result<Sent, SendError> {
        self.cut();
        Err(SendError::Closed)
    }
}

/// See [`Sending::taken`].
#[inline]
fn taken(sent: &mut u64, drained: &mut u8, bytes: usize) {
    let before = *sent;
    *sent += bytes as u64;
    if (before ^ *sent) >> HALF.trailing_zeros() != 0 {
        // The listener's figures must hear of it before their numbers are too small.
        *drained |= TURN;
    }
}

impl From<Outbox> for Rest {
    fn from(out: Outbox) -> Self {
        Self { out, ..Self::default() }
    }
}
