//! A token that somebody else has issued (RFC 6750).

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use wirewright_core::Uri;
use wirewright_core::handshake::{Credentials, CredentialsError, Headers};

use super::{authorization, clear_text};
use crate::ConfigError;

/// A token, shown in every handshake as `Authorization: Bearer …` (RFC 6750 §2.1).
///
/// ```
/// use secrecy::SecretString;
/// use wirewright_auth::Bearer;
/// use wirewright_core::handshake::CredentialsError;
///
/// let fixed = Bearer::new("mF_9.B5f-4.1JqM")?;
/// // Read anew for each handshake; a file that is being replaced may be there the next time.
/// let renewed = Bearer::from_fn(|_| {
///     let token = std::fs::read_to_string("/run/secrets/token");
///     token.map(|token| SecretString::from(token.trim())).map_err(CredentialsError::transient)
/// });
/// # let _: [&dyn wirewright_core::handshake::Credentials; 2] = [&fixed, &renewed];
/// # Ok::<(), wirewright_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Bearer {
    source: Source,
    allow_clear_text: bool,
}

type Callback = dyn Fn(&Uri) -> Result<SecretString, CredentialsError> + Send + Sync;

#[derive(Clone)]
enum Source {
    Fixed(SecretString),
    Callback(Arc<Callback>),
}

impl Bearer {
    /// The same token in every handshake.
    ///
    /// # Errors
    /// [`ConfigError`] for what no token can be (RFC 6750 §2.1): one that is empty or has
    /// characters other than letters, digits, `-._~+/`, and `=` at its end.
    pub fn new(token: impl Into<SecretString>) -> Result<Self, ConfigError> {
        let token = token.into();
        match is_token(token.expose_secret()) {
            true => Ok(Self { source: Source::Fixed(token), allow_clear_text: false }),
            false => Err(ConfigError::new("token", NOT_A_TOKEN)),
        }
    }

    /// The token that `source` has for a handshake with this URI, asked anew for each. It may
    /// block. Its error says whether another attempt may succeed.
    pub fn from_fn(
        source: impl Fn(&Uri) -> Result<SecretString, CredentialsError> + Send + Sync + 'static,
    ) -> Self {
        Self { source: Source::Callback(Arc::new(source)), allow_clear_text: false }
    }

    /// Whether it may be sent over `ws` to another machine, for everybody on the way to read.
    /// `false` by default: the handshake then fails with [`ClearTextError`](crate::ClearTextError).
    pub const fn allow_clear_text(mut self, allow: bool) -> Self {
        self.allow_clear_text = allow;
        self
    }
}

impl Credentials for Bearer {
    fn headers(&self, uri: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        clear_text::check(uri, self.allow_clear_text)?;
        match &self.source {
            Source::Fixed(token) => authorization::set(headers, "Bearer", token),
            Source::Callback(source) => {
                let token = source(uri)?;
                if !is_token(token.expose_secret()) {
                    let problem = ConfigError::new("token of the callback", NOT_A_TOKEN);
                    return Err(CredentialsError::permanent(problem));
                }
                authorization::set(headers, "Bearer", &token)
            }
        }
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Fixed(_) => "fixed",
            Source::Callback(_) => "callback",
        };
        f.debug_struct("Bearer")
            .field("source", &source)
            .field("allow_clear_text", &self.allow_clear_text)
            .finish_non_exhaustive()
    }
}

const NOT_A_TOKEN: &str = "is empty, or has characters that a token cannot have (RFC 6750 §2.1)";

/// "b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="" (RFC 6750 §2.1).
fn is_token(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}
