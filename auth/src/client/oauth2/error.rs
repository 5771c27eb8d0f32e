//! Why there is no access token.

use std::sync::Arc;
use std::time::Duration;

use wirewright_core::handshake::CredentialsError;

use super::response::TokenResponseError;
use crate::http::EndpointError;

/// Why there is no access token. Holds no secret of either side.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OAuth2Error {
    /// The token endpoint could not be asked.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// It answered with a status that is no success, and with no error that can be read.
    #[error("token endpoint {url} answers {status}")]
    Status {
        /// The endpoint, without its query.
        url: String,
        /// The status.
        status: u16,
    },
    /// It refused (RFC 6749 §5.2), or answered with no token that can be used.
    #[error("token endpoint {url} answers {status}: {source}")]
    Response {
        /// The endpoint, without its query.
        url: String,
        /// The status.
        status: u16,
        /// What is wrong.
        source: TokenResponseError,
    },
    /// There is no assertion for the grant (RFC 7523).
    #[error("no assertion for the grant: {0}")]
    Assertion(#[source] Arc<CredentialsError>),
    /// Another thread asks for the same token, and was not answered in time.
    #[error("token endpoint {url} has not answered another request within {limit:?}")]
    Waited {
        /// The endpoint, without its query.
        url: String,
        /// The limit, `request_timeout`.
        limit: Duration,
    },
    /// The thread that asked for the token panicked.
    #[error("the request for the token was abandoned")]
    Abandoned,
}

impl OAuth2Error {
    /// Whether another attempt may succeed without anything being changed on this side: where the
    /// server is out of reach, busy or broken, and not where it refuses.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Endpoint(error) => error.is_transient(),
            Self::Status { status, .. } => is_busy(*status),
            Self::Response { status, source, .. } => is_busy(*status) || may_pass(source),
            Self::Assertion(error) => error.is_transient(),
            Self::Waited { .. } | Self::Abandoned => true,
        }
    }

    /// Whether the server has answered that it does not want what it was asked with.
    pub(super) fn is_refusal(&self) -> bool {
        use TokenResponseError::Refused;
        !self.is_transient()
            && matches!(self, Self::Status { .. } | Self::Response { source: Refused { .. }, .. })
    }
}

impl From<OAuth2Error> for CredentialsError {
    fn from(error: OAuth2Error) -> Self {
        if error.is_transient() { Self::transient(error) } else { Self::permanent(error) }
    }
}

/// Statuses that say nothing of the request: too early, too often, or not the client's fault.
const fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn may_pass(error: &TokenResponseError) -> bool {
    match error {
        // Two that RFC 6749 §4.1.2.1 has for another endpoint and some servers use for all, and
        // one of RFC 8628 §3.5.
        TokenResponseError::Refused { code, .. } => {
            matches!(code.as_str(), "temporarily_unavailable" | "server_error" | "slow_down")
        }
        // A page that says that somebody is at work on it.
        TokenResponseError::NotJson { .. } => true,
        _ => false,
    }
}
