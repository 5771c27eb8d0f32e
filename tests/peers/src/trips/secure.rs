//! The same over TLS.

use std::net::{SocketAddr, TcpStream};

use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConnection, StreamOwned};
use tokio_rustls::TlsConnector;
use wirewright::Client;

use super::plain::{on_stream, tungstenite_on, with_client};
use super::{Make, right};
use crate::contest::Contestant;
use crate::{Result, frames, tls};

pub const CLIENTS: [(&str, Make); 5] = [
    ("rustls", |addr, payload| {
        Ok(on_stream("rustls", open(addr)?, payload))
    }),
    ("tungstenite", |addr, payload| {
        Ok(tungstenite_on("tungstenite", open(addr)?, payload))
    }),
    ("tokio-tungstenite", tokio),
    ("wirewright", |addr, payload| {
        wirewright("wirewright", true, addr, payload)
    }),
    ("wirewright without custody", |addr, payload| {
        wirewright("wirewright without custody", false, addr, payload)
    }),
];

/// An open connection through rustls's own stream.
fn open(addr: SocketAddr) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    let tls = ClientConnection::new(tls::client_config(false)?, tls::name()?)?;
    let mut stream = StreamOwned::new(tls, stream);
    frames::connect(&mut stream)?;
    Ok(stream)
}

/// One task on a runtime of one thread.
fn tokio(addr: SocketAddr, payload: &[u8]) -> Result<Contestant> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let connector = TlsConnector::from(tls::client_config(false)?);
    let request = format!("wss://{}/", tls::HOST);
    let connect = async {
        let stream = tokio::net::TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let stream = connector.connect(tls::name()?, stream).await?;
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok::<_, Box<dyn std::error::Error>>(socket)
    };
    let mut socket = runtime.block_on(connect)?;
    let payload = bytes::Bytes::copy_from_slice(payload);
    let run = move |_| {
        let echo = runtime.block_on(async {
            socket
                .send(tungstenite::Message::Binary(payload.clone()))
                .await?;
            socket
                .next()
                .await
                .ok_or(tungstenite::Error::ConnectionClosed)?
        });
        right(echo?.into_data() == payload)
    };
    Ok(Contestant {
        name: "tokio-tungstenite",
        run: Box::new(run),
    })
}

fn wirewright(
    name: &'static str,
    custody: bool,
    addr: SocketAddr,
    payload: &[u8],
) -> Result<Contestant> {
    let client = Client::builder(&format!("wss://{addr}/"))
        .tls(tls::client()?)
        .custody(custody);
    with_client(name, client, payload)
}
