//! Tokens that a server is asked about (RFC 7662).

mod builder;
mod response;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use secrecy::{ExposeSecret as _, SecretString};
use wirewright_core::handshake::{Authenticator, Identity, Rejection, Request};

use super::bearer::BearerScheme;
use super::cache::{Cache, Key};
use super::keyed;
use crate::error::ConfigError;
use crate::flights::Flights;
use crate::http::{Answer, Endpoint, EndpointError};
use crate::oauth2::{ClientAuthentication, Extra, Form, OAuth2Client};
use crate::sync::lock;

pub use self::builder::OAuth2IntrospectionBuilder;
pub use self::response::{IntrospectionError, IntrospectionResponse};

/// How long nothing is asked of an endpoint that is out of reach, and what is told to those who ask
/// meanwhile.
const REST: Duration = Duration::from_secs(1);
/// The longest rest that an endpoint may ask for (`Retry-After`).
const MAX_REST: Duration = Duration::from_secs(300);

/// Lets in who shows a bearer token (RFC 6750) that an introspection endpoint says is active (RFC
/// 7662).
///
/// - A token that is not active, has expired, is for another audience or from another issuer, or
///   is no bearer token because it is bound to a key: 401, `invalid_token`.
/// - One without any of the scopes that are asked for: 403.
/// - An endpoint that is out of reach or answers with anything but a clear yes or no: 503 with
///   `Retry-After`. Nobody is let in for that.
///
/// The identity has the name `sub`, else `username`, else `client_id`; the token's scopes; all
/// claims as text; and expires with the token.
///
/// An active token is remembered, as a digest, until it expires, or for less where
/// [`cache_lifetime`](OAuth2IntrospectionBuilder::cache_lifetime) says so; one that is not active
/// is not, so that nobody can fill the memory with tokens that they made up. Of all that show the
/// same token at the same time, one is asked for.
///
/// ```
/// use wirewright_auth::{BearerScheme, OAuth2Introspection};
///
/// let tokens = OAuth2Introspection::builder("https://id.example.com/introspect")
///     .client("feed", "s6BhdRkqt3")
///     .scheme(BearerScheme::new("feed")?.scopes(["feed:read"])?)
///     .audiences(["https://feed.example.com"])
///     .build()?;
/// # let _: &dyn wirewright_core::handshake::Authenticator = &tokens;
/// # Ok::<(), wirewright_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct OAuth2Introspection(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    client: Option<OAuth2Client>,
    extra: Extra,
    options: Options,
    digests: keyed::Key,
    cache: Mutex<Cache>,
    flights: Flights<Key, Verdict>,
    rest_until: Mutex<Option<Instant>>,
}

struct Options {
    scheme: BearerScheme,
    authentication: ClientAuthentication,
    token_type_hint: Option<String>,
    scope_key: String,
    audiences: Vec<String>,
    issuer: Option<String>,
    cache_capacity: usize,
    cache_lifetime: Duration,
    default_token_lifetime: Duration,
}

/// What is known of a token.
#[derive(Clone)]
enum Verdict {
    Active(Arc<Identity>),
    Invalid,
    /// Nothing, for so long.
    Unknown(Duration),
}

impl OAuth2Introspection {
    /// Options for tokens that this endpoint knows.
    pub fn builder(url: impl Into<String>) -> OAuth2IntrospectionBuilder {
        OAuth2IntrospectionBuilder::new(url.into())
    }

    fn new(
        endpoint: Endpoint,
        client: Option<OAuth2Client>,
        extra: Extra,
        options: Options,
    ) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(Inner {
            endpoint,
            client,
            extra,
            digests: keyed::Key::random()?,
            cache: Mutex::new(Cache::new(options.cache_capacity)),
            options,
            flights: Flights::new(),
            rest_until: Mutex::new(None),
        })))
    }

    /// Forgets a token, as when it is known to be revoked; the next who shows it has it looked up.
    pub fn forget(&self, token: &SecretString) {
        let key = self.0.key(token);
        lock(&self.0.cache).remove(&key);
    }

    /// Forgets all tokens.
    pub fn forget_all(&self) {
        lock(&self.0.cache).clear();
    }
}

impl Authenticator for OAuth2Introspection {
    fn authenticate(&self, request: &Request) -> Result<Identity, Rejection> {
        let scheme = &self.0.options.scheme;
        let token = scheme.token(request)?;
        match self.0.verdict(&token) {
            Verdict::Active(identity) => {
                scheme.admit(&identity.scopes)?;
                Ok(Identity::clone(&identity))
            }
            Verdict::Invalid => Err(scheme.invalid_token()),
            Verdict::Unknown(rest) => Err(unavailable(rest)),
        }
    }
}

impl fmt::Debug for OAuth2Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Introspection")
            .field("url", &self.0.endpoint.url())
            .field("scheme", &self.0.options.scheme)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn verdict(&self, token: &SecretString) -> Verdict {
        let key = self.key(token);
        let cached = || lock(&self.cache).get(&key, Instant::now()).map(Verdict::Active);
        if let Some(verdict) = cached() {
            return verdict;
        }
        let patience = self.endpoint.request_timeout();
        let landed = self.flights.run(key, patience, || {
            // It may have landed since it was looked for.
            cached().unwrap_or_else(|| self.ask(key, token))
        });
        landed.unwrap_or(Verdict::Unknown(REST))
    }

    fn ask(&self, key: Key, token: &SecretString) -> Verdict {
        let now = Instant::now();
        if let Some(until) = *lock(&self.rest_until)
            && now < until
        {
            return Verdict::Unknown(until - now);
        }
        let mut form = Form::default();
        form.add_secret("token", token);
        if let Some(hint) = &self.options.token_type_hint {
            form.add("token_type_hint", hint);
        }
        let how = self.options.authentication;
        let client = self.client.as_ref();
        let authorization = client.and_then(|it| it.authenticate(how, &mut form));
        form.extend(&self.extra);
        let url = self.endpoint.url();
        match self.endpoint.post_form(&form.encode(), authorization.as_ref()) {
            Ok(answer) => self.judge(&answer, key).unwrap_or_else(|problem| {
                let status = answer.status;
                tracing::warn!(endpoint = url, status, %problem, "introspection failed");
                self.unknown(answer.retry_after, false)
            }),
            Err(error) => {
                tracing::warn!(%error, "introspection failed");
                self.unknown(None, is_out_of_reach(&error))
            }
        }
    }

    /// A clear yes or no; or what is unclear.
    fn judge(&self, answer: &Answer, key: Key) -> Result<Verdict, Unclear> {
        // Also where it says 401: it is this side that it does not know (RFC 7662 §2.3), and
        // nothing follows from that for the token.
        if answer.status != 200 {
            return Err(Unclear::Status);
        }
        let response = IntrospectionResponse::parse(&answer.body)?;
        let options = &self.options;
        let is_for_us = options.audiences.is_empty() || response.is_for(&options.audiences);
        let is_from = options.issuer.as_ref().is_none_or(|issuer| response.is_from(issuer));
        if !response.is_active() || response.is_bound() || !is_for_us || !is_from {
            return Ok(Verdict::Invalid);
        }
        let lifetime = match response.expires() {
            None => options.default_token_lifetime,
            Some(expires) => match left(expires) {
                Some(left) => left,
                None => return Ok(Verdict::Invalid),
            },
        };
        let mut identity = Identity::new(response.name().unwrap_or_default());
        identity.scopes = response.scopes(&options.scope_key)?;
        identity.attributes = response.attributes();
        identity.expires = response.expires();
        let identity = Arc::new(identity);
        // What is longer may be no `Instant`.
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let until = Instant::now() + lifetime.min(options.cache_lifetime).min(YEAR);
        lock(&self.cache).insert(key, Arc::clone(&identity), until);
        Ok(Verdict::Active(identity))
    }

    /// Rests where the endpoint asks for it or is out of reach, and not for any answer of its own:
    /// that may be due to the one token, and others would suffer for it.
    fn unknown(&self, retry_after: Option<Duration>, is_out_of_reach: bool) -> Verdict {
        let rest = retry_after.unwrap_or(REST).clamp(REST, MAX_REST);
        if retry_after.is_some() || is_out_of_reach {
            *lock(&self.rest_until) = Some(Instant::now() + rest);
        }
        Verdict::Unknown(rest)
    }

    fn key(&self, token: &SecretString) -> Key {
        self.digests.digest([token.expose_secret().as_bytes()])
    }
}

/// Why an answer is neither yes nor no.
#[derive(Debug, thiserror::Error)]
enum Unclear {
    #[error("a status that is not 200")]
    Status,
    #[error(transparent)]
    Response(#[from] IntrospectionError),
}

const fn is_out_of_reach(error: &EndpointError) -> bool {
    use EndpointError::{Network, Timeout, Tls};
    matches!(error, Network { .. } | Timeout { .. } | Tls { .. })
}

/// What is left until this time, counted from the Unix epoch; `None` if it has passed.
fn left(until: Duration) -> Option<Duration> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    until.checked_sub(now).filter(|left| !left.is_zero())
}

/// 503: "the server is currently unable to handle the request [...] MAY send a Retry-After" (RFC
/// 9110 §15.6.4).
fn unavailable(rest: Duration) -> Rejection {
    let seconds = rest.as_millis().div_ceil(1_000).max(1).to_string();
    let rejection = Rejection::unavailable().header("Retry-After", &seconds);
    rejection.unwrap_or_else(Rejection::from)
}
