//! Echo servers on the peers that compress, each with its own defaults.
//!
//! The load's offer allows a window of 15 bits that is kept from message to message, both ways.
//! A bare answer takes all of that.

use sockudo_ws::{CompressedWebSocketStream, DeflateConfig};
use tokio::net::TcpStream;
use wirewright_peers::Result;
use yawc::{OpCode, Options, Role, WebSocket};

use crate::peers::{self, echo, shake_hands_with};

const AGREED: &str = "permessage-deflate";

async fn shake_hands(stream: &mut TcpStream) -> Result<()> {
    shake_hands_with(stream, &format!("Sec-WebSocket-Extensions: {AGREED}\r\n")).await
}

pub async fn sockudo(mut stream: TcpStream) -> Result<()> {
    shake_hands(&mut stream).await?;
    let (config, deflate) = (peers::sockudo_config(), DeflateConfig::default());
    let socket = CompressedWebSocketStream::server(stream, config, deflate);
    echo(socket, peers::is_sockudo_data).await
}

pub async fn yawc(mut stream: TcpStream) -> Result<()> {
    shake_hands(&mut stream).await?;
    let options = Options::default().with_balanced_compression();
    let (role, agreed) = (Role::Server, Some(AGREED));
    let mut socket = WebSocket::from_stream_with_extensions(stream, role, agreed, options)?;
    loop {
        let frame = socket.next_frame().await?;
        if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
            futures_util::SinkExt::send(&mut socket, frame).await?;
        }
    }
}
