//! A user's name and password (RFC 7617).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use wirewright_core::Uri;
use wirewright_core::handshake::{Credentials, CredentialsError, Headers};

use super::{authorization, clear_text};
use crate::ConfigError;

/// A user's name and password, shown in every handshake as `Authorization: Basic …` (RFC 7617).
///
/// ```
/// use wirewright_auth::Basic;
///
/// let credentials = Basic::new("alice", "correct horse battery staple")?;
/// # let _: &dyn wirewright_core::handshake::Credentials = &credentials;
/// # Ok::<(), wirewright_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Basic {
    /// As they are sent.
    encoded: SecretString,
    allow_clear_text: bool,
}

impl Basic {
    /// These two, as UTF-8 (RFC 7617 §2.1).
    ///
    /// # Errors
    /// [`ConfigError`] for one that is empty or holds a control character, and for a user with a
    /// colon, at which the server would split (RFC 7617 §2).
    pub fn new(user: &str, password: impl Into<SecretString>) -> Result<Self, ConfigError> {
        let password = password.into();
        let password = password.expose_secret();
        if user.contains(':') {
            return Err(ConfigError::new("user", "holds a colon, which ends it (RFC 7617 §2)"));
        }
        for (what, text) in [("user", user), ("password", password)] {
            if text.is_empty() {
                return Err(ConfigError::new(what, "is empty"));
            }
            if text.contains(char::is_control) {
                return Err(ConfigError::new(what, "holds a control character (RFC 7617 §2)"));
            }
        }
        let pair = Zeroizing::new([user, ":", password].concat());
        Ok(Self { encoded: STANDARD.encode(&*pair).into(), allow_clear_text: false })
    }

    /// Whether they may be sent over `ws` to another machine, for everybody on the way to read.
    /// `false` by default: the handshake then fails with [`ClearTextError`](crate::ClearTextError).
    pub const fn allow_clear_text(mut self, allow: bool) -> Self {
        self.allow_clear_text = allow;
        self
    }
}

impl Credentials for Basic {
    fn headers(&self, uri: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        clear_text::check(uri, self.allow_clear_text)?;
        authorization::set(headers, "Basic", &self.encoded)
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allow_clear_text = &self.allow_clear_text;
        f.debug_struct("Basic").field("allow_clear_text", allow_clear_text).finish_non_exhaustive()
    }
}
