//! Clients over TCP.

use std::io::{Read, Write};
use std::net::SocketAddr;

use tungstenite::protocol::Role;
use wirewright::{Client, ClientBuilder, MessageBuf};

use super::{Make, right};
use crate::Result;
use crate::contest::Contestant;
use crate::frames::{self, BINARY, Frame, mask_key};
use crate::servers::MAX_MESSAGE;

pub const CLIENTS: [(&str, Make); 4] = [
    ("TcpStream", bare),
    ("tungstenite", tungstenite),
    ("wirewright", |addr, payload| {
        wirewright("wirewright", true, addr, payload)
    }),
    ("wirewright without custody", |addr, payload| {
        wirewright("wirewright without custody", false, addr, payload)
    }),
];

/// The floor: the same bytes on the same socket, and nothing else.
fn bare(addr: SocketAddr, payload: &[u8]) -> Result<Contestant> {
    Ok(on_stream("TcpStream", frames::open(addr)?, payload))
}

/// Sends a frame made in advance over an open connection, and reads as much as the echo has.
pub fn on_stream(
    name: &'static str,
    mut stream: impl Read + Write + 'static,
    payload: &[u8],
) -> Contestant {
    let frame = |mask| {
        let (mut bytes, frame) = (
            Vec::new(),
            Frame {
                fin: true,
                opcode: BINARY,
                mask,
                payload,
            },
        );
        frame.write_to(&mut bytes);
        bytes
    };
    let (message, expected) = (frame(Some(mask_key(0))), frame(None));
    let mut echo = vec![0; expected.len()];
    let run = move |_| {
        stream.write_all(&message)?;
        stream.read_exact(&mut echo)?;
        right(echo == expected)
    };
    Contestant {
        name,
        run: Box::new(run),
    }
}

fn tungstenite(addr: SocketAddr, payload: &[u8]) -> Result<Contestant> {
    Ok(tungstenite_on("tungstenite", frames::open(addr)?, payload))
}

/// tungstenite on an open connection.
pub fn tungstenite_on(
    name: &'static str,
    stream: impl Read + Write + 'static,
    payload: &[u8],
) -> Contestant {
    let mut socket = tungstenite::WebSocket::from_raw_socket(stream, Role::Client, None);
    let payload = bytes::Bytes::copy_from_slice(payload);
    let run = move |_| {
        socket.send(tungstenite::Message::Binary(payload.clone()))?;
        right(socket.read()?.into_data() == payload)
    };
    Contestant {
        name,
        run: Box::new(run),
    }
}

fn wirewright(
    name: &'static str,
    custody: bool,
    addr: SocketAddr,
    payload: &[u8],
) -> Result<Contestant> {
    let client = Client::builder(&format!("ws://{addr}/")).custody(custody);
    with_client(name, client, payload)
}

/// wirewright, with room for every message.
pub fn with_client(
    name: &'static str,
    client: ClientBuilder,
    payload: &[u8],
) -> Result<Contestant> {
    let client = client
        .max_frame_size(MAX_MESSAGE)
        .max_message_size(MAX_MESSAGE as u64);
    let client = client.connect()?;
    let (payload, mut message) = (payload.to_vec(), MessageBuf::new());
    let run = move |_| {
        client.write_binary(&payload)?;
        right(client.read_into(&mut message)? && message.message().as_bytes() == payload)
    };
    Ok(Contestant {
        name,
        run: Box::new(run),
    })
}
