//! What can be wrong with a configuration, and in which file or option.

use std::{fmt, io};

/// Why a configuration cannot be used: which file or option, and what is wrong with it.
#[derive(Debug)]
pub struct TlsConfigError {
    origin: String,
    problem: ConfigProblem,
}

impl TlsConfigError {
    pub(crate) fn new(origin: impl Into<String>, problem: ConfigProblem) -> Self {
        Self { origin: origin.into(), problem }
    }

    /// The path of the file, or the name of the option.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn problem(&self) -> &ConfigProblem {
        &self.problem
    }
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tls configuration: {}: {}", self.origin, self.problem)
    }
}

impl std::error::Error for TlsConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            ConfigProblem::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

/// What is wrong with a file or an option.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It has no certificate.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// It has no private key.
    #[error("there is no private key in it")]
    NoKey,
    /// It has no certificate revocation list.
    #[error("there is no certificate revocation list in it")]
    NoRevocationList,
    /// Its bytes are not what they should be.
    #[error("it is malformed: {0}")]
    Malformed(String),
    /// The key is encrypted, and there is no password for it (`Identity::password`).
    #[error("the private key is encrypted, and no password was given")]
    PasswordMissing,
    /// The password does not open it.
    #[error("the password is wrong")]
    WrongPassword,
    /// A key or the way it is encrypted is of a kind that cannot be used.
    #[error("it cannot be used: {0}")]
    Unsupported(String),
    /// The private key is another certificate's.
    #[error("the private key is not that of the certificate in {certificate}")]
    OtherKey {
        /// Where the certificate is from.
        certificate: String,
    },
    /// A PKCS#12 file has several private keys, and none of them was named (`Identity::alias`).
    #[error("there are several private keys in it, and no alias was given; there are {0}")]
    AliasMissing(String),
    /// A PKCS#12 file has no private key of that name.
    #[error("there is no private key of alias {alias:?} in it; there are {there}")]
    UnknownAlias {
        /// The name that was looked for.
        alias: String,
        /// Those there are.
        there: String,
    },
    /// A name that is none, or one of something that rustls does not offer.
    #[error("{name:?} {why}; there are {there}")]
    NotOffered {
        /// The name.
        name: String,
        /// Why it cannot be had.
        why: &'static str,
        /// Those that can be.
        there: String,
    },
    /// Options that leave nothing to agree on.
    #[error("{0}")]
    Contradiction(String),
    /// The platform has no authorities to trust.
    #[error("no certificate of an authority could be loaded: {0}")]
    NoAuthorities(String),
    /// It is not a DNS name, or not an address.
    #[error("{0:?} is not a name that a certificate could be for")]
    InvalidName(String),
}
