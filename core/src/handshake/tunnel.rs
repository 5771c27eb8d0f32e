//! A client's way through an HTTP proxy (RFC 9110 §9.3.6): `CONNECT`, and the wait.

use alloc::string::String;
use core::fmt::Write as _;

use super::{
    HandshakeError, HandshakeLimits, HandshakeMisuse, Headers, headers::push_line, wait::Wait,
};
use crate::{inbox::Inbox, outbox::Outbox, uri::Uri};

/// Asks a proxy for a way to a server: "If the client is configured to use a proxy when using the
/// WebSocket Protocol to connect to host /host/ and port /port/, then the client SHOULD connect to
/// that proxy and ask it to open a TCP connection to the host given by /host/ and the port given by
/// /port/" (RFC 6455 §4.1).
///
/// ```
/// use wirewright_core::{Inbox, Outbox, Uri, handshake::TunnelRequest};
///
/// let uri: Uri = "ws://server.example.com/chat".parse()?;
/// let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
/// let mut tunnelling = TunnelRequest::new(&uri).send(&mut out);
/// // Write `out` to the proxy, and read its answer.
/// assert!(out.poll_transmit().unwrap().starts_with(b"CONNECT server.example.com:80 "));
/// inbox.extend(b"HTTP/1.1 200 OK\r\n\r\n");
/// assert!(tunnelling.receive(&mut inbox)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TunnelRequest {
    /// Host and port, the latter always.
    authority: String,
    headers: Headers,
    limits: HandshakeLimits,
}

impl TunnelRequest {
    /// A way to the server of this URI, of which the proxy learns host and port alone.
    pub fn new(uri: &Uri) -> Self {
        let (host, port) = (uri.host(), uri.port());
        let mut authority = String::new();
        // Writing to a string does not fail.
        let _ = match host.contains(':') {
            true => write!(authority, "[{host}]:{port}"),
            false => write!(authority, "{host}:{port}"),
        };
        Self { authority, headers: Headers::new(), limits: HandshakeLimits::default() }
    }

    /// Adds a header field for the proxy, mostly `Proxy-Authorization`; the server never sees it.
    ///
    /// # Errors
    /// As [`Headers::append`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HandshakeMisuse> {
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// Bounds on the proxy's answer.
    pub const fn limits(mut self, limits: HandshakeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Appends the request to `out`. Nothing may follow before the answer is there.
    pub fn send(self, out: &mut Outbox) -> Tunnelling {
        let mut text = String::with_capacity(128 + self.headers.lines().len());
        for part in ["CONNECT ", &self.authority, " HTTP/1.1\r\n"] {
            text.push_str(part);
        }
        push_line(&mut text, "Host", &self.authority);
        text.push_str(self.headers.lines());
        text.push_str("\r\n");
        out.extend(text.as_bytes());
        Tunnelling { wait: Wait::new(self.limits) }
    }
}

/// The proxy was asked, its answer is not yet complete.
#[derive(Debug)]
#[must_use]
pub struct Tunnelling {
    wait: Wait,
}

impl Tunnelling {
    /// Reads on in `inbox`; `true` when the way is open, and then not to be called again. What
    /// follows the answer stays in the inbox: it is the server's.
    ///
    /// # Errors
    /// [`HandshakeError::Head`], [`HandshakeError::Refused`]: there is no way, and the connection
    /// is to be closed.
    pub fn receive(&mut self, inbox: &mut Inbox) -> Result<bool, HandshakeError> {
        // "Any 2xx (Successful) response indicates that the sender [...] will switch to tunnel mode
        // immediately after the response header section"; "A client MUST ignore any Content-Length
        // or Transfer-Encoding header fields received in a successful response to CONNECT" (RFC
        // 9110 §9.3.6).
        let opened = self.wait.receive(inbox, |status| matches!(status, 200..=299))?;
        Ok(opened.is_some())
    }

    /// The connection has ended, or the caller will wait no longer: why there is no way. A refusal
    /// comes with as much of its body as arrived.
    pub fn receive_end(&mut self) -> HandshakeError {
        self.wait.receive_end()
    }

    /// Whether the answer is known to be a refusal, of whose body a part is still to come.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.wait.is_refused()
    }
}
