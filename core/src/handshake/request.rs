//! A request as a server reads it, whatever it asks for.

use alloc::{boxed::Box, string::String};
use core::fmt;

use super::{
    Head, Rejection,
    body::content_length,
    head::{Complete, RequestLine, Span, ascii},
};
use crate::uri::host_and_port;

/// A request that is well-formed HTTP, for an upgrade or for anything else.
///
/// `Debug` shows neither query nor values: they may be anybody's secret.
#[derive(Clone)]
pub struct Request {
    head: Head,
    method: Span,
    target: Box<str>,
    host: Option<Box<str>>,
    minor: u8,
}

impl Request {
    pub(super) fn parse(complete: Complete) -> Result<Self, Rejection> {
        let (head, line) = Head::request(complete)?;
        let RequestLine { method, target, minor } = line;
        let target = Target::parse(head.text(method), head.text(target))
            .ok_or_else(|| Rejection::because("request target is neither a path nor a URI"))?;
        let host = host(&head, minor, target.authority)?;
        let target = target.path_and_query();
        Ok(Self { head, method, target, host, minor })
    }

    /// The method, such as `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.text(self.method)
    }

    /// Path and query as they were sent, percent-encoded; of a target that is a whole URI, these
    /// parts only. `*` for `OPTIONS *`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path, percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    /// The query, percent-encoded, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Whom the request is for, `host[:port]`. `None` only in HTTP/1.0.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The page's origin, where a browser asks (RFC 6455 §4.2.1, RFC 6454).
    ///
    /// `None` means that there is no such field, in a request that was
    /// [upgraded](Self::upgrade): that step refuses one that is repeated or not text.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.head.header_str("Origin")
    }

    /// The header fields.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The sub-protocols asked for, the client's favourite first, over all lines of
    /// `Sec-WebSocket-Protocol` (RFC 6455 §11.3.4).
    pub fn sub_protocols(&self) -> impl Iterator<Item = &str> {
        self.head.tokens("Sec-WebSocket-Protocol")
    }

    /// Whether a WebSocket is asked for, rightly or wrongly; if not, this is plain HTTP, to be
    /// answered by whoever answers health checks and the like.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.head.has_token("Upgrade", "websocket")
    }

    /// Bytes of the body that follows the head, for whoever answers plain requests: a request for
    /// a WebSocket has none.
    ///
    /// # Errors
    /// The [`Rejection`] to send before closing: 400 for a length that is no number, several
    /// numbers, or beside a transfer coding, which is how requests are smuggled (RFC 9112 §6.3);
    /// 501 for a transfer coding by itself (RFC 9112 §6.1).
    pub fn body_length(&self) -> Result<u64, Rejection> {
        let coded = self.head.header("Transfer-Encoding").is_some();
        match content_length(&self.head) {
            Ok(Some(_)) if coded => {
                Err(Rejection::because("`Content-Length` beside `Transfer-Encoding`"))
            }
            Ok(_) if coded => Err(Rejection::not_implemented()),
            Ok(length) => Ok(length.unwrap_or(0)),
            Err(_) => Err(Rejection::because("`Content-Length` is not one number")),
        }
    }

    pub(super) const fn is_http_1_0(&self) -> bool {
        self.minor == 0
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("host", &self.host())
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

/// A request target, taken apart (RFC 9112 §3.2).
struct Target<'a> {
    /// That of a target in absolute form.
    authority: Option<&'a str>,
    resource: &'a str,
}

impl<'a> Target<'a> {
    fn parse(method: &str, target: &'a str) -> Option<Self> {
        // "/resource name/ [...] must have neither fragment nor a character outside ASCII": the
        // parser leaves both in. Beyond that nothing is demanded that browsers do not keep: they
        // send `|`, `[` and the like as they are.
        if target.is_empty() || target.contains('#') {
            return None;
        }
        if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
            return Some(Self { authority: None, resource: target });
        }
        // "or an absolute HTTP/HTTPS URI containing the /resource name/" (RFC 6455 §4.2.1).
        let (scheme, rest) = target.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(end);
        Some(Self { authority: Some(authority), resource })
    }

    fn path_and_query(&self) -> Box<str> {
        let slash = if self.resource.starts_with(['/', '*']) { "" } else { "/" };
        [slash, self.resource].concat().into()
    }
}

/// "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
/// that lacks a Host header field and to any request message that contains more than one Host
/// header field line or a Host header field with an invalid field value" (RFC 9112 §3.2); RFC 6455
/// §4.2.1 wants it too.
fn host(head: &Head, minor: u8, target: Option<&str>) -> Result<Option<Box<str>>, Rejection> {
    let value = match head.only("Host") {
        Ok(Some(value)) => value,
        Ok(None) if minor == 0 => return Ok(None),
        Ok(None) => return Err(Rejection::because("no `Host` header")),
        Err(_) => return Err(Rejection::because("several `Host` headers")),
    };
    let value = ascii(value).filter(|value| host_and_port(value).is_ok());
    let value = value.ok_or_else(|| Rejection::because("`Host` header is not `host[:port]`"))?;
    // "a client MUST send a field value for Host that is identical to that authority component"
    // (RFC 9112 §3.2): two that differ are two opinions on whom this is for.
    if target.is_some_and(|authority| !authority.eq_ignore_ascii_case(value)) {
        return Err(Rejection::because("`Host` header differs from the request target"));
    }
    Ok(Some(String::from(value).into()))
}
