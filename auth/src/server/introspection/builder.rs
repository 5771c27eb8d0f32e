//! Options of introspection.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use super::{OAuth2Introspection, Options};
use crate::error::ConfigError;
use crate::http::{Endpoint, HttpOptions};
use crate::oauth2::{ClientAuthentication, Extra, OAuth2Client};
use crate::server::bearer::BearerScheme;

/// What an [`OAuth2Introspection`] is made of.
#[must_use]
pub struct OAuth2IntrospectionBuilder {
    url: String,
    http: HttpOptions,
    client: Option<(String, Option<SecretString>)>,
    extra: Extra,
    options: Options,
}

impl OAuth2IntrospectionBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            http: HttpOptions::default(),
            client: None,
            extra: Extra::default(),
            options: Options {
                scheme: BearerScheme::default(),
                authentication: ClientAuthentication::default(),
                token_type_hint: None,
                scope_key: "scope".into(),
                audiences: Vec::new(),
                issuer: None,
                cache_capacity: 1_000,
                cache_lifetime: Duration::MAX,
                default_token_lifetime: Duration::from_secs(3600),
            },
        }
    }

    /// Realm, scopes that are asked for, and whether a token may be in the query;
    /// [`BearerScheme::default`] by default.
    pub fn scheme(mut self, scheme: BearerScheme) -> Self {
        self.options.scheme = scheme;
        self
    }

    /// What this side is to the server, which "MUST also require some form of authorization" (RFC
    /// 7662 §2.1): a client with a secret. For a bearer token see [`HttpOptions::credentials`].
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        self.client = Some((id.into(), Some(secret.into())));
        self
    }

    /// Where the client's id and secret are sent; in the header by default.
    pub const fn client_authentication(mut self, how: ClientAuthentication) -> Self {
        self.options.authentication = how;
        self
    }

    /// What kind of token it is to look for first, such as `access_token` (RFC 7662 §2.1); none by
    /// default.
    pub fn token_type_hint(mut self, hint: impl Into<String>) -> Self {
        self.options.token_type_hint = Some(hint.into());
        self
    }

    /// Adds a parameter to the requests.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.extra.parameters.push((name.into(), value.into()));
        self
    }

    /// Adds parameters that are encoded already (`a=b&c=d`) behind all others, as they are.
    pub fn payload(mut self, encoded: impl Into<SecretString>) -> Self {
        self.extra.payload = Some(encoded.into());
        self
    }

    /// How to reach the endpoint. Its `request_timeout` is best shorter than the listener's time
    /// for a handshake: who asks then learns that this is not their fault.
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// Where in an answer the scopes are; `scope` by default.
    pub fn scope_key(mut self, key: impl Into<String>) -> Self {
        self.options.scope_key = key.into();
        self
    }

    /// Lets in only tokens whose `aud` has one of these; any by default.
    pub fn audiences<S: Into<String>>(mut self, any_of: impl IntoIterator<Item = S>) -> Self {
        self.options.audiences = any_of.into_iter().map(Into::into).collect();
        self
    }

    /// Lets in only tokens whose `iss` is this; any by default.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.options.issuer = Some(issuer.into());
        self
    }

    /// How many active tokens are remembered; 1 000 by default, zero for none. Where there are
    /// more, the one that was not shown for longest is forgotten.
    pub const fn cache_capacity(mut self, tokens: usize) -> Self {
        self.options.cache_capacity = tokens;
        self
    }

    /// The longest that an active token is remembered; until it expires by default. A token that
    /// is revoked meanwhile is let in for so long (RFC 7662 §4).
    pub const fn cache_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.cache_lifetime = lifetime;
        self
    }

    /// How long a token is remembered of which the server does not tell when it expires; an hour
    /// by default.
    pub const fn default_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.default_token_lifetime = lifetime;
        self
    }

    /// The authenticator; nothing is asked of the endpoint yet.
    ///
    /// # Errors
    /// [`ConfigError`]: a URL or a file that cannot be used, an empty client id, a parameter twice.
    pub fn build(self) -> Result<OAuth2Introspection, ConfigError> {
        self.extra.check(&["token", "token_type_hint", "client_id", "client_secret"])?;
        let client = match self.client {
            Some((id, secret)) => Some(OAuth2Client::new(id, secret)?),
            None => None,
        };
        let endpoint = Endpoint::new(&self.url, &self.http)?;
        OAuth2Introspection::new(endpoint, client, self.extra, self.options)
    }
}

impl fmt::Debug for OAuth2IntrospectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2IntrospectionBuilder")
            .field("http", &self.http)
            .field("scheme", &self.options.scheme)
            .finish_non_exhaustive()
    }
}
