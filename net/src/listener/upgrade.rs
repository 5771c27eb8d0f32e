//! A request for a WebSocket as its user sees it, and the user's answer.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::str::{self, FromStr};
use std::sync::Arc;

use percent_encoding::percent_decode;
use wirewright_core::handshake::{HandshakeMisuse, Headers, Identity, Rejection, Request, Upgrade};

use wirewright_core::Security;

use super::routes::Parameters;
use super::service::Service;

/// A request for a WebSocket that has passed all checks: those of RFC 6455 §4.2.1, the route, the
/// origin, the authenticators.
///
/// It is a [`Request`] and knows more than that. Each kind of value comes in three forms: one that
/// must be there (`query_param`), one that may be (`query_param_opt`), and all of a name
/// (`query_params`). What is missing or cannot be read is a [`Rejection`], for `?`:
///
/// | value | missing | cannot be read |
/// |---|---|---|
/// | path parameter | – | 404 |
/// | query parameter | 400 | 400 |
/// | header | 404 | 400 |
///
/// ```
/// use wirewright::{Service, UpgradeRequest};
///
/// struct Room { number: u32, name: String }
///
/// impl Service for Room {}
///
/// let upgrade = |request: &UpgradeRequest| {
///     let number = request.path_param("room")?;
///     let name = request.query_param_opt("name")?.unwrap_or_else(|| "nobody".to_owned());
///     Ok(Room { number, name })
/// };
/// # let _ = wirewright::Listener::builder().route("/chat/{room}", upgrade);
/// ```
pub struct UpgradeRequest {
    upgrade: Upgrade,
    parameters: Parameters,
    peer: SocketAddr,
    local: SocketAddr,
    identity: Option<Identity>,
    security: Option<Arc<Security>>,
}

impl UpgradeRequest {
    pub(crate) const fn new(
        upgrade: Upgrade,
        parameters: Parameters,
        (peer, local): (SocketAddr, SocketAddr),
        security: Option<Arc<Security>>,
    ) -> Self {
        Self { upgrade, parameters, peer, local, identity: None, security }
    }

    pub(crate) fn set_identity(&mut self, identity: Identity) {
        self.identity = Some(identity);
    }

    pub(crate) fn into_parts(self) -> (Upgrade, Option<Identity>, Option<Arc<Security>>) {
        (self.upgrade, self.identity, self.security)
    }

    /// What TLS has agreed on, and the client's certificate if it has shown one; `None` without
    /// TLS.
    #[must_use]
    pub fn security(&self) -> Option<&Security> {
        self.security.as_deref()
    }

    /// A parameter of the route, such as `room` of `/chat/{room}`, percent-decoded.
    ///
    /// # Errors
    /// 404 for a value that is no `T`: there is nothing at such a path. 500 if the route has no
    /// parameter of this name.
    pub fn path_param<T: FromStr>(&self, name: &str) -> Result<T, Rejection> {
        let Some((_, value)) = self.parameters.iter().find(|(other, _)| **other == *name) else {
            tracing::error!(name, "upgrade service asks for a path parameter that its route lacks");
            return Err(Rejection::internal_error());
        };
        value.parse().map_err(|_| {
            Rejection::not_found().body(format!("path parameter `{name}` cannot be read\n"))
        })
    }

    /// The first query parameter of this name.
    ///
    /// # Errors
    /// 400 if there is none, or it is no `T`.
    pub fn query_param<T: FromStr>(&self, name: &str) -> Result<T, Rejection> {
        self.query_param_opt(name)?.ok_or_else(|| {
            Rejection::bad_request().body(format!("no value for query parameter `{name}`\n"))
        })
    }

    /// The first query parameter of this name, if there is one.
    ///
    /// # Errors
    /// 400 if it is no `T`.
    pub fn query_param_opt<T: FromStr>(&self, name: &str) -> Result<Option<T>, Rejection> {
        self.query_values(name).next().transpose()
    }

    /// All query parameters of this name, in order; there may be none.
    ///
    /// # Errors
    /// 400 if one of them is no `T`.
    pub fn query_params<T: FromStr>(&self, name: &str) -> Result<Vec<T>, Rejection> {
        self.query_values(name).collect()
    }

    /// Names and values of the query, decoded as forms are: `+` is a space (WHATWG URL §5.1). What
    /// is not UTF-8 becomes U+FFFD.
    pub fn query_pairs(&self) -> impl Iterator<Item = (String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.pairs().map(move |(name, value)| (text(name), text(value)))
    }

    /// The first value of this header, in any case of its letters.
    ///
    /// # Errors
    /// 404 if there is none, 400 if it is no `T`.
    pub fn header_param<T: FromStr>(&self, name: &str) -> Result<T, Rejection> {
        self.header_param_opt(name)?
            .ok_or_else(|| Rejection::not_found().body(format!("no header `{name}`\n")))
    }

    /// The first value of this header, if there is one.
    ///
    /// # Errors
    /// 400 if it is no `T`, or not UTF-8: what cannot be read never passes for what is missing.
    pub fn header_param_opt<T: FromStr>(&self, name: &str) -> Result<Option<T>, Rejection> {
        self.header_values(name).next().transpose()
    }

    /// All values of this header, a line each; there may be none.
    ///
    /// # Errors
    /// 400 if one of them is no `T`.
    pub fn header_params<T: FromStr>(&self, name: &str) -> Result<Vec<T>, Rejection> {
        self.header_values(name).collect()
    }

    /// The first cookie of this name. A cookie that is not text is passed over.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Names and values of all cookies (RFC 6265 §4.2.1), as they were sent.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.head().headers("Cookie").filter_map(|line| str::from_utf8(line).ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.trim(), value.trim()))
    }

    /// The other end's address: that of a proxy, if there is one.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The address that the peer has connected to.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Who asks, as the authenticator said; `None` where none was asked. What it may do is in its
    /// [`scopes`](Identity::scopes), and what else is known of it, such as the claims of a token,
    /// in its [`attributes`](Identity::attributes).
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    fn query_values<T: FromStr>(&self, name: &str) -> impl Iterator<Item = Result<T, Rejection>> {
        let values = self.pairs().filter(move |(other, _)| other == name.as_bytes());
        values.map(move |(_, value)| {
            read(&value).ok_or_else(|| {
                Rejection::bad_request().body(format!("query parameter `{name}` cannot be read\n"))
            })
        })
    }

    fn pairs(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let query = self.query().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decode(name), form_decode(value))
        })
    }

    fn header_values<T: FromStr>(&self, name: &str) -> impl Iterator<Item = Result<T, Rejection>> {
        self.head().headers(name).map(move |value| {
            read(value).ok_or_else(|| {
                Rejection::bad_request().body(format!("header `{name}` cannot be read\n"))
            })
        })
    }
}

impl Deref for UpgradeRequest {
    type Target = Request;

    fn deref(&self) -> &Request {
        self.upgrade.request()
    }
}

impl fmt::Debug for UpgradeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeRequest")
            .field("request", &**self)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

fn read<T: FromStr>(value: &[u8]) -> Option<T> {
    str::from_utf8(value).ok()?.parse().ok()
}

fn form_decode(text: &str) -> Vec<u8> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { text.into() };
    percent_decode(spaced.as_bytes()).collect()
}

/// Decides on upgrade requests; any `Fn(&UpgradeRequest) -> Result<service, Rejection>` is one, for
/// a service that is a [`Service`] or an [`Accept`].
pub trait UpgradeService: Send + Sync + 'static {
    /// The service for a new connection, or why there is none.
    ///
    /// # Errors
    /// The answer that the peer gets instead of a connection. Of any other error,
    /// [`Rejection::from_error`] makes one.
    fn upgrade(&self, request: &UpgradeRequest) -> Result<Accept, Rejection>;

    /// Whether [`upgrade`](Self::upgrade) may block. `false` by default; if so, it is called off
    /// the event loop, while the handshake's deadline goes on.
    fn may_block(&self) -> bool {
        false
    }
}

impl<F, A> UpgradeService for F
where
    F: Fn(&UpgradeRequest) -> Result<A, Rejection> + Send + Sync + 'static,
    A: Into<Accept>,
{
    fn upgrade(&self, request: &UpgradeRequest) -> Result<Accept, Rejection> {
        self(request).map(Into::into)
    }
}

/// The answer 101: the connection's service, and what the answer says beside the handshake.
///
/// ```
/// use wirewright::{Accept, Service, UpgradeRequest};
///
/// struct Feed;
///
/// impl Service for Feed {}
///
/// let upgrade = |_: &UpgradeRequest| {
///     Ok(Accept::new(Feed).header("Set-Cookie", "seen=yes; Secure; HttpOnly")?)
/// };
/// # let _ = wirewright::Listener::builder().route("/feed", upgrade);
/// ```
#[must_use]
pub struct Accept {
    pub(crate) service: Box<dyn Service>,
    pub(crate) headers: Headers,
    pub(crate) sub_protocol: Option<String>,
}

impl Accept {
    /// With this service, and no header but those of the handshake.
    pub fn new(service: impl Service) -> Self {
        Self { service: Box::new(service), headers: Headers::new(), sub_protocol: None }
    }

    /// Adds a header field to the 101.
    ///
    /// # Errors
    /// [`HandshakeMisuse`] for a name or value that cannot be sent, or a field that the handshake
    /// writes; `?` makes it 500.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HandshakeMisuse> {
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// Chooses this sub-protocol, whatever the options say. If the client did not ask for it, the
    /// request is refused with 500.
    pub fn sub_protocol(mut self, name: impl Into<String>) -> Self {
        self.sub_protocol = Some(name.into());
        self
    }
}

impl<S: Service> From<S> for Accept {
    fn from(service: S) -> Self {
        Self::new(service)
    }
}

impl From<Box<dyn Service>> for Accept {
    fn from(service: Box<dyn Service>) -> Self {
        Self { service, headers: Headers::new(), sub_protocol: None }
    }
}

impl fmt::Debug for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept")
            .field("headers", &self.headers)
            .field("sub_protocol", &self.sub_protocol)
            .finish_non_exhaustive()
    }
}
