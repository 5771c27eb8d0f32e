//! The blocking client against a server that does what the test says, byte by byte.

mod attributes;
mod closing;
mod credentials;
mod custody;
mod duplex;
mod handlers;
mod handshake;
mod peer;
#[cfg(unix)]
mod polled;
mod proxy;
mod reach;
mod reading;
mod recovery;
mod redirect;
mod steady;
mod typed;
mod violations;
mod writing;
