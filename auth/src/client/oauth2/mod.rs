//! Access tokens of OAuth 2.0 (RFC 6749, RFC 6750, RFC 7523): held until shortly before they
//! expire, asked for by one thread at a time.

mod builder;
mod endpoint;
mod error;
mod grant;
mod response;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use wirewright_core::Uri;
use wirewright_core::handshake::{Credentials, CredentialsError, Headers};

pub use self::builder::{OAuth2Grant, RefreshOptions};
pub use self::error::OAuth2Error;
pub use self::response::{TokenResponse, TokenResponseError};

use self::endpoint::{Granted, TokenEndpoint};
use self::grant::{Grant, refresh_form};
use self::store::{Failure, Outcome, Store, Token};
use super::clear_text;
use crate::oauth2::OAuth2Client;

/// Bearer tokens (RFC 6750 §2.1) that are granted by a token endpoint, for any number of clients:
/// clones share the token.
///
/// A token is asked for when a handshake needs one, and held until a minute, or a tenth of its
/// lifetime, before it expires. One thread asks; the others wait for it, no longer than one request
/// may take, and share what comes of it. A clock that is set forward or back changes nothing.
///
/// - A refresh token that the server has given is used for the next token, and the grant where
///   that is refused.
/// - A server that answers 401 to a handshake has the token forgotten, so that the next one is
///   another.
/// - After a failure nobody asks for a second, for twice as long after each further one, up to
///   30 s, and on top of that for as long as `Retry-After` says, up to 5 minutes. Until then that
///   failure is the answer, or the token if it has not expired.
/// - A token that lives for no time (`expires_in` of zero or less) is used by those who waited for
///   it, and not again.
///
/// `Debug` shows no secret. Errors are [`OAuth2Error`], as the source of a [`CredentialsError`].
#[derive(Clone)]
pub struct OAuth2Credentials(Arc<Inner>);

struct Inner {
    parts: Parts,
    store: Store,
}

/// What was configured.
struct Parts {
    grant: Grant,
    endpoint: TokenEndpoint,
    client: Option<OAuth2Client>,
    refresh: Refresh,
    on_refresh_token: Option<Box<Tell>>,
    default_lifetime: Duration,
    clock_skew: Duration,
    allow_clear_text: bool,
}

type Tell = dyn Fn(&SecretString) + Send + Sync;

/// What is done with refresh tokens.
enum Refresh {
    Never,
    AtTokenEndpoint,
    At(Box<TokenEndpoint>),
}

impl OAuth2Credentials {
    fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner { parts, store: Store::new() }))
    }

    /// The access token: the one that is held, or a new one. It may block, up to the
    /// `request_timeout` of each request that is needed, which are two where a refresh token is
    /// refused.
    ///
    /// # Errors
    /// [`OAuth2Error`].
    pub fn access_token(&self) -> Result<SecretString, OAuth2Error> {
        let Inner { parts, store } = &*self.0;
        let mut given = None;
        let fetch = |refresh_token: Option<SecretString>| {
            let used = refresh_token.clone();
            let outcome = parts.fetch(refresh_token);
            let is_other = |it: &&SecretString| {
                used.as_ref().is_none_or(|used| used.expose_secret() != it.expose_secret())
            };
            given = outcome.refresh_token.as_ref().filter(is_other).cloned();
            outcome
        };
        let token = store.token(parts.endpoint.timeout(), fetch, || parts.endpoint.waited());
        if let (Some(tell), Some(given)) = (&parts.on_refresh_token, given) {
            tell(&given);
        }
        let token = token?;
        Ok(token.value.clone())
    }
}

impl Credentials for OAuth2Credentials {
    fn headers(&self, uri: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        clear_text::check(uri, self.0.parts.allow_clear_text)?;
        let token = self.access_token()?;
        let value = Zeroizing::new(["Bearer ", token.expose_secret()].concat());
        Ok(headers.set("Authorization", &value)?)
    }

    fn refused(&self, _: &Uri, sent: &Headers) -> bool {
        let token = sent.get("Authorization").and_then(|value| value.strip_prefix("Bearer "));
        // Where it is another than the one that is held, that one may be better.
        token.inspect(|token| self.0.store.forget(token)).is_some()
    }
}

impl fmt::Debug for OAuth2Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Credentials")
            .field("grant", &self.0.parts.grant.name())
            .field("token_url", &self.0.parts.endpoint.endpoint.url())
            .finish_non_exhaustive()
    }
}

impl Parts {
    /// Asks with the refresh token, if any, and else, or where that is refused, by the grant.
    fn fetch(&self, refresh_token: Option<SecretString>) -> Outcome {
        if let Some(refresh_token) = refresh_token
            && let Some((endpoint, scope)) = self.refresh_endpoint()
        {
            let asked = endpoint.ask(refresh_form(&refresh_token, scope), self.client.as_ref());
            let is_refused = asked.as_ref().is_err_and(|failure| failure.error.is_refusal());
            // The grant's own refresh token was discarded for this one.
            if !is_refused || matches!(self.grant, Grant::RefreshToken(_)) {
                return self.outcome(asked, Some(refresh_token));
            }
        }
        self.outcome(self.ask(), None)
    }

    fn ask(&self) -> Result<Granted, Failure> {
        let assertion = self.grant.assertion();
        let assertion = assertion.map_err(|error| Failure { error, retry_after: None })?;
        let form = self.grant.form(assertion.as_ref(), self.endpoint.scope.as_deref());
        self.endpoint.ask(form, self.client.as_ref())
    }

    /// Where refresh tokens go, and what they ask for.
    fn refresh_endpoint(&self) -> Option<(&TokenEndpoint, Option<&str>)> {
        let scope = match &self.grant {
            Grant::RefreshToken(_) => self.endpoint.scope.as_deref(),
            // "if omitted is treated as equal to the scope originally granted" (RFC 6749 §6).
            _ => None,
        };
        match &self.refresh {
            Refresh::Never => None,
            Refresh::AtTokenEndpoint => Some((&self.endpoint, scope)),
            Refresh::At(endpoint) => Some((endpoint, endpoint.scope.as_deref())),
        }
    }

    /// `refresh_token` is what was used, and goes on being used where there is no other: "The
    /// authorization server MAY issue a new refresh token, in which case the client MUST discard
    /// the old refresh token and replace it" (RFC 6749 §6).
    fn outcome(
        &self,
        asked: Result<Granted, Failure>,
        refresh_token: Option<SecretString>,
    ) -> Outcome {
        match asked {
            Ok(Granted { response, asked }) => {
                let lifetime = response.expires_in.unwrap_or(self.default_lifetime);
                let token = Token::new(response.access_token, asked, lifetime, self.clock_skew);
                let refresh_token = response.refresh_token.or(refresh_token);
                Outcome { result: Ok(token), refresh_token }
            }
            Err(failure) => {
                let error = &failure.error;
                tracing::warn!(%error, "no access token");
                Outcome { result: Err(failure), refresh_token }
            }
        }
    }
}
