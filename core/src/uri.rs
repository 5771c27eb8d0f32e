//! WebSocket URIs (RFC 6455 §3, RFC 3986).

use alloc::string::String;
use core::{fmt, net::Ipv6Addr, str::FromStr};

/// A `ws` or `wss` URI, taken apart.
///
/// Scheme and host are held in lower case. What may be secret, the user information and the
/// query, shows as `***` in `Debug` and `Display`.
///
/// ```
/// use wirewright_core::Uri;
///
/// let uri: Uri = "wss://example.com/feed?depth=5".parse()?;
/// assert!(uri.is_secure());
/// assert_eq!((uri.host(), uri.port()), ("example.com", 443));
/// assert_eq!(uri.path_and_query(), "/feed?depth=5");
/// # Ok::<(), wirewright_core::UriError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    secure: bool,
    userinfo: Option<String>,
    /// Host and port as in the `Host` header.
    authority: String,
    /// How much of `authority` is the host, brackets included.
    host_len: usize,
    port: u16,
    path_and_query: String,
}

impl Uri {
    /// Whether the scheme is `wss`: TLS before anything else (RFC 6455 §4.1).
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host to resolve and connect to, in lower case; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority[..self.host_len].trim_start_matches('[').trim_end_matches(']')
    }

    /// The port to connect to: 80 for `ws` and 443 for `wss` where the URI says none (RFC 6455
    /// §3).
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The value of the `Host` header: "/host/ plus optionally ':' followed by /port/ (when not
    /// using the default port)" (RFC 6455 §4.1), an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The resource name, which goes into the request line: path and query, at least `/` (RFC
    /// 6455 §3).
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// Whether both have the same scheme, host and port, so that what was meant for one server may
    /// be told the other.
    #[must_use]
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.host() == other.host() && self.port == other.port
    }

    /// With the user information of `other`, be it none.
    #[must_use]
    pub fn with_userinfo_of(mut self, other: &Self) -> Self {
        self.userinfo.clone_from(&other.userinfo);
        self
    }

    /// What stands before `@`, percent-encoded as written. It is never sent as it is: it is there
    /// for [`Credentials`](crate::handshake::Credentials) to read.
    #[must_use]
    pub fn userinfo(&self) -> Option<&str> {
        self.userinfo.as_deref()
    }
}

impl FromStr for Uri {
    type Err = UriError;

    /// "The components of the WebSocket URI [...] MUST be valid according to the specification of
    /// WebSocket URIs specified in Section 3. If any of the components are invalid, the client
    /// MUST fail the connection" (RFC 6455 §4.1).
    fn from_str(text: &str) -> Result<Self, UriError> {
        let (secure, rest) = scheme(text)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(end);
        // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be
        // used on these URIs" (RFC 6455 §3).
        if resource.contains('#') {
            return Err(error(UriComponent::Fragment, UriProblem::NotAllowed));
        }
        let (userinfo, authority) = match authority.split_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        if let Some(userinfo) = userinfo {
            check(UriComponent::UserInfo, userinfo, |byte| is_sub_delimiter(byte) || byte == b':')?;
        }
        let (host, port) = host_and_port(authority)?;
        let (path, query) = match resource.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (resource, None),
        };
        let in_path = |byte| is_sub_delimiter(byte) || matches!(byte, b':' | b'@' | b'/');
        check(UriComponent::Path, path, in_path)?;
        check(UriComponent::Query, query.unwrap_or(""), |byte| in_path(byte) || byte == b'?')?;

        let default_port = if secure { 443 } else { 80 };
        let mut authority = host.to_ascii_lowercase();
        let host_len = authority.len();
        if let Some(port) = port.filter(|&port| port != default_port) {
            push_port(&mut authority, port);
        }
        // "/" if the path component is empty (RFC 6455 §3).
        let slash = if path.is_empty() { "/" } else { "" };
        Ok(Self {
            secure,
            userinfo: userinfo.map(Into::into),
            authority,
            host_len,
            port: port.unwrap_or(default_port),
            path_and_query: [slash, resource].concat(),
        })
    }
}

impl TryFrom<&str> for Uri {
    type Error = UriError;

    fn try_from(text: &str) -> Result<Self, UriError> {
        text.parse()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        let userinfo = if self.userinfo.is_some() { "***@" } else { "" };
        let (path, query) = match self.path_and_query.split_once('?') {
            Some((path, _)) => (path, "?***"),
            None => (self.path_and_query.as_str(), ""),
        };
        write!(f, "{scheme}://{userinfo}{}{path}{query}", self.authority)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({self})")
    }
}

/// Which part of a URI is wrong, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{component} of the URI {problem}")]
pub struct UriError {
    /// Where.
    pub component: UriComponent,
    /// What.
    pub problem: UriProblem,
}

/// The parts of a WebSocket URI (RFC 6455 §3, RFC 3986 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriComponent {
    /// `wss` in `wss://user:password@host:1234/path?query#fragment`.
    Scheme,
    /// `user:password`.
    UserInfo,
    /// `host`.
    Host,
    /// `1234`.
    Port,
    /// `/path`.
    Path,
    /// `query`.
    Query,
    /// `fragment`.
    Fragment,
}

impl fmt::Display for UriComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "scheme",
            Self::UserInfo => "user information",
            Self::Host => "host",
            Self::Port => "port",
            Self::Path => "path",
            Self::Query => "query",
            Self::Fragment => "fragment",
        })
    }
}

/// What is wrong with a part of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UriProblem {
    /// The part may not be left out.
    #[error("is missing")]
    Missing,
    /// A scheme that is not a WebSocket's.
    #[error("is neither `ws` nor `wss`")]
    NotWebSocket,
    /// A character that this part does not allow as it is: a control character, a space, one
    /// outside ASCII, or a delimiter.
    #[error("holds a character at byte {at} that is not allowed there, or only percent-encoded")]
    Character {
        /// Bytes of this part before it.
        at: usize,
    },
    /// `%` that two hexadecimal digits do not follow.
    #[error("holds a `%` at byte {at} that two hexadecimal digits do not follow")]
    PercentEncoding {
        /// Bytes of this part before it.
        at: usize,
    },
    /// Brackets that do not enclose an IPv6 address.
    #[error("is in brackets and no IPv6 address")]
    NotIpv6,
    /// A host of over 255 bytes, which no name server would know.
    #[error("is longer than 255 bytes")]
    TooLong,
    /// A port outside 1–65535.
    #[error("is not between 1 and 65535")]
    OutOfRange,
    /// A fragment, which has no meaning here.
    #[error("is not allowed in a WebSocket URI; write `%23` for a `#` of the path or query")]
    NotAllowed,
}

/// Host (in brackets, if it came so) and port of `host[:port]`, as in a URI without user
/// information and in the `Host` header (RFC 9110 §7.2).
pub(crate) fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), UriError> {
    let (host, port) = match authority.find(']') {
        // Colons belong to the address up to the bracket.
        Some(end) if authority.starts_with('[') => match &authority[end + 1..] {
            "" => (authority, None),
            rest => match rest.strip_prefix(':') {
                Some(port) => (&authority[..=end], Some(port)),
                None => return Err(character(UriComponent::Host, end + 1)),
            },
        },
        _ if authority.starts_with('[') => {
            return Err(error(UriComponent::Host, UriProblem::NotIpv6));
        }
        _ => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    check_host(host)?;
    // "port = *DIGIT" (RFC 3986 §3.2.3): a colon alone leaves the default.
    let port = port.filter(|port| !port.is_empty()).map(parse_port).transpose()?;
    Ok((host, port))
}

fn check_host(host: &str) -> Result<(), UriError> {
    let fail = |problem| Err(error(UriComponent::Host, problem));
    if host.is_empty() {
        return fail(UriProblem::Missing);
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return match Ipv6Addr::from_str(address) {
            Ok(_) => Ok(()),
            Err(_) => fail(UriProblem::NotIpv6),
        };
    }
    if host.len() > 255 {
        return fail(UriProblem::TooLong);
    }
    // RFC 3986 would allow more, none of which a name server knows; a name beyond ASCII is to be
    // written in its `xn--` form.
    match host.bytes().position(|byte| !is_unreserved(byte)) {
        Some(at) => Err(character(UriComponent::Host, at)),
        None => Ok(()),
    }
}

fn parse_port(port: &str) -> Result<u16, UriError> {
    if let Some(at) = port.bytes().position(|byte| !byte.is_ascii_digit()) {
        return Err(character(UriComponent::Port, at));
    }
    match port.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err(error(UriComponent::Port, UriProblem::OutOfRange)),
    }
}

fn scheme(text: &str) -> Result<(bool, &str), UriError> {
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if !scheme.is_empty() => (scheme, rest),
        _ => return Err(error(UriComponent::Scheme, UriProblem::Missing)),
    };
    let secure = match scheme {
        _ if scheme.eq_ignore_ascii_case("ws") => false,
        _ if scheme.eq_ignore_ascii_case("wss") => true,
        _ => return Err(error(UriComponent::Scheme, UriProblem::NotWebSocket)),
    };
    match rest.strip_prefix("//") {
        Some(rest) => Ok((secure, rest)),
        None => Err(error(UriComponent::Host, UriProblem::Missing)),
    }
}

/// Passes unreserved characters, percent-encoded ones, and what `also` allows.
fn check(component: UriComponent, part: &str, also: impl Fn(u8) -> bool) -> Result<(), UriError> {
    let bytes = part.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'%' {
            let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
            if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(error(component, UriProblem::PercentEncoding { at }));
            }
        } else if !is_unreserved(byte) && !also(byte) {
            return Err(character(component, at));
        }
    }
    Ok(())
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §2.2.
const fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

fn push_port(authority: &mut String, port: u16) {
    use fmt::Write as _;
    // Writing to a string does not fail.
    let _ = write!(authority, ":{port}");
}

const fn character(component: UriComponent, at: usize) -> UriError {
    error(component, UriProblem::Character { at })
}

const fn error(component: UriComponent, problem: UriProblem) -> UriError {
    UriError { component, problem }
}
