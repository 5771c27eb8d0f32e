//! Algorithms of JSON Web Signatures, and what keys they take (RFC 7518 §3.1, RFC 8037 §3.1).

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::Algorithm;

use crate::ConfigError;

/// How a token is signed (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// "Unsecured JWSs" (RFC 7518 §3.6) are not among them, so that neither side can be told to use
/// one; nor is `ES512`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256, and a secret of 32 bytes or more.
    Hs256,
    /// HMAC with SHA-384, and a secret of 48 bytes or more.
    Hs384,
    /// HMAC with SHA-512, and a secret of 64 bytes or more.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256, and a key of 2048 bits or more.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256, and a key of 2048 bits or more.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    /// The value of `alg` in a token's header, such as `RS256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether a key of this kind is one for this algorithm: what keeps a public key from being
    /// taken for a secret (RFC 8725 §2.1, §3.1).
    pub(crate) const fn takes(self, kind: KeyKind) -> bool {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => matches!(kind, KeyKind::Secret),
            Self::Rs256 | Self::Rs384 | Self::Rs512 => matches!(kind, KeyKind::Rsa),
            Self::Ps256 | Self::Ps384 | Self::Ps512 => matches!(kind, KeyKind::Rsa),
            Self::Es256 => matches!(kind, KeyKind::P256),
            Self::Es384 => matches!(kind, KeyKind::P384),
            Self::EdDsa => matches!(kind, KeyKind::Ed25519),
        }
    }

    /// Bytes that a secret must have: "A key of the same size as the hash output [...] or larger
    /// MUST be used" (RFC 7518 §3.2).
    pub(crate) const fn min_secret(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 0,
        }
    }

    /// The same, as the library that signs and verifies calls it.
    pub(crate) const fn library(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Hs384 => Algorithm::HS384,
            Self::Hs512 => Algorithm::HS512,
            Self::Rs256 => Algorithm::RS256,
            Self::Rs384 => Algorithm::RS384,
            Self::Rs512 => Algorithm::RS512,
            Self::Ps256 => Algorithm::PS256,
            Self::Ps384 => Algorithm::PS384,
            Self::Ps512 => Algorithm::PS512,
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }

    const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];
}

impl fmt::Display for JwtAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for JwtAlgorithm {
    type Err = ConfigError;

    /// Reads a [`name`](Self::name); "a case-sensitive ASCII string" (RFC 7515 §4.1.1).
    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.ok_or_else(|| {
            let problem = match name.eq_ignore_ascii_case("none") {
                // "Implementations that support Unsecured JWSs MUST NOT accept such objects as
                // valid unless the application specifies that it is acceptable" (RFC 7518 §8.5).
                true => "`none` would leave tokens unsigned, for anybody to write".to_owned(),
                false => format!("{name:?} is not known here"),
            };
            ConfigError::new("algorithm of tokens", problem)
        })
    }
}

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Secret,
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "a secret",
            Self::Rsa => "an RSA key",
            Self::P256 => "a key on the curve P-256",
            Self::P384 => "a key on the curve P-384",
            Self::Ed25519 => "an Ed25519 key",
        })
    }
}
