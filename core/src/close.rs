//! Close codes and the body of a Close frame (RFC 6455 §5.5.1, §7.4).

use core::fmt;

use crate::error::{Misuse, Violation};

/// A status code of a Close frame, or one of the three that only stand for its absence
/// (RFC 6455 §7.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of data that cannot be accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the Close frame held no code. Never on the wire (§7.4.1).
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the transport ended without a Close frame. Never on the wire (§7.4.1).
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that is not what its type says, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message against the endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client misses an extension in the server's answer.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition on the server's side.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012 (IANA): the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013 (IANA): overloaded, try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014 (IANA): a gateway had a bad answer from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire (§7.4.1).
    pub const TLS_FAILURE: Self = Self(1015);
    /// 3000 (IANA): the peer is not, or no longer, who may have this connection.
    pub const UNAUTHORIZED: Self = Self(3000);

    /// A code as it stands in a Close frame, in either direction; `None` where it must not:
    /// "0-999 are not used", 1000–2999 are for registered codes only, 1004 is reserved, and each
    /// of 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control frame" (§7.4).
    #[must_use]
    pub const fn from_wire(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a connection was closed: the code and reason of a Close frame.
///
/// A received Close frame without a code reads as [`CloseCode::NO_STATUS`] (RFC 6455 §7.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    code: CloseCode,
    reason: &'a str,
}

/// The longest reason: a control frame holds 125 bytes, the code takes two (RFC 6455 §5.5).
pub const MAX_CLOSE_REASON: usize = 123;

impl<'a> Close<'a> {
    /// The Close frame without a body.
    pub const EMPTY: Close<'static> = Close { code: CloseCode::NO_STATUS, reason: "" };

    /// A Close to be sent.
    ///
    /// # Errors
    /// [`Misuse::CloseCode`] for a code that may not be sent (§7.4),
    /// [`Misuse::CloseReasonTooLong`] for a reason over [`MAX_CLOSE_REASON`] bytes.
    pub fn new(code: u16, reason: &'a str) -> Result<Self, Misuse> {
        let code = CloseCode::from_wire(code).ok_or(Misuse::CloseCode(code))?;
        if reason.len() > MAX_CLOSE_REASON {
            return Err(Misuse::CloseReasonTooLong(reason.len()));
        }
        Ok(Close { code, reason })
    }

    /// A Close with a code alone. A code that never goes on the wire gives a Close without body.
    #[must_use]
    pub const fn from_code(code: CloseCode) -> Close<'static> {
        Close { code, reason: "" }
    }

    /// Reads the body of a received Close frame (RFC 6455 §5.5.1).
    ///
    /// # Errors
    /// [`Violation::CloseLength`] for a body of one byte, [`Violation::CloseCode`] for a code that
    /// must not stand on the wire, [`Violation::CloseReasonUtf8`] for a reason that is not UTF-8.
    pub fn parse(body: &'a [u8]) -> Result<Self, Violation> {
        match body {
            [] => Ok(Close::EMPTY),
            // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned
            // integer" (§5.5.1).
            [_] => Err(Violation::CloseLength),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                let code = CloseCode::from_wire(code).ok_or(Violation::CloseCode(code))?;
                let reason = core::str::from_utf8(reason);
                let reason = reason.map_err(|_| Violation::CloseReasonUtf8)?;
                Ok(Close { code, reason })
            }
        }
    }

    /// The code; [`CloseCode::NO_STATUS`] if the frame held none.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, for logs and people; may be empty.
    #[must_use]
    pub const fn reason(&self) -> &'a str {
        self.reason
    }

    /// Writes the frame's body into `body` and says how many bytes it took.
    pub(crate) fn encode(&self, body: &mut [u8; 125]) -> usize {
        if CloseCode::from_wire(self.code.0).is_none() {
            return 0;
        }
        let len = 2 + self.reason.len();
        body[..2].copy_from_slice(&self.code.0.to_be_bytes());
        body[2..len].copy_from_slice(self.reason.as_bytes());
        len
    }
}
