//! Why a certificate is refused.

use std::time::Duration;

use rustls::CertificateError;
use x509_parser::time::ASN1Time;

use crate::error::words;

/// Why a peer's certificate is refused. Times are counted from the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// It, or one of its chain, has ceased to be valid (RFC 5280 §4.1.2.5).
    #[error("it expired at {}, it is {} now", date(*.not_after), date(*.now))]
    Expired {
        /// When it ceased to be.
        not_after: Duration,
        /// When it was looked at.
        now: Duration,
    },
    /// It, or one of its chain, is not valid yet (RFC 5280 §4.1.2.5).
    #[error("it is not valid before {}, it is {} now", date(*.not_before), date(*.now))]
    NotYetValid {
        /// When it begins to be valid.
        not_before: Duration,
        /// When it was looked at.
        now: Duration,
    },
    /// It is for other hosts (RFC 6125 §6, RFC 9525). A common name counts for nothing.
    #[error("it is not for {asked} but for {}", list(.issued))]
    WrongName {
        /// The host that was to be reached.
        asked: String,
        /// The names and addresses that it is for.
        issued: Vec<String>,
    },
    /// No authority that is trusted has issued it, or it has issued itself.
    #[error("no authority that is trusted here has issued it")]
    UnknownIssuer,
    /// Its authority has revoked it.
    #[error("its authority has revoked it")]
    Revoked,
    /// No revocation list says whether it is revoked, or only one that is out of date.
    #[error("whether it is revoked is not known: {0}")]
    RevocationUnknown(String),
    /// It is for another purpose, such as signing other certificates (RFC 5280 §4.2.1.12).
    #[error("it is for another purpose: {0}")]
    WrongPurpose(String),
    /// Its bytes, its signature, or an algorithm in it.
    #[error("{0}")]
    Faulty(String),
    /// The peer has shown none, though it must.
    #[error("the peer has shown none")]
    Missing,
}

impl From<CertificateError> for CertificateProblem {
    fn from(error: CertificateError) -> Self {
        use CertificateError as E;
        match error {
            E::ExpiredContext { time, not_after } => {
                Self::Expired { not_after: since(not_after), now: since(time) }
            }
            E::NotValidYetContext { time, not_before } => {
                Self::NotYetValid { not_before: since(not_before), now: since(time) }
            }
            E::NotValidForNameContext { expected, presented } => Self::WrongName {
                asked: expected.to_str().into_owned(),
                issued: presented.iter().map(|name| plain_name(name)).collect(),
            },
            E::UnknownIssuer => Self::UnknownIssuer,
            E::Revoked => Self::Revoked,
            E::UnknownRevocationStatus => {
                Self::RevocationUnknown("no revocation list covers it".to_owned())
            }
            E::ExpiredRevocationList => {
                Self::RevocationUnknown("the revocation list is out of date".to_owned())
            }
            E::ExpiredRevocationListContext { next_update, .. } => Self::RevocationUnknown(
                format!("the revocation list is out of date since {}", date(since(next_update))),
            ),
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
                Self::WrongPurpose(error.to_string())
            }
            other => Self::Faulty(faulty(&other)),
        }
    }
}

fn faulty(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::BadEncoding => "it is malformed".to_owned(),
        E::BadSignature => "it bears a signature that is wrong".to_owned(),
        E::UnhandledCriticalExtension => {
            "it has a critical extension that is not supported".to_owned()
        }
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed with an algorithm that is not supported".to_owned()
        }
        // What the verifier has no better way to say.
        E::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "it is an authority's, which cannot be a peer's own (RFC 5280 §4.2.1.9)".to_owned()
        }
        E::Other(other) => words(&other.to_string()),
        other => words(&other.to_string()),
    }
}

/// A name as rustls's verifier prints it, as in `DnsName("example.com")`, by itself.
fn plain_name(printed: &str) -> String {
    let inner = printed.split_once('(').map_or(printed, |(_, rest)| rest);
    inner.trim_end_matches(')').trim_matches('"').to_owned()
}

fn since(time: rustls::pki_types::UnixTime) -> Duration {
    Duration::from_secs(time.as_secs())
}

/// A time as RFC 2822 writes it.
pub(crate) fn date(time: Duration) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|seconds| ASN1Time::from_timestamp(seconds).ok());
    time.and_then(|time| time.to_rfc2822().ok()).unwrap_or_else(|| "a time out of range".to_owned())
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}
