//! The six opcodes of RFC 6455 §5.2; the reserved ten have no representation.

/// What a frame carries (RFC 6455 §5.2, §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// A further fragment of the message that is under way (§5.4).
    Continuation = 0x0,
    /// The first, or only, frame of a text message.
    Text = 0x1,
    /// The first, or only, frame of a binary message.
    Binary = 0x2,
    /// The closing handshake (§5.5.1).
    Close = 0x8,
    /// Are you there? (§5.5.2)
    Ping = 0x9,
    /// I am (§5.5.3).
    Pong = 0xA,
}

impl OpCode {
    /// Reads the low four bits of a frame's first byte. `None` for a reserved opcode: "If an
    /// unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_"
    /// (§5.2).
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits & 0x0F {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// Whether this is a control frame: "opcodes where the most significant bit of the opcode is
    /// 1" (§5.5).
    #[inline]
    #[must_use]
    pub const fn is_control(self) -> bool {
        (self as u8) & 0x8 != 0
    }
}
