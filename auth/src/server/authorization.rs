//! The field `Authorization` of a request, taken apart (RFC 9110 §11.6.2).

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{SecretString, zeroize::Zeroizing};
use wirewright_core::handshake::{Rejection, Request};

/// Bytes that credentials may have, in the header or in the query.
pub(crate) const MAX_CREDENTIALS: usize = 8 * 1024;

/// A user's name and password, as a client has shown them (RFC 7617).
#[derive(Clone, Debug)]
pub struct BasicCredentials {
    user: String,
    password: SecretString,
}

impl BasicCredentials {
    /// Reads the value of an `Authorization` header, `Basic dXNlcjpwYXNz`.
    ///
    /// The scheme may be in any case. The rest is the one base64 text that there is for its bytes:
    /// of the standard alphabet, padded, and without white space. It stands for UTF-8 without
    /// control characters; the user ends at the first colon (RFC 7617 §2), and neither user nor
    /// password is empty.
    ///
    /// # Errors
    /// [`BasicError`], by the peer's fault.
    pub fn parse(value: &[u8]) -> Result<Self, BasicError> {
        credentials(value, "Basic").ok_or(BasicError::Scheme).and_then(Self::decode)
    }

    fn decode(credentials: &[u8]) -> Result<Self, BasicError> {
        if credentials.len() > MAX_CREDENTIALS {
            return Err(BasicError::TooLong(credentials.len()));
        }
        let bytes = STANDARD.decode(credentials).map_err(|_| BasicError::Base64)?;
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes).map_err(|_| BasicError::Utf8)?;
        // "The user-id and password MUST NOT contain any control characters" (RFC 7617 §2).
        if text.contains(char::is_control) {
            return Err(BasicError::Control);
        }
        match text.split_once(':') {
            None => Err(BasicError::NoColon),
            Some(("", _)) => Err(BasicError::EmptyUser),
            Some((_, "")) => Err(BasicError::EmptyPassword),
            Some((user, password)) => Ok(Self { user: user.into(), password: password.into() }),
        }
    }

    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    #[must_use]
    pub const fn password(&self) -> &SecretString {
        &self.password
    }
}

/// Why credentials are not those of RFC 7617. Shows nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BasicError {
    /// Another scheme, or none.
    #[error("scheme is not `Basic`")]
    Scheme,
    /// More than 8 KiB.
    #[error("basic credentials of {0} bytes, more than {MAX_CREDENTIALS}")]
    TooLong(usize),
    /// Not canonical base64 (RFC 4648 §3.5, §4).
    #[error("basic credentials are not canonical, padded base64")]
    Base64,
    /// Not UTF-8, which is what the challenge asks for (RFC 7617 §2.1).
    #[error("basic credentials are not UTF-8")]
    Utf8,
    /// A control character (RFC 7617 §2).
    #[error("basic credentials hold a control character")]
    Control,
    /// Nothing ends the user's name.
    #[error("basic credentials have no colon")]
    NoColon,
    /// A password without a user.
    #[error("basic credentials name no user")]
    EmptyUser,
    /// A user without a password.
    #[error("basic credentials have an empty password")]
    EmptyPassword,
}

/// The Basic credentials of a request, if it shows such; 400 for several `Authorization`.
pub(crate) fn basic(
    request: &Request,
) -> Result<Option<Result<BasicCredentials, BasicError>>, Rejection> {
    Ok(of_scheme(request, "Basic")?.map(BasicCredentials::decode))
}

/// Why a request shows no bearer token that can be looked at.
#[derive(Clone, Debug)]
pub(crate) enum BearerError {
    /// "uses more than one method for including an access token" or one of them twice: 400 (RFC
    /// 6750 §3.1).
    Repeated,
    /// A token that none can be, or over 8 KiB.
    Malformed,
}

/// The bearer token of a request, if it shows one; with `in_query` it may be the parameter
/// `access_token` too.
pub(crate) fn bearer(
    request: &Request,
    in_query: bool,
) -> Result<Option<SecretString>, BearerError> {
    let header = of_scheme(request, "Bearer").map_err(|_| BearerError::Repeated)?;
    let query = if in_query { query_token(request)? } else { None };
    match (header, query) {
        (Some(_), Some(_)) => Err(BearerError::Repeated),
        (Some(token), None) => token68(token).map(Some),
        (None, Some(token)) => token68(token.as_bytes()).map(Some),
        (None, None) => Ok(None),
    }
}

/// "the client includes it in [...] the HTTP request URI query component [...] using the
/// "access_token" parameter" (RFC 6750 §2.3).
fn query_token(request: &Request) -> Result<Option<Zeroizing<String>>, BearerError> {
    let query = form_urlencoded::parse(request.query().unwrap_or_default().as_bytes());
    let mut tokens = query.filter(|(name, _)| name == "access_token");
    match (tokens.next(), tokens.next()) {
        (token, None) => Ok(token.map(|(_, token)| token).map(Cow::into_owned).map(Zeroizing::new)),
        (_, Some(_)) => Err(BearerError::Repeated),
    }
}

/// "b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="" (RFC 6750 §2.1).
fn token68(token: &[u8]) -> Result<SecretString, BearerError> {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let end = token.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let (head, _) = token.split_at_checked(end).unwrap_or_default();
    let text = std::str::from_utf8(token).map_err(|_| BearerError::Malformed)?;
    match !head.is_empty() && head.iter().all(is_allowed) && token.len() <= MAX_CREDENTIALS {
        true => Ok(text.into()),
        false => Err(BearerError::Malformed),
    }
}

/// What follows the scheme in a request's only `Authorization`, if it is this scheme.
fn of_scheme<'a>(request: &'a Request, scheme: &str) -> Result<Option<&'a [u8]>, Rejection> {
    let mut values = request.head().headers("Authorization");
    match (values.next(), values.next()) {
        // It is not a list: two are two opinions on who this is (RFC 9110 §5.3).
        (_, Some(_)) => Err(Rejection::bad_request().body("several `Authorization` headers\n")),
        (value, None) => Ok(value.and_then(|value| credentials(value, scheme))),
    }
}

/// "credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ]" (RFC 9110 §11.4), and the scheme
/// is "case-insensitive" (§11.1).
fn credentials<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (name, rest) = value.split_at_checked(end)?;
    let start = rest.iter().position(|byte| *byte != b' ').unwrap_or(rest.len());
    name.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.get(start..)).flatten()
}
