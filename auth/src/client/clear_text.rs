//! Credentials and connections that anybody can read.

use wirewright_core::Uri;
use wirewright_core::handshake::CredentialsError;

use crate::loopback::is_loopback;

/// Credentials that would have crossed a network for everybody to read: "Clients MUST always use
/// TLS (https) or equivalent transport security when making requests with bearer tokens" (RFC 6750
/// §5.3), and Basic "is not considered to be a secure method [...] unless used in conjunction with
/// some external secure system such as TLS" (RFC 7617 §4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "credentials are not sent to {host} over `ws`, in clear text; connect with `wss`, or allow it \
     by `allow_clear_text`"
)]
pub struct ClearTextError {
    host: String,
}

/// Lets through what goes over TLS or stays on this machine, and all where that is `allowed`.
pub(crate) fn check(uri: &Uri, allowed: bool) -> Result<(), CredentialsError> {
    if uri.is_secure() || is_loopback(uri.host()) || allowed {
        return Ok(());
    }
    Err(CredentialsError::permanent(ClearTextError { host: uri.host().to_owned() }))
}
