//! What can be wrong with a directory.

use std::time::Duration;

use ldap3::LdapResult;

/// The directory is out of reach, or answers what says nothing about a user. Holds no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// There is no connection to it, or none any more.
    #[error("directory is out of reach: {0}")]
    Unreachable(String),
    /// A connection takes longer than
    /// [`connection_timeout`](super::LdapConfig::connection_timeout).
    #[error("directory is not connected to within {0:?}, the `connection_timeout`")]
    ConnectionTimeout(Duration),
    /// An answer takes longer than [`read_timeout`](super::LdapConfig::read_timeout).
    #[error("directory does not answer within {0:?}, the `read_timeout`")]
    ReadTimeout(Duration),
    /// It does not let us search.
    #[error("directory refuses `connection_name` and `connection_password`: {0}")]
    Refused(String),
    /// It cannot search, or has found more groups than it likes to tell.
    #[error("directory cannot search below {base:?}: {answer}")]
    Search {
        /// One of the bases.
        base: String,
        /// What it said.
        answer: String,
    },
    /// It cannot say whether a password is right.
    #[error("directory cannot verify a password: {0}")]
    Login(String),
    /// It breaks the protocol (RFC 4511).
    #[error("directory sends an entry that is none")]
    Malformed,
}

/// An answer that is no success (RFC 4511 §4.1.9), of which a directory may have a lot to say.
pub(super) fn answer(result: &LdapResult) -> String {
    let text: String = result.text.chars().take(200).collect();
    format!("result {}, {text:?}", result.rc)
}
