//! The receiving half of a connection: bytes in, events out.

use core::time::Duration;

use crate::close::Close;
use crate::config::{Config, Role};
use crate::decoder::{Decoder, Step};
use crate::deflate::{Agreement, Inflation};
use crate::error::{Limit, ReceiveError, Violation};
use crate::header::MAX_HEADER;
use crate::inbox::Inbox;
use crate::message::{Message, MessageKind};
use crate::moment::Moment;
use crate::opcode::OpCode;
use crate::progress::Piece;
use crate::reply::Reply;

/// What [`Incoming::receive`] found. Payloads borrow the inbox and are gone with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing further in the inbox: read what there is, and call again.
    NeedMore {
        /// Room worth having for it, at least 1: what a payload lacks, or what a header may still
        /// take. Do not wait for so many bytes.
        hint: usize,
    },
    /// A message, whole and in order.
    Message(Message<'a>),
    /// A piece of a message, where [`Config::streaming`] asks for pieces.
    Fragment(Fragment<'a>),
    /// A Ping. It is owed `Reply::pong` of its payload (RFC 6455 §5.5.2); of several unanswered
    /// ones, only the last (§5.5.3).
    Ping(&'a [u8]),
    /// A Pong, perhaps unasked (RFC 6455 §5.5.3).
    Pong(&'a [u8]),
    /// A Close: nothing more is received. It is owed [`Close::reply`], unless a Close was sent
    /// (RFC 6455 §5.5.1).
    Closed(Close<'a>),
}

/// A piece of a message as it arrived; its borders are not those of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// The message's type.
    pub kind: MessageKind,
    /// Payload, unmasked and inflated. A text is valid UTF-8 as a whole, but a code point may be
    /// split between two pieces.
    pub payload: &'a [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

/// The receiving half of a connection. It shares no memory with [`Outgoing`](crate::Outgoing);
/// what one owes the other is carried by the caller as a [`Reply`].
///
/// Call order: [`receive`](Self::receive) until it says [`Event::NeedMore`], read more, again.
/// [`poll_timeout`](Self::poll_timeout) says when to call
/// [`handle_timeout`](Self::handle_timeout). After an error or a Close the half is done: it
/// discards all it is given (RFC 6455 §7.1.7).
#[derive(Debug)]
pub struct Incoming {
    decoder: Decoder,
    flood: Flood,
    done: bool,
}

impl Incoming {
    /// The receiving half for `role`, with what the handshake agreed on.
    #[must_use]
    pub fn new(role: Role, config: &Config, agreement: Option<Agreement>) -> Self {
        let inflation = agreement.map(|agreement| Inflation::new(agreement.receiving(role)));
        let flood = Flood::new(config.limits.max_control_frames);
        let limits = config.limits.clone();
        let decoder = Decoder::new(role, limits, config.streaming, inflation);
        Self { decoder, flood, done: false }
    }

    /// The next event from the inbox. `now` is the time since any moment that the caller chose
    /// and keeps; it is only compared with itself.
    ///
    /// # Errors
    /// [`ReceiveError`] when the peer broke the protocol or a limit: tell it with
    /// [`Outgoing::fail`](crate::Outgoing::fail) and close the transport.
    #[inline]
    pub fn receive<'a>(
        &mut self,
        now: Duration,
        inbox: &'a mut Inbox,
    ) -> Result<Event<'a>, ReceiveError> {
        if self.done {
            return Ok(discard(inbox));
        }
        if let Some((kind, len)) = self.decoder.whole(inbox) {
            let bytes = &inbox.buffer.filled()[..len];
            return Ok(Event::Message(match kind {
                MessageKind::Binary => Message::Binary(bytes),
                MessageKind::Text => match text(bytes) {
                    Ok(text) => Message::Text(text),
                    Err(violation) => {
                        self.done = true;
                        return Err(violation.into());
                    }
                },
            }));
        }
        if inbox.is_empty() {
            // As a turn ends that has handled all there was.
            return Ok(Event::NeedMore { hint: MAX_HEADER });
        }
        self.receive_any(now, inbox)
    }

    /// [`receive`](Self::receive) of what is not the common case.
    fn receive_any<'a>(
        &mut self,
        now: Duration,
        inbox: &'a mut Inbox,
    ) -> Result<Event<'a>, ReceiveError> {
        let step = self.decoder.step(now, inbox).inspect_err(|_| self.done = true)?;
        match step {
            Step::NeedMore(hint) => Ok(Event::NeedMore { hint }),
            Step::Payload(piece) => {
                deliver(piece, inbox).inspect_err(|_| self.done = true).map_err(Into::into)
            }
            Step::Control(opcode, place) => {
                self.flood
                    .count(now, self.decoder.limits().max_control_frames)
                    .inspect_err(|_| self.done = true)?;
                let payload = &inbox.buffer.filled()[place];
                self.control(opcode, payload).inspect_err(|_| self.done = true)
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): the time by which the message under
    /// way must be complete ([`Limits::max_assembly_time`](crate::Limits::max_assembly_time)).
    #[must_use]
    #[inline]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.done { None } else { self.decoder.deadline() }
    }

    /// Says that the time has come.
    ///
    /// # Errors
    /// [`Limit::AssemblyTime`] if the message under way is overdue.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Limit> {
        if self.done {
            return Ok(());
        }
        self.decoder.check_deadline(now).inspect_err(|_| self.done = true)
    }

    /// Whether nothing more will be received: after a Close or an error.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Discards all that still comes, for a connection that its own side has failed.
    pub fn stop(&mut self) {
        self.done = true;
    }

    #[cold]
    fn control<'a>(
        &mut self,
        opcode: OpCode,
        payload: &'a [u8],
    ) -> Result<Event<'a>, ReceiveError> {
        match opcode {
            OpCode::Ping => Ok(Event::Ping(payload)),
            OpCode::Close => {
                let close = Close::parse(payload)?;
                self.done = true;
                Ok(Event::Closed(close))
            }
            _ => Ok(Event::Pong(payload)),
        }
    }
}

impl Close<'_> {
    /// The answer to a received Close: "the endpoint typically echos the status code it received"
    /// (RFC 6455 §5.5.1).
    #[must_use]
    pub fn reply(&self) -> Reply {
        Reply::close(self.code())
    }
}

#[cold]
fn discard(inbox: &mut Inbox) -> Event<'_> {
    inbox.clear();
    Event::NeedMore { hint: 1 }
}

#[inline]
fn deliver(piece: Piece, inbox: &Inbox) -> Result<Event<'_>, Violation> {
    let bytes = if piece.inflated {
        inbox.inflated.bytes.as_slice()
    } else {
        &inbox.buffer.filled()[..piece.len]
    };
    if piece.first && piece.last {
        // Text that came in pieces was validated then; to have it as `str` it is read once more,
        // for want of a safe way to say that it was.
        return Ok(Event::Message(match piece.kind {
            MessageKind::Text => Message::Text(text(bytes)?),
            MessageKind::Binary => Message::Binary(bytes),
        }));
    }
    Ok(Event::Fragment(Fragment {
        kind: piece.kind,
        payload: bytes,
        first: piece.first,
        last: piece.last,
    }))
}

#[inline]
fn text(bytes: &[u8]) -> Result<&str, Violation> {
    // Below a vector's worth, the plain validator has less to set up.
    if bytes.len() < 64 {
        core::str::from_utf8(bytes).map_err(|_| Violation::TextUtf8)
    } else {
        simdutf8::basic::from_utf8(bytes).map_err(|_| Violation::TextUtf8)
    }
}

/// Counts control frames: a bucket of two seconds' worth that refills as time goes by.
#[derive(Debug)]
struct Flood {
    left: u32,
    since: Moment,
}

impl Flood {
    fn new(rate: u32) -> Self {
        Self { left: rate.saturating_mul(2), since: Moment::new(Duration::ZERO) }
    }

    fn count(&mut self, now: Duration, rate: u32) -> Result<(), Limit> {
        let passed = now.saturating_sub(self.since.time()).as_nanos();
        let earned = passed.saturating_mul(u128::from(rate));
        let refill = earned / 1_000_000_000;
        if refill > 0 {
            let refill = u32::try_from(refill).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(refill).min(rate.saturating_mul(2));
            // What is left of the time towards the next whole frame counts on.
            let rest = earned % 1_000_000_000 / u128::from(rate);
            let rest = Duration::from_nanos(u64::try_from(rest).unwrap_or(0));
            self.since = Moment::new(now.saturating_sub(rest));
        }
        self.left = self.left.checked_sub(1).ok_or(Limit::ControlFrames { max: rate })?;
        Ok(())
    }
}
