//! Whether another attempt to connect may meet another answer.

use std::time::{Duration, SystemTime};

use wirewright_core::handshake::{HandshakeError, Refused};

use super::error::{ClientError, Deadline};

impl ClientError {
    /// Whether the same may work later, of itself: the network failed, the connection ended
    /// without a Close, nothing was reached in time, credentials were not to be had at present,
    /// or the server asks to come back (`Retry-After` with 429 or 503). [`retry`] goes by this.
    ///
    /// What the server said about *this* request is not transient: a refusal, a handshake that
    /// breaks RFC 6455, a sub-protocol that it does not serve, a certificate. Nor is what this
    /// side asked for.
    ///
    /// [`retry`]: super::ClientBuilder::retry
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } | Self::Network(_) => true,
            Self::TimedOut(deadline) => {
                matches!(deadline, Deadline::Connect | Deadline::KeepAlive)
            }
            Self::Credentials(error) => error.is_transient(),
            Self::Handshake(error) => matches!(error, HandshakeError::Ended),
            Self::Closed { code, .. } => *code == wirewright_core::CloseCode::ABNORMAL,
            Self::Refused(refused) => asks_to_wait(refused).is_some(),
            _ => false,
        }
    }

    /// How long the server asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => asks_to_wait(refused),
            _ => None,
        }
    }
}

/// `Retry-After` (RFC 9110 §10.2.3) of a status that is about the moment and not the request: 429
/// (RFC 6585 §4) and 503 (RFC 9110 §15.6.4).
fn asks_to_wait(refused: &Refused) -> Option<Duration> {
    if !matches!(refused.status(), 429 | 503) {
        return None;
    }
    let value = refused.head().header_str("Retry-After")?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than can be counted are more than anybody waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // What has passed is no time to wait.
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}
