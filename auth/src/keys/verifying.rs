//! Keys that verify tokens.

use std::fmt;
use std::path::Path;

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use secrecy::SecretString;

use super::{file, pkcs12, public};
use crate::ConfigError;
use crate::algorithm::{JwtAlgorithm, KeyKind};

/// A public key, or a secret, that verifies tokens. It is wiped when it is dropped, and shows
/// nowhere.
#[derive(Clone)]
pub struct VerifyingKey {
    kind: KeyKind,
    key: DecodingKey,
}

impl VerifyingKey {
    /// The secret that the issuer signs with (HS256 and the like): as many bytes as the hash, or
    /// more (RFC 7518 §3.2). Whoever can verify with it can issue tokens too.
    #[must_use]
    pub fn from_secret(secret: &[u8]) -> Self {
        Self::new(KeyKind::Secret, DecodingKey::from_secret(secret))
    }

    /// The first public key of a PEM text: `PUBLIC KEY`, PKCS#1 (`RSA PUBLIC KEY`), or that of a
    /// `CERTIFICATE`, which must be valid today. It may be RSA of 2048 to 8192 bits, on P-256 or
    /// P-384, or Ed25519.
    ///
    /// A certificate is but the form that the key comes in: who has issued it is not asked, and
    /// its validity not again.
    ///
    /// # Errors
    /// [`ConfigError`] for another text, another key, and a certificate that is not valid now.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        public::from_pem(pem).map_err(|problem| ConfigError::new("verification key", problem))
    }

    /// [`from_pem`](Self::from_pem) of a file; it may also be a certificate as DER.
    ///
    /// # Errors
    /// As there; and if the file cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        file::load(path.as_ref(), public::from_pem_or_der)
    }

    /// The key of a certificate in a PKCS#12 file (RFC 7292), a trust store: the certificate that
    /// goes by `alias` (its friendly name, in any case of its letters) or belongs to the private
    /// key of that name; without an alias, the only certificate.
    ///
    /// # Errors
    /// [`ConfigError`] for another file, a wrong password, an alias that is not there, several
    /// certificates without an alias; for the certificate as [`from_pem`](Self::from_pem).
    pub fn from_pkcs12_file(
        path: impl AsRef<Path>,
        password: &SecretString,
        alias: Option<&str>,
    ) -> Result<Self, ConfigError> {
        file::load(path.as_ref(), |der| pkcs12::verifying(der, password, alias))
    }

    pub(super) const fn new(kind: KeyKind, key: DecodingKey) -> Self {
        Self { kind, key }
    }

    pub(super) const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Whether this key is one for `algorithm`.
    pub(crate) fn check(&self, algorithm: JwtAlgorithm) -> Result<(), ConfigError> {
        let length = match self.key.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => bytes.len(),
            DecodingKeyKind::RsaModulusExponent { n, .. } => n.len(),
        };
        check(self.kind, length, algorithm)
            .map_err(|problem| ConfigError::new("verification key", problem))
    }

    /// Whether `signature` is this key's over `message`: never, if the key is none for
    /// `algorithm` (RFC 8725 §3.1).
    pub(crate) fn verify(
        &self,
        algorithm: JwtAlgorithm,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> bool {
        // The provider is named, not looked up: which one the process has is not ours to say.
        self.check(algorithm).is_ok()
            && (DEFAULT_PROVIDER.verifier_factory)(&algorithm.library(), &self.key)
                .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Whether a key of this kind and length is one for `algorithm`.
pub(super) fn check(kind: KeyKind, length: usize, algorithm: JwtAlgorithm) -> Result<(), String> {
    if !algorithm.takes(kind) {
        return Err(format!("{kind} is none for {algorithm}"));
    }
    let min = algorithm.min_secret();
    match length < min {
        true => Err(format!(
            "a secret of {length} bytes is too short for {algorithm}, which needs {min} or more \
             (RFC 7518 §3.2)"
        )),
        false => Ok(()),
    }
}
