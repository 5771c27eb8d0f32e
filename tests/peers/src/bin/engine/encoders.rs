//! The peers as encoders. The payload is the caller's; the frames end up in the wire.
//!
//! Engines that want to own the payload get theirs by reference count, which is the best that
//! their callers can do. Each gathers frames as it does by itself and flushes after a batch.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use fastwebsockets::{Frame, OpCode, Payload, WebSocket};
use futures_util::SinkExt;
use wirewright_peers::Result;
use wirewright_peers::wire::{Wire, now};

use crate::cases::{Case, Role};

/// An engine that puts messages on a wire.
pub trait Encode {
    /// Sends the message of the case `count` times and flushes.
    fn encode(&mut self, count: usize) -> Result<()>;

    /// Where the frames went; `None` for the limit, which makes no frames.
    fn into_wire(self) -> Option<Wire>;
}

/// The limit: as many bytes copied into a sink of the same size.
pub struct Memcpy {
    wire: Wire,
    /// What one write copies: small messages many at a time, from the first cache.
    piece: &'static [u8],
    bytes_per_message: usize,
}

impl Memcpy {
    pub fn new(case: &Case, stream: &'static [u8], messages: usize) -> Self {
        let bytes_per_message = stream.len() / messages;
        let piece = &stream[..bytes_per_message.max(16 * 1024)];
        Self {
            wire: Wire::writing(case.size),
            piece,
            bytes_per_message,
        }
    }
}

impl Encode for Memcpy {
    fn encode(&mut self, count: usize) -> Result<()> {
        let mut left = count * self.bytes_per_message;
        while left > 0 {
            let part = left.min(self.piece.len());
            self.wire.put(black_box(&self.piece[..part]));
            left -= part;
        }
        Ok(())
    }

    fn into_wire(self) -> Option<Wire> {
        None
    }
}

pub struct Tungstenite {
    socket: tungstenite::WebSocket<Wire>,
    message: tungstenite::Message,
}

impl Tungstenite {
    pub fn new(case: &Case) -> Self {
        let role = match case.role {
            Role::Server => tungstenite::protocol::Role::Server,
            Role::Client => tungstenite::protocol::Role::Client,
        };
        let message = match case.kind.is_text() {
            true => tungstenite::Message::Text(case.text().into()),
            false => tungstenite::Message::Binary(Bytes::from_static(case.payload())),
        };
        let socket = tungstenite::WebSocket::from_raw_socket(Wire::writing(case.size), role, None);
        Self { socket, message }
    }
}

impl Encode for Tungstenite {
    fn encode(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.socket.write(black_box(&self.message).clone())?;
        }
        Ok(self.socket.flush()?)
    }

    fn into_wire(self) -> Option<Wire> {
        Some(self.socket.into_inner())
    }
}

pub struct FastWebsockets {
    socket: WebSocket<Wire>,
    opcode: OpCode,
    payload: &'static [u8],
}

impl FastWebsockets {
    pub fn new(case: &Case) -> Self {
        let role = match case.role {
            Role::Server => fastwebsockets::Role::Server,
            Role::Client => fastwebsockets::Role::Client,
        };
        let opcode = if case.kind.is_text() {
            OpCode::Text
        } else {
            OpCode::Binary
        };
        let socket = WebSocket::after_handshake(Wire::writing(case.size), role);
        Self {
            socket,
            opcode,
            payload: case.payload(),
        }
    }
}

impl Encode for FastWebsockets {
    fn encode(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let payload = Payload::Borrowed(black_box(self.payload));
            now(self
                .socket
                .write_frame(Frame::new(true, self.opcode, None, payload)))??;
        }
        Ok(())
    }

    fn into_wire(self) -> Option<Wire> {
        Some(self.socket.into_inner())
    }
}

pub struct TokioWebsockets {
    socket: tokio_websockets::WebSocketStream<Wire>,
    message: tokio_websockets::Message,
}

impl TokioWebsockets {
    pub fn new(case: &Case) -> Self {
        let wire = Wire::writing(case.size);
        let socket = match case.role {
            Role::Server => tokio_websockets::ServerBuilder::new().serve(wire),
            Role::Client => tokio_websockets::ClientBuilder::new().take_over(wire),
        };
        let message = match case.kind.is_text() {
            true => tokio_websockets::Message::text(case.text()),
            false => tokio_websockets::Message::binary(Bytes::from_static(case.payload())),
        };
        Self { socket, message }
    }
}

impl Encode for TokioWebsockets {
    fn encode(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            now(self.socket.feed(black_box(&self.message).clone()))??;
        }
        Ok(now(self.socket.flush())??)
    }

    fn into_wire(self) -> Option<Wire> {
        Some(self.socket.into_inner())
    }
}

pub struct WebSocketCrate {
    socket: web_socket::WebSocket<Wire>,
    text: Option<&'static str>,
    payload: &'static [u8],
}

impl WebSocketCrate {
    pub fn new(case: &Case) -> Self {
        let wire = Wire::writing(case.size);
        let socket = match case.role {
            Role::Server => web_socket::WebSocket::server(wire),
            Role::Client => web_socket::WebSocket::client(wire),
        };
        let text = case.kind.is_text().then(|| case.text());
        Self {
            socket,
            text,
            payload: case.payload(),
        }
    }
}

impl Encode for WebSocketCrate {
    fn encode(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            match self.text {
                Some(text) => now(self.socket.send(black_box(text)))??,
                None => now(self.socket.send(black_box(self.payload)))??,
            }
        }
        Ok(())
    }

    fn into_wire(self) -> Option<Wire> {
        Some(self.socket.stream)
    }
}

/// Its protocol encodes into a buffer, which is written when the cork is full as in its stream.
pub struct Sockudo {
    protocol: sockudo_ws::protocol::Protocol,
    message: sockudo_ws::Message,
    buffer: BytesMut,
    wire: Wire,
}

impl Sockudo {
    pub fn new(case: &Case) -> Self {
        let role = match case.role {
            Role::Server => sockudo_ws::Role::Server,
            Role::Client => sockudo_ws::Role::Client,
        };
        let payload = Bytes::from_static(case.payload());
        let message = match case.kind.is_text() {
            true => sockudo_ws::Message::Text(payload),
            false => sockudo_ws::Message::Binary(payload),
        };
        Self {
            protocol: sockudo_ws::protocol::Protocol::new(role, 16 << 20, 64 << 20),
            message,
            buffer: BytesMut::with_capacity(sockudo_ws::CORK_BUFFER_SIZE),
            wire: Wire::writing(case.size),
        }
    }

    fn flush(&mut self) {
        self.wire.put(&self.buffer);
        self.buffer.clear();
    }
}

impl Encode for Sockudo {
    fn encode(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.protocol
                .encode_message(black_box(&self.message), &mut self.buffer)?;
            if self.buffer.len() >= sockudo_ws::CORK_BUFFER_SIZE {
                self.flush();
            }
        }
        self.flush();
        Ok(())
    }

    fn into_wire(self) -> Option<Wire> {
        Some(self.wire)
    }
}
