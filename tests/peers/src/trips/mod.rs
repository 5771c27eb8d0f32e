//! Blocking clients that send a message and wait for its echo, over and over.

use std::net::SocketAddr;

use crate::Result;
use crate::contest::Contestant;

mod plain;
mod secure;

/// Connects a client that sends such a payload.
pub type Make = fn(SocketAddr, &[u8]) -> Result<Contestant>;

/// The clients, over TLS or not, with their names.
#[must_use]
pub fn clients(tls: bool) -> &'static [(&'static str, Make)] {
    if tls {
        &secure::CLIENTS
    } else {
        &plain::CLIENTS
    }
}

fn right(echo: bool) -> Result<()> {
    if echo {
        Ok(())
    } else {
        Err("the echo differs from the message".into())
    }
}
