//! What an introspection endpoint answers (RFC 7662 §2.2).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::oauth2::Seconds;
use crate::server::scopes::Scopes;

/// An answer of an introspection endpoint (RFC 7662 §2.2).
///
/// ```
/// use wirewright_auth::IntrospectionResponse;
///
/// let response = IntrospectionResponse::parse(br#"{"active": true, "sub": "Z5O3upPC88"}"#)?;
/// assert!(response.is_active());
/// assert_eq!(response.name(), Some("Z5O3upPC88"));
/// # Ok::<(), wirewright_auth::IntrospectionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionResponse {
    is_active: bool,
    expires: Option<Duration>,
    claims: Map<String, Value>,
}

impl IntrospectionResponse {
    /// Reads the body of an answer.
    ///
    /// `active` must be there and be a boolean; `exp`, where it is there, a number or a string that
    /// holds one; `iss`, `sub`, `username`, `client_id` and `token_type` strings. None of these may
    /// be there twice, nor may `aud`, `cnf` and `scope`. So nothing but a clear yes is one.
    ///
    /// # Errors
    /// [`IntrospectionError`].
    pub fn parse(body: &[u8]) -> Result<Self, IntrospectionError> {
        let fields: Fields =
            serde_json::from_slice(body).map_err(|error| IntrospectionError::of(&error))?;
        let claims =
            serde_json::from_slice(body).map_err(|error| IntrospectionError::of(&error))?;
        let expires = match fields.exp {
            Some(Seconds(None)) => return Err(IntrospectionError::Expiry),
            Some(Seconds(expires)) => expires,
            None => None,
        };
        Ok(Self { is_active: fields.active, expires, claims })
    }

    /// Whether the server knows the token to be valid, now and here.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.is_active
    }

    /// `exp`: when the token expires, counted from the Unix epoch.
    #[must_use]
    pub const fn expires(&self) -> Option<Duration> {
        self.expires
    }

    /// Whose token it is: `sub`, else `username`, else `client_id`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        ["sub", "username", "client_id"].iter().find_map(|claim| self.text(claim))
    }

    /// The scopes of the token: a text with spaces between them (RFC 7662 §2.2) or a list of
    /// texts, under this key; none where there is no such key.
    ///
    /// # Errors
    /// [`IntrospectionError::Scope`] for anything else.
    pub fn scopes(&self, key: &str) -> Result<Vec<String>, IntrospectionError> {
        match self.claims.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(Scopes::split(text)),
            Some(Value::Array(list)) => {
                let texts = list.iter().map(|scope| scope.as_str().map(str::to_owned));
                texts.collect::<Option<_>>().ok_or(IntrospectionError::Scope)
            }
            Some(_) => Err(IntrospectionError::Scope),
        }
    }

    /// Whether the token is for one of these: whether `aud`, a text or a list, has one of them.
    #[must_use]
    pub fn is_for(&self, audiences: &[String]) -> bool {
        let is_one = |value: &Value| audiences.iter().any(|audience| value == audience.as_str());
        match self.claims.get("aud") {
            Some(Value::Array(list)) => list.iter().any(is_one),
            Some(value) => is_one(value),
            None => false,
        }
    }

    /// Whether `iss` is this.
    #[must_use]
    pub fn is_from(&self, issuer: &str) -> bool {
        self.text("iss") == Some(issuer)
    }

    /// Whether the token is of no use without a proof that who shows it may do so: one that is
    /// bound to a key (`cnf`, RFC 7800, RFC 8705 §3.2) or is for DPoP (RFC 9449 §6.2). It is not a
    /// bearer token.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        let is_dpop = |kind: &str| kind.eq_ignore_ascii_case("dpop");
        self.claims.contains_key("cnf") || self.text("token_type").is_some_and(is_dpop)
    }

    /// All claims but `active`, as text: of a text itself, of anything else its JSON.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let others =
            self.claims.iter().filter(|(name, value)| *name != "active" && !value.is_null());
        let texts = others.map(|(name, value)| match value {
            Value::String(text) => (name.clone(), text.clone()),
            value => (name.clone(), value.to_string()),
        });
        texts.collect()
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }
}

/// Why an answer of an introspection endpoint cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionError {
    /// Something other than the JSON object of RFC 7662 §2.2, such as a page of HTML.
    #[error("not the JSON object of RFC 7662 §2.2, at line {line}, column {column}")]
    NotJson {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// The time of expiry is no number.
    #[error("`exp` that is not a number")]
    Expiry,
    /// The scopes are neither text nor a list of texts.
    #[error("scopes that are neither text nor a list of texts")]
    Scope,
}

impl IntrospectionError {
    /// Where it is wrong, and not what: that may be a secret.
    fn of(error: &serde_json::Error) -> Self {
        Self::NotJson { line: error.line(), column: error.column() }
    }
}

/// What decides: once at most, and of a type of its own each where it has but one.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the others are read from the claims, and only checked here")]
struct Fields {
    active: bool,
    exp: Option<Seconds>,
    iss: Option<String>,
    sub: Option<String>,
    username: Option<String>,
    client_id: Option<String>,
    token_type: Option<String>,
    aud: Option<IgnoredAny>,
    cnf: Option<IgnoredAny>,
    scope: Option<IgnoredAny>,
}
