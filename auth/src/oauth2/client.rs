//! How a client proves who it is (RFC 6749 §2.3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use form_urlencoded::byte_serialize;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use super::Form;
use crate::error::ConfigError;

/// Where client id and client secret are sent to (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// In `Authorization`, as HTTP Basic, both form-encoded first: what "the authorization server
    /// MUST support". The default.
    #[default]
    Header,
    /// As `client_id` and `client_secret` among the parameters, "NOT RECOMMENDED and SHOULD be
    /// limited to clients unable to directly utilize the HTTP Basic authentication scheme".
    Body,
}

/// A client that is known to the server.
#[derive(Clone)]
pub(crate) struct OAuth2Client {
    id: String,
    /// Public clients have none.
    secret: Option<SecretString>,
}

impl OAuth2Client {
    pub(crate) fn new(id: String, secret: Option<SecretString>) -> Result<Self, ConfigError> {
        if id.is_empty() {
            return Err(ConfigError::new("client id", "is empty"));
        }
        Ok(Self { id, secret })
    }

    /// Adds to the form what is sent there, and gives the value of `Authorization`, if any.
    pub(crate) fn authenticate<'a>(
        &'a self,
        how: ClientAuthentication,
        form: &mut Form<'a>,
    ) -> Option<SecretString> {
        match (&self.secret, how) {
            (Some(secret), ClientAuthentication::Header) => {
                form.hide(secret);
                Some(self.basic(secret))
            }
            (Some(secret), ClientAuthentication::Body) => {
                form.add("client_id", &self.id).add_secret("client_secret", secret);
                None
            }
            // "A client MAY use the "client_id" request parameter to identify itself" (RFC 6749
            // §3.2.1).
            (None, _) => {
                form.add("client_id", &self.id);
                None
            }
        }
    }

    /// "The client identifier is encoded using the "application/x-www-form-urlencoded" encoding
    /// algorithm [...] and the encoded value is used as the username; the client password is
    /// encoded using the same algorithm and used as the password" (RFC 6749 §2.3.1).
    fn basic(&self, secret: &SecretString) -> SecretString {
        let secret = secret.expose_secret();
        // A byte is three at most.
        let size = 3 * (self.id.len() + secret.len()) + 1;
        let mut plain = Zeroizing::new(String::with_capacity(size));
        plain.extend(byte_serialize(self.id.as_bytes()));
        plain.push(':');
        plain.extend(byte_serialize(secret.as_bytes()));
        let mut value = String::with_capacity("Basic ".len() + plain.len().div_ceil(3) * 4);
        value.push_str("Basic ");
        STANDARD.encode_string(plain.as_bytes(), &mut value);
        value.into()
    }
}
