//! TLS on both sides, over real sockets.

mod callers;
mod custody;
mod data;
mod endings;
mod hostile;
mod identities;
mod key_update;
mod redirects;
mod renegotiation;
mod sessions;
mod smuggling;
mod verification;
mod ways;

use wirewright::{Client, ClientBuilder, Listener, ListenerBuilder};
use wirewright_tests::certificates::{client_tls, server_tls};
use wirewright_tests::duplex::pattern;
use wirewright_tests::raw_client::PATIENCE;
use wirewright_tests::services::start_echo;
use wirewright_tests::tls_peer::VERSIONS;

/// Options for a listener over TLS of this version.
fn secured(builder: ListenerBuilder, version: &str) -> ListenerBuilder {
    builder.tls(server_tls().versions([version]).build().unwrap())
}

/// An echo over TLS of this version.
fn echo(builder: ListenerBuilder, version: &str) -> Listener {
    start_echo(secured(builder, version))
}

fn url(listener: &Listener) -> String {
    format!("wss://localhost:{}/", listener.local_addr().port())
}

/// A client whose deadlines end a test that hangs.
fn towards(listener: &Listener) -> ClientBuilder {
    client_of(&url(listener))
}

fn client_of(url: &str) -> ClientBuilder {
    Client::builder(url)
        .tls(client_tls().build().unwrap())
        .tls_timeout(Some(PATIENCE))
        .handshake_timeout(Some(PATIENCE))
        .read_timeout(Some(PATIENCE))
        .write_timeout(Some(PATIENCE))
        .close_timeout(Some(PATIENCE))
}
