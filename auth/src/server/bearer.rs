//! What authenticators of bearer tokens have in common: where the token is, and what to answer (RFC
//! 6750).

use secrecy::SecretString;
use wirewright_core::handshake::{Rejection, Request};

use super::authorization::{BearerError, bearer};
use super::challenge::Challenge;
use super::scopes::{Scopes, is_scope_token};
use crate::ConfigError;

/// How bearer tokens are read from requests, whom they let in, and what is answered to all others.
///
/// Every authenticator of tokens has one; so may one of your own, as for tokens in a database:
///
/// ```
/// use wirewright_auth::BearerScheme;
/// use wirewright_core::handshake::{Identity, Rejection, Request};
///
/// # fn owner(token: &secrecy::SecretString) -> Option<Identity> { None }
/// let scheme = BearerScheme::new("feed")?.scopes(["feed:read", "admin"])?;
/// let tokens = move |request: &Request| -> Result<Identity, Rejection> {
///     let token = scheme.token(request)?;
///     let identity = owner(&token).ok_or_else(|| scheme.invalid_token())?;
///     scheme.admit(&identity.scopes)?;
///     Ok(identity)
/// };
/// # let _: &dyn wirewright_core::handshake::Authenticator = &tokens;
/// # Ok::<(), wirewright_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct BearerScheme {
    challenge: Challenge,
    scopes: Scopes,
    in_query: bool,
}

impl Default for BearerScheme {
    /// Tokens in the header `Authorization`, of any scope, in the realm `websocket`.
    fn default() -> Self {
        Self::of(Challenge::bearer())
    }
}

impl BearerScheme {
    /// Tokens in the header `Authorization`, of any scope, in a realm of this name (RFC 9110
    /// §11.5).
    ///
    /// # Errors
    /// For a realm that is empty or not printable ASCII.
    pub fn new(realm: &str) -> Result<Self, ConfigError> {
        Challenge::bearer().realm(realm).map(Self::of)
    }

    const fn of(challenge: Challenge) -> Self {
        Self { challenge, scopes: Scopes::none(), in_query: false }
    }

    /// The scopes of which a token must have one; who has none of them gets 403. None are asked
    /// for by default.
    ///
    /// # Errors
    /// For a scope that is none of RFC 6749 §3.3, as with white space in it.
    pub fn scopes(mut self, scopes: impl Into<Scopes>) -> Result<Self, ConfigError> {
        self.scopes = scopes.into();
        if let Some(scope) = self.scopes.iter().find(|scope| !is_scope_token(scope)) {
            let problem = format!("{scope:?} is not a scope of RFC 6749 §3.3");
            return Err(ConfigError::new("scopes", problem));
        }
        Ok(self)
    }

    /// Whether a token may also come as `?access_token=…` (RFC 6750 §2.3), as browsers cannot set
    /// headers on a WebSocket. Off by default: "it SHOULD NOT be used", as targets of requests are
    /// logged by servers and proxies on the way.
    pub const fn accept_in_query(mut self, accept: bool) -> Self {
        self.in_query = accept;
        self
    }

    /// The token that a request shows, 8 KiB at most (RFC 6750 §2).
    ///
    /// # Errors
    /// 401 where there is none, without an error in its challenge: "If the request lacks any
    /// authentication information [...] the resource server SHOULD NOT include an error code" (RFC
    /// 6750 §3.1). 400 for several, 401 for what no token can be.
    pub fn token(&self, request: &Request) -> Result<SecretString, Rejection> {
        match bearer(request, self.in_query) {
            Ok(Some(token)) => Ok(token),
            Ok(None) => Err(self.challenge.unauthorized()),
            Err(BearerError::Malformed) => Err(self.invalid_token()),
            Err(BearerError::Repeated) => {
                let rejection = Rejection::bad_request().body("several bearer tokens\n");
                Err(self.error("invalid_request").beside(rejection))
            }
        }
    }

    /// 401 for a token that "is expired, revoked, malformed, or invalid for other reasons" (RFC
    /// 6750 §3.1); which of them is nobody's business.
    pub fn invalid_token(&self) -> Rejection {
        self.error("invalid_token").unauthorized()
    }

    /// Lets in who has one of the scopes that are asked for.
    ///
    /// # Errors
    /// 403 for anybody else, with `insufficient_scope` and "the "scope" attribute with the scope
    /// necessary to access the protected resource" (RFC 6750 §3.1).
    pub fn admit(&self, actual: &[String]) -> Result<(), Rejection> {
        if self.scopes.admit(actual) {
            return Ok(());
        }
        let scopes: Vec<&str> = self.scopes.iter().collect();
        let mut challenge = self.error("insufficient_scope");
        if !scopes.is_empty() {
            challenge = challenge.and("scope", &scopes.join(" "));
        }
        Err(challenge.beside(Rejection::forbidden()))
    }

    fn error(&self, error: &str) -> Challenge {
        self.challenge.clone().and("error", error)
    }
}
