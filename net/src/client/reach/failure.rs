//! What can go wrong on the way to a server.

use std::error::Error;
use std::fmt;
use std::io;

use wirewright_core::handshake::{HandshakeError, HeadError, Refused};
use wirewright_core::{Uri, UriError};

use super::due::Due;
use super::proxy::ProxyUrlError;
use crate::client::error::ClientError;

/// Every address that was tried, and why it is not the one.
#[derive(Debug, Default)]
pub struct Attempts(Vec<Attempt>);

/// One address that was tried.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Address and port, or the path of a Unix socket.
    pub to: String,
    /// What the system said.
    pub error: io::Error,
}

impl Attempts {
    pub(super) fn push(&mut self, to: impl fmt::Display, error: io::Error) {
        self.0.push(Attempt { to: to.to_string(), error });
    }

    /// In the order in which they failed.
    pub fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.0.iter()
    }

    /// What kind of error the last one was.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.0.last().map_or(io::ErrorKind::AddrNotAvailable, |attempt| attempt.error.kind())
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Attempt { to, error }) in self.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{to}: {error}")?;
        }
        Ok(())
    }
}

impl Error for Attempts {}

/// Why one of several URLs could not be used.
#[derive(Debug)]
#[non_exhaustive]
pub struct UrlFailure {
    /// The URL.
    pub url: Uri,
    /// Why.
    pub error: ClientError,
}

/// Why none of several URLs could be used, in the order in which they were tried.
pub(crate) struct Joined<'f>(pub(crate) &'f [UrlFailure]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, UrlFailure { url, error }) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{url}: {error}")?;
            // Where the message leaves the reason to its source.
            if let Some(source) = error.source() {
                write!(f, ": {source}")?;
            }
        }
        Ok(())
    }
}

/// Why there is no connection, before it is known whom to: a server or a proxy.
#[derive(Debug)]
pub(super) enum Failure {
    Resolve(io::Error),
    Connect(Attempts),
    Late(Due),
}

impl Failure {
    pub(super) fn of_server(self, host: &str) -> ClientError {
        let host = host.into();
        match self {
            Self::Resolve(source) => ClientError::Resolve { host, source },
            Self::Connect(source) => ClientError::Connect { host, source },
            Self::Late(due) => due.error(),
        }
    }

    pub(super) fn of_proxy(self, host: &str) -> ClientError {
        let host = host.into();
        ClientError::Proxy(match self {
            Self::Resolve(source) => ProxyError::Resolve { host, source },
            Self::Connect(source) => ProxyError::Connect { host, source },
            Self::Late(due) => return due.error(),
        })
    }
}

/// Why a proxy was no way to the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// A variable of the environment that names no proxy. The value is not shown: it may hold a
    /// password.
    #[error("`{variable}` of the environment: {source}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        source: ProxyUrlError,
    },
    /// The proxy's host has no address.
    #[error("proxy {host:?} not resolved")]
    Resolve {
        /// The proxy's host.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// None of the proxy's addresses accepted a connection.
    #[error("no connection to proxy {host:?}")]
    Connect {
        /// The proxy's host.
        host: String,
        /// Which addresses were tried, and what the system said.
        source: Attempts,
    },
    /// An HTTP proxy answered with a status outside 200–299, such as 407.
    #[error("proxy refused the tunnel: {}", StatusLine(.0))]
    Refused(Box<Refused>),
    /// An HTTP proxy's answer is not HTTP, or over one of `handshake_limits`.
    #[error("answer of the proxy: {0}")]
    Head(HeadError),
    /// The proxy ended the connection before the tunnel was open.
    #[error("proxy ended the connection before the tunnel was open")]
    Ended,
    /// The network failed on the way to the proxy.
    #[error("network failed on the way to the proxy")]
    Network(#[source] io::Error),
    /// The proxy speaks no SOCKS5; the byte is what it sent for its version.
    #[error("proxy speaks no SOCKS5: version {0}")]
    SocksVersion(u8),
    /// A SOCKS5 proxy wants an authentication that was not offered; the byte is what it chose, 255
    /// for none of those offered (RFC 1928 §3).
    #[error("proxy wants another authentication than was offered (method {0})")]
    SocksMethod(u8),
    /// A SOCKS5 proxy refused user name and password (RFC 1929 §2).
    #[error("proxy refused user name and password (status {0})")]
    SocksLogin(u8),
    /// A SOCKS5 proxy did not connect (RFC 1928 §6).
    #[error("proxy did not connect: {0}")]
    Socks(SocksReply),
    /// A SOCKS5 proxy sent what RFC 1928 does not know.
    #[error("proxy broke SOCKS5")]
    SocksMalformed,
}

impl ProxyError {
    /// The status, where an HTTP proxy refused with one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refused) => Some(refused.status()),
            _ => None,
        }
    }

    /// What failed while the proxy was spoken to is the proxy's.
    pub(super) fn on_the_way(error: ClientError) -> ClientError {
        match error {
            ClientError::Network(error) => ClientError::Proxy(Self::Network(error)),
            other => other,
        }
    }
}

impl From<HandshakeError> for ProxyError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(refused) => Self::Refused(refused),
            HandshakeError::Head(error) => Self::Head(error),
            // A tunnel fails in no other way than by its end.
            _ => Self::Ended,
        }
    }
}

/// A status and, if there is one, its reason.
struct StatusLine<'r>(&'r Refused);

impl fmt::Display for StatusLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, reason) = (self.0.status(), self.0.reason());
        if reason.is_empty() { write!(f, "{status}") } else { write!(f, "{status} {reason}") }
    }
}

/// Why a SOCKS5 proxy did not connect (RFC 1928 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SocksReply {
    /// 1.
    #[error("general failure")]
    GeneralFailure,
    /// 2.
    #[error("not allowed by its rules")]
    NotAllowed,
    /// 3.
    #[error("network unreachable")]
    NetworkUnreachable,
    /// 4.
    #[error("host unreachable")]
    HostUnreachable,
    /// 5.
    #[error("connection refused")]
    ConnectionRefused,
    /// 6.
    #[error("time to live expired")]
    TtlExpired,
    /// 7.
    #[error("command not supported")]
    CommandNotSupported,
    /// 8.
    #[error("address type not supported")]
    AddressTypeNotSupported,
    /// Any other.
    #[error("code {0}")]
    Other(u8),
}

impl From<u8> for SocksReply {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::GeneralFailure,
            2 => Self::NotAllowed,
            3 => Self::NetworkUnreachable,
            4 => Self::HostUnreachable,
            5 => Self::ConnectionRefused,
            6 => Self::TtlExpired,
            7 => Self::CommandNotSupported,
            8 => Self::AddressTypeNotSupported,
            other => Self::Other(other),
        }
    }
}

/// Why a redirect was not followed. URLs show without what may be secret in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// `Location` is not a URI reference (RFC 3986 §4.1), or several of them.
    #[error("`Location` of the redirect is not a URI")]
    Location,
    /// `Location` leads to something that cannot be a WebSocket's URI.
    #[error("`Location` of the redirect: {0}")]
    Url(#[from] UriError),
    /// `Location` has a scheme other than `ws`, `wss`, `http` and `https`.
    #[error("`Location` of the redirect has another scheme than `ws`, `wss`, `http` and `https`")]
    Scheme,
    /// From `wss` to `ws`: a server does not decide to give up encryption.
    #[error("redirect from `wss` to `{0}`, which is not encrypted")]
    Downgrade(Uri),
    /// To a URL that was asked already.
    #[error("redirects go round: `{0}` was asked before")]
    Loop(Uri),
    /// More of them than [`redirects`](crate::ClientBuilder::redirects) allows.
    #[error("more than {max} redirects, the limit of `redirects`")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// From a Unix socket to another server, which is not behind that socket.
    #[error("redirect from a Unix socket to `{0}`")]
    LeavesSocket(Uri),
}
