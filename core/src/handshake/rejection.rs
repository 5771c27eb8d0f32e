//! Every answer but 101.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{error::Error, fmt, fmt::Write as _};

use super::{HandshakeMisuse, HeadError, Headers, headers::push_line};
use crate::outbox::Outbox;

/// An answer other than 101, for a request that is refused or asks for no upgrade.
///
/// It always says `Connection: close`, and the connection is to be closed when it is sent: what
/// the peer may have sent behind its request is never read as a second one.
///
/// ```
/// use wirewright_core::{Outbox, handshake::Rejection};
///
/// let busy = Rejection::new(503)?.header("Retry-After", "30")?.body("come back later\n");
/// let mut out = Outbox::new();
/// busy.send(&mut out);
/// # Ok::<(), wirewright_core::handshake::HandshakeMisuse>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Rejection {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
    head_only: bool,
}

impl Rejection {
    /// An answer with a status of 200 to 599: `is_upgrade` being false, it need not be an error.
    ///
    /// # Errors
    /// [`HandshakeMisuse::Status`] for any other.
    pub const fn new(status: u16) -> Result<Self, HandshakeMisuse> {
        match status {
            200..=599 => Ok(Self::with_status(status)),
            _ => Err(HandshakeMisuse::Status(status)),
        }
    }

    /// 400.
    pub const fn bad_request() -> Self {
        Self::with_status(400)
    }

    /// 401, with the value of `WWW-Authenticate` that it must have (RFC 9110 §15.5.2), such as
    /// `Basic realm="feed", charset="UTF-8"`.
    ///
    /// # Errors
    /// [`HandshakeMisuse::HeaderValue`], as [`Headers::append`].
    pub fn unauthorized(challenge: &str) -> Result<Self, HandshakeMisuse> {
        Self::with_status(401).header("WWW-Authenticate", challenge)
    }

    /// 403.
    pub const fn forbidden() -> Self {
        Self::with_status(403)
    }

    /// 404.
    pub const fn not_found() -> Self {
        Self::with_status(404)
    }

    /// 405, with the methods that are allowed (RFC 9110 §15.5.6).
    pub(super) fn method_not_allowed() -> Self {
        let mut rejection = Self::with_status(405);
        rejection.headers.push("Allow", "GET");
        rejection
    }

    /// 426, with what to upgrade to: "an `Upgrade` header field" (RFC 9110 §15.5.22) and "a
    /// |Sec-WebSocket-Version| header field indicating the version(s) the server is capable of
    /// understanding" (RFC 6455 §4.2.2).
    pub fn upgrade_required() -> Self {
        let mut rejection = Self::with_status(426).with_version();
        rejection.headers.push("Upgrade", "websocket");
        rejection.headers.push("Connection", "Upgrade");
        rejection
    }

    /// 500.
    pub const fn internal_error() -> Self {
        Self::with_status(500)
    }

    /// 501, for a transfer coding (RFC 9112 §6.1).
    pub(super) fn not_implemented() -> Self {
        Self::with_status(501).explained("transfer codings are not read here")
    }

    /// 503.
    pub const fn unavailable() -> Self {
        Self::with_status(503)
    }

    /// 400 with the message of an error, which the peer gets to read; of a boxed rejection, itself.
    pub fn from_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        error.into().into()
    }

    /// Adds a field.
    ///
    /// # Errors
    /// As [`Headers::append`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HandshakeMisuse> {
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// Sets the body; it goes as `text/plain; charset=utf-8` unless a `Content-Type` is given. A
    /// status that has no body (204, 304) goes without it.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the head that the answer would have, without its body: the answer to `HEAD` (RFC
    /// 9110 §9.3.2).
    pub const fn head_only(mut self) -> Self {
        self.head_only = true;
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The fields beside those that [`send`](Self::send) adds.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// Appends the answer to `out`. When that is sent, close the connection.
    pub fn send(&self, out: &mut Outbox) {
        let mut head = String::with_capacity(128 + self.headers.lines().len());
        // Writing to a string does not fail.
        let _ = write!(head, "HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        head.push_str(self.headers.lines());
        push_line(&mut head, "Connection", "close");
        // "A server MUST NOT send a Content-Length header field in any response with a status code
        // of [...] 204", and neither has 304 a body (RFC 9110 §8.6, §15.4.5).
        let has_body = !matches!(self.status, 204 | 304);
        if has_body {
            if !self.body.is_empty() && self.headers.get("Content-Type").is_none() {
                push_line(&mut head, "Content-Type", "text/plain; charset=utf-8");
            }
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        out.extend(head.as_bytes());
        if has_body && !self.head_only {
            out.extend(&self.body);
        }
    }

    /// 400 with the reason as its body.
    pub(super) fn because(reason: impl fmt::Display) -> Self {
        Self::bad_request().explained(reason)
    }

    /// The reason as a line of body, for whoever looks at the answer.
    pub(super) fn explained(mut self, reason: impl fmt::Display) -> Self {
        let mut line = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(line, "{reason}");
        self.body = line.into_bytes();
        self
    }

    /// Says which version is spoken here (RFC 6455 §4.4).
    pub(super) fn with_version(mut self) -> Self {
        self.headers.push("Sec-WebSocket-Version", "13");
        self
    }

    const fn with_status(status: u16) -> Self {
        Self { status, headers: Headers::new(), body: Vec::new(), head_only: false }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, reason(self.status))?;
        match core::str::from_utf8(&self.body) {
            Ok(body) if !body.is_empty() && body.len() <= 200 => write!(f, ": {}", body.trim_end()),
            _ => Ok(()),
        }
    }
}

impl Error for Rejection {}

impl From<HeadError> for Rejection {
    /// "If the server, while reading the handshake, finds that the client did not send a handshake
    /// that matches the description below [...] the server MUST stop processing the client's
    /// handshake and return an HTTP response with an appropriate error code (such as 400 Bad
    /// Request)" (RFC 6455 §4.2.1).
    fn from(error: HeadError) -> Self {
        let status = match error {
            // "longer than the server is willing to interpret" (RFC 9110 §15.5.15).
            HeadError::StartLineLength { .. } => 414,
            // RFC 6585 §5.
            HeadError::LineLength { .. }
            | HeadError::HeadLength { .. }
            | HeadError::HeaderCount { .. } => 431,
            HeadError::Version => 505,
            _ => 400,
        };
        Self::with_status(status).explained(error)
    }
}

impl From<HandshakeMisuse> for Rejection {
    /// 500, without a word on what was wrong: the fault is on this side and the peer has no use
    /// for it.
    fn from(_: HandshakeMisuse) -> Self {
        Self::internal_error()
    }
}

impl From<Box<dyn Error + Send + Sync>> for Rejection {
    /// The rejection itself, if that is what was boxed; of any other error 400 with its message,
    /// which the peer gets to read.
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<Self>() {
            Ok(rejection) => *rejection,
            Err(error) => Self::because(error),
        }
    }
}

/// The reason phrase, for people; "a client SHOULD ignore the reason-phrase content" (RFC 9112
/// §4).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        // "the reason-phrase [...] can be empty" (RFC 9112 §4).
        _ => "",
    }
}
