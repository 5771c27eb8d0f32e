//! Where the transport and authentication meet, without knowing each other.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::{error::Error, fmt, time::Duration};

use super::{Headers, Rejection, Request};
use crate::uri::Uri;

/// A client's credentials: the header fields that a handshake carries for them.
pub trait Credentials: Send + Sync {
    /// Adds to `headers` what the handshake with `uri` is to carry, mostly `Authorization`; a
    /// field given here replaces those of its name that the caller set.
    ///
    /// Asked anew for every handshake, so that a token may be renewed in between. It may block;
    /// the handshake's deadline does not wait for it.
    ///
    /// # Errors
    /// [`CredentialsError`], with which the connection attempt fails, nothing having been sent.
    fn headers(&self, uri: &Uri, headers: &mut Headers) -> Result<(), CredentialsError>;

    /// The server has answered 401 to what [`headers`](Self::headers) had put into `sent`. Whether
    /// it is worth asking once more, with other credentials than these: what was cached of them is
    /// to be forgotten. Not asked again for the same attempt to connect. `false` by default.
    fn refused(&self, uri: &Uri, sent: &Headers) -> bool {
        let _ = (uri, sent);
        false
    }
}

/// Why there are no credentials for a handshake.
#[derive(Debug)]
pub struct CredentialsError {
    cause: Box<dyn Error + Send + Sync>,
    transient: bool,
}

impl CredentialsError {
    /// An error that another attempt would meet again, such as a password that was refused.
    pub fn permanent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), transient: false }
    }

    /// An error that may pass, such as a token endpoint out of reach.
    pub fn transient(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), transient: true }
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.transient
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no credentials for the handshake: {}", self.cause)
    }
}

impl Error for CredentialsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl From<super::HandshakeMisuse> for CredentialsError {
    fn from(misuse: super::HandshakeMisuse) -> Self {
        Self::permanent(misuse)
    }
}

/// A server's check of who asks, before the 101.
///
/// Closures of the same shape are authenticators too; they run where they may block.
///
/// ```
/// use wirewright_core::handshake::{Authenticator, Identity, Rejection, Request};
///
/// let tokens = |request: &Request| match request.head().header_str("authorization") {
///     Some("Bearer let-me-in") => Ok(Identity::new("somebody")),
///     Some(_) => Err(Rejection::forbidden()),
///     None => Err(Rejection::unauthorized("Bearer realm=\"feed\"")?),
/// };
/// let _: &dyn Authenticator = &tokens;
/// ```
pub trait Authenticator: Send + Sync {
    /// Says who sent the request, or what to answer instead.
    ///
    /// # Errors
    /// The [`Rejection`] to be sent: 401 with a challenge, 403, or 503 where the user store is out
    /// of reach (RFC 6455 §4.2.2, RFC 9110 §11).
    fn authenticate(&self, request: &Request) -> Result<Identity, Rejection>;

    /// Whether [`authenticate`](Self::authenticate) may block, as by asking a server. `true` by
    /// default: it is then called off the event loop, while the handshake's deadline goes on.
    fn may_block(&self) -> bool {
        true
    }
}

impl<F> Authenticator for F
where
    F: Fn(&Request) -> Result<Identity, Rejection> + Send + Sync,
{
    fn authenticate(&self, request: &Request) -> Result<Identity, Rejection> {
        self(request)
    }
}

/// Who sent a request, as an [`Authenticator`] says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The user name, subject or client id.
    pub name: String,
    /// What it may do, for those who authorise.
    pub scopes: Vec<String>,
    /// Whatever else is known of it, such as the claims of a token.
    pub attributes: BTreeMap<String, String>,
    /// When it ceases to be valid, counted from the Unix epoch; `None` for never.
    pub expires: Option<Duration>,
}

impl Identity {
    /// An identity with a name alone.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}
