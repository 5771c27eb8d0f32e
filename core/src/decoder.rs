//! Frames out of an inbox: unmasked in place, fragments slid together, limits enforced. How far
//! that has come is the inbox's own ([`Progress`](crate::progress)), as it goes where the bytes go.

use core::ops::Range;
use core::time::Duration;

use crate::config::{Limits, Role};
use crate::deflate::{InflateError, Inflation};
use crate::error::{Limit, ReceiveError, Violation};
use crate::header::{FrameHeader, MAX_HEADER};
use crate::inbox::Inbox;
use crate::mask::Mask;
use crate::message::MessageKind;
use crate::moment::Moment;
use crate::opcode::OpCode;
use crate::progress::{Assembly, Frame, Piece};

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

#[derive(Debug)]
pub(crate) struct Decoder {
    role: Role,
    streaming: bool,
    limits: Limits,
    inflation: Option<Inflation>,
    /// When the message under way began.
    since: Option<Moment>,
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
        Self { role, streaming, limits, inflation, since: None }
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Goes on until there is something to say.
    #[inline]
    pub(crate) fn step(&mut self, now: Duration, inbox: &mut Inbox) -> Result<Step, ReceiveError> {
        let step = self.advance(now, inbox);
        match step {
            // What is delivered has been validated, and what is at hand may end the text: then it
            // is read once, as a whole.
            Ok(Step::Payload(_)) => {}
            Ok(Step::NeedMore(_)) if inbox.has_more_at_hand() => {}
            // Nobody waits, answers or hears of another fault before a bad byte in front of it.
            _ => inbox.validate_held()?,
        }
        step
    }

    #[inline]
    fn advance(&mut self, now: Duration, inbox: &mut Inbox) -> Result<Step, ReceiveError> {
        inbox.forget_delivered();
        loop {
            if inbox.progress.frame.is_none() {
                let raw = inbox.raw();
                let Some((header, size)) = FrameHeader::parse(raw)? else {
                    let missing = MAX_HEADER.saturating_sub(raw.len());
                    return Ok(need_more(inbox, missing));
                };
                self.check(&header)?;
                if header.opcode.is_control() {
                    return Ok(control(&header, size, inbox));
                }
                self.begin(&header, now, inbox)?;
                inbox.take_header(size);
            }
            if let Some(step) = self.payload(inbox)? {
                return Ok(step);
            }
        }
    }

    /// When the message under way must be complete.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        Some(self.since?.time().saturating_add(self.limits.max_assembly_time))
    }

    pub(crate) fn check_deadline(&self, now: Duration) -> Result<(), Limit> {
        match self.deadline() {
            Some(deadline) if now >= deadline => {
                Err(Limit::AssemblyTime { max: self.limits.max_assembly_time })
            }
            _ => Ok(()),
        }
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

    /// The common case in one go: a message in one frame of up to 64 KiB, uncompressed, all of it
    /// here; its type and length, with the payload at the front of the inbox. Whatever is unusual
    /// about a frame, or wrong with it, is left to [`step`](Self::step).
    #[inline]
    pub(crate) fn whole(&self, inbox: &mut Inbox) -> Option<(MessageKind, usize)> {
        if inbox.progress.assembly.is_some() {
            return None;
        }
        inbox.forget_delivered();
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
        let Limits { max_frame_size, max_message_size, .. } = self.limits;
        let too_long = len > max_frame_size || len as u64 > max_message_size;
        if too_long || (after_len == 4 && len < 126) {
            return None;
        }
        let size = if masked {
            let (key, rest) = bytes.get_mut(after_len..)?.split_first_chunk_mut::<4>()?;
            Mask::new(*key).xor(rest.get_mut(..len)?);
            after_len + 4
        } else {
            bytes.get(after_len..after_len + len)?;
            after_len
        };
        inbox.take_whole(size, len);
        Some((kind, len))
    }

    /// Enters a data frame.
    #[inline]
    fn begin(
        &mut self,
        header: &FrameHeader,
        now: Duration,
        inbox: &mut Inbox,
    ) -> Result<(), ReceiveError> {
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
        let progress = &mut inbox.progress;
        match (&mut progress.assembly, kind) {
            (None, Some(kind)) => {
                progress.assembly = Some(Assembly::new(kind, header.rsv1));
                self.since = Some(Moment::new(now));
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
        if let Some(assembly) = &mut progress.assembly {
            assembly.wire = assembly.wire.saturating_add(header.len);
            let max = self.limits.max_message_size;
            if assembly.wire > max {
                return Err(Limit::MessageSize { len: assembly.wire, max }.into());
            }
        }
        let mask = header.mask.map(Mask::new);
        progress.frame = Some(Frame { mask, remaining: len, fin: header.fin });
        Ok(())
    }

    /// Takes in what has arrived of the frame's payload. `None`: the frame is complete and the
    /// message goes on.
    #[inline]
    fn payload(&mut self, inbox: &mut Inbox) -> Result<Option<Step>, ReceiveError> {
        let Inbox { buffer, progress, .. } = inbox;
        let (Some(frame), Some(assembly)) = (&mut progress.frame, &progress.assembly) else {
            return Ok(None);
        };
        let held = buffer.len() - progress.raw;
        let mut take = frame.remaining.min(held);
        if assembly.compressed && self.streaming {
            take = take.min(STREAMED_INPUT);
        }
        let place = progress.raw..progress.raw + take;
        if let Some(mask) = &mut frame.mask {
            mask.apply(&mut buffer.filled_mut()[place.clone()]);
        }
        frame.remaining -= take;
        let complete = frame.remaining == 0;
        let last = complete && frame.fin;
        if complete {
            progress.frame = None;
        }
        if assembly.compressed {
            self.inflate(inbox, place, last)?;
        } else {
            if progress.raw != progress.message {
                buffer.filled_mut().copy_within(place, progress.message);
            }
            progress.message += take;
            progress.raw += take;
        }
        self.outcome(inbox, last, held == take)
    }

    /// Decides what the payload just taken in leads to.
    #[inline]
    fn outcome(
        &mut self,
        inbox: &mut Inbox,
        last: bool,
        drained: bool,
    ) -> Result<Option<Step>, ReceiveError> {
        let Some(assembly) = &inbox.progress.assembly else { return Ok(None) };
        let compressed = assembly.compressed;
        let len = if compressed { inbox.inflated.bytes.len() } else { inbox.progress.message };
        // A frame that is complete is delivered before what follows it.
        let due = drained || len >= STREAMED_OUTPUT || inbox.progress.frame.is_none();
        let streamed = self.streaming && len > 0 && (!compressed || due);
        if last || streamed {
            let piece = inbox.deliver(len, last)?;
            if last {
                self.since = None;
            }
            return Ok(piece.map(Step::Payload));
        }
        let missing = inbox.progress.frame.as_ref().map(|frame| frame.remaining);
        Ok(missing.filter(|_| drained).map(|missing| need_more(inbox, missing)))
    }

    /// Inflates a piece of a compressed message; it leaves the inbox at once.
    fn inflate(
        &mut self,
        inbox: &mut Inbox,
        place: Range<usize>,
        last: bool,
    ) -> Result<(), ReceiveError> {
        let Inbox { buffer, inflated, progress, .. } = inbox;
        let Some(inflation) = &mut self.inflation else { return Ok(()) };
        let max = self.limits.max_message_size;
        let input = &buffer.filled()[place.clone()];
        match inflation.inflate(input, last, inflated, max) {
            Ok(()) => {}
            Err(InflateError::Corrupt) => return Err(Violation::Deflate.into()),
            Err(InflateError::TooBig) => {
                let len = max.saturating_add(1);
                return Err(Limit::MessageSize { len, max }.into());
            }
        }
        buffer.consume(place.end);
        progress.raw = 0;
        Ok(())
    }
}

/// A control frame is delivered once all of it is there; at most 125 bytes are awaited.
fn control(header: &FrameHeader, size: usize, inbox: &mut Inbox) -> Step {
    // No truncation: a control frame is at most 125 bytes long.
    let len = usize::from(header.len.to_le_bytes()[0]);
    let start = inbox.progress.raw + size;
    let held = inbox.buffer.len();
    if held < start + len {
        return need_more(inbox, start + len - held);
    }
    if let Some(key) = header.mask {
        Mask::new(key).xor(&mut inbox.buffer.filled_mut()[start..start + len]);
    }
    inbox.progress.raw = start + len;
    Step::Control(header.opcode, start..start + len)
}

/// Says what is missing, and closes the gap before it arrives.
fn need_more(inbox: &mut Inbox, missing: usize) -> Step {
    inbox.close_gap();
    Step::NeedMore(missing.max(1))
}
