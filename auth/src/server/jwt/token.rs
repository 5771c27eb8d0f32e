//! A token taken apart (RFC 7515 §7.1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::JwtError;
use crate::JwtAlgorithm;
use crate::json;

/// The parts of a token, of which the claims are not looked at yet.
pub(super) struct Token<'a> {
    pub(super) header: Header,
    /// As they came.
    pub(super) claims: &'a str,
    /// What the signature is over.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

/// What is read of a header: nothing that points to keys elsewhere.
pub(super) struct Header {
    pub(super) algorithm: JwtAlgorithm,
    pub(super) key_id: Option<String>,
    pub(super) token_type: Option<String>,
}

impl<'a> Token<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, JwtError> {
        // Looking for one more part than there may be costs nothing, however many dots there are.
        let mut parts = token.split('.');
        let (header, claims, signature) =
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(header), Some(claims), Some(signature), None) => (header, claims, signature),
                _ => return Err(JwtError::Parts),
            };
        let (signed, _) = token.rsplit_once('.').ok_or(JwtError::Parts)?;
        let header = Header::parse(header)?;
        let signature = decode("signature", signature)?;
        Ok(Self { header, claims, signed: signed.as_bytes(), signature })
    }
}

impl Header {
    fn parse(part: &str) -> Result<Self, JwtError> {
        let header = object("header", part)?;
        if header.contains_key("crit") {
            return Err(JwtError::Critical);
        }
        let algorithm = text(&header, "alg")?.ok_or(JwtError::HeaderType("alg"))?;
        let algorithm = algorithm.parse().map_err(|_| JwtError::Algorithm)?;
        let (key_id, token_type) = (text(&header, "kid")?, text(&header, "typ")?);
        Ok(Self { algorithm, key_id, token_type })
    }
}

fn text(header: &Map<String, Value>, name: &'static str) -> Result<Option<String>, JwtError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(JwtError::HeaderType(name)),
    }
}

/// A part that is a JSON object.
pub(super) fn object(part: &'static str, text: &str) -> Result<Map<String, Value>, JwtError> {
    let bytes = decode(part, text)?;
    json::object(&bytes).map_err(|problem| JwtError::Json { part, problem })
}

/// "Base64 encoding using the URL- and filename-safe character set [...] with all trailing '='
/// characters omitted [...] and without the inclusion of any line breaks, whitespace, or other
/// additional characters" (RFC 7515 §2); bits that stand for nothing are zero (RFC 4648 §3.5).
fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwtError::Base64 { part })
}
