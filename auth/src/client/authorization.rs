//! The header that shows credentials (RFC 9110 §11.6.2).

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use wirewright_core::handshake::{CredentialsError, Headers};

/// Sets `Authorization` to `scheme credentials`.
pub(super) fn set(
    headers: &mut Headers,
    scheme: &str,
    credentials: &SecretString,
) -> Result<(), CredentialsError> {
    let value = Zeroizing::new([scheme, " ", credentials.expose_secret()].concat());
    Ok(headers.set("Authorization", &value)?)
}
