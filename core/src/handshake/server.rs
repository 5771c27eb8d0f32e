//! The server's side of the opening handshake (RFC 6455 §4.2).

use alloc::{string::String, vec::Vec};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    HandshakeLimits, HandshakeMisuse, Headers, Rejection, Request, accept_key,
    body::content_length,
    head::{HeadReader, ascii, trim},
    headers::{is_token, push_line},
};
use crate::{
    config::Compression,
    deflate::{self, Agreement},
    inbox::Inbox,
    outbox::Outbox,
};

/// Waits for a request.
///
/// ```
/// use wirewright_core::{Inbox, Outbox, handshake::Acceptor};
///
/// let mut acceptor = Acceptor::new(Default::default());
/// let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
/// // Read from the transport into `inbox`, and ask again until it is `Some`.
/// inbox.extend(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n");
/// let request = acceptor.receive(&mut inbox)?.expect("it is complete");
/// assert_eq!((request.path(), request.origin()), ("/chat", None));
/// let accepted = request.upgrade()?.sub_protocols(&["superchat"]).accept(&mut out)?;
/// assert_eq!(accepted.sub_protocol(), Some("superchat"));
/// # Ok::<(), wirewright_core::handshake::Rejection>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Acceptor {
    reader: HeadReader,
}

impl Acceptor {
    /// Waits for a request within these limits.
    pub const fn new(limits: HandshakeLimits) -> Self {
        Self { reader: HeadReader::request(limits) }
    }

    /// Reads on in `inbox`; `None` until the request's head is complete, and then not to be called
    /// again: a connection has one request. What follows the head stays in the inbox.
    ///
    /// # Errors
    /// The [`Rejection`] to send before closing: 400 for what is not HTTP or has no proper
    /// `Host`, 414 for a request line and 431 for a head over their limits, 505 for an HTTP other
    /// than 1.x.
    pub fn receive(&mut self, inbox: &mut Inbox) -> Result<Option<Request>, Rejection> {
        match self.reader.receive(inbox)? {
            Some(complete) => Request::parse(complete).map(Some),
            None => Ok(None),
        }
    }
}

impl Request {
    /// Goes on with a request for a WebSocket; see [`is_upgrade`](Self::is_upgrade) for others.
    ///
    /// # Errors
    /// The [`Rejection`] to send before closing, by the items of RFC 6455 §4.2.1: 405 for a method
    /// other than `GET`, 426 for a request that asks for no WebSocket or another version of it,
    /// 403 for an `Origin` that cannot be told, 400 for the rest.
    pub fn upgrade(self) -> Result<Upgrade, Rejection> {
        // "An HTTP/1.1 or higher GET request" (item 1).
        if self.method() != "GET" {
            return Err(Rejection::method_not_allowed());
        }
        // "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request"
        // (RFC 9110 §7.8).
        if self.is_http_1_0() {
            return Err(Rejection::because("HTTP/1.0 has no upgrade"));
        }
        // "An |Upgrade| header field containing the value "websocket", treated as an ASCII
        // case-insensitive value" (item 3).
        if !self.is_upgrade() {
            return Err(Rejection::upgrade_required());
        }
        // "A |Connection| header field that includes the token "Upgrade", treated as an ASCII
        // case-insensitive value" (item 4).
        if !self.head().has_token("Connection", "upgrade") {
            return Err(Rejection::because("`Connection` header without `Upgrade`"));
        }
        // A body would be read as frames here and as a body by a proxy, or the reverse.
        let no_length = matches!(content_length(self.head()), Ok(None | Some(0)));
        if !no_length || self.head().header("Transfer-Encoding").is_some() {
            return Err(Rejection::because("request for an upgrade has a body"));
        }
        check_version(&self)?;
        let accept = accept_of(&self)?;
        check_origin(&self)?;
        check_sub_protocols(&self)?;
        Ok(Upgrade {
            request: self,
            accept,
            sub_protocol: None,
            extension: None,
            headers: Headers::new(),
        })
    }
}

/// A request for a WebSocket that is as RFC 6455 §4.2.1 wants it: to be
/// [accepted](Self::accept), or refused with a [`Rejection`] of the caller's.
#[derive(Debug)]
#[must_use]
pub struct Upgrade {
    request: Request,
    accept: [u8; 28],
    sub_protocol: Option<String>,
    extension: Option<Option<(Agreement, String)>>,
    headers: Headers,
}

impl Upgrade {
    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Chooses the first sub-protocol of the client's list that is among `supported`; if there is
    /// none, the connection goes on without one: "if the server does not wish to agree to one of
    /// the suggested subprotocols, it MUST NOT send back a |Sec-WebSocket-Protocol| header field
    /// in its response" (RFC 6455 §4.2.2).
    pub fn sub_protocols(mut self, supported: &[impl AsRef<str>]) -> Self {
        let is_supported = |name: &str| supported.iter().any(|other| other.as_ref() == name);
        self.sub_protocol =
            self.request.sub_protocols().find(|name| is_supported(name)).map(Into::into);
        self
    }

    /// Chooses this sub-protocol.
    ///
    /// # Errors
    /// [`HandshakeMisuse::SubProtocolNotRequested`]: "the value chosen MUST be derived from the
    /// client's handshake, specifically by selecting one of the values from the
    /// |Sec-WebSocket-Protocol| field" (RFC 6455 §4.2.2).
    pub fn sub_protocol(mut self, name: &str) -> Result<Self, HandshakeMisuse> {
        if !self.request.sub_protocols().any(|other| other == name) {
            return Err(HandshakeMisuse::SubProtocolNotRequested(name.into()));
        }
        self.sub_protocol = Some(name.into());
        Ok(self)
    }

    /// Answers an offer of permessage-deflate (RFC 7692); without one, or if none of those made
    /// suits, the connection goes on uncompressed.
    ///
    /// # Errors
    /// 400 for a malformed `Sec-WebSocket-Extensions` header (RFC 6455 §9.1).
    pub fn compression(mut self, compression: &Compression) -> Result<Self, Rejection> {
        self.extension = Some(answer(&self.request, compression)?);
        Ok(self)
    }

    /// Adds a header field to the answer.
    ///
    /// # Errors
    /// As [`Headers::append`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HandshakeMisuse> {
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// Adds header fields to the answer.
    pub fn headers(mut self, headers: &Headers) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Appends the 101 to `out` (RFC 6455 §4.2.2): the connection is open, and what the inbox
    /// holds is its first frames.
    ///
    /// # Errors
    /// 400 for a malformed `Sec-WebSocket-Extensions` header, also where
    /// [`compression`](Self::compression) was not called: "the recipient of such malformed data
    /// MUST immediately _Fail the WebSocket Connection_" (RFC 6455 §9.1). Nothing was written.
    pub fn accept(self, out: &mut Outbox) -> Result<Accepted, Rejection> {
        let extension = match self.extension {
            Some(extension) => extension,
            None => answer(&self.request, &Compression::default())?.and(None),
        };
        let mut text = String::with_capacity(256 + self.headers.lines().len());
        text.push_str("HTTP/1.1 101 Switching Protocols\r\n");
        push_line(&mut text, "Upgrade", "websocket");
        push_line(&mut text, "Connection", "Upgrade");
        let accept = ascii(&self.accept).unwrap_or_default();
        push_line(&mut text, "Sec-WebSocket-Accept", accept);
        if let Some(name) = &self.sub_protocol {
            push_line(&mut text, "Sec-WebSocket-Protocol", name);
        }
        if let Some((_, value)) = &extension {
            push_line(&mut text, "Sec-WebSocket-Extensions", value);
        }
        text.push_str(self.headers.lines());
        text.push_str("\r\n");
        out.extend(text.as_bytes());
        Ok(Accepted {
            request: self.request,
            sub_protocol: self.sub_protocol,
            deflate: extension.map(|(agreement, _)| agreement),
        })
    }
}

/// A connection that is open on the server's side.
#[derive(Clone, Debug)]
pub struct Accepted {
    request: Request,
    sub_protocol: Option<String>,
    deflate: Option<Agreement>,
}

impl Accepted {
    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The sub-protocol that was chosen.
    #[must_use]
    pub fn sub_protocol(&self) -> Option<&str> {
        self.sub_protocol.as_deref()
    }

    /// What was agreed on for permessage-deflate; `None` where messages go uncompressed.
    #[must_use]
    pub const fn deflate(&self) -> Option<Agreement> {
        self.deflate
    }

    /// The request, for those who keep it.
    #[must_use]
    pub fn into_request(self) -> Request {
        self.request
    }
}

/// "A |Sec-WebSocket-Version| header field, with a value of 13" (item 6).
fn check_version(request: &Request) -> Result<(), Rejection> {
    match request.head().only("Sec-WebSocket-Version") {
        Ok(Some(b"13")) => Ok(()),
        // "If this version does not match a version understood by the server, the server MUST
        // abort the WebSocket handshake described in this section and instead send an appropriate
        // HTTP error code (such as 426 Upgrade Required) and a |Sec-WebSocket-Version| header
        // field indicating the version(s) the server is capable of understanding" (§4.2.2).
        Ok(Some(_)) => Err(Rejection::upgrade_required()),
        Ok(None) => Err(Rejection::because("no `Sec-WebSocket-Version` header").with_version()),
        // "the |Sec-WebSocket-Version| header field MUST NOT appear more than once in an HTTP
        // request" (§11.3.5).
        Err(_) => Err(Rejection::because("several `Sec-WebSocket-Version` headers").with_version()),
    }
}

/// "A |Sec-WebSocket-Key| header field with a base64-encoded (see Section 4 of [RFC4648]) value
/// that, when decoded, is 16 bytes in length" (item 5).
fn accept_of(request: &Request) -> Result<[u8; 28], Rejection> {
    let key = match request.head().only("Sec-WebSocket-Key") {
        Ok(Some(key)) => key,
        Ok(None) => return Err(Rejection::because("no `Sec-WebSocket-Key` header")),
        // "The |Sec-WebSocket-Key| header field MUST NOT appear more than once in an HTTP request"
        // (§11.3.1).
        Err(_) => return Err(Rejection::because("several `Sec-WebSocket-Key` headers")),
    };
    let mut decoded = [0; 18];
    match KEY.decode_slice(key, &mut decoded) {
        Ok(16) => Ok(accept_key(key)),
        _ => Err(Rejection::because("`Sec-WebSocket-Key` is not 16 bytes in base64")),
    }
}

/// A browser sends one origin, in ASCII; whoever sends something else is not to pass for a client
/// that sends none (RFC 6455 §10.2).
fn check_origin(request: &Request) -> Result<(), Rejection> {
    match request.head().only("Origin") {
        Ok(None) => Ok(()),
        Ok(Some(value)) if ascii(value).is_some() => Ok(()),
        _ => Err(Rejection::forbidden().explained("`Origin` header repeated or not text")),
    }
}

/// "a list of values indicating which protocols the client would like to speak" (item 8), whose
/// elements are unique tokens (§4.1, §11.3.4).
fn check_sub_protocols(request: &Request) -> Result<(), Rejection> {
    let malformed = || Rejection::because("malformed `Sec-WebSocket-Protocol` header");
    let mut names = Vec::new();
    for line in request.head().headers("Sec-WebSocket-Protocol") {
        let line = ascii(line).filter(|line| !line.is_empty()).ok_or_else(malformed)?;
        // "A recipient MUST parse and ignore a reasonable number of empty list elements" (RFC 9110
        // §5.6.1).
        names.extend(line.split(',').map(trim).filter(|name| !name.is_empty()));
    }
    names.sort_unstable();
    let repeated = names.windows(2).any(|pair| pair[0] == pair[1]);
    if repeated || !names.iter().all(|name| is_token(name)) { Err(malformed()) } else { Ok(()) }
}

fn answer(
    request: &Request,
    compression: &Compression,
) -> Result<Option<(Agreement, String)>, Rejection> {
    let lines = request.head().headers("Sec-WebSocket-Extensions");
    // A line that is not text is malformed, as an empty one is.
    let lines = lines.map(|line| ascii(line).unwrap_or_default());
    deflate::answer(compression, lines).map_err(Rejection::because)
}

/// The last of a key's digits stands for two bits and four that are cut off. Decoders may choose to
/// accept what is not zero there (RFC 4648 §3.5), and there are clients that draw all digits by
/// lot.
const KEY: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);
