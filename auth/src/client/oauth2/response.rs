//! What a token endpoint answers (RFC 6749 §5).

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::oauth2::{Seconds, printable};

/// A successful answer of a token endpoint (RFC 6749 §5.1). `Debug` shows no token.
///
/// ```
/// use wirewright_auth::TokenResponse;
///
/// let body = br#"{"access_token": "2YotnFZFEjr1zCsicMWpAA", "token_type": "Bearer"}"#;
/// assert!(TokenResponse::parse(body)?.expires_in.is_none());
/// # Ok::<(), wirewright_auth::TokenResponseError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The access token: visible ASCII characters, at least one.
    pub access_token: SecretString,
    /// How long it is valid; zero where the server says a number below zero.
    pub expires_in: Option<Duration>,
    /// A token to get the next one with.
    pub refresh_token: Option<SecretString>,
    /// What the token is good for, where that is told.
    pub scope: Option<String>,
}

impl TokenResponse {
    /// Reads the body of an answer.
    ///
    /// More lenient than RFC 6749 §5.1 where servers are known to be: `expires_in` may be a string,
    /// and without `token_type` the token is taken for a bearer token. A type that is not `Bearer`,
    /// in any case of its letters, is an error: "The client MUST NOT use an access token if it does
    /// not understand the token type" (§7.1).
    ///
    /// # Errors
    /// [`TokenResponseError`], also for an error that is reported with status 200.
    pub fn parse(body: &[u8]) -> Result<Self, TokenResponseError> {
        Self::read(body, &|_| false)
    }

    /// As [`parse`](Self::parse); what the server says to people is left out where it repeats
    /// what `is_secret`.
    pub(super) fn read(
        body: &[u8],
        is_secret: &dyn Fn(&str) -> bool,
    ) -> Result<Self, TokenResponseError> {
        let fields = Fields::parse(body).map_err(|error| not_json(&error))?;
        if let Some(refusal) = fields.refusal(is_secret) {
            return Err(refusal);
        }
        let token = fields.access_token.ok_or(TokenResponseError::Missing)?;
        // What cannot stand in a header; all that RFC 6750 §2.1 allows can.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenResponseError::AccessToken);
        }
        if let Some(token_type) = fields.token_type
            && !token_type.eq_ignore_ascii_case("bearer")
        {
            return Err(TokenResponseError::TokenType(printable(&token_type)));
        }
        let expires_in = match fields.expires_in {
            Some(Seconds(None)) => return Err(TokenResponseError::ExpiresIn),
            Some(Seconds(seconds)) => seconds,
            None => None,
        };
        Ok(Self {
            access_token: token.into(),
            expires_in,
            refresh_token: fields.refresh_token.filter(|it| !it.is_empty()).map(Into::into),
            scope: fields.scope,
        })
    }

    /// The error in the body of an answer, if it holds one (RFC 6749 §5.2).
    pub(super) fn refusal(
        body: &[u8],
        is_secret: &dyn Fn(&str) -> bool,
    ) -> Option<TokenResponseError> {
        Fields::parse(body).ok()?.refusal(is_secret)
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .field("refresh_token", &self.refresh_token.is_some())
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Why an answer of a token endpoint holds no token that can be used. No part of a token shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenResponseError {
    /// The server says no (RFC 6749 §5.2).
    #[error("{code}{}", description.as_ref().map_or(String::new(), |it| format!(": {it}")))]
    Refused {
        /// Its code, such as `invalid_client`; of bounded length, without control characters.
        code: String,
        /// What it says to people, with the same bounds.
        description: Option<String>,
    },
    /// Something other than the JSON object of RFC 6749 §5.1, such as a page of HTML.
    #[error("not the JSON object of RFC 6749 §5.1, at line {line}, column {column}")]
    NotJson {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// There is no `access_token`.
    #[error("no `access_token`")]
    Missing,
    /// The access token cannot be sent.
    #[error("an `access_token` that is empty or holds what is not a visible ASCII character")]
    AccessToken,
    /// The token is to be used in a way that is not known here.
    #[error("token of type {0:?}, which is not `Bearer`")]
    TokenType(String),
    /// The lifetime is no number.
    #[error("`expires_in` that is not a number")]
    ExpiresIn,
}

#[derive(Deserialize)]
struct Fields {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
    refresh_token: Option<String>,
    scope: Option<String>,
    error: Option<Value>,
    error_description: Option<Value>,
}

impl Fields {
    fn parse(body: &[u8]) -> serde_json::Result<Self> {
        // An array of the values in order is as good as the object to what is derived.
        serde_json::from_slice::<Map<String, Value>>(body)?;
        serde_json::from_slice(body)
    }

    fn refusal(&self, is_secret: &dyn Fn(&str) -> bool) -> Option<TokenResponseError> {
        let shown = |text: &str| if is_secret(text) { "***".to_owned() } else { printable(text) };
        let code = match self.error.as_ref()? {
            Value::String(code) => shown(code),
            // Some have objects of their own here: that it is an error is all that is known.
            _ => "an error without a code".to_owned(),
        };
        let description = self.error_description.as_ref().and_then(Value::as_str).map(shown);
        Some(TokenResponseError::Refused { code, description })
    }
}

/// Where it is wrong, and not what: that may be a token.
fn not_json(error: &serde_json::Error) -> TokenResponseError {
    TokenResponseError::NotJson { line: error.line(), column: error.column() }
}
