//! Through a SOCKS5 proxy (RFC 1928, RFC 1929).

use std::net::{IpAddr, SocketAddr};

use secrecy::{ExposeSecret as _, SecretString};

use super::failure::{ProxyError, SocksReply};
use super::proxy::Login;
use super::wire::Wire;
use crate::client::error::ClientError;

/// Whom the proxy is to connect to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'t> {
    Address(SocketAddr),
    /// The proxy looks the name up.
    Name(&'t str, u16),
}

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
/// The version of the negotiation of RFC 1929.
const LOGIN_VERSION: u8 = 1;

/// Asks for the way to `target`.
pub(super) fn open(
    wire: &mut Wire,
    target: Target<'_>,
    login: Option<&Login>,
) -> Result<(), ClientError> {
    let methods: &[u8] = match login {
        Some(_) => &[NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[NO_AUTHENTICATION],
    };
    wire.outbox.extend(&[VERSION]);
    push_counted(wire, methods);
    let [version, method] = ask(wire)?;
    if version != VERSION {
        return Err(ProxyError::SocksVersion(version).into());
    }
    match (method, login) {
        (NO_AUTHENTICATION, _) => {}
        (USER_AND_PASSWORD, Some(login)) => log_in(wire, login)?,
        _ => return Err(ProxyError::SocksMethod(method).into()),
    }
    connect(wire, target)
}

/// Version, user and password, the latter two with their length before them (RFC 1929 §2).
fn log_in(wire: &mut Wire, login: &Login) -> Result<(), ClientError> {
    let bytes = |secret: &SecretString| secret.expose_secret().as_bytes().to_vec();
    wire.outbox.extend(&[LOGIN_VERSION]);
    push_counted(wire, &bytes(&login.user));
    push_counted(wire, &bytes(&login.password));
    match ask(wire)? {
        [_, 0] => Ok(()),
        // "A STATUS field of X'00' indicates success. If the server returns a `failure' (STATUS
        // value other than X'00') status, it MUST close the connection" (RFC 1929 §2).
        [_, status] => Err(ProxyError::SocksLogin(status).into()),
    }
}

/// Version, the command CONNECT, a reserved byte, the target (RFC 1928 §4), and the answer, which
/// is built alike (§6).
fn connect(wire: &mut Wire, target: Target<'_>) -> Result<(), ClientError> {
    wire.outbox.extend(&[VERSION, 1, 0]);
    let port = match target {
        Target::Address(address) => {
            match address.ip() {
                IpAddr::V4(ip) => wire.outbox.extend(&[&[1][..], &ip.octets()].concat()),
                IpAddr::V6(ip) => wire.outbox.extend(&[&[4][..], &ip.octets()].concat()),
            }
            address.port()
        }
        Target::Name(name, port) => {
            wire.outbox.extend(&[3]);
            push_counted(wire, name.as_bytes());
            port
        }
    };
    wire.outbox.extend(&port.to_be_bytes());
    let [version, reply, _, kind] = ask(wire)?;
    if version != VERSION {
        return Err(ProxyError::SocksVersion(version).into());
    }
    if reply != 0 {
        return Err(ProxyError::Socks(SocksReply::from(reply)).into());
    }
    // The address that the proxy connects from, which is of no interest, and its port.
    let address = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(take::<1>(wire)?[0]),
        _ => return Err(ProxyError::SocksMalformed.into()),
    };
    await_bytes(wire, address + 2)?;
    wire.inbox.consume(address + 2);
    Ok(())
}

/// A field of up to 255 bytes with its length before it. No host of a `Uri` is longer, and neither
/// is a login that was accepted.
fn push_counted(wire: &mut Wire, field: &[u8]) {
    let field = &field[..field.len().min(255)];
    wire.outbox.extend(&[u8::try_from(field.len()).unwrap_or(u8::MAX)]);
    wire.outbox.extend(field);
}

/// Sends what there is and takes the answer's first bytes.
fn ask<const N: usize>(wire: &mut Wire) -> Result<[u8; N], ClientError> {
    wire.send()?;
    take(wire)
}

fn take<const N: usize>(wire: &mut Wire) -> Result<[u8; N], ClientError> {
    await_bytes(wire, N)?;
    let mut bytes = [0; N];
    bytes.copy_from_slice(&wire.inbox.unread()[..N]);
    wire.inbox.consume(N);
    Ok(bytes)
}

fn await_bytes(wire: &mut Wire, n: usize) -> Result<(), ClientError> {
    while wire.inbox.unread().len() < n {
        if !wire.receive()? {
            return Err(ProxyError::Ended.into());
        }
    }
    Ok(())
}
