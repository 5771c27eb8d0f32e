//! Sets of public keys (RFC 7517).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{VerifyingKey, public};
use crate::algorithm::{JwtAlgorithm, KeyKind};
use crate::json::{self, JsonError};

/// The public keys of an issuer (RFC 7517 §5).
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// A key, and what it is there for.
#[derive(Clone, Debug)]
struct Jwk {
    id: Option<String>,
    algorithm: Option<JwtAlgorithm>,
    key: VerifyingKey,
}

/// Why a document is not a set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// Too long for one.
    #[error("key set of {0} bytes, more than {max}", max = JwkSet::MAX_LENGTH)]
    TooLong(usize),
    /// Too many keys.
    #[error("key set of {0} keys, more than {max}", max = JwkSet::MAX_KEYS)]
    TooMany(usize),
    /// Not JSON, or ambiguous.
    #[error("key set: {0}")]
    Json(#[from] JsonError),
    /// Without `keys`: "The JSON object MUST have a "keys" member" (RFC 7517 §5).
    #[error("key set without an array `keys`")]
    NoKeys,
}

impl JwkSet {
    /// Bytes that a document may have.
    pub const MAX_LENGTH: usize = 64 * 1024;
    /// Keys that a document may have, usable or not.
    pub const MAX_KEYS: usize = 100;

    /// Reads a document.
    ///
    /// "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values that
    /// are not understood by them, that are missing required members, or for which values are out
    /// of the supported ranges" (RFC 7517 §5). Usable are keys of the types RSA (2048 to 8192
    /// bits), EC (P-256, P-384) and OKP (Ed25519) whose `use`, `key_ops` and `alg`, where they are
    /// given, are for verifying with that key. Secrets (`oct`) never are: whoever can read the
    /// document could sign with them.
    ///
    /// # Errors
    /// [`JwksError`], by the fault of whoever has written it.
    pub fn from_json(document: &[u8]) -> Result<Self, JwksError> {
        if document.len() > Self::MAX_LENGTH {
            return Err(JwksError::TooLong(document.len()));
        }
        match json::object(document)?.get("keys") {
            Some(Value::Array(keys)) if keys.len() > Self::MAX_KEYS => {
                Err(JwksError::TooMany(keys.len()))
            }
            Some(Value::Array(keys)) => Ok(Self { keys: keys.iter().filter_map(usable).collect() }),
            _ => Err(JwksError::NoKeys),
        }
    }

    /// How many usable keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may have signed a token of this `kid` and algorithm; of a token without a
    /// `kid` the only one that fits, as trying many would multiply what a forged token costs.
    pub(crate) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: JwtAlgorithm,
    ) -> Vec<&VerifyingKey> {
        let fits = |jwk: &&Jwk| {
            jwk.algorithm.is_none_or(|only| only == algorithm) && algorithm.takes(jwk.key.kind())
        };
        let is_meant = |jwk: &&Jwk| id.is_none() || jwk.id.as_deref() == id;
        let keys = self.keys.iter().filter(fits).filter(is_meant).map(|jwk| &jwk.key);
        let keys: Vec<&VerifyingKey> = keys.collect();
        match id {
            None if keys.len() > 1 => Vec::new(),
            _ => keys,
        }
    }
}

/// What a JWK is good for, if it is for anything.
fn usable(jwk: &Value) -> Option<Jwk> {
    let jwk = jwk.as_object()?;
    let id = optional(jwk, "kid", Value::as_str)?.map(str::to_owned);
    // "Values defined by this specification are: "sig" (signature), "enc" (encryption)" (§4.2).
    let usage = optional(jwk, "use", Value::as_str)?;
    let operations = optional(jwk, "key_ops", Value::as_array)?;
    let verifies = operations.is_none_or(|all| all.iter().any(|one| one == "verify"));
    if usage.is_some_and(|usage| usage != "sig") || !verifies {
        return None;
    }
    let key = match jwk.get("kty")?.as_str()? {
        "RSA" => public::rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?),
        "EC" => elliptic(jwk)?,
        "OKP" if jwk.get("crv")? == "Ed25519" => public::ed25519(&bytes(jwk, "x")?),
        _ => return None,
    };
    let key = key.ok()?;
    let algorithm = match optional(jwk, "alg", Value::as_str)? {
        Some(name) => Some(name.parse().ok().filter(|only: &JwtAlgorithm| only.takes(key.kind()))?),
        None => None,
    };
    Some(Jwk { id, algorithm, key })
}

/// RFC 7518 §6.2.1: coordinates have the full size of the curve's field.
fn elliptic(jwk: &Map<String, Value>) -> Option<Result<VerifyingKey, String>> {
    let (kind, size) = match jwk.get("crv")?.as_str()? {
        "P-256" => (KeyKind::P256, 32),
        "P-384" => (KeyKind::P384, 48),
        _ => return None,
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    let is_whole = x.len() == size && y.len() == size;
    is_whole.then(|| public::point(kind, &[&[4], &*x, &*y].concat()))
}

/// A member that may be missing; `None` where it is of another type.
fn optional<'a, T>(
    jwk: &'a Map<String, Value>,
    name: &str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Option<Option<T>> {
    match jwk.get(name) {
        Some(value) => read(value).map(Some),
        None => Some(None),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok()
}
