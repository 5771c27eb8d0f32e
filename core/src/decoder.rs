//! Frames out of an inbox: unmasked in place, fragments slid together, limits enforced.
//!
//! ```text
//! inbox:  |<------ assembled ------>|<-- gap -->|<-- raw, not yet looked at -->|
//!         0                      message       raw                        unread().len()
//! ```
//! `message` and `raw` count from the front of the inbox. The gap is what headers and control
//! frames between fragments leave; it closes whenever the raw bytes run out, so that an inbox
//! never holds more than the message and one incomplete header or control frame.

use core::ops::Range;
use core::time::Duration;

use crate::config::{Limits, Role};
use crate::deflate::{InflateError, Inflation};
use crate::error::{Limit, ReceiveError, Violation};
use crate::header::{FrameHeader, MAX_HEADER};
use crate::inbox::Inbox;
use crate::mask::Mask;
use crate::message::MessageKind;
use crate::opcode::OpCode;
use crate::utf8::Utf8Validator;

/// What a step through the inbox found. Places are said as lengths and ranges, as the caller
/// borrows the inbox only afterwards.
pub(crate) enum Step {
    /// At least so many bytes are missing.
    NeedMore(usize),
    /// Payload to deliver: a whole message, or what there is of one where it is streamed.
    Payload(Piece),
    /// A control frame, its payload unmasked at this place of the inbox.
    Control(OpCode, Range<usize>),
}

/// Payload that is ready to be delivered.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) kind: MessageKind,
    /// Whether it lies in the inbox's inflated buffer; else at its front.
    pub(crate) inflated: bool,
    pub(crate) len: usize,
    pub(crate) first: bool,
    pub(crate) last: bool,
    /// Whether text was already validated piece by piece as it came.
    pub(crate) validated: bool,
}

#[derive(Debug)]
pub(crate) struct Decoder {
    role: Role,
    streaming: bool,
    limits: Limits,
    /// The lesser of the limits on frame and message, for frames that are a message.
    max_whole: usize,
    inflation: Option<Inflation>,
    frame: Option<Frame>,
    assembly: Option<Assembly>,
    /// Bytes assembled at the front of the inbox.
    message: usize,
    /// Where the raw bytes begin.
    raw: usize,
    /// What was delivered last still lies in the inbox.
    delivered: bool,
}

/// The data frame whose payload is arriving.
#[derive(Debug)]
struct Frame {
    mask: Option<Mask>,
    remaining: usize,
    fin: bool,
}

/// The message under way.
#[derive(Debug)]
struct Assembly {
    kind: MessageKind,
    compressed: bool,
    fragments: u32,
    /// Payload bytes on the wire, those that the current header announces included.
    wire: u64,
    /// Bytes already delivered, where the message is streamed.
    streamed: u64,
    since: Duration,
    /// The validator's state: text is checked piece by piece once it comes in pieces.
    utf8: Utf8Validator,
    pieces: bool,
    begun: bool,
}

/// First bytes of a frame that is a whole, uncompressed message.
const WHOLE_TEXT: u8 = 0x81;
const WHOLE_BINARY: u8 = 0x82;

/// Compressed bytes per step where a message is streamed: deflate makes at most 1 032 bytes of
/// one, so that a step never adds more than 66 KiB.
const STREAMED_INPUT: usize = 64;
/// Inflated bytes that make a fragment worth delivering.
const STREAMED_OUTPUT: usize = 32 * 1024;

impl Decoder {
    pub(crate) fn new(
        role: Role,
        limits: Limits,
        streaming: bool,
        inflation: Option<Inflation>,
    ) -> Self {
        let max_message = usize::try_from(limits.max_message_size).unwrap_or(usize::MAX);
        let max_whole = limits.max_frame_size.min(max_message);
        Self {
            role,
            streaming,
            limits,
            max_whole,
            inflation,
            frame: None,
            assembly: None,
            message: 0,
            raw: 0,
            delivered: false,
        }
    }

    /// Goes on until there is something to say.
    #[inline]
    pub(crate) fn step(&mut self, now: Duration, inbox: &mut Inbox) -> Result<Step, ReceiveError> {
        self.release(inbox);
        loop {
            if self.frame.is_none() {
                let raw = &inbox.buffer.filled()[self.raw..];
                let Some((header, size)) = FrameHeader::parse(raw)? else {
                    let missing = MAX_HEADER.saturating_sub(raw.len());
                    return Ok(self.need_more(inbox, missing));
                };
                self.check(&header)?;
                if header.opcode.is_control() {
                    return Ok(self.control(&header, size, inbox));
                }
                self.begin(&header, now)?;
                self.raw += size;
                if self.message == 0 {
                    inbox.buffer.consume(self.raw);
                    self.raw = 0;
                }
            }
            if let Some(step) = self.payload(inbox)? {
                return Ok(step);
            }
        }
    }

    /// When the message under way must be complete.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let assembly = self.assembly.as_ref()?;
        Some(assembly.since.saturating_add(self.limits.max_assembly_time))
    }

    pub(crate) fn check_deadline(&self, now: Duration) -> Result<(), Limit> {
        match self.deadline() {
            Some(deadline) if now >= deadline => {
                Err(Limit::AssemblyTime { max: self.limits.max_assembly_time })
            }
            _ => Ok(()),
        }
    }

    /// Frees what the last event lent.
    #[inline]
    fn release(&mut self, inbox: &mut Inbox) {
        if self.delivered {
            self.delivered = false;
            self.message = 0;
            inbox.inflated.bytes.clear();
        }
        if self.message == 0 && self.raw > 0 {
            inbox.buffer.consume(self.raw);
            self.raw = 0;
        }
    }

    /// Closes the gap before more bytes arrive: only an incomplete header or control frame is
    /// moved.
    fn need_more(&mut self, inbox: &mut Inbox, missing: usize) -> Step {
        if self.message == 0 {
            inbox.buffer.consume(self.raw);
            self.raw = 0;
        } else if self.raw > self.message {
            let bytes = inbox.buffer.filled_mut();
            let tail = bytes.len() - self.raw;
            bytes.copy_within(self.raw.., self.message);
            inbox.buffer.truncate(self.message + tail);
            self.raw = self.message;
        }
        Step::NeedMore(missing.max(1))
    }

    /// What a header must be, given our role and what was negotiated.
    #[inline]
    fn check(&self, header: &FrameHeader) -> Result<(), ReceiveError> {
        // "The server MUST close the connection upon receiving a frame that is not masked", "A
        // client MUST close a connection if it detects a masked frame" (RFC 6455 §5.1).
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(Violation::NotMasked.into()),
            (Role::Client, Some(_)) => return Err(Violation::Masked.into()),
            _ => {}
        }
        // "An endpoint MUST NOT set the 'Per-Message Compressed' bit of control frames and
        // non-first fragments of a data message" (RFC 7692 §6).
        let compressible = matches!(header.opcode, OpCode::Text | OpCode::Binary);
        if header.rsv1 && (self.inflation.is_none() || !compressible) {
            return Err(Violation::ReservedBits(0b100).into());
        }
        Ok(())
    }

    /// A control frame is delivered once all of it is there; at most 125 bytes are awaited.
    fn control(&mut self, header: &FrameHeader, size: usize, inbox: &mut Inbox) -> Step {
        // No truncation: a control frame is at most 125 bytes long.
        let len = usize::from(header.len.to_le_bytes()[0]);
        let start = self.raw + size;
        let held = inbox.buffer.len();
        if held < start + len {
            return self.need_more(inbox, start + len - held);
        }
        if let Some(key) = header.mask {
            Mask::apply_whole(key, &mut inbox.buffer.filled_mut()[start..start + len]);
        }
        self.raw = start + len;
        Step::Control(header.opcode, start..start + len)
    }

    /// The common case in one go: a message in one frame of up to 64 KiB, uncompressed, all of it
    /// here; its type and length, with the payload at the front of the inbox. Whatever is unusual
    /// about a frame, or wrong with it, is left to [`step`](Self::step).
    #[inline]
    pub(crate) fn whole(&mut self, inbox: &mut Inbox) -> Option<(MessageKind, usize)> {
        if self.assembly.is_some() {
            return None;
        }
        self.release(inbox);
        let bytes = inbox.buffer.filled_mut();
        let &mut [first, second, ..] = bytes else { return None };
        let kind = match first {
            WHOLE_TEXT => MessageKind::Text,
            WHOLE_BINARY => MessageKind::Binary,
            _ => return None,
        };
        let masked = second & 0x80 != 0;
        if masked != (self.role == Role::Server) {
            return None;
        }
        let (len, after_len) = match second & 0x7F {
            short @ ..=125 => (usize::from(short), 2),
            126 => {
                let &[high, low] = bytes.get(2..)?.first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes([high, low])), 4)
            }
            _ => return None,
        };
        // A length that a shorter form could hold is for `step` to refuse.
        if len > self.max_whole || (after_len == 4 && len < 126) {
            return None;
        }
        let size = if masked {
            let (key, rest) = bytes.get_mut(after_len..)?.split_first_chunk_mut::<4>()?;
            Mask::apply_whole(*key, rest.get_mut(..len)?);
            after_len + 4
        } else {
            bytes.get(after_len..after_len + len)?;
            after_len
        };
        inbox.buffer.skip(size);
        self.message = len;
        self.raw = len;
        self.delivered = true;
        Some((kind, len))
    }

    /// Enters a data frame.
    #[inline]
    fn begin(&mut self, header: &FrameHeader, now: Duration) -> Result<(), ReceiveError> {
        let kind = match header.opcode {
            OpCode::Text => Some(MessageKind::Text),
            OpCode::Binary => Some(MessageKind::Binary),
            _ => None,
        };
        let max = self.limits.max_frame_size;
        let len = match usize::try_from(header.len) {
            Ok(len) if len <= max => len,
            _ => {
                return Err(Limit::FrameSize { len: header.len, max }.into());
            }
        };
        // "fragments of one message MUST NOT be interleaved between the fragments of another
        // message" (RFC 6455 §5.4).
        match (&mut self.assembly, kind) {
            (None, Some(kind)) => {
                self.assembly = Some(Assembly::new(kind, header.rsv1, now));
            }
            (Some(assembly), None) => {
                assembly.fragments = assembly.fragments.saturating_add(1);
                if assembly.fragments > self.limits.max_fragments {
                    let max = self.limits.max_fragments;
                    return Err(Limit::Fragments { max }.into());
                }
                self.check_deadline(now)?;
            }
            (None, None) => return Err(Violation::UnexpectedContinuation.into()),
            (Some(_), Some(_)) => return Err(Violation::ExpectedContinuation.into()),
        }
        if let Some(assembly) = &mut self.assembly {
            assembly.wire = assembly.wire.saturating_add(header.len);
            let max = self.limits.max_message_size;
            if assembly.wire > max {
                return Err(Limit::MessageSize { len: assembly.wire, max }.into());
            }
        }
        let mask = header.mask.map(Mask::new);
        self.frame = Some(Frame { mask, remaining: len, fin: header.fin });
        Ok(())
    }

    /// Takes in what has arrived of the frame's payload. `None`: the frame is complete and the
    /// message goes on.
    #[inline]
    fn payload(&mut self, inbox: &mut Inbox) -> Result<Option<Step>, ReceiveError> {
        let (Some(frame), Some(assembly)) = (&mut self.frame, &mut self.assembly) else {
            return Ok(None);
        };
        let held = inbox.buffer.len() - self.raw;
        let mut take = frame.remaining.min(held);
        if assembly.compressed && self.streaming {
            take = take.min(STREAMED_INPUT);
        }
        let whole = frame.fin && take == frame.remaining && !assembly.begun;
        let place = self.raw..self.raw + take;
        if let Some(mask) = &mut frame.mask {
            mask.apply(&mut inbox.buffer.filled_mut()[place.clone()]);
        }
        frame.remaining -= take;
        assembly.begun |= take > 0;
        let complete = frame.remaining == 0;
        let last = complete && frame.fin;
        if assembly.compressed {
            self.inflate(inbox, place, last)?;
        } else {
            if self.raw != self.message {
                inbox.buffer.filled_mut().copy_within(place.clone(), self.message);
            }
            // A text that comes in one piece is validated when it is delivered, once.
            if !whole && assembly.kind == MessageKind::Text {
                let end = self.message + take;
                let new = &inbox.buffer.filled()[self.message..end];
                assembly.validate(new)?;
            }
            self.message += take;
            self.raw += take;
        }
        if complete {
            self.frame = None;
        }
        if last {
            self.finish_text()?;
        }
        Ok(self.outcome(inbox, last, held == take))
    }

    /// A text that came in pieces must not end inside a code point.
    #[inline]
    fn finish_text(&self) -> Result<(), Violation> {
        match &self.assembly {
            Some(assembly) if assembly.pieces => {
                assembly.utf8.finish().map_err(|_| Violation::TextUtf8)
            }
            _ => Ok(()),
        }
    }

    /// Decides what the payload just taken in leads to.
    #[inline]
    fn outcome(&mut self, inbox: &mut Inbox, last: bool, drained: bool) -> Option<Step> {
        let assembly = self.assembly.as_mut()?;
        let inflated = assembly.compressed;
        let len = if inflated { inbox.inflated.bytes.len() } else { self.message };
        let streamed =
            self.streaming && len > 0 && (!inflated || len >= STREAMED_OUTPUT || drained);
        if last || streamed {
            let piece = Piece {
                kind: assembly.kind,
                inflated,
                len,
                first: assembly.streamed == 0,
                last,
                validated: assembly.pieces,
            };
            // An empty first fragment is never delivered alone, so that a length of zero so far
            // does mean that this is the first.
            assembly.streamed = assembly.streamed.saturating_add(len as u64);
            self.delivered = true;
            if last {
                self.assembly = None;
            }
            return Some(Step::Payload(piece));
        }
        match &self.frame {
            Some(frame) if drained => {
                let missing = frame.remaining;
                Some(self.need_more(inbox, missing))
            }
            _ => None,
        }
    }

    /// Inflates a piece of a compressed message; it leaves the inbox at once.
    fn inflate(
        &mut self,
        inbox: &mut Inbox,
        place: Range<usize>,
        last: bool,
    ) -> Result<(), ReceiveError> {
        let (Some(inflation), Some(assembly)) = (&mut self.inflation, &mut self.assembly) else {
            return Ok(());
        };
        let max = self.limits.max_message_size;
        let before = inbox.inflated.bytes.len();
        let input = &inbox.buffer.filled()[place.clone()];
        let result = inflation.inflate(input, last, &mut inbox.inflated, max);
        match result {
            Ok(()) => {}
            Err(InflateError::Corrupt) => return Err(Violation::Deflate.into()),
            Err(InflateError::TooBig) => {
                let len = max.saturating_add(1);
                return Err(Limit::MessageSize { len, max }.into());
            }
        }
        let whole = last && before == 0 && !assembly.pieces && assembly.streamed == 0;
        if !whole && assembly.kind == MessageKind::Text {
            assembly.validate(&inbox.inflated.bytes[before..])?;
        }
        self.raw += place.len();
        inbox.buffer.consume(self.raw);
        self.raw = 0;
        Ok(())
    }
}

impl Assembly {
    fn new(kind: MessageKind, compressed: bool, now: Duration) -> Self {
        Self {
            kind,
            compressed,
            fragments: 1,
            wire: 0,
            streamed: 0,
            since: now,
            utf8: Utf8Validator::default(),
            pieces: false,
            begun: false,
        }
    }

    /// "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is
    /// not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_"
    /// (RFC 6455 §8.1): here at the first byte that cannot be right.
    fn validate(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.pieces = true;
        self.utf8.push(bytes).map_err(|_| Violation::TextUtf8)
    }
}
