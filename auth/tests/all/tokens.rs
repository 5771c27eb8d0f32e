//! Tokens that no issuer would write, and what reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use wirewright_auth::{JwtAlgorithm, JwtValidator, JwtValidatorBuilder, VerifyingKey};

/// When these tests take place.
pub(crate) const NOW: u64 = 1_800_000_000;

/// Long enough for every HMAC.
pub(crate) const SECRET: &[u8] =
    b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn path(name: &str) -> String {
    format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn pem(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `parts`, already encoded, with a signature by `key`.
pub(crate) fn sign(parts: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let signature = crypto::sign(parts.as_bytes(), key, algorithm).unwrap();
    format!("{parts}.{signature}")
}

/// A token of these texts, signed with [`SECRET`] whatever they say.
pub(crate) fn forge(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    let parts = format!("{}.{}", encode(header), encode(claims));
    sign(&parts, Algorithm::HS256, &EncodingKey::from_secret(SECRET))
}

/// A token of these claims, signed with [`SECRET`] in good order.
pub(crate) fn token(claims: &str) -> String {
    forge(r#"{"alg":"HS256"}"#, claims)
}

/// Accepts what is signed with [`SECRET`].
pub(crate) fn hs256() -> JwtValidatorBuilder {
    let key = VerifyingKey::from_secret(SECRET);
    JwtValidator::builder().algorithms([JwtAlgorithm::Hs256]).key(key)
}
