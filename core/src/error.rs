//! Errors by fault: the peer's ([`Violation`]), ours to set ([`Limit`]), the caller's
//! ([`Misuse`]). The network's have no place here: the engine sees none.

use crate::close::CloseCode;

/// The peer broke RFC 6455 or RFC 7692; the connection is to be failed (§7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// RSV bits beyond what was negotiated (RFC 6455 §5.2).
    #[error("reserved bits {0:#05b} set in a frame whose extensions give them no meaning")]
    ReservedBits(u8),
    /// Opcode 3–7 or 11–15 (RFC 6455 §5.2).
    #[error("reserved opcode {0:#x}")]
    ReservedOpCode(u8),
    /// A length that a shorter form could hold (RFC 6455 §5.2).
    #[error("payload length {0} not in its shortest form")]
    LengthNotMinimal(u64),
    /// A 64-bit length with its most significant bit set (RFC 6455 §5.2).
    #[error("most significant bit of a 64-bit payload length set")]
    LengthSignBit,
    /// A client's frame without a mask (RFC 6455 §5.1).
    #[error("frame from a client not masked")]
    NotMasked,
    /// A server's frame with a mask (RFC 6455 §5.1).
    #[error("frame from a server masked")]
    Masked,
    /// A control frame with FIN=0 (RFC 6455 §5.5).
    #[error("control frame fragmented")]
    ControlFragmented,
    /// A control frame over 125 bytes (RFC 6455 §5.5).
    #[error("control frame of over 125 bytes")]
    ControlTooLong,
    /// A continuation with no message under way (RFC 6455 §5.4).
    #[error("continuation frame without a message to continue")]
    UnexpectedContinuation,
    /// A new message inside a fragmented one (RFC 6455 §5.4).
    #[error("new message begun inside a fragmented one")]
    ExpectedContinuation,
    /// A Close body of one byte (RFC 6455 §5.5.1).
    #[error("body of a close frame is one byte long")]
    CloseLength,
    /// A close code that must not be sent (RFC 6455 §7.4).
    #[error("close code {0} not allowed in a close frame")]
    CloseCode(u16),
    /// A close reason that is not UTF-8 (RFC 6455 §5.5.1, §8.1).
    #[error("close reason is not UTF-8")]
    CloseReasonUtf8,
    /// A text message that is not UTF-8 (RFC 6455 §8.1).
    #[error("text message is not UTF-8")]
    TextUtf8,
    /// Compressed data that does not inflate (RFC 7692 §7.2.2).
    #[error("compressed message does not inflate")]
    Deflate,
}

impl Violation {
    /// What the peer is told (RFC 6455 §7.4.1): 1007 for data that is not what it says, 1002 for
    /// the rest.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::CloseReasonUtf8 | Self::TextUtf8 | Self::Deflate => CloseCode::INVALID_PAYLOAD,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// The rule that was broken.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::ReservedBits(_)
            | Self::ReservedOpCode(_)
            | Self::LengthNotMinimal(_)
            | Self::LengthSignBit => "RFC 6455 §5.2",
            Self::NotMasked | Self::Masked => "RFC 6455 §5.1",
            Self::ControlFragmented | Self::ControlTooLong => "RFC 6455 §5.5",
            Self::UnexpectedContinuation | Self::ExpectedContinuation => "RFC 6455 §5.4",
            Self::CloseLength => "RFC 6455 §5.5.1",
            Self::CloseCode(_) => "RFC 6455 §7.4",
            Self::CloseReasonUtf8 | Self::TextUtf8 => "RFC 6455 §8.1",
            Self::Deflate => "RFC 7692 §7.2.2",
        }
    }
}

/// The peer went past a limit of ours; the connection is to be failed. Each names the field of
/// [`Limits`](crate::Limits) that governs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// One frame's payload.
    #[error("frame of {len} bytes, over `max_frame_size` of {max}")]
    FrameSize {
        /// What the header claims.
        len: u64,
        /// The limit.
        max: usize,
    },
    /// A message's payload, over all its fragments, and inflated.
    #[error("message of at least {len} bytes, over `max_message_size` of {max}")]
    MessageSize {
        /// What is known of its size.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// Fragments in one message, empty ones included.
    #[error("message of over {max} fragments, the limit of `max_fragments`")]
    Fragments {
        /// The limit.
        max: u32,
    },
    /// Control frames in a second.
    #[error("over {max} control frames a second, the limit of `max_control_frames`")]
    ControlFrames {
        /// The limit.
        max: u32,
    },
    /// Time from a message's first frame to its last.
    #[error("message still incomplete after {max:?}, the limit of `max_assembly_time`")]
    AssemblyTime {
        /// The limit.
        max: core::time::Duration,
    },
}

impl Limit {
    /// What the peer is told: 1009 for sizes, 1008 for floods and delays (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::FrameSize { .. } | Self::MessageSize { .. } => CloseCode::MESSAGE_TOO_BIG,
            _ => CloseCode::POLICY_VIOLATION,
        }
    }
}

/// Why receiving ended: whose fault it is decides what the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// The peer broke the protocol.
    #[error("{broken} ({section})", broken = .0, section = .0.section())]
    Violation(#[from] Violation),
    /// The peer went past a limit of ours.
    #[error(transparent)]
    Limit(#[from] Limit),
}

impl ReceiveError {
    /// The code for [`Outgoing::fail`](crate::Outgoing::fail).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Violation(violation) => violation.close_code(),
            Self::Limit(limit) => limit.close_code(),
        }
    }
}

/// The caller asked for what the protocol or the connection's state does not allow; nothing was
/// sent, and the connection is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// "The application MUST NOT send any more data frames after sending a Close frame" (RFC 6455
    /// §5.5.1).
    #[error("close frame already sent")]
    CloseSent,
    /// A Ping or Pong of over 125 bytes (RFC 6455 §5.5).
    #[error("control payload of {0} bytes, over the 125 that a control frame holds")]
    ControlTooLong(usize),
    /// A close code that may not be sent (RFC 6455 §7.4).
    #[error("close code {0} not allowed in a close frame")]
    CloseCode(u16),
    /// A close reason of over 123 bytes (RFC 6455 §5.5).
    #[error("close reason of {0} bytes, over the 123 that a close frame holds")]
    CloseReasonTooLong(usize),
    /// A message while another is being sent in parts (RFC 6455 §5.4).
    #[error("message begun while another is being sent in parts")]
    MessageOpen,
    /// A part of another type than the message it continues (RFC 6455 §5.4).
    #[error("text and binary parts in one message")]
    PartKind,
    /// A text message that was written byte by byte and is not UTF-8 (RFC 6455 §5.6).
    #[error("text message to be sent is not UTF-8")]
    TextUtf8,
}
