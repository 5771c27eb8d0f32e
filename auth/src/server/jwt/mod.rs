//! JSON Web Tokens, validated as RFC 8725 wants it.

mod builder;
mod cache;
mod claims;
mod error;
mod expectations;
mod keys;
mod remote;
mod token;

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret as _;
use wirewright_core::handshake::{Authenticator, Identity, Rejection, Request};

pub use builder::JwtValidatorBuilder;
pub use error::JwtError;
pub use remote::JwksEndpoint;

use self::cache::Cache;
use self::claims::Claims;
use self::expectations::Expectations;
use self::keys::Keys;
use self::token::{Header, Token};
use super::bearer::BearerScheme;
use crate::JwtAlgorithm;

/// Lets in who shows a token that was signed by whom we trust (RFC 7519, RFC 8725).
///
/// A key and the algorithms that it may be used with are required; both are decided here, and
/// nothing that a token says about keys is followed: `jku`, `x5u`, `jwk` and `x5c` are ignored,
/// `kid` picks one of the keys that are known, and `crit` is refused (RFC 7515 §4.1).
///
/// The [`Identity`] has the token's scopes, its expiry, and all its claims as attributes: strings
/// as they are, anything else as JSON.
///
/// ```no_run
/// use wirewright_auth::{BearerScheme, JwksEndpoint, JwtAlgorithm, JwtValidator};
///
/// let authenticator = JwtValidator::builder()
///     .algorithms([JwtAlgorithm::Rs256, JwtAlgorithm::Es256])
///     .jwks(JwksEndpoint::new("https://login.example.com/.well-known/jwks.json"))
///     .issuer("https://login.example.com")
///     .audience(["https://feed.example.com"])
///     .scheme(BearerScheme::new("feed")?.scopes(["feed:read"])?)
///     .build()?;
/// # let _: &dyn wirewright_core::handshake::Authenticator = &authenticator;
/// # Ok::<(), wirewright_auth::ConfigError>(())
/// ```
pub struct JwtValidator {
    algorithms: Vec<JwtAlgorithm>,
    keys: Keys,
    expected: Expectations,
    max_length: usize,
    cache: Option<Cache>,
    scheme: BearerScheme,
}

impl JwtValidator {
    /// Keys, algorithms and expectations to be set.
    pub fn builder() -> JwtValidatorBuilder {
        JwtValidatorBuilder::default()
    }

    /// Whose token this is: for whoever has a token from elsewhere than the header of a request.
    /// Scopes are not asked for here, but by [`authenticate`](Authenticator::authenticate). It may
    /// block where keys have to be fetched.
    ///
    /// # Errors
    /// What is wrong with the token, which is not the business of the peer;
    /// [`JwtError::Unavailable`] without a fault of the token's.
    pub fn validate(&self, token: &str, now: SystemTime) -> Result<Identity, JwtError> {
        if token.len() > self.max_length {
            return Err(JwtError::TooLong { length: token.len(), max: self.max_length });
        }
        let now = now.duration_since(UNIX_EPOCH).map_err(|_| JwtError::Clock)?;
        let cache = self.cache.as_ref().map(|cache| (cache, cache.digest(token)));
        let known = cache.as_ref().and_then(|(cache, digest)| cache.find(digest));
        if let Some(identity) = known.filter(|known| Expectations::is_current(known, now)) {
            return Ok((*identity).clone());
        }
        let token = Token::parse(token)?;
        self.verify(&token)?;
        // Nothing is made of claims before the signature says that they are the issuer's.
        let claims = Claims::parse(token.claims)?;
        let identity = self.expected.check(&claims, now)?;
        if let Some((cache, digest)) = cache {
            cache.insert(digest, &identity);
        }
        Ok(identity)
    }

    /// Fetches the keys, where they come from an [endpoint](JwksEndpoint): so that the first
    /// handshake need not wait for it.
    ///
    /// # Errors
    /// [`JwtError::Unavailable`]; the next token that needs them tries again.
    pub fn preload(&self) -> Result<(), JwtError> {
        self.keys.preload()
    }

    fn verify(&self, token: &Token<'_>) -> Result<(), JwtError> {
        let Header { algorithm, key_id, .. } = &token.header;
        // "Libraries MUST enable the caller to specify a supported set of algorithms and MUST NOT
        // use any other algorithms when performing cryptographic operations" (RFC 8725 §3.1).
        if !self.algorithms.contains(algorithm) {
            return Err(JwtError::Algorithm);
        }
        self.expected.check_header(&token.header)?;
        self.keys.verify(key_id.as_deref(), *algorithm, token.signed, &token.signature)
    }
}

impl Authenticator for JwtValidator {
    fn authenticate(&self, request: &Request) -> Result<Identity, Rejection> {
        let token = self.scheme.token(request)?;
        match self.validate(token.expose_secret(), SystemTime::now()) {
            Ok(identity) => {
                self.scheme.admit(&identity.scopes)?;
                Ok(identity)
            }
            Err(error @ JwtError::Unavailable { .. }) => {
                tracing::debug!(%error, "token could not be checked");
                Err(self.keys.unavailable())
            }
            Err(error) => {
                tracing::debug!(%error, "token refused");
                Err(self.scheme.invalid_token())
            }
        }
    }

    fn may_block(&self) -> bool {
        self.keys.are_remote()
    }
}

impl fmt::Debug for JwtValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtValidator")
            .field("algorithms", &self.algorithms)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
