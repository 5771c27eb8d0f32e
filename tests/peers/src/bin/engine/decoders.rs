//! The peers as decoders. Every one hands over whole messages, text validated.

use bytes::BytesMut;
use fastwebsockets::{FragmentCollector, OpCode, WebSocket};
use futures_util::StreamExt;
use tokio::io::BufReader;
use wirewright_peers::Result;
use wirewright_peers::wire::{Wire, now};

use crate::cases::{Case, Role};

/// An engine that takes messages out of a stream.
pub trait Decode {
    /// Hands the next `count` messages to `each`.
    fn decode(&mut self, count: usize, each: impl FnMut(&[u8])) -> Result<()>;
}

/// The limit: the same bytes copied, in pieces as large as a read.
pub struct Memcpy {
    wire: Wire,
    buffer: Vec<u8>,
    bytes_per_message: usize,
}

impl Memcpy {
    pub fn new(stream: &'static [u8], messages: usize) -> Self {
        let bytes_per_message = stream.len() / messages;
        let buffer = vec![0; bytes_per_message.max(64 * 1024)];
        Self {
            wire: Wire::reading(stream),
            buffer,
            bytes_per_message,
        }
    }
}

impl Decode for Memcpy {
    fn decode(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        let mut left = count * self.bytes_per_message;
        while left > 0 {
            let part = self.wire.give(self.buffer.len().min(left));
            self.buffer[..part.len()].copy_from_slice(part);
            each(&self.buffer[..part.len()]);
            left -= part.len();
        }
        Ok(())
    }
}

pub struct Tungstenite(tungstenite::WebSocket<Wire>);

impl Tungstenite {
    pub fn new(case: &Case, stream: &'static [u8]) -> Self {
        let role = match case.role {
            Role::Server => tungstenite::protocol::Role::Server,
            Role::Client => tungstenite::protocol::Role::Client,
        };
        Self(tungstenite::WebSocket::from_raw_socket(
            Wire::reading(stream),
            role,
            None,
        ))
    }
}

impl Decode for Tungstenite {
    fn decode(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        for _ in 0..count {
            match self.0.read()? {
                tungstenite::Message::Text(text) => each(text.as_str().as_bytes()),
                tungstenite::Message::Binary(bytes) => each(&bytes),
                other => return Err(format!("unexpected {other:?}").into()),
            }
        }
        Ok(())
    }
}

pub struct FastWebsockets(FragmentCollector<Wire>);

impl FastWebsockets {
    pub fn new(case: &Case, stream: &'static [u8]) -> Self {
        let role = match case.role {
            Role::Server => fastwebsockets::Role::Server,
            Role::Client => fastwebsockets::Role::Client,
        };
        let socket = WebSocket::after_handshake(Wire::reading(stream), role);
        Self(FragmentCollector::new(socket))
    }
}

impl Decode for FastWebsockets {
    fn decode(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        for _ in 0..count {
            let frame = now(self.0.read_frame())??;
            match frame.opcode {
                OpCode::Text | OpCode::Binary => each(&frame.payload),
                other => return Err(format!("unexpected {other:?}").into()),
            }
        }
        Ok(())
    }
}

pub struct TokioWebsockets(tokio_websockets::WebSocketStream<Wire>);

impl TokioWebsockets {
    pub fn new(case: &Case, stream: &'static [u8]) -> Self {
        let wire = Wire::reading(stream);
        Self(match case.role {
            Role::Server => tokio_websockets::ServerBuilder::new().serve(wire),
            Role::Client => tokio_websockets::ClientBuilder::new().take_over(wire),
        })
    }
}

impl Decode for TokioWebsockets {
    fn decode(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        for _ in 0..count {
            let message = now(self.0.next())?.ok_or("closed")??;
            each(message.as_payload());
        }
        Ok(())
    }
}

/// It has no buffer of its own and would read twice per frame, so it gets one that reads
/// ahead; it neither joins fragments nor validates text, so that is done here.
pub struct WebSocketCrate {
    socket: web_socket::WebSocket<BufReader<Wire>>,
    text: bool,
    message: Vec<u8>,
}

impl WebSocketCrate {
    pub fn new(case: &Case, stream: &'static [u8]) -> Self {
        let wire = BufReader::with_capacity(64 * 1024, Wire::reading(stream));
        let socket = match case.role {
            Role::Server => web_socket::WebSocket::server(wire),
            Role::Client => web_socket::WebSocket::client(wire),
        };
        Self {
            socket,
            text: case.kind.is_text(),
            message: Vec::new(),
        }
    }

    fn validate(&self, bytes: &[u8]) -> Result<()> {
        if self.text {
            simdutf8::basic::from_utf8(bytes)?;
        }
        Ok(())
    }
}

impl Decode for WebSocketCrate {
    fn decode(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        use web_socket::{DataType, Event, Stream};
        let mut done = 0;
        while done < count {
            let Event::Data { ty, data } = now(self.socket.recv())?? else {
                return Err("unexpected event".into());
            };
            match ty {
                DataType::Complete(_) => {
                    self.validate(&data)?;
                    each(&data);
                    done += 1;
                }
                DataType::Stream(part) => {
                    self.message.extend_from_slice(&data);
                    if let Stream::End(_) = part {
                        self.validate(&self.message)?;
                        each(&self.message);
                        self.message.clear();
                        done += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Its protocol takes bytes directly: they are copied into its buffer as its own stream reads
/// them, 64 KiB at a time.
pub struct Sockudo {
    protocol: sockudo_ws::protocol::Protocol,
    wire: Wire,
    buffer: BytesMut,
    messages: Vec<sockudo_ws::Message>,
    /// Messages handed over beyond what was asked for: they count for the next call.
    ahead: usize,
}

impl Sockudo {
    pub fn new(case: &Case, stream: &'static [u8]) -> Self {
        let role = match case.role {
            Role::Server => sockudo_ws::Role::Server,
            Role::Client => sockudo_ws::Role::Client,
        };
        Self {
            protocol: sockudo_ws::protocol::Protocol::new(role, 16 << 20, 64 << 20),
            wire: Wire::reading(stream),
            buffer: BytesMut::with_capacity(sockudo_ws::RECV_BUFFER_SIZE),
            messages: Vec::new(),
            ahead: 0,
        }
    }
}

impl Decode for Sockudo {
    fn decode(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        while self.ahead < count {
            if self.buffer.capacity() - self.buffer.len() < 4096 {
                self.buffer.reserve(sockudo_ws::RECV_BUFFER_SIZE);
            }
            let room = self.buffer.capacity() - self.buffer.len();
            self.buffer.extend_from_slice(self.wire.give(room));
            self.protocol
                .process_into(&mut self.buffer, &mut self.messages)?;
            self.ahead += self.messages.len();
            for message in self.messages.drain(..) {
                each(message.as_bytes());
            }
        }
        self.ahead -= count;
        Ok(())
    }
}
