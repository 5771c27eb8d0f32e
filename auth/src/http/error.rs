//! Why an endpoint gave no answer that could be used.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wirewright_core::handshake::CredentialsError;

/// An exchange with an HTTP endpoint that failed. It names the endpoint without its query, and
/// holds nothing of what was sent or received.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It took too long.
    #[error("{url} has not answered within {limit:?}, the limit of `{option}`")]
    Timeout {
        /// The endpoint.
        url: Arc<str>,
        /// The limit.
        limit: Duration,
        /// The option that governs it.
        option: &'static str,
    },
    /// The name is not known, or the connection did not come about or did not last.
    #[error("{url} is out of reach: {source}")]
    Network {
        /// The endpoint.
        url: Arc<str>,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// The server could not prove who it is, or does not want us.
    #[error("no secure connection to {url}: {problem}")]
    Tls {
        /// The endpoint.
        url: Arc<str>,
        /// What TLS says.
        problem: String,
        /// Whether another attempt may succeed: not with a certificate that is refused.
        transient: bool,
    },
    /// What came is not HTTP/1.1 (RFC 9112).
    #[error("{url} does not speak HTTP/1.1: {problem}")]
    Protocol {
        /// The endpoint.
        url: Arc<str>,
        /// What is wrong.
        problem: &'static str,
    },
    /// A redirect, which is never followed: it would carry secrets to wherever it points.
    #[error("{url} redirects ({status}), which is not followed; give the final URL")]
    Redirect {
        /// The endpoint.
        url: Arc<str>,
        /// The status, 300 to 399.
        status: u16,
    },
    /// An answer too long to be one.
    #[error("{url} answers {status} with over {max} bytes, the limit for answers of endpoints")]
    TooLarge {
        /// The endpoint.
        url: Arc<str>,
        /// The status.
        status: u16,
        /// The limit.
        max: usize,
    },
    /// There are no credentials for the endpoint itself.
    #[error("{url} cannot be asked: {source}")]
    Credentials {
        /// The endpoint.
        url: Arc<str>,
        /// What its credentials say.
        source: Arc<CredentialsError>,
    },
}

impl EndpointError {
    /// Whether another attempt may succeed without anything being changed on this side.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Network { .. } | Self::Protocol { .. } => true,
            Self::Tls { transient, .. } => *transient,
            Self::Redirect { .. } => false,
            Self::TooLarge { status, .. } => *status >= 500 || *status == 429,
            Self::Credentials { source, .. } => source.is_transient(),
        }
    }
}
