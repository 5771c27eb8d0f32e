//! What the log shows, and what it must not: contents of messages are for the level `trace` alone,
//! and secrets for none.

use std::fmt;

use tracing::Level;
use wirewright_core::Message;

use crate::client::ClientError;

/// Bytes of a message that the log shows at most.
const SHOWN: usize = 256;

/// Whether each message is logged. While nobody wants that, it is one comparison.
#[inline(always)]
pub(crate) fn shows_messages() -> bool {
    tracing::enabled!(Level::TRACE)
}

/// Logs a message that `way` says where it went; `id` is its connection's.
#[cold]
pub(crate) fn message(way: &'static str, id: u64, message: Message<'_>) {
    let (kind, len) = (message.kind(), message.len());
    tracing::trace!(connection = id, ?kind, len, payload = %Payload(message.as_bytes()), "{way}");
}

/// Logs a control frame.
pub(crate) fn control(way: &'static str, id: u64, payload: &[u8]) {
    if shows_messages() {
        let len = payload.len();
        tracing::trace!(connection = id, len, payload = %Payload(payload), "{way}");
    }
}

/// The first bytes of a payload, as text.
struct Payload<'a>(&'a [u8]);

impl fmt::Display for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN)];
        let more = if shown.len() < self.0.len() { "…" } else { "" };
        write!(f, "{}{more}", shown.escape_ascii())
    }
}

/// A client's error for the log: what the server says in a Close is a message of its own.
pub(crate) struct Plain<'a>(pub(crate) &'a ClientError);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ClientError::Closed { code, .. } => write!(f, "connection closed with code {code}"),
            ClientError::Bind(_) => f.write_str("message is not the value that it was to be"),
            ClientError::Value(_) => f.write_str("message could not be written"),
            other => write!(f, "{other}"),
        }
    }
}
