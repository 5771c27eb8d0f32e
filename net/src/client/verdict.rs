//! Whether another attempt to connect may meet another answer.

use wirewright_core::handshake::{HandshakeError, Refused};

use super::error::{ClientError, Deadline};
use super::reach::{ProxyError, SocksReply};

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
            Self::TimedOut(deadline) => matches!(
                deadline,
                Deadline::Resolve
                    | Deadline::Connect
                    | Deadline::Turn
                    | Deadline::Proxy
                    | Deadline::KeepAlive
            ),
            Self::Urls(failures) => failures.iter().any(|failure| failure.error.is_transient()),
            Self::Credentials(error) => error.is_transient(),
            Self::Tls(error) => error.is_transient(),
            Self::Handshake(error) => matches!(error, HandshakeError::Ended),
            Self::Closed { code, .. } => *code == wirewright_core::CloseCode::ABNORMAL,
            Self::Refused(refused) | Self::Proxy(ProxyError::Refused(refused)) => {
                may_pass(refused) && self.retry_after().is_some()
            }
            Self::Proxy(error) => matches!(
                error,
                ProxyError::Resolve { .. }
                    | ProxyError::Connect { .. }
                    | ProxyError::Ended
                    | ProxyError::Network(_)
                    | ProxyError::Socks(
                        SocksReply::GeneralFailure
                            | SocksReply::NetworkUnreachable
                            | SocksReply::HostUnreachable
                            | SocksReply::ConnectionRefused
                            | SocksReply::TtlExpired
                    )
            ),
            _ => false,
        }
    }
}

/// Whether a status is about the moment and not the request: 429 (RFC 6585 §4) and 503 (RFC 9110
/// §15.6.4).
fn may_pass(refused: &Refused) -> bool {
    matches!(refused.status(), 429 | 503)
}
