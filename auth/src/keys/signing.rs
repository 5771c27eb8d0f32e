//! Keys that sign tokens.

use std::fmt;
use std::path::Path;

use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use secrecy::SecretString;

use super::{file, pkcs12, private};
use crate::ConfigError;
use crate::algorithm::{JwtAlgorithm, KeyKind};

/// A private key, or a secret, that signs tokens. It is wiped when it is dropped, and shows
/// nowhere.
#[derive(Clone)]
pub struct SigningKey {
    kind: KeyKind,
    key: EncodingKey,
}

impl SigningKey {
    /// A secret for HMAC (HS256 and the like), which the verifier has too: as many bytes as the
    /// hash, or more (RFC 7518 §3.2), of a random number generator.
    #[must_use]
    pub fn from_secret(secret: &[u8]) -> Self {
        Self { kind: KeyKind::Secret, key: EncodingKey::from_secret(secret) }
    }

    /// The first private key of a PEM text: PKCS#8 (`PRIVATE KEY`), encrypted PKCS#8 (`ENCRYPTED
    /// PRIVATE KEY`, with its password; PBES2 with AES), PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC
    /// PRIVATE KEY`). It may be RSA of 2048 to 8192 bits, on P-256 or P-384, or Ed25519.
    ///
    /// # Errors
    /// [`ConfigError`] for another text or another key, for a password that is wrong or missing,
    /// and for one whose derivation takes more than 5 000 000 rounds of PBKDF2, or scrypt of more
    /// than 256 MiB of memory or 1 GiB written.
    pub fn from_pem(pem: &[u8], password: Option<&SecretString>) -> Result<Self, ConfigError> {
        let key = private::from_pem(pem, password);
        key.map_err(|problem| ConfigError::new("signing key", problem))
    }

    /// [`from_pem`](Self::from_pem) of a file.
    ///
    /// # Errors
    /// As there; and if the file cannot be read.
    pub fn from_pem_file(
        path: impl AsRef<Path>,
        password: Option<&SecretString>,
    ) -> Result<Self, ConfigError> {
        file::load(path.as_ref(), |pem| private::from_pem(pem, password))
    }

    /// A private key of a PKCS#12 file (RFC 7292): the one that goes by `alias` (its friendly
    /// name, in any case of its letters), or the only one. What is inside has the same password
    /// as the file.
    ///
    /// # Errors
    /// [`ConfigError`] for another file, a wrong password, an alias that is not there, several
    /// keys without an alias; for the key as [`from_pem`](Self::from_pem). What all of the file
    /// takes to derive counts together, as far as it shows before anything is decrypted.
    pub fn from_pkcs12_file(
        path: impl AsRef<Path>,
        password: &SecretString,
        alias: Option<&str>,
    ) -> Result<Self, ConfigError> {
        file::load(path.as_ref(), |der| pkcs12::signing(der, password, alias))
    }

    /// A key that has signed something: what the library cannot use is found here, and not in the
    /// first handshake.
    pub(super) fn proven(kind: KeyKind, key: EncodingKey) -> Result<Self, String> {
        let algorithm = match kind {
            KeyKind::Secret => JwtAlgorithm::Hs256,
            KeyKind::Rsa => JwtAlgorithm::Rs256,
            KeyKind::P256 => JwtAlgorithm::Es256,
            KeyKind::P384 => JwtAlgorithm::Es384,
            KeyKind::Ed25519 => JwtAlgorithm::EdDsa,
        };
        let key = Self { kind, key };
        match key.sign(algorithm, b"") {
            Ok(_) => Ok(key),
            Err(_) if kind == KeyKind::Rsa => {
                Err("holds an RSA key that is malformed, or has not 2048 to 8192 bits".into())
            }
            Err(_) => Err(format!("holds {kind} that is malformed")),
        }
    }

    /// Whether this key is one for `algorithm`.
    pub(crate) fn check(&self, algorithm: JwtAlgorithm) -> Result<(), ConfigError> {
        super::verifying::check(self.kind, self.key.as_bytes().len(), algorithm)
            .map_err(|problem| ConfigError::new("signing key", problem))
    }

    pub(crate) fn sign(
        &self,
        algorithm: JwtAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, jsonwebtoken::errors::Error> {
        // The provider is named, not looked up: which one the process has is not ours to say.
        let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm.library(), &self.key)?;
        Ok(signer.try_sign(message)?)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}
