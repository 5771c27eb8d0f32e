//! What is to be granted, by whom, to whom.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use wirewright_core::handshake::CredentialsError;

use super::endpoint::TokenEndpoint;
use super::grant::Grant;
use super::{OAuth2Credentials, Refresh, Tell};
use crate::error::ConfigError;
use crate::http::{Endpoint, HttpOptions};
use crate::oauth2::{ClientAuthentication, Extra, OAuth2Client};

/// How to get an access token (RFC 6749): a grant and its options, to be
/// [built](Self::build) into [`OAuth2Credentials`].
///
/// ```
/// use wirewright_auth::OAuth2Grant;
///
/// let (url, secret) = ("https://id.example.com/token", "s6BhdRkqt3");
/// let credentials = OAuth2Grant::client_credentials(url, "feed", secret)
///     .scopes(["prices", "trades"])
///     .build()?;
/// # Ok::<(), wirewright_auth::ConfigError>(())
/// ```
#[must_use]
pub struct OAuth2Grant {
    grant: Grant,
    endpoint: EndpointOptions,
    client: Option<(String, Option<SecretString>)>,
    refresh: Option<Option<RefreshOptions>>,
    on_refresh_token: Option<Box<Tell>>,
    default_lifetime: Duration,
    clock_skew: Duration,
    allow_clear_text: bool,
}

impl OAuth2Grant {
    /// The client's own credentials (RFC 6749 §4.4).
    pub fn client_credentials(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<SecretString>,
    ) -> Self {
        Self::new(Grant::ClientCredentials, token_url.into()).client(client_id, client_secret)
    }

    /// A user's name and password (RFC 6749 §4.3). The server may know the
    /// [client](Self::client), or not.
    pub fn password(
        token_url: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<SecretString>,
    ) -> Self {
        let grant = Grant::Password { username: username.into(), password: password.into() };
        Self::new(grant, token_url.into())
    }

    /// A refresh token that was granted earlier (RFC 6749 §6). Where the server answers with
    /// another one, that is used from then on; see [`on_refresh_token`](Self::on_refresh_token).
    /// The server may know the [client](Self::client), or not.
    pub fn refresh_token(
        refresh_url: impl Into<String>,
        refresh_token: impl Into<SecretString>,
    ) -> Self {
        Self::new(Grant::RefreshToken(refresh_token.into()), refresh_url.into())
    }

    /// A signed statement, a JWT, about who is to act (RFC 7523 §2.1). The server may know the
    /// [client](Self::client) besides, or not.
    pub fn jwt_bearer(token_url: impl Into<String>, assertion: impl Into<SecretString>) -> Self {
        let assertion = assertion.into();
        Self::jwt_bearer_with(token_url, move || Ok(assertion.clone()))
    }

    /// As [`jwt_bearer`](Self::jwt_bearer), with an assertion that is made anew each time that it
    /// is asked for: most are valid for minutes only, and once.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use wirewright_auth::{JwtIssuer, OAuth2Grant};
    /// use wirewright_core::handshake::CredentialsError;
    ///
    /// # fn grant(issuer: JwtIssuer) -> OAuth2Grant {
    /// OAuth2Grant::jwt_bearer_with("https://id.example.com/token", move || {
    ///     issuer.issue(SystemTime::now()).map_err(CredentialsError::permanent)
    /// })
    /// # }
    /// ```
    pub fn jwt_bearer_with(
        token_url: impl Into<String>,
        assertion: impl Fn() -> Result<SecretString, CredentialsError> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Grant::JwtBearer(Arc::new(assertion)), token_url.into())
    }

    /// The client that the server knows, and its secret.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        self.client = Some((id.into(), Some(secret.into())));
        self
    }

    /// A client that the server knows by its id alone (RFC 6749 §2.1, a public client).
    pub fn public_client(mut self, id: impl Into<String>) -> Self {
        self.client = Some((id.into(), None));
        self
    }

    /// Scopes to ask for (RFC 6749 §3.3); whatever the server grants by default.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.endpoint.scopes(scopes);
        self
    }

    /// Where the client's id and secret are sent; in the header by default. In the body they leave
    /// the header to [`HttpOptions::credentials`].
    pub const fn client_authentication(mut self, how: ClientAuthentication) -> Self {
        self.endpoint.authentication = how;
        self
    }

    /// Adds a parameter to the requests for a token, such as `audience`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.endpoint.extra.parameters.push((name.into(), value.into()));
        self
    }

    /// Adds parameters that are encoded already (`a=b&c=d`) behind all others, as they are.
    pub fn payload(mut self, encoded: impl Into<SecretString>) -> Self {
        self.endpoint.extra.payload = Some(encoded.into());
        self
    }

    /// How to reach the endpoint.
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.endpoint.http = options;
        self
    }

    /// How refresh tokens are used, where the server gives any: as the options say. By default
    /// they are sent to the token endpoint like the grant itself, without scopes, for those that
    /// were granted.
    pub fn refresh(mut self, options: RefreshOptions) -> Self {
        self.refresh = Some(Some(options));
        self
    }

    /// Uses no refresh token, and the grant each time.
    pub fn without_refresh(mut self) -> Self {
        self.refresh = Some(None);
        self
    }

    /// Is told each refresh token that the server gives, so that it can be kept beyond the life of
    /// these credentials. It runs on the thread that asked, when the token is already in use.
    pub fn on_refresh_token(
        mut self,
        tell: impl Fn(&SecretString) + Send + Sync + 'static,
    ) -> Self {
        self.on_refresh_token = Some(Box::new(tell));
        self
    }

    /// The lifetime of tokens of which the server does not tell it; an hour by default.
    pub const fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.default_lifetime = lifetime;
        self
    }

    /// Takes so much off each token's lifetime, for servers whose clocks do not agree; zero by
    /// default. A token is used until a minute or a tenth of its lifetime before its end anyway,
    /// whichever is less.
    pub const fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew;
        self
    }

    /// Allows tokens to be sent over `ws` to a host other than this machine; off by default. (For
    /// the token endpoint see [`HttpOptions::allow_clear_text`].)
    pub const fn allow_clear_text(mut self, allow: bool) -> Self {
        self.allow_clear_text = allow;
        self
    }

    /// Credentials that get their tokens by this grant, the first when it is needed.
    ///
    /// # Errors
    /// [`ConfigError`]: a URL or a file that cannot be used, an empty name, a parameter twice.
    pub fn build(self) -> Result<OAuth2Credentials, ConfigError> {
        self.grant.check()?;
        let client = match self.client {
            Some((id, secret)) => Some(OAuth2Client::new(id, secret)?),
            None => None,
        };
        let refresh = match self.refresh {
            None => Refresh::AtTokenEndpoint,
            Some(None) => Refresh::Never,
            Some(Some(options)) => Refresh::At(Box::new(options.0.build()?)),
        };
        Ok(OAuth2Credentials::new(super::Parts {
            grant: self.grant,
            endpoint: self.endpoint.build()?,
            client,
            refresh,
            on_refresh_token: self.on_refresh_token,
            default_lifetime: self.default_lifetime,
            clock_skew: self.clock_skew,
            allow_clear_text: self.allow_clear_text,
        }))
    }

    fn new(grant: Grant, url: String) -> Self {
        Self {
            grant,
            endpoint: EndpointOptions::new(url),
            client: None,
            refresh: None,
            on_refresh_token: None,
            default_lifetime: Duration::from_secs(3600),
            clock_skew: Duration::ZERO,
            allow_clear_text: false,
        }
    }
}

impl fmt::Debug for OAuth2Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Grant").field("grant", &self.grant.name()).finish_non_exhaustive()
    }
}

/// How refresh tokens are used, for a server that has an endpoint of its own for them (RFC 6749
/// §6).
#[must_use]
pub struct RefreshOptions(EndpointOptions);

impl RefreshOptions {
    /// Refresh tokens are sent to this URL.
    pub fn new(refresh_url: impl Into<String>) -> Self {
        Self(EndpointOptions::new(refresh_url.into()))
    }

    /// Scopes to ask for, of those that were granted; all of them by default.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.0.scopes(scopes);
        self
    }

    /// Where the client's id and secret are sent; in the header by default.
    pub const fn client_authentication(mut self, how: ClientAuthentication) -> Self {
        self.0.authentication = how;
        self
    }

    /// Adds a parameter to the requests.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.0.extra.parameters.push((name.into(), value.into()));
        self
    }

    /// Adds parameters that are encoded already (`a=b&c=d`) behind all others, as they are.
    pub fn payload(mut self, encoded: impl Into<SecretString>) -> Self {
        self.0.extra.payload = Some(encoded.into());
        self
    }

    /// How to reach the endpoint.
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.0.http = options;
        self
    }
}

impl fmt::Debug for RefreshOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshOptions").finish_non_exhaustive()
    }
}

struct EndpointOptions {
    url: String,
    scopes: Vec<String>,
    authentication: ClientAuthentication,
    extra: Extra,
    http: HttpOptions,
}

impl EndpointOptions {
    fn new(url: String) -> Self {
        Self {
            url,
            scopes: Vec::new(),
            authentication: ClientAuthentication::default(),
            extra: Extra::default(),
            http: HttpOptions::default(),
        }
    }

    fn scopes<S: Into<String>>(&mut self, scopes: impl IntoIterator<Item = S>) {
        self.scopes = scopes.into_iter().map(Into::into).collect();
    }

    fn build(self) -> Result<TokenEndpoint, ConfigError> {
        self.extra.check(&[
            "grant_type",
            "scope",
            "client_id",
            "client_secret",
            "username",
            "password",
            "refresh_token",
            "assertion",
        ])?;
        Ok(TokenEndpoint {
            endpoint: Endpoint::new(&self.url, &self.http)?,
            authentication: self.authentication,
            scope: Some(self.scopes.join(" ")).filter(|scope| !scope.is_empty()),
            extra: self.extra,
        })
    }
}
