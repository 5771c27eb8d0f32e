//! What authenticators of a user's name and password have in common (RFC 7617).

use wirewright_core::handshake::{Rejection, Request};

use crate::server::authorization::{BasicCredentials, basic};
use crate::server::challenge::Challenge;
use crate::{ConfigError, Scopes};

/// How Basic credentials are read from requests, whom they let in, and what is answered to all
/// others.
///
/// Every authenticator of passwords has one; so may one of your own.
#[derive(Clone, Debug)]
#[must_use]
pub struct BasicScheme {
    challenge: Challenge,
    scopes: Scopes,
}

impl Default for BasicScheme {
    /// Users of any scope, in the realm `websocket`.
    fn default() -> Self {
        Self { challenge: Challenge::basic(), scopes: Scopes::none() }
    }
}

impl BasicScheme {
    /// Users of any scope, in a realm of this name (RFC 9110 §11.5).
    ///
    /// # Errors
    /// For a realm that is empty or not printable ASCII.
    pub fn new(realm: &str) -> Result<Self, ConfigError> {
        Ok(Self { challenge: Challenge::basic().realm(realm)?, scopes: Scopes::none() })
    }

    /// The scopes of which a user must have one; who has none of them gets 403. None are asked for
    /// by default.
    pub fn scopes(mut self, scopes: impl Into<Scopes>) -> Self {
        self.scopes = scopes.into();
        self
    }

    /// The credentials that a request shows.
    ///
    /// # Errors
    /// 401 where there are none, or they are not as [`BasicCredentials::parse`] wants them; 400 for
    /// several `Authorization` headers.
    pub fn credentials(&self, request: &Request) -> Result<BasicCredentials, Rejection> {
        match basic(request)? {
            Some(Ok(credentials)) => Ok(credentials),
            Some(Err(error)) => {
                tracing::debug!(%error, "credentials that cannot be read");
                Err(self.unknown())
            }
            None => Err(self.unknown()),
        }
    }

    /// 401 for whom nobody knows, or not by this password; which of the two is nobody's business.
    pub fn unknown(&self) -> Rejection {
        self.challenge.unauthorized()
    }

    /// Lets in who has one of the scopes that are asked for.
    ///
    /// # Errors
    /// 403 for anybody else.
    pub fn admit(&self, actual: &[String]) -> Result<(), Rejection> {
        if self.scopes.admit(actual) { Ok(()) } else { Err(Rejection::forbidden()) }
    }
}
