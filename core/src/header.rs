//! The 2–14 bytes before a frame's payload (RFC 6455 §5.2), both ways, and nothing else.

use crate::error::Violation;
use crate::opcode::OpCode;

/// The longest header: two bytes, eight of length, four of masking key.
pub const MAX_HEADER: usize = 14;

/// The longest payload of a control frame (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;

/// A frame's header. What §5.2 and §5.5 forbid has no representation here; what depends on role,
/// extension or the frames before is checked by who knows those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// RSV1: the message is compressed, if permessage-deflate was negotiated (RFC 7692 §6).
    pub rsv1: bool,
    /// What the frame carries.
    pub opcode: OpCode,
    /// The masking key of a client's frame.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload; never over `i64::MAX`.
    pub len: u64,
}

impl FrameHeader {
    /// Reads a header from the front of `bytes` and says how long it is; `None` while bytes are
    /// missing. Each rule is checked as soon as the byte is there that breaks it.
    ///
    /// # Errors
    /// The [`Violation`] of §5.2 or §5.5 that the bytes contain.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values"
        // (§5.2): no extension gives RSV2 and RSV3 one.
        if first & RSV2_AND_3 != 0 {
            return Err(Violation::ReservedBits(first >> 4 & 0x7));
        }
        let opcode = OpCode::from_bits(*first).ok_or(Violation::ReservedOpCode(first & 0x0F))?;
        let fin = first & FIN != 0;
        let short = second & 0x7F;
        if opcode.is_control() {
            // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
            // fragmented" (§5.5).
            if !fin {
                return Err(Violation::ControlFragmented);
            }
            if usize::from(short) > MAX_CONTROL_PAYLOAD {
                return Err(Violation::ControlTooLong);
            }
        }
        let Some((len, after_len)) = parse_len(short, rest)? else {
            return Ok(None);
        };
        let mut size = bytes.len() - after_len.len();
        let mask = if second & MASKED != 0 {
            let Some(key) = after_len.first_chunk::<4>() else {
                return Ok(None);
            };
            size += 4;
            Some(*key)
        } else {
            None
        };
        let rsv1 = first & RSV1 != 0;
        Ok(Some((Self { fin, rsv1, opcode, mask, len }, size)))
    }

    /// Writes the header to the front of `room` and says how many bytes it took; what is behind
    /// them is anything.
    #[inline(always)]
    pub(crate) fn encode(&self, room: &mut [u8; MAX_HEADER]) -> usize {
        let first = self.opcode as u8 | u8::from(self.fin) << 7 | u8::from(self.rsv1) << 6;
        let masked = u8::from(self.mask.is_some()) << 7;
        let length = self.len.to_be_bytes();
        let start = |second: u8| u32::from(first) | u32::from(masked | second) << 8;
        // "the minimal number of bytes MUST be used to encode the length" (§5.2). The common
        // forms are one store of four bytes, whether they need all of them or two.
        let (start, size) = match self.len {
            0..=125 => (start(length[7]), 2),
            126..=0xFFFF => {
                let length = u32::from(length[6]) << 16 | u32::from(length[7]) << 24;
                (start(126) | length, 4)
            }
            _ => {
                room[2..10].copy_from_slice(&length);
                (start(127) | u32::from(length[0]) << 16 | u32::from(length[1]) << 24, 10)
            }
        };
        room[..4].copy_from_slice(&start.to_le_bytes());
        match self.mask {
            Some(key) => {
                room[size..size + 4].copy_from_slice(&key);
                size + 4
            }
            None => size,
        }
    }
}

/// The payload length, from the seven bits in the header and the bytes behind them, and what
/// follows it.
#[inline]
fn parse_len(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (len, min, rest) = match short {
        126 => match rest.split_first_chunk::<2>() {
            Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), 126, rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((len, rest)) => (u64::from_be_bytes(*len), 0x1_0000, rest),
            // "the most significant bit MUST be 0" (§5.2), which its own byte shows.
            None if rest.first().is_some_and(|byte| byte & 0x80 != 0) => {
                return Err(Violation::LengthSignBit);
            }
            None => return Ok(None),
        },
        _ => return Ok(Some((u64::from(short), rest))),
    };
    if len > u64::MAX >> 1 {
        return Err(Violation::LengthSignBit);
    }
    if len < min {
        return Err(Violation::LengthNotMinimal(len));
    }
    Ok(Some((len, rest)))
}
