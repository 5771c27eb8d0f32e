//! What one half of a connection has to say to the other.

use crate::close::CloseCode;
use crate::header::MAX_CONTROL_PAYLOAD;

/// What the receiving half owes the peer: at most 125 bytes, without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pong { payload: [u8; MAX_CONTROL_PAYLOAD], len: u8 },
    Close(CloseCode),
}

impl Reply {
    /// The Pong for a received Ping: "identical 'Application data'" (RFC 6455 §5.5.3). Of more
    /// than 125 bytes, which no Ping has, it keeps the first.
    #[must_use]
    pub fn pong(ping: &[u8]) -> Self {
        let len = ping.len().min(MAX_CONTROL_PAYLOAD);
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        payload[..len].copy_from_slice(&ping[..len]);
        Self(Kind::Pong { payload, len: len.to_le_bytes()[0] })
    }

    /// A Close with a code alone; one without a body for codes that never go on the wire.
    #[must_use]
    pub fn close(code: CloseCode) -> Self {
        Self(Kind::Close(code))
    }

    pub(crate) const fn kind(self) -> Kind {
        self.0
    }

    /// Whether this is a Close, which no other reply replaces.
    #[must_use]
    pub fn is_close(&self) -> bool {
        matches!(self.0, Kind::Close(_))
    }
}
