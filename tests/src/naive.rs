//! A decoder too simple to be wrong: all input at once, everything copied, bit by bit. An oracle
//! for the engine.

use wirewright_core::{Close, Limit, Limits, MessageKind, ReceiveError, Role, Violation};

use crate::inflate::{End, inflate};
use crate::raw;
use crate::seen::Seen;
use crate::splits::Setup;

/// What an engine that is not streaming must answer to `input`, at time zero.
#[must_use]
pub fn decode(setup: &Setup, input: &[u8]) -> Vec<Seen> {
    let window = setup.agreement.map(|agreement| agreement.receiving(setup.role));
    let mut decoder = Decoder {
        role: setup.role,
        limits: setup.config.limits.clone(),
        compressed: window.is_some(),
        window: window.map_or(0, |window| 1 << window.bits),
        takeover: window.is_some_and(|window| window.takeover),
        history: Vec::new(),
        open: None,
        controls: 0,
        seen: Vec::new(),
    };
    let mut rest = input;
    while !matches!(decoder.seen.last(), Some(Seen::Closed(..) | Seen::Failed(_))) {
        match decoder.frame(rest) {
            Ok(Some(used)) => rest = &rest[used..],
            Ok(None) => break,
            Err(error) => decoder.seen.push(Seen::Failed(error)),
        }
    }
    decoder.seen
}

struct Decoder {
    role: Role,
    limits: Limits,
    compressed: bool,
    window: usize,
    takeover: bool,
    /// All that was inflated of the messages before.
    history: Vec<u8>,
    open: Option<Open>,
    controls: u64,
    seen: Vec<Seen>,
}

/// The message under way, as on the wire.
struct Open {
    kind: MessageKind,
    compressed: bool,
    fragments: u32,
    len: u64,
    payload: Vec<u8>,
}

struct Header {
    first: u8,
    len: u64,
    key: Option<[u8; 4]>,
    size: usize,
}

impl Decoder {
    /// Reads one frame and says how long it is; `None` if a part of it is missing.
    fn frame(&mut self, bytes: &[u8]) -> Result<Option<usize>, ReceiveError> {
        let Some(header) = header(bytes)? else {
            return Ok(None);
        };
        match self.role {
            Role::Server if header.key.is_none() => return Err(Violation::NotMasked.into()),
            Role::Client if header.key.is_some() => return Err(Violation::Masked.into()),
            _ => {}
        }
        let opcode = header.first & 0x0F;
        if header.first & 0x40 != 0 && !(self.compressed && (opcode == 1 || opcode == 2)) {
            return Err(Violation::ReservedBits(4).into());
        }
        if opcode < 8 {
            self.begin(&header)?;
        }
        let here = (bytes.len() - header.size) as u64;
        let take = usize::try_from(header.len.min(here)).unwrap_or(usize::MAX);
        let complete = header.len <= here;
        let mut payload = bytes[header.size..header.size + take].to_vec();
        raw::mask(header.key.unwrap_or_default(), &mut payload);
        if opcode >= 8 {
            if !complete {
                return Ok(None);
            }
            self.control(opcode, payload)?;
        } else {
            self.data(&payload, complete && header.first & 0x80 != 0)?;
            if !complete {
                return Ok(None);
            }
        }
        Ok(Some(header.size + take))
    }

    fn begin(&mut self, header: &Header) -> Result<(), ReceiveError> {
        let Limits { max_frame_size, max_message_size, max_fragments, .. } = self.limits;
        if header.len > max_frame_size as u64 {
            return Err(Limit::FrameSize { len: header.len, max: max_frame_size }.into());
        }
        let open = match (&mut self.open, header.first & 0x0F) {
            (Some(_), 1 | 2) => return Err(Violation::ExpectedContinuation.into()),
            (None, 0) => return Err(Violation::UnexpectedContinuation.into()),
            (Some(open), _) => open,
            (empty, opcode) => empty.insert(Open {
                kind: if opcode == 1 { MessageKind::Text } else { MessageKind::Binary },
                compressed: header.first & 0x40 != 0,
                fragments: 0,
                len: 0,
                payload: Vec::new(),
            }),
        };
        open.fragments += 1;
        if open.fragments > max_fragments {
            return Err(Limit::Fragments { max: max_fragments }.into());
        }
        open.len += header.len;
        if open.len > max_message_size {
            return Err(Limit::MessageSize { len: open.len, max: max_message_size }.into());
        }
        Ok(())
    }

    fn control(&mut self, opcode: u8, payload: Vec<u8>) -> Result<(), ReceiveError> {
        self.controls += 1;
        let max = self.limits.max_control_frames;
        if self.controls > 2 * u64::from(max) {
            return Err(Limit::ControlFrames { max }.into());
        }
        self.seen.push(match opcode {
            8 => {
                let close = Close::parse(&payload)?;
                Seen::Closed(close.code().value(), close.reason().to_owned())
            }
            9 => Seen::Ping(payload),
            _ => Seen::Pong(payload),
        });
        Ok(())
    }

    /// Looks at all there is of the message, from its beginning.
    fn data(&mut self, payload: &[u8], finished: bool) -> Result<(), ReceiveError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        open.payload.extend(payload);
        let text = open.kind == MessageKind::Text;
        let max = self.limits.max_message_size;
        let mut message = open.payload.clone();
        if open.compressed {
            if finished {
                message.extend([0, 0, 0xFF, 0xFF]);
            }
            let mut inflated = inflate(&message, self.history.clone(), self.window);
            message = inflated.bytes.split_off(self.history.len());
            let limit = usize::try_from(max).unwrap_or(usize::MAX);
            if text {
                begins_utf8(&message[..message.len().min(limit)])?;
            }
            if message.len() > limit {
                return Err(Limit::MessageSize { len: max + 1, max }.into());
            }
            let at_boundary = inflated.end == End::Boundary;
            if inflated.end == End::Corrupt || (finished && !at_boundary) {
                return Err(Violation::Deflate.into());
            }
        }
        if text {
            begins_utf8(&message)?;
        }
        if !finished {
            return Ok(());
        }
        if text && std::str::from_utf8(&message).is_err() {
            return Err(Violation::TextUtf8.into());
        }
        if open.compressed && self.takeover {
            self.history.extend(&message);
        }
        self.seen.push(Seen::Message(open.kind, message));
        self.open = None;
        Ok(())
    }
}

fn header(bytes: &[u8]) -> Result<Option<Header>, Violation> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (opcode, short) = (first & 0x0F, second & 0x7F);
    if first & 0x30 != 0 {
        return Err(Violation::ReservedBits(first >> 4 & 7));
    }
    if matches!(opcode, 3..=7 | 11..=15) {
        return Err(Violation::ReservedOpCode(opcode));
    }
    if opcode >= 8 && first & 0x80 == 0 {
        return Err(Violation::ControlFragmented);
    }
    if opcode >= 8 && short > 125 {
        return Err(Violation::ControlTooLong);
    }
    let (digits, least) = match short {
        126 => (2, 126),
        127 => (8, 65_536),
        _ => (0, 0),
    };
    if short == 127 && rest.first().is_some_and(|byte| *byte >= 0x80) {
        return Err(Violation::LengthSignBit);
    }
    let Some(digits) = rest.get(..digits) else {
        return Ok(None);
    };
    let long = digits.iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
    if !digits.is_empty() && long < least {
        return Err(Violation::LengthNotMinimal(long));
    }
    let len = if digits.is_empty() { u64::from(short) } else { long };
    let mut size = 2 + digits.len();
    let mut key = None;
    if second & 0x80 != 0 {
        let Some(&[a, b, c, d]) = bytes.get(size..size + 4) else {
            return Ok(None);
        };
        key = Some([a, b, c, d]);
        size += 4;
    }
    Ok(Some(Header { first: *first, len, key, size }))
}

/// Whether this can be the beginning of a text.
fn begins_utf8(bytes: &[u8]) -> Result<(), Violation> {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_some() => Err(Violation::TextUtf8),
        _ => Ok(()),
    }
}
