//! The client's side of the opening handshake (RFC 6455 §4.1): the request, and the wait.

use alloc::{string::String, vec::Vec};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Credentials, CredentialsError, HandshakeError, HandshakeLimits, HandshakeMisuse, Headers,
    Response, accept_key,
    answer::Expected,
    headers::{is_token, push_line},
    wait::Wait,
};
use crate::{
    config::Compression,
    deflate,
    inbox::Inbox,
    outbox::Outbox,
    uri::{Uri, host_and_port},
};

/// What a client asks for. A request that was built can be sent; what cannot be sent cannot be
/// built.
///
/// ```
/// use wirewright_core::{Inbox, Outbox, Uri, handshake::ClientRequest};
///
/// let uri: Uri = "ws://server.example.com/chat".parse()?;
/// let request = ClientRequest::new(uri).sub_protocols(["chat", "superchat"])?;
/// // Sixteen bytes that nobody can guess, new for every handshake.
/// let key = [7; 16];
/// let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
/// let mut awaiting = request.send(key, &mut out);
/// // Write `out` to the transport, read from it into `inbox`, and ask again until it is `Some`.
/// assert!(awaiting.receive(&mut inbox)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientRequest {
    uri: Uri,
    host: Option<String>,
    sub_protocols: Vec<String>,
    headers: Headers,
    compression: Option<Compression>,
    limits: HandshakeLimits,
}

impl ClientRequest {
    /// A request for this URI that asks for nothing more: no sub-protocol, no compression.
    pub fn new(uri: Uri) -> Self {
        Self {
            uri,
            host: None,
            sub_protocols: Vec::new(),
            headers: Headers::new(),
            compression: None,
            limits: HandshakeLimits::default(),
        }
    }

    /// The sub-protocols to choose from, the best first. The server must then choose one: an
    /// answer without is an error.
    ///
    /// # Errors
    /// "The elements that comprise this value MUST be non-empty strings with characters in the
    /// range U+0021 to U+007E not including separator characters [...] and MUST all be unique
    /// strings" (RFC 6455 §4.1): [`HandshakeMisuse::SubProtocol`],
    /// [`HandshakeMisuse::SubProtocolRepeated`].
    pub fn sub_protocols<I>(mut self, names: I) -> Result<Self, HandshakeMisuse>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.sub_protocols.clear();
        for name in names {
            let name = name.into();
            if !is_token(&name) {
                return Err(HandshakeMisuse::SubProtocol(name));
            }
            if self.sub_protocols.contains(&name) {
                return Err(HandshakeMisuse::SubProtocolRepeated(name));
            }
            self.sub_protocols.push(name);
        }
        Ok(self)
    }

    /// Adds a header field.
    ///
    /// # Errors
    /// As [`Headers::append`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HandshakeMisuse> {
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// Adds header fields; a name that was given before is replaced.
    pub fn headers(mut self, headers: &Headers) -> Self {
        self.headers.replace(headers);
        self
    }

    /// Sends `Origin`, which is for browsers; others go without (RFC 6455 §4.1).
    ///
    /// # Errors
    /// [`HandshakeMisuse::HeaderValue`], as [`Headers::append`].
    pub fn origin(mut self, origin: &str) -> Result<Self, HandshakeMisuse> {
        self.headers.set("Origin", origin)?;
        Ok(self)
    }

    /// Sends this as `Host` instead of what the URI says, to reach a virtual host by another
    /// address.
    ///
    /// # Errors
    /// [`HandshakeMisuse::Host`], if it is not `host[:port]`.
    pub fn host(mut self, host: &str) -> Result<Self, HandshakeMisuse> {
        host_and_port(host)?;
        self.host = Some(host.into());
        Ok(self)
    }

    /// Offers permessage-deflate (RFC 7692), or none.
    pub fn compression(mut self, compression: Option<Compression>) -> Self {
        self.compression = compression;
        self
    }

    /// Bounds on the answer.
    pub const fn limits(mut self, limits: HandshakeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds what `credentials` give for this handshake; a name that was given before is replaced.
    ///
    /// # Errors
    /// Those of [`Credentials::headers`].
    pub fn credentials(mut self, credentials: &dyn Credentials) -> Result<Self, CredentialsError> {
        let mut headers = Headers::new();
        credentials.headers(&self.uri, &mut headers)?;
        self.headers.replace(&headers);
        Ok(self)
    }

    /// The same request to another URI: of another server, or where a server points to. A `Host` of
    /// the caller's choice stays as it is, and so does every header field; see
    /// [`for_stranger`](Self::for_stranger).
    pub fn with_uri(mut self, uri: Uri) -> Self {
        self.uri = uri;
        self
    }

    /// Without what is meant for one server alone: a `Host` of the caller's choice, and all header
    /// fields but those for which `keep` says so. For a server that the caller did not name, to
    /// which another has pointed.
    pub fn for_stranger(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.host = None;
        self.headers.retain(keep);
        self
    }

    /// Replaces all header fields of this name by one.
    ///
    /// # Errors
    /// As [`Headers::set`].
    pub fn set_header(mut self, name: &str, value: &str) -> Result<Self, HandshakeMisuse> {
        self.headers.set(name, value)?;
        Ok(self)
    }

    /// The header fields that were added.
    #[must_use]
    pub const fn header_fields(&self) -> &Headers {
        &self.headers
    }

    /// The bounds on the answer.
    #[must_use]
    pub const fn handshake_limits(&self) -> &HandshakeLimits {
        &self.limits
    }

    /// The URI.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Appends the request to `out`. `key` is "a nonce consisting of a randomly selected 16-byte
    /// value [...] The nonce MUST be selected randomly for each connection" (RFC 6455 §4.1).
    ///
    /// Next, write `out` and [`receive`](Awaiting::receive) the answer; nothing else may be sent
    /// before it is there: "the client MUST wait for a response from the server before sending
    /// any further data" (RFC 6455 §4.1).
    pub fn send(self, key: [u8; 16], out: &mut Outbox) -> Awaiting {
        let mut encoded = [0; 24];
        // 16 bytes are 24 in base64, which is what there is room for.
        let written = STANDARD.encode_slice(key, &mut encoded);
        debug_assert_eq!(written, Ok(encoded.len()));
        out.extend(self.text(core::str::from_utf8(&encoded).unwrap_or_default()).as_bytes());
        Awaiting {
            wait: Wait::new(self.limits),
            expected: Expected {
                accept: accept_key(&encoded),
                sub_protocols: self.sub_protocols,
                compression: self.compression,
            },
        }
    }

    /// The request's head (RFC 6455 §4.1, requirements 2 to 12).
    fn text(&self, key: &str) -> String {
        let mut text = String::with_capacity(256 + self.headers.lines().len());
        for part in ["GET ", self.uri.path_and_query(), " HTTP/1.1\r\n"] {
            text.push_str(part);
        }
        push_line(&mut text, "Host", self.host.as_deref().unwrap_or(self.uri.authority()));
        push_line(&mut text, "Upgrade", "websocket");
        push_line(&mut text, "Connection", "Upgrade");
        push_line(&mut text, "Sec-WebSocket-Key", key);
        push_line(&mut text, "Sec-WebSocket-Version", "13");
        if !self.sub_protocols.is_empty() {
            push_line(&mut text, "Sec-WebSocket-Protocol", &self.sub_protocols.join(", "));
        }
        if let Some(compression) = &self.compression {
            push_line(&mut text, "Sec-WebSocket-Extensions", &deflate::offer(compression));
        }
        text.push_str(self.headers.lines());
        text.push_str("\r\n");
        text
    }
}

/// The request is sent, the answer not yet complete.
#[derive(Debug)]
#[must_use]
pub struct Awaiting {
    wait: Wait,
    expected: Expected,
}

impl Awaiting {
    /// Reads on in `inbox`; `None` until the answer is complete, and then not to be called again.
    /// What follows the answer stays in the inbox: it is the server's first frames.
    ///
    /// # Errors
    /// [`HandshakeError`]: the handshake has failed and the connection is to be closed.
    pub fn receive(&mut self, inbox: &mut Inbox) -> Result<Option<Response>, HandshakeError> {
        match self.wait.receive(inbox, |status| status == 101)? {
            Some((head, line)) => self.expected.verify(head, line).map(Some),
            None => Ok(None),
        }
    }

    /// The connection has ended, or the caller will wait no longer: why there is no
    /// [`Response`]. A refusal comes with as much of its body as arrived.
    pub fn receive_end(&mut self) -> HandshakeError {
        self.wait.receive_end()
    }

    /// Whether the answer is known to be a refusal, of whose body a part is still to come.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.wait.is_refused()
    }
}
