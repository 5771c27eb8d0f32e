//! The opening handshake (RFC 6455 §4), for both roles: one type per step, linear in the bytes
//! received however they are split.
//!
//! ```text
//! client   ClientRequest ──send──▶ Awaiting ──receive──▶ Response │ HandshakeError
//!
//! server   Acceptor ──receive──▶ Request ──upgrade──▶ Upgrade ──accept──▶ Accepted
//!             └───────────────────┴──────────────────────┴─────▶ Rejection ──send──▶ close
//! ```
//!
//! What follows a head stays in the [`Inbox`](crate::Inbox): it is the first frames. Nothing is
//! asked of a clock here: the deadline for the whole is the caller's.

mod answer;
mod auth;
mod body;
mod client;
mod head;
mod headers;
mod rejection;
mod request;
mod server;
mod tunnel;
mod wait;

use alloc::string::String;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::{Digest as _, Sha1};

pub use answer::{HandshakeError, Refused, Response};
pub use auth::{Authenticator, Credentials, CredentialsError, Identity};
pub use client::{Awaiting, ClientRequest};
pub use head::{Head, HeadError};
pub use headers::Headers;
pub use rejection::Rejection;
pub use request::Request;
pub use server::{Accepted, Acceptor, Upgrade};
pub use tunnel::{TunnelRequest, Tunnelling};

use crate::uri::UriError;

/// Bounds on what a peer may send before the connection is open; for no limit, say `usize::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeLimits {
    /// Bytes of a head, from its first line to the empty one; on a client, with the interim
    /// answers before it. 16 KiB by default.
    pub max_head: usize,
    /// Bytes of one line, the first one included, without its CRLF; 8 KiB by default.
    pub max_line: usize,
    /// Lines between the first and the empty one; 100 by default.
    pub max_headers: usize,
    /// Bytes of body that a client keeps of an answer that refuses it; 16 KiB by default. The
    /// rest goes unread.
    pub max_refusal_body: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            max_head: 16 * 1024,
            max_line: 8 * 1024,
            max_headers: 100,
            max_refusal_body: 16 * 1024,
        }
    }
}

/// Whose fault it is that a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The peer broke HTTP, RFC 6455 or RFC 7692.
    Peer,
    /// The peer keeps the rules and does not want this connection.
    Refusal,
    /// The peer went past one of [`HandshakeLimits`].
    Limit,
    /// The connection ended.
    Network,
}

/// The caller asked for what HTTP or RFC 6455 does not allow in a handshake; nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeMisuse {
    /// A name that is not a token (RFC 9110 §5.1).
    #[error("header name {0:?} is not a token")]
    HeaderName(String),
    /// A value with a control character or a byte outside ASCII. The value is not shown: it may
    /// be a secret.
    #[error("value of header `{name}` holds a control character or one outside ASCII at byte {at}")]
    HeaderValue {
        /// The header.
        name: String,
        /// Bytes of the value before it.
        at: usize,
    },
    /// A header that the handshake writes itself.
    #[error("header `{0}` is written by the handshake itself")]
    ReservedHeader(String),
    /// A sub-protocol that is not a token: "non-empty strings with characters in the range U+0021
    /// to U+007E not including separator characters" (RFC 6455 §4.1).
    #[error("sub-protocol {0:?} is not a token")]
    SubProtocol(String),
    /// A sub-protocol given twice: "MUST all be unique strings" (RFC 6455 §4.1).
    #[error("sub-protocol {0:?} given twice")]
    SubProtocolRepeated(String),
    /// A sub-protocol chosen that the client did not ask for (RFC 6455 §4.2.2).
    #[error("sub-protocol {0:?} was not asked for by the client")]
    SubProtocolNotRequested(String),
    /// A `Host` that is not `host[:port]` (RFC 9110 §7.2).
    #[error("value for the `Host` header: {0}")]
    Host(#[from] UriError),
    /// A cookie's name that is not a token (RFC 6265 §4.1.1).
    #[error("cookie name {0:?} is not a token")]
    CookieName(String),
    /// A cookie's value with a byte that RFC 6265 §4.1.1 does not allow. The value is not shown: it
    /// may be a secret.
    #[error("value of cookie `{name}` holds a byte at {at} that RFC 6265 does not allow")]
    CookieValue {
        /// The cookie.
        name: String,
        /// Bytes of the value before it.
        at: usize,
    },
    /// A status that is not a final one: 101 comes of [`Upgrade::accept`].
    #[error("status {0} is not between 200 and 599")]
    Status(u16),
}

/// The value of `Sec-WebSocket-Accept`: "concatenating /key/ [...] with the string
/// \"258EAFA5-E914-47DA-95CA-C5AB0DC85B11\", taking the SHA-1 hash of this concatenated value to
/// obtain a 20-byte value and base64-encoding this 20-byte hash" (RFC 6455 §4.2.2). `key` is the
/// value of `Sec-WebSocket-Key` as it was sent.
///
/// ```
/// use wirewright_core::handshake::accept_key;
///
/// let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    // 20 bytes are 28 in base64, which is what there is room for.
    let written = STANDARD.encode_slice(digest, &mut accept);
    debug_assert_eq!(written, Ok(accept.len()));
    accept
}

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
