//! The options of a [`JwtValidator`].

use std::fmt;
use std::time::Duration;

use super::cache::Cache;
use super::expectations::Expectations;
use super::keys::Keys;
use super::remote::{JwksEndpoint, Remote};
use super::{BearerScheme, JwtValidator};
use crate::{ConfigError, JwkSet, JwtAlgorithm, VerifyingKey};

/// The largest `leeway`: beyond, clocks are wrong and not different.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// What a [`JwtValidator`] asks of tokens.
#[derive(Clone)]
#[must_use]
pub struct JwtValidatorBuilder {
    algorithms: Vec<JwtAlgorithm>,
    keys: Option<Source>,
    expected: Expectations,
    max_length: usize,
    cache: Option<(usize, Duration)>,
    scheme: BearerScheme,
}

#[derive(Clone)]
enum Source {
    One(VerifyingKey),
    Set(JwkSet),
    Remote(JwksEndpoint),
}

impl Default for JwtValidatorBuilder {
    fn default() -> Self {
        Self {
            algorithms: Vec::new(),
            keys: None,
            expected: Expectations::default(),
            max_length: 8 * 1024,
            cache: None,
            scheme: BearerScheme::default(),
        }
    }
}

impl JwtValidatorBuilder {
    /// The algorithms that a token may be signed with. Required: what a token says of its algorithm
    /// is not to be trusted (RFC 8725 §3.1).
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = JwtAlgorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// The key, the only one, whatever `kid` tokens have. This, [`key_set`](Self::key_set) or
    /// [`jwks`](Self::jwks) is required; the last of them counts.
    pub fn key(mut self, key: VerifyingKey) -> Self {
        self.keys = Some(Source::One(key));
        self
    }

    /// Keys of which a token's `kid` picks one.
    pub fn key_set(mut self, keys: JwkSet) -> Self {
        self.keys = Some(Source::Set(keys));
        self
    }

    /// The same, which the issuer publishes. Only with these keys may the authenticator block.
    pub fn jwks(mut self, endpoint: JwksEndpoint) -> Self {
        self.keys = Some(Source::Remote(endpoint));
        self
    }

    /// Who must have issued the token, `iss`: exactly this. Not asked for by default.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.expected.issuer = Some(issuer.into());
        self
    }

    /// Who we are: one of these must be in `aud`. Without any, a token that has an audience is
    /// refused, as it is meant for somebody else (RFC 7519 §4.1.3, RFC 8725 §3.9).
    pub fn audience<S: Into<String>>(mut self, audience: impl IntoIterator<Item = S>) -> Self {
        self.expected.audience = audience.into_iter().map(Into::into).collect();
        self
    }

    /// Whether tokens are accepted that are meant for others. `false` by default.
    pub const fn accept_any_audience(mut self, accept: bool) -> Self {
        self.expected.any_audience = accept;
        self
    }

    /// The only user who is let in, `sub`. Not asked for by default.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.expected.subject = Some(subject.into());
        self
    }

    /// The only token's id, `jti`. Not asked for by default.
    pub fn jwt_id(mut self, id: impl Into<String>) -> Self {
        self.expected.jwt_id = Some(id.into());
        self
    }

    /// The only key's name, `kid`. Not asked for by default.
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.expected.key_id = Some(key_id.into());
        self
    }

    /// Another claim and what it must be: strings are compared as they are, anything else as JSON
    /// without white space, so that `"true"` is what a string and a boolean are both equal to.
    /// May be called several times.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.expected.claims.insert(name.into(), value.into());
        self
    }

    /// The type that a token must name, `typ`, such as `at+jwt` (RFC 8725 §3.11, RFC 9068 §2.1).
    /// Not asked for by default.
    pub fn token_type(mut self, token_type: impl Into<String>) -> Self {
        self.expected.token_type = Some(token_type.into());
        self
    }

    /// How far clocks may differ: `exp` counts this much later, `nbf` and `iat` this much earlier.
    /// None by default, 300 s at most.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.expected.leeway = leeway;
        self
    }

    /// Whether a token must have an `exp`. `true` by default: one without is valid for ever.
    pub const fn require_expiry(mut self, require: bool) -> Self {
        self.expected.require_expiry = require;
        self
    }

    /// The claim that has the scopes, as one string with spaces between them or as an array of
    /// strings. `scope` by default (RFC 8693 §4.2).
    pub fn scope_key(mut self, name: impl Into<String>) -> Self {
        self.expected.scope_key = name.into();
        self
    }

    /// The claim that has the user's name, and must be there. By default it is `sub`, and a token
    /// without one has an empty name.
    pub fn name_claim(mut self, name: impl Into<String>) -> Self {
        self.expected.name_claim = Some(name.into());
        self
    }

    /// Bytes that a token may have; 8 KiB by default. In a request it has no more than that, nor
    /// more than the line of a header may have.
    pub const fn max_token_length(mut self, bytes: usize) -> Self {
        self.max_length = bytes;
        self
    }

    /// Remembers up to so many tokens that were valid, each for `lifetime` at most, a day being the
    /// longest: what is saved is the check of a signature. Whether a token has expired is looked at
    /// again; that its key is no longer used does not count for that long. Off by default.
    pub const fn cache(mut self, capacity: usize, lifetime: Duration) -> Self {
        self.cache = Some((capacity, lifetime));
        self
    }

    /// The realm, the scopes that are asked for, and where tokens are found.
    pub fn scheme(mut self, scheme: BearerScheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Checks what was set. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`ConfigError`] without keys or algorithms, for an algorithm that the keys are none for, a
    /// secret shorter than its hash (RFC 7518 §3.2), a set without a usable key, a URL that cannot
    /// be used, a leeway over 300 s, and a registered claim in [`claim`](Self::claim).
    pub fn build(self) -> Result<JwtValidator, ConfigError> {
        let fail = |option, problem: &str| Err(ConfigError::new(option, problem));
        if self.algorithms.is_empty() {
            return fail("`algorithms`", "are required (RFC 8725 §3.1)");
        }
        if self.expected.leeway > MAX_LEEWAY {
            return fail("`leeway`", "is over 300 s");
        }
        let registered = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
        if let Some(name) = registered.iter().find(|name| self.expected.claims.contains_key(**name))
        {
            return fail("`claim`", &format!("is `{name}`, which has a check of its own"));
        }
        let keys = match self.keys {
            None => {
                return fail("`key`, `key_set` or `jwks`", "is required to verify signatures");
            }
            Some(Source::One(key)) => {
                self.algorithms.iter().try_for_each(|algorithm| key.check(*algorithm))?;
                Keys::One(key)
            }
            Some(Source::Set(keys)) if keys.is_empty() => {
                return fail("`key_set`", "holds no key that is usable");
            }
            Some(Source::Set(keys)) => Keys::Set(keys),
            Some(Source::Remote(endpoint)) => Keys::Remote(Box::new(Remote::new(&endpoint)?)),
        };
        let is_secret = |algorithm: &&JwtAlgorithm| algorithm.min_secret() > 0;
        if let (Keys::Set(_) | Keys::Remote(_), Some(algorithm)) =
            (&keys, self.algorithms.iter().find(is_secret))
        {
            return fail("`algorithms`", &format!("hold {algorithm}, but key sets no secrets"));
        }
        Ok(JwtValidator {
            algorithms: self.algorithms,
            keys,
            expected: self.expected,
            max_length: self.max_length,
            cache: self
                .cache
                .map(|(capacity, lifetime)| Cache::new(capacity, lifetime))
                .transpose()?,
            scheme: self.scheme,
        })
    }
}

impl fmt::Debug for JwtValidatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms = &self.algorithms;
        f.debug_struct("JwtValidatorBuilder")
            .field("algorithms", algorithms)
            .finish_non_exhaustive()
    }
}
