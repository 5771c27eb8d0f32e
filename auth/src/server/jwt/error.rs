//! What can be wrong with a token.

use crate::json::JsonError;

/// Why a token is not accepted. By the token's fault, but for
/// [`Unavailable`](Self::Unavailable) and [`Clock`](Self::Clock); shows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Too long to be looked at.
    #[error("token of {length} bytes, more than {max}, the limit of `max_token_length`")]
    TooLong {
        /// Its bytes.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// Not the three parts of a signed token (RFC 7515 §7.1).
    #[error("token is not three parts with dots between")]
    Parts,
    /// A part that is not base64url without padding (RFC 7515 §2), or not the one way to write
    /// what it stands for (RFC 4648 §3.5).
    #[error("{part} of the token is not canonical base64url")]
    Base64 {
        /// `header`, `claims` or `signature`.
        part: &'static str,
    },
    /// A part that is not a JSON object, or an ambiguous one.
    #[error("{part} of the token: {problem}")]
    Json {
        /// `header` or `claims`.
        part: &'static str,
        /// What is wrong.
        problem: JsonError,
    },
    /// A parameter of the header that is not a string (RFC 7515 §4.1).
    #[error("`{0}` in the token's header is missing or not a string")]
    HeaderType(&'static str),
    /// "If any of the listed extension Header Parameters are not understood and supported by the
    /// recipient, then the JWS is invalid" (RFC 7515 §4.1.11): none is here.
    #[error("token has `crit`, for extensions that are not known here")]
    Critical,
    /// An algorithm that is not one of `algorithms`, or none (RFC 8725 §3.1).
    #[error("token's algorithm is not one of `algorithms`")]
    Algorithm,
    /// A token of another type than `token_type` (RFC 8725 §3.11).
    #[error("token's type is not that of `token_type`")]
    TokenType,
    /// Another key than that of `key_id`.
    #[error("token's key is not that of `key_id`")]
    KeyId,
    /// Signed with a key that the set does not hold, or without saying which of several.
    #[error("token's key is not in the key set")]
    UnknownKey,
    /// Not signed by whom we trust, or changed since.
    #[error("token's signature is not valid")]
    Signature,
    /// A claim that is asked for and not there.
    #[error("token has no claim `{0}`")]
    ClaimMissing(String),
    /// A claim of the wrong type, or a date that is negative or beyond the year 9999.
    #[error("token's claim `{0}` has the wrong type or is out of range")]
    ClaimType(String),
    /// A claim that is not as it should be.
    #[error("token's claim `{0}` has another value than the one that is asked for")]
    ClaimMismatch(String),
    /// Past its `exp` (RFC 7519 §4.1.4).
    #[error("token has expired")]
    Expired,
    /// Before its `nbf` (RFC 7519 §4.1.5), or its `iat`.
    #[error("token's claim `{0}` is in the future")]
    NotYetValid(&'static str),
    /// There are no keys to verify it with.
    #[error("keys to verify tokens with are not available: {0}")]
    Unavailable(String),
    /// This machine's clock is before 1970.
    #[error("clock is before 1970")]
    Clock,
}
