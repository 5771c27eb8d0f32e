//! Echo servers over TLS: ours, and tokio's pair of rustls and tungstenite.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use wirewright::{Caller, Outcome, Rejection, Reply, Service, UpgradeRequest};
use wirewright_peers::{Result, tls};

use crate::peers;

struct Echo;

impl Service for Echo {
    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        // A peer that does not read is not read from, so that nothing piles up here.
        let _ = caller.write_binary(bytes)?;
        Ok(Reply::Nothing)
    }
}

pub fn wirewright(addr: SocketAddr) -> Result<()> {
    let upgrade = |_: &UpgradeRequest| Ok::<_, Rejection>(Echo);
    let listener = tls::listener()?.start(addr, upgrade)?;
    println!("listening on {addr}");
    listener.wait();
    Ok(())
}

/// An echo server of `peers` behind tokio-rustls.
pub fn tokio<F>(addr: SocketAddr, echo: fn(TlsStream<TcpStream>) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + 'static,
{
    let acceptor = TlsAcceptor::from(tls::server_config()?);
    peers::serve(addr, move |stream| {
        let accept = acceptor.accept(stream);
        async move { echo(accept.await?).await }
    })
}
