//! How to reach an HTTP endpoint.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use wirewright_core::handshake::Credentials;

/// How to reach an HTTP endpoint, such as a token endpoint or a set of keys.
///
/// A connection is made for each request, and it never goes through a proxy. Redirects are not
/// followed, and an answer of over 64 KiB is an error. `Debug` shows names of headers, and no
/// values.
///
/// ```
/// use std::time::Duration;
/// use wirewright_auth::HttpOptions;
///
/// let options = HttpOptions::new()
///     .request_timeout(Duration::from_secs(5))
///     .header("X-Tenant", "feeds");
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpOptions {
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) headers: Vec<(String, SecretString)>,
    pub(super) credentials: Option<Arc<dyn Credentials>>,
    pub(super) roots: Vec<PathBuf>,
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    pub(super) accept_any_certificate: bool,
    pub(super) allow_clear_text: bool,
}

impl HttpOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
            headers: Vec::new(),
            credentials: None,
            roots: Vec::new(),
            identity: None,
            accept_any_certificate: false,
            allow_clear_text: false,
        }
    }

    /// The longest to wait for a connection: name, TCP and TLS together; 15 s by default. It is
    /// part of the [`request_timeout`](Self::request_timeout).
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest that all of a request may take, from looking up the name to the last byte of
    /// the answer; 30 s by default. No byte that arrives extends it.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Adds a header field to each request. `Authorization` gives way to credentials of the
    /// request's own; other fields that a request sets itself, such as `Content-Type`, stay as
    /// they are given here.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Credentials for the endpoint itself, asked for each request, and once more after a 401: a
    /// token of another grant, say. They give way to an `Authorization` that the request has of
    /// its own. What they take to get comes on top of the timeouts.
    pub fn credentials(mut self, credentials: impl Credentials + 'static) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }

    /// Trusts the certificates in this PEM file instead of those that the system trusts; may be
    /// given several times.
    pub fn roots_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots.push(path.into());
        self
    }

    /// Shows a certificate to the server that asks for one: PEM files of the chain, the own
    /// certificate first, and of its private key (PKCS #8, PKCS #1 or SEC 1, not encrypted).
    pub fn identity_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((chain.into(), key.into()));
        self
    }

    /// Accepts any certificate, for any name: whoever is in between can read and change
    /// everything, secrets and tokens included. Off by default.
    pub const fn danger_accept_any_certificate(mut self, accept: bool) -> Self {
        self.accept_any_certificate = accept;
        self
    }

    /// Allows `http` to a host other than this machine. Off by default: "the authorization server
    /// MUST require the use of TLS [...] when sending requests to the token endpoint" (RFC 6749
    /// §3.2).
    pub const fn allow_clear_text(mut self, allow: bool) -> Self {
        self.allow_clear_text = allow;
        self
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("headers", &headers)
            .field("credentials", &self.credentials.is_some())
            .field("roots", &self.roots)
            .field("identity", &self.identity)
            .field("accept_any_certificate", &self.accept_any_certificate)
            .field("allow_clear_text", &self.allow_clear_text)
            .finish()
    }
}
