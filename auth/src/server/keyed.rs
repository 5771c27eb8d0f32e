//! Digests that nobody outside this process can compute.

use rustls::crypto::aws_lc_rs;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};

use crate::ConfigError;

pub(crate) type Output = [u8; 32];

/// A random key. What is compared or looked up as a digest under it takes a time that says nothing
/// about the text (S-43), and two that are equal in two processes cannot be told to be.
pub(crate) struct Key(Zeroizing<Output>);

impl Key {
    pub(crate) fn random() -> Result<Self, ConfigError> {
        let mut key = Zeroizing::new([0; 32]);
        let filled = aws_lc_rs::default_provider().secure_random.fill(&mut *key);
        filled.map_err(|_| ConfigError::new("random numbers", "the system has none to give"))?;
        Ok(Self(key))
    }

    /// The digest of `texts`, each of which counts with its length.
    pub(crate) fn digest<const N: usize>(&self, texts: [&[u8]; N]) -> Output {
        let mut sha = Sha256::new_with_prefix(*self.0);
        for text in texts {
            sha.update(text.len().to_le_bytes());
            sha.update(text);
        }
        sha.finalize().into()
    }
}
