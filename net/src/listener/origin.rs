//! Which pages may connect: the check against cross-site WebSocket hijacking (RFC 6455 §10.2).

use std::net::Ipv6Addr;

use wirewright_core::handshake::Request;

/// Which origins are served.
///
/// A browser sends cookies and client certificates along with a page's request for a WebSocket,
/// whichever site the page is of, and nothing but the listener's look at `Origin` is between that
/// page and what its visitor may do here. So pages of other hosts are refused with 403 unless a
/// policy says otherwise.
///
/// Scheme, host and port are compared as wholes: no prefix, suffix or pattern is, but for `*` in
/// the place of the whole left label of a host. A request without `Origin` is no browser's, and
/// passes unless [`require_origin`](Self::require_origin) is called.
///
/// ```
/// use wirewright::OriginPolicy;
///
/// let policy = OriginPolicy::same_host().also(["https://example.com", "https://*.example.org"])?;
/// # let _ = policy;
/// assert!(OriginPolicy::only(["https://example.*"]).is_err());
/// # Ok::<(), wirewright::OriginError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct OriginPolicy {
    any: bool,
    same_host: bool,
    listed: Vec<Pattern>,
    /// Pages have `https` although connections arrive here without TLS.
    behind_tls: bool,
    required: bool,
}

/// A pattern that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no `scheme://host[:port]`, at most with `*` as the whole left label of its host")]
pub struct OriginError(String);

impl OriginPolicy {
    /// Pages of the host that the request is for, as its `Host` says; the default.
    ///
    /// That field is the client's word. A listener that only machines of one network can reach is
    /// safer with a list: the owner of a name may point it there, and be the same host.
    pub const fn same_host() -> Self {
        Self { any: false, same_host: true, listed: Vec::new(), behind_tls: false, required: false }
    }

    /// Pages of these origins and no others; see [`also`](Self::also).
    ///
    /// # Errors
    /// [`OriginError`] for what is no origin.
    pub fn only(origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, OriginError> {
        Self { same_host: false, ..Self::same_host() }.also(origins)
    }

    /// Whatever page asks: for listeners that give everybody the same, and do nothing for anyone.
    pub const fn any() -> Self {
        Self { any: true, same_host: false, listed: Vec::new(), behind_tls: false, required: false }
    }

    /// Pages of these origins too: `https://example.com`, `http://localhost:8080`, or, for each
    /// name of exactly one label more, `https://*.example.com`.
    ///
    /// # Errors
    /// [`OriginError`] for what is no origin, such as one with a path.
    pub fn also(
        mut self,
        origins: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, OriginError> {
        for origin in origins {
            self.listed.push(Pattern::parse(origin.as_ref())?);
        }
        Ok(self)
    }

    /// For a listener behind a proxy that does TLS for it: the same host's pages have `https`.
    pub const fn behind_tls(mut self) -> Self {
        self.behind_tls = true;
        self
    }

    /// Refuses requests without `Origin` too: browsers only.
    pub const fn require_origin(mut self) -> Self {
        self.required = true;
        self
    }

    /// Whether the request may go on. It was upgraded, so that there is one origin, or none.
    pub(crate) fn admits(&self, request: &Request, is_secure: bool) -> bool {
        let Some(text) = request.origin() else { return !self.required };
        if self.any {
            return true;
        }
        // `null` stands for pages that are nobody's (RFC 6454 §7.1), and is no origin here.
        let Some(origin) = Origin::parse(text) else { return false };
        (self.same_host && self.is_same_host(&origin, request.host(), is_secure))
            || self.listed.iter().any(|pattern| pattern.admits(&origin))
    }

    fn is_same_host(&self, origin: &Origin<'_>, host: Option<&str>, is_secure: bool) -> bool {
        let scheme = if self.behind_tls || is_secure { "https" } else { "http" };
        let host = host.and_then(host_and_port);
        host.is_some_and(|(host, port)| {
            let here = Origin { scheme, host, port };
            origin.is_of(&here) && origin.host.eq_ignore_ascii_case(here.host)
        })
    }
}

impl Default for OriginPolicy {
    fn default() -> Self {
        Self::same_host()
    }
}

/// An origin, or all whose host has one label in front of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    scheme: String,
    host: String,
    port: Option<u16>,
    wildcard: bool,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, OriginError> {
        let plain = text.replacen("://*.", "://", 1);
        let origin = Origin::parse(&plain).ok_or_else(|| OriginError(text.into()))?;
        Ok(Self {
            scheme: origin.scheme.into(),
            host: origin.host.into(),
            port: origin.port,
            wildcard: plain.len() != text.len(),
        })
    }

    fn admits(&self, origin: &Origin<'_>) -> bool {
        let this = Origin { scheme: &self.scheme, host: &self.host, port: self.port };
        let host = if self.wildcard {
            origin.host.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, rest)| rest)
        } else {
            Some(origin.host)
        };
        origin.is_of(&this) && host.is_some_and(|host| host.eq_ignore_ascii_case(this.host))
    }
}

/// An origin as browsers write it (RFC 6454 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
        let (host, port) = host_and_port(authority)?;
        (is_scheme && scheme.bytes().all(in_scheme)).then_some(Self { scheme, host, port })
    }

    /// Scheme and port are the same; a port that is the scheme's own may be left out.
    fn is_of(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme) && self.port() == other.port()
    }

    fn port(&self) -> Option<u16> {
        self.port.or_else(|| {
            let is = |scheme: &str| self.scheme.eq_ignore_ascii_case(scheme);
            if is("http") {
                Some(80)
            } else if is("https") {
                Some(443)
            } else {
                None
            }
        })
    }
}

/// `host[:port]`, an address of IPv6 in brackets, and nothing before or behind it.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    // The last colon: those of an address are inside its brackets.
    let (host, port) = match text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !host.is_empty() && host.bytes().all(in_host)
        }
    };
    let port = match port {
        // The parser of integers would take a sign.
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    is_host.then_some((host, port))
}
