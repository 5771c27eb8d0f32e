//! Through an HTTP proxy: `CONNECT` (RFC 9110 §9.3.6).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret as _;
use wirewright_core::Uri;
use wirewright_core::handshake::{HandshakeLimits, TunnelRequest};

use super::failure::ProxyError;
use super::proxy::Login;
use super::wire::Wire;
use crate::client::error::ClientError;

/// Asks for the way to `uri`. What the proxy sends behind its answer stays in the inbox.
pub(super) fn open(
    wire: &mut Wire,
    uri: &Uri,
    login: Option<&Login>,
    limits: HandshakeLimits,
) -> Result<(), ClientError> {
    let mut request = TunnelRequest::new(uri).limits(limits);
    if let Some(login) = login {
        request = request.header("Proxy-Authorization", &basic(login))?;
    }
    let mut tunnelling = request.send(&mut wire.outbox);
    // A proxy that refuses may do so before it has read everything.
    let sent = wire.send();
    loop {
        if tunnelling.receive(&mut wire.inbox).map_err(proxy_error)? {
            return sent;
        }
        match wire.receive() {
            Ok(true) => {}
            // The body of a refusal is worth no more than the refusal.
            Ok(false) | Err(_) if tunnelling.is_refused() => {
                return Err(proxy_error(tunnelling.receive_end()));
            }
            Ok(false) => return sent.and(Err(ClientError::Proxy(ProxyError::Ended))),
            Err(error) => return Err(error),
        }
    }
}

fn proxy_error(error: impl Into<ProxyError>) -> ClientError {
    ClientError::Proxy(error.into())
}

/// `Basic` and "user-id ":" password" in base64 (RFC 7617 §2).
fn basic(login: &Login) -> String {
    let pair = [login.user.expose_secret(), ":", login.password.expose_secret()].concat();
    ["Basic ", &STANDARD.encode(pair)].concat()
}
