//! Where the keys are that a token may have been signed with.

use wirewright_core::handshake::Rejection;

use super::JwtError;
use super::remote::Remote;
use crate::{JwkSet, JwtAlgorithm, VerifyingKey};

/// Keys that are known, or known to be fetched.
#[derive(Debug)]
pub(super) enum Keys {
    One(VerifyingKey),
    Set(JwkSet),
    Remote(Box<Remote>),
}

impl Keys {
    /// Checks a signature with the keys that are meant by `key_id`, which is a name in a set and
    /// nothing else: neither a path nor a query (RFC 8725 §3.10).
    pub(super) fn verify(
        &self,
        key_id: Option<&str>,
        algorithm: JwtAlgorithm,
        signed: &[u8],
        signature: &Vec<u8>,
    ) -> Result<(), JwtError> {
        let in_set = |set: &JwkSet| {
            let keys = set.candidates(key_id, algorithm);
            match keys.iter().any(|key| key.verify(algorithm, signed, signature)) {
                true => Ok(()),
                false if keys.is_empty() => Err(JwtError::UnknownKey),
                false => Err(JwtError::Signature),
            }
        };
        match self {
            Self::One(key) if key.verify(algorithm, signed, signature) => Ok(()),
            Self::One(_) => Err(JwtError::Signature),
            Self::Set(set) => in_set(set),
            Self::Remote(remote) => {
                in_set(&*remote.keys(|set| !set.candidates(key_id, algorithm).is_empty())?)
            }
        }
    }

    pub(super) fn preload(&self) -> Result<(), JwtError> {
        match self {
            Self::Remote(remote) => remote.keys(|_| true).map(drop),
            _ => Ok(()),
        }
    }

    pub(super) const fn are_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }

    /// 503, and when to come back.
    pub(super) fn unavailable(&self) -> Rejection {
        let wait = match self {
            Self::Remote(remote) => remote.interval().as_secs().max(1),
            _ => 1,
        };
        let rejection = Rejection::unavailable().header("Retry-After", &wait.to_string());
        rejection.unwrap_or_else(Rejection::from)
    }
}
