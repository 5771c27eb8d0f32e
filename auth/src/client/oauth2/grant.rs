//! The grants, and the parameters of each.

use std::sync::Arc;

use secrecy::SecretString;
use wirewright_core::handshake::CredentialsError;

use super::error::OAuth2Error;
use crate::error::ConfigError;
use crate::oauth2::Form;

pub(super) type Assertion = dyn Fn() -> Result<SecretString, CredentialsError> + Send + Sync;

pub(super) enum Grant {
    ClientCredentials,
    Password { username: String, password: SecretString },
    RefreshToken(SecretString),
    JwtBearer(Arc<Assertion>),
}

impl Grant {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Password { .. } => "password",
            Self::RefreshToken(_) => "refresh_token",
            Self::JwtBearer(_) => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Password { username, .. } if username.is_empty() => {
                Err(ConfigError::new("username", "is empty"))
            }
            _ => Ok(()),
        }
    }

    /// The assertion, for the one grant that has one.
    pub(super) fn assertion(&self) -> Result<Option<SecretString>, OAuth2Error> {
        match self {
            Self::JwtBearer(make) => match make() {
                Ok(assertion) => Ok(Some(assertion)),
                Err(error) => Err(OAuth2Error::Assertion(Arc::new(error))),
            },
            _ => Ok(None),
        }
    }

    /// The grant's parameters, in the order in which RFC 6749 and RFC 7523 name them.
    pub(super) fn form<'a>(
        &'a self,
        assertion: Option<&'a SecretString>,
        scope: Option<&'a str>,
    ) -> Form<'a> {
        let mut form = Form::default();
        form.add("grant_type", self.name());
        match self {
            Self::ClientCredentials => {}
            Self::Password { username, password } => {
                form.add("username", username).add_secret("password", password);
            }
            Self::RefreshToken(token) => {
                form.add_secret("refresh_token", token);
            }
            Self::JwtBearer(_) => {
                if let Some(assertion) = assertion {
                    form.add_secret("assertion", assertion);
                }
            }
        }
        if let Some(scope) = scope {
            form.add("scope", scope);
        }
        form
    }
}

/// The parameters for a refresh token (RFC 6749 §6).
pub(super) fn refresh_form<'a>(token: &'a SecretString, scope: Option<&'a str>) -> Form<'a> {
    let mut form = Form::default();
    form.add("grant_type", "refresh_token").add_secret("refresh_token", token);
    if let Some(scope) = scope {
        form.add("scope", scope);
    }
    form
}
