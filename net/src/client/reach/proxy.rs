//! Which proxy to use, if any: the option's value, and URLs of proxies.

use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use wirewright_core::{Uri, UriError};

use super::environment::{Bypass, Environment};
use super::failure::ProxyError;
use crate::client::error::ClientError;

/// What stands between a client and its servers. The environment says so by default, see
/// [`from_environment`](Self::from_environment).
///
/// A proxy's password shows in no `Debug`, `Display` or error.
///
/// ```
/// use wirewright::{Client, Proxy};
///
/// let proxy = Proxy::http("http://me:secret@proxy.internal:3128")?.except("localhost,.internal");
/// let builder = Client::builder("ws://example.com/feed").proxy(proxy);
/// # Ok::<(), wirewright::ProxyUrlError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Proxy(Choice);

#[derive(Clone, Debug)]
enum Choice {
    None,
    /// The environment as it is when a connection is opened.
    Current,
    Environment(Arc<Environment>),
    Server(Arc<ProxyServer>, Bypass),
}

impl Proxy {
    /// No proxy, whatever the environment says.
    #[must_use]
    pub const fn none() -> Self {
        Self(Choice::None)
    }

    /// An HTTP proxy, which is asked for a tunnel by `CONNECT` (RFC 9110 §9.3.6): a URL such as
    /// `http://user:password@host:port`. What is not a letter, a digit or one of `-._~` in user and
    /// password is percent-encoded. They are sent as Basic (RFC 7617).
    ///
    /// # Errors
    /// [`ProxyUrlError`].
    pub fn http(url: &str) -> Result<Self, ProxyUrlError> {
        Self::server(ProxyServer::parse(url)?, |kind| kind == Kind::Http)
    }

    /// A SOCKS5 proxy (RFC 1928, user and password by RFC 1929): `socks5://…` looks names up on
    /// this side, `socks5h://…` leaves that to the proxy.
    ///
    /// # Errors
    /// [`ProxyUrlError`].
    pub fn socks5(url: &str) -> Result<Self, ProxyUrlError> {
        Self::server(ProxyServer::parse(url)?, |kind| kind != Kind::Http)
    }

    /// What the environment says when a connection is opened.
    ///
    /// For `ws` that is `http_proxy`, else `HTTP_PROXY`, which does not count where
    /// `REQUEST_METHOD` is set: a CGI program has it from a header of whoever asks (`Proxy:`). For
    /// `wss` it is `https_proxy`, else `HTTPS_PROXY`. For both it is `all_proxy`, else `ALL_PROXY`,
    /// if the former are empty or not set. A value without a scheme is an HTTP proxy.
    ///
    /// `no_proxy`, else `NO_PROXY`, holds exceptions as [`except`](Self::except) has them.
    /// `localhost` and addresses of loopback are reached directly in any case.
    #[must_use]
    pub const fn from_environment() -> Self {
        Self(Choice::Current)
    }

    /// As [`from_environment`](Self::from_environment), with variables from elsewhere.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self(Choice::Environment(Arc::new(Environment::read(variable))))
    }

    /// Servers to reach directly, separated by commas or spaces: `example.com` (and all names below
    /// it), `.example.com` or `*.example.com` (only names below it), an address, a network such as
    /// `10.0.0.0/8`, each with `:port` or without; `*` for all. Names are compared as they are
    /// written, and none is looked up for this.
    ///
    /// It is for [`http`](Self::http) and [`socks5`](Self::socks5); the environment has its own.
    #[must_use]
    pub fn except(self, servers: &str) -> Self {
        match self.0 {
            Choice::Server(server, _) => Self(Choice::Server(server, Bypass::parse(servers))),
            other => Self(other),
        }
    }

    fn server(server: ProxyServer, fits: fn(Kind) -> bool) -> Result<Self, ProxyUrlError> {
        match fits(server.kind) {
            true => Ok(Self(Choice::Server(Arc::new(server), Bypass::default()))),
            false => Err(ProxyUrlError::Scheme),
        }
    }

    /// The proxy on the way to this server.
    pub(super) fn towards(&self, uri: &Uri) -> Result<Option<Arc<ProxyServer>>, ClientError> {
        let current;
        let environment = match &self.0 {
            Choice::None => return Ok(None),
            Choice::Server(_, except) if except.has(uri) => return Ok(None),
            Choice::Server(server, _) => return Ok(Some(Arc::clone(server))),
            Choice::Environment(environment) => environment,
            Choice::Current => {
                current = Environment::current();
                &current
            }
        };
        let error = |(variable, source)| ProxyError::Environment { variable, source };
        environment.towards(uri).map_err(|found| ClientError::Proxy(error(found)))
    }
}

/// A proxy, and how to talk to it.
#[derive(Clone)]
pub(super) struct ProxyServer {
    pub(super) kind: Kind,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) login: Option<Login>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    /// Names are looked up on this side.
    Socks5,
    /// Names are looked up by the proxy.
    Socks5h,
}

#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: SecretString,
    pub(super) password: SecretString,
}

impl ProxyServer {
    pub(super) fn parse(url: &str) -> Result<Self, ProxyUrlError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (kind, usual) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 80),
            "socks5" => (Kind::Socks5, 1080),
            "socks5h" => (Kind::Socks5h, 1080),
            _ => return Err(ProxyUrlError::Scheme),
        };
        // The parts of a URL and their rules are the same whatever the scheme.
        let parse = |scheme: &str| [scheme, rest].concat().parse::<Uri>();
        let uri = parse("ws://")?;
        if uri.path_and_query() != "/" {
            return Err(ProxyUrlError::Path);
        }
        // Where the URL has no port, each scheme has its own.
        let has_port = parse("wss://")?.port() == uri.port();
        let port = if has_port { uri.port() } else { usual };
        let login = uri.userinfo().map(|userinfo| Login::parse(userinfo, kind)).transpose()?;
        Ok(Self { kind, host: uri.host().into(), port, login })
    }
}

impl Login {
    fn parse(userinfo: &str, kind: Kind) -> Result<Self, ProxyUrlError> {
        let decode = |part: &str| -> Result<String, ProxyUrlError> {
            let text = percent_decode_str(part).decode_utf8();
            text.map(Into::into).map_err(|_| ProxyUrlError::Login)
        };
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let (user, password) = (decode(user)?, decode(password)?);
        let fits = match kind {
            // "a user-id containing a colon character is invalid" (RFC 7617 §2), "The user-id and
            // password MUST NOT contain any control characters" (ibid.).
            Kind::Http => {
                let controls =
                    [&user, &password].into_iter().any(|it| it.contains(char::is_control));
                !user.contains(':') && !controls
            }
            // Each has one byte for its length, and 1 to 255 are allowed (RFC 1929 §2).
            Kind::Socks5 | Kind::Socks5h => {
                [&user, &password].into_iter().all(|it| (1..=255).contains(&it.len()))
            }
        };
        match fits {
            true => Ok(Self { user: user.into(), password: password.into() }),
            false => Err(ProxyUrlError::Login),
        }
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() { "***@" } else { "" };
        write!(f, "{:?} {login}{}:{}", self.kind, self.host, self.port)
    }
}

/// What is wrong with the URL of a proxy. It is not shown: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// A scheme that is not the one of this kind of proxy. `https`, TLS to the proxy itself, is not
    /// there yet.
    #[error("proxy is neither `http://`, `socks5://` nor `socks5h://`, or not the one asked for")]
    Scheme,
    /// Not a URL, as far as host, port and user information go.
    #[error("URL of the proxy: {0}")]
    Url(#[from] UriError),
    /// More than host and port.
    #[error("URL of the proxy has a path")]
    Path,
    /// User and password that its protocol cannot carry: control characters, a user with a colon
    /// for HTTP; none, or over 255 bytes, for SOCKS5.
    #[error("user or password of the proxy cannot be sent as they are")]
    Login,
}
