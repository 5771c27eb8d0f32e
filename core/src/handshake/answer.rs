//! The server's answer as a client judges it (RFC 6455 §4.1).

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use super::{
    Fault, Head, HeadError,
    body::{Body, content_length},
    head::{StatusLine, ascii},
};
use crate::{
    config::Compression,
    deflate::{self, Agreement, ExtensionError},
};

/// The answer that opened the connection.
#[derive(Clone, Debug)]
pub struct Response {
    head: Head,
    sub_protocol: Option<String>,
    deflate: Option<Agreement>,
}

impl Response {
    /// The status: 101.
    #[must_use]
    pub const fn status(&self) -> u16 {
        101
    }

    /// The header fields.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The sub-protocol that the server chose; `None` only where none was asked for.
    #[must_use]
    pub fn sub_protocol(&self) -> Option<&str> {
        self.sub_protocol.as_deref()
    }

    /// What was agreed on for permessage-deflate; `None` where messages go uncompressed.
    #[must_use]
    pub const fn deflate(&self) -> Option<Agreement> {
        self.deflate
    }
}

/// An answer other than 101.
#[derive(Clone, Debug)]
pub struct Refused {
    status: u16,
    reason: String,
    head: Head,
    body: Vec<u8>,
}

impl Refused {
    pub(super) fn new(head: Head, line: StatusLine) -> Self {
        let reason = head.text(line.reason).into();
        Self { status: line.status, reason, head, body: Vec::new() }
    }

    pub(super) fn with_body(mut self: Box<Self>, body: Body) -> Box<Self> {
        self.body = body.into_content();
        self
    }

    /// The status, such as 401 or 404.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase; may be empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The header fields, such as `WWW-Authenticate`, `Location` or `Retry-After`.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The body as far as it arrived, and no more than
    /// [`max_refusal_body`](super::HandshakeLimits::max_refusal_body). Chunks are put together;
    /// a content coding is left as it is.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server refused the upgrade: {}", self.status)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " {}", self.reason) }
    }
}

/// Why a client's handshake failed. Of a server that breaks RFC 6455 §4.1, each way has its
/// variant: "the client MUST _Fail the WebSocket Connection_".
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The answer is not HTTP, or over a limit.
    #[error("answer to the handshake: {0}")]
    Head(#[from] HeadError),
    /// A status other than 101: "If the status code received from the server is not 101, the
    /// client handles the response per HTTP procedures".
    #[error("{0}")]
    Refused(Box<Refused>),
    /// The connection ended before the answer was complete.
    #[error("connection ended before the answer to the handshake was complete")]
    Ended,
    /// 101 of HTTP/1.0, which knows no upgrade (RFC 9110 §15.2).
    #[error("server answered 101 in HTTP/1.0")]
    HttpVersion,
    /// 101 with a body, which it cannot have (RFC 9110 §8.6, RFC 9112 §6.1).
    #[error("server announced a body behind its 101")]
    Body,
    /// `Upgrade` is missing, repeated, or not `websocket` (response item 2).
    #[error("`Upgrade` of the answer is not `websocket`")]
    Upgrade,
    /// `Connection` has no `Upgrade` (response item 3).
    #[error("`Connection` of the answer does not have `Upgrade`")]
    Connection,
    /// No `Sec-WebSocket-Accept` (response item 4).
    #[error("answer without `Sec-WebSocket-Accept`")]
    AcceptMissing,
    /// Several `Sec-WebSocket-Accept` (§11.3.3).
    #[error("answer with several `Sec-WebSocket-Accept`")]
    AcceptRepeated,
    /// `Sec-WebSocket-Accept` is not the answer to our key (response item 4): no WebSocket server
    /// saw this request.
    #[error("`Sec-WebSocket-Accept` does not answer the key of the request")]
    AcceptWrong,
    /// `Sec-WebSocket-Extensions` though none was offered (response item 5).
    #[error("server accepted an extension and none was offered")]
    ExtensionNotRequested,
    /// Several `Sec-WebSocket-Extensions` (§11.3.2).
    #[error("answer with several `Sec-WebSocket-Extensions`")]
    ExtensionsRepeated,
    /// `Sec-WebSocket-Extensions` does not answer our offer (response item 5, §9.1, RFC 7692 §7).
    #[error(transparent)]
    Extension(#[from] ExtensionError),
    /// A sub-protocol that was not asked for, exactly so written (response item 6).
    #[error("server chose sub-protocol {0:?}, which was not asked for")]
    SubProtocolNotRequested(String),
    /// Several `Sec-WebSocket-Protocol` (§11.3.4).
    #[error("answer with several `Sec-WebSocket-Protocol`")]
    SubProtocolRepeated,
    /// No sub-protocol was chosen of those asked for. RFC 6455 leaves that to the client; one that
    /// asks means it.
    #[error("server chose none of the sub-protocols asked for")]
    SubProtocolMissing,
}

impl HandshakeError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Head(error) => error.fault(),
            Self::Refused(_) | Self::SubProtocolMissing => Fault::Refusal,
            Self::Ended => Fault::Network,
            _ => Fault::Peer,
        }
    }
}

/// What the answer must match.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) accept: [u8; 28],
    pub(super) sub_protocols: Vec<String>,
    pub(super) compression: Option<Compression>,
}

impl Expected {
    /// Judges a 101 by the six items of RFC 6455 §4.1 and by §11.3.
    pub(super) fn verify(&self, head: Head, line: StatusLine) -> Result<Response, HandshakeError> {
        // "A server MUST NOT send a 1xx response to an HTTP/1.0 client" (RFC 9110 §15.2), nor does
        // one that speaks it know how to go on after one.
        if line.minor == 0 {
            return Err(HandshakeError::HttpVersion);
        }
        // "A server MUST NOT send a Content-Length header field in any response with a status code
        // of 1xx" (RFC 9110 §8.6). A length of zero is let pass: it moves no boundary.
        let has_length = !matches!(content_length(&head), Ok(None | Some(0)));
        if has_length || head.header("Transfer-Encoding").is_some() {
            return Err(HandshakeError::Body);
        }
        self.verify_upgrade(&head)?;
        let deflate = self.extension(&head)?;
        let sub_protocol = self.sub_protocol(&head)?;
        Ok(Response { head, sub_protocol, deflate })
    }

    fn verify_upgrade(&self, head: &Head) -> Result<(), HandshakeError> {
        // "If the response lacks an |Upgrade| header field or the |Upgrade| header field contains
        // a value that is not an ASCII case-insensitive match for the value "websocket", the
        // client MUST _Fail the WebSocket Connection_" (item 2).
        match head.only("Upgrade") {
            Ok(Some(value)) if value.eq_ignore_ascii_case(b"websocket") => {}
            _ => return Err(HandshakeError::Upgrade),
        }
        // "If the response lacks a |Connection| header field or the |Connection| header field
        // doesn't contain a token that is an ASCII case-insensitive match for the value "Upgrade",
        // the client MUST _Fail the WebSocket Connection_" (item 3).
        if !head.has_token("Connection", "upgrade") {
            return Err(HandshakeError::Connection);
        }
        // "If the response lacks a |Sec-WebSocket-Accept| header field or the
        // |Sec-WebSocket-Accept| contains a value other than the base64-encoded SHA-1 of the
        // concatenation [...], the client MUST _Fail the WebSocket Connection_" (item 4). "The
        // |Sec-WebSocket-Accept| header MUST NOT appear more than once in an HTTP response"
        // (§11.3.3).
        match head.only("Sec-WebSocket-Accept") {
            Ok(Some(value)) if value == self.accept => Ok(()),
            Ok(Some(_)) => Err(HandshakeError::AcceptWrong),
            Ok(None) => Err(HandshakeError::AcceptMissing),
            Err(_) => Err(HandshakeError::AcceptRepeated),
        }
    }

    fn extension(&self, head: &Head) -> Result<Option<Agreement>, HandshakeError> {
        // "However, the |Sec-WebSocket-Extensions| header field MUST NOT appear more than once in
        // an HTTP response" (§11.3.2).
        let value = match head.only("Sec-WebSocket-Extensions") {
            Ok(value) => value,
            Err(_) => return Err(HandshakeError::ExtensionsRepeated),
        };
        // "If the response includes a |Sec-WebSocket-Extensions| header field and this header
        // field indicates the use of an extension that was not present in the client's handshake
        // [...], the client MUST _Fail the WebSocket Connection_" (item 5).
        match (value, &self.compression) {
            (None, _) => Ok(None),
            (Some(_), None) => Err(HandshakeError::ExtensionNotRequested),
            (Some(value), Some(compression)) => {
                let value = ascii(value).ok_or(ExtensionError::Malformed)?;
                Ok(Some(deflate::accept(compression, value)?))
            }
        }
    }

    fn sub_protocol(&self, head: &Head) -> Result<Option<String>, HandshakeError> {
        // "However, the |Sec-WebSocket-Protocol| header field MUST NOT appear more than once in an
        // HTTP response" (§11.3.4).
        let value = match head.only("Sec-WebSocket-Protocol") {
            Ok(value) => value,
            Err(_) => return Err(HandshakeError::SubProtocolRepeated),
        };
        // "If the response includes a |Sec-WebSocket-Protocol| header field and this header field
        // indicates the use of a subprotocol that was not present in the client's handshake [...],
        // the client MUST _Fail the WebSocket Connection_" (item 6).
        match value {
            None if self.sub_protocols.is_empty() => Ok(None),
            None => Err(HandshakeError::SubProtocolMissing),
            Some(value) => {
                let chosen = self.sub_protocols.iter().find(|name| name.as_bytes() == value);
                chosen.cloned().map(Some).ok_or_else(|| {
                    let value = String::from_utf8_lossy(value).into_owned();
                    HandshakeError::SubProtocolNotRequested(value)
                })
            }
        }
    }
}
