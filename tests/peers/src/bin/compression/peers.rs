//! zlib-rs by itself, sockudo-ws and yawc.

use bytes::{Bytes, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::{CompressedProtocol, DeflateConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream};
use wirewright_peers::Result;
use wirewright_peers::frames::{Frame, TEXT};
use wirewright_peers::wire::{Wire, now};

use crate::texts::{Case, TRAILER};

/// The sending side of a server.
pub trait Deflate {
    fn send(&mut self, text: &'static str) -> Result<()>;

    /// The frames that went out.
    fn into_written(self) -> Result<Vec<u8>>;
}

/// The receiving side of a client.
pub trait Inflate {
    /// Hands the next `count` messages to `each`, whole and validated.
    fn receive(&mut self, count: usize, each: impl FnMut(&[u8])) -> Result<()>;
}

/// The library alone: compressed into a buffer, no frame around it.
pub struct Zlib {
    compress: Compress,
    takeover: bool,
    out: Vec<u8>,
    frames: Vec<u8>,
}

impl Zlib {
    pub fn new(case: &Case) -> Self {
        let compress = Compress::new_with_window_bits(Compression::new(6), false, 15);
        let out = Vec::with_capacity(2 * case.size + 64);
        Self {
            compress,
            takeover: case.takeover,
            out,
            frames: Vec::new(),
        }
    }
}

impl Deflate for Zlib {
    fn send(&mut self, text: &'static str) -> Result<()> {
        self.out.clear();
        self.compress
            .compress_vec(text.as_bytes(), &mut self.out, FlushCompress::Sync)?;
        self.out.truncate(self.out.len() - TRAILER.len());
        if !self.takeover {
            self.compress.reset();
        }
        // Only the trial run looks at the frames; a measurement must not collect them.
        if self.frames.len() < 1 << 20 {
            let frame = Frame {
                fin: true,
                opcode: 0x40 | TEXT,
                mask: None,
                payload: &self.out,
            };
            frame.write_to(&mut self.frames);
        }
        Ok(())
    }

    fn into_written(self) -> Result<Vec<u8>> {
        Ok(self.frames)
    }
}

pub struct Unzlib {
    decompress: Decompress,
    takeover: bool,
    messages: Vec<Vec<u8>>,
    next: usize,
    out: Vec<u8>,
}

impl Unzlib {
    pub fn new(case: &Case) -> Result<Self> {
        let mut messages = case.compressed()?;
        messages
            .iter_mut()
            .for_each(|message| message.extend_from_slice(&TRAILER));
        Ok(Self {
            decompress: Decompress::new_with_window_bits(false, 15),
            takeover: case.takeover,
            messages,
            next: 0,
            out: Vec::with_capacity(case.size + 64),
        })
    }
}

impl Inflate for Unzlib {
    fn receive(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        for _ in 0..count {
            let input = &self.messages[self.next];
            self.out.clear();
            self.decompress
                .decompress_vec(input, &mut self.out, FlushDecompress::Sync)?;
            if !self.takeover {
                self.decompress.reset(false);
            }
            each(&self.out);
            self.next = (self.next + 1) % self.messages.len();
        }
        Ok(())
    }
}

/// Threshold 0, so that it compresses what the others do.
fn sockudo_config(case: &Case) -> DeflateConfig {
    DeflateConfig {
        server_no_context_takeover: !case.takeover,
        client_no_context_takeover: !case.takeover,
        compression_level: 6,
        compression_threshold: 0,
        ..DeflateConfig::best_compression()
    }
}

pub struct SockudoSender {
    protocol: CompressedProtocol,
    buffer: BytesMut,
    wire: Wire,
}

impl SockudoSender {
    pub fn new(case: &Case) -> Self {
        Self {
            protocol: CompressedProtocol::server(16 << 20, 16 << 20, sockudo_config(case)),
            buffer: BytesMut::with_capacity(sockudo_ws::CORK_BUFFER_SIZE),
            wire: Wire::writing(1 << 20),
        }
    }
}

impl Deflate for SockudoSender {
    fn send(&mut self, text: &'static str) -> Result<()> {
        let message = sockudo_ws::Message::Text(Bytes::from_static(text.as_bytes()));
        self.protocol.encode_message(&message, &mut self.buffer)?;
        self.wire.put(&self.buffer);
        self.buffer.clear();
        Ok(())
    }

    fn into_written(self) -> Result<Vec<u8>> {
        Ok(self.wire.written().to_vec())
    }
}

pub struct SockudoReceiver {
    protocol: CompressedProtocol,
    wire: Wire,
    buffer: BytesMut,
    messages: Vec<sockudo_ws::Message>,
    /// Messages handed over beyond what was asked for: they count for the next call.
    ahead: usize,
}

impl SockudoReceiver {
    pub fn new(case: &Case) -> Result<Self> {
        Ok(Self {
            protocol: CompressedProtocol::client(16 << 20, 16 << 20, sockudo_config(case)),
            wire: Wire::reading(case.stream()?),
            buffer: BytesMut::with_capacity(sockudo_ws::RECV_BUFFER_SIZE),
            messages: Vec::new(),
            ahead: 0,
        })
    }
}

impl Inflate for SockudoReceiver {
    fn receive(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
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

/// It compresses only as a whole connection, which does not give its stream back: what it sends
/// is checked on the other end of a pipe.
pub struct Yawc<S>(yawc::WebSocket<S>, Option<DuplexStream>);

impl Yawc<DuplexStream> {
    pub fn tried(case: &Case) -> Result<Self> {
        let (near, far) = tokio::io::duplex(1 << 20);
        Ok(Self(
            Yawc::socket(case, near, yawc::Role::Server)?,
            Some(far),
        ))
    }
}

impl Yawc<Wire> {
    pub fn sending(case: &Case) -> Result<Self> {
        Ok(Self(
            Self::socket(case, Wire::writing(1 << 20), yawc::Role::Server)?,
            None,
        ))
    }

    pub fn receiving(case: &Case) -> Result<Self> {
        let wire = Wire::reading(case.stream()?);
        Ok(Self(Self::socket(case, wire, yawc::Role::Client)?, None))
    }

    fn socket<S>(case: &Case, stream: S, role: yawc::Role) -> Result<yawc::WebSocket<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let options = yawc::Options::default()
            .with_compression_level(yawc::CompressionLevel::new(6))
            .with_utf8();
        let extensions = Some(case.extensions());
        Ok(yawc::WebSocket::from_stream_with_extensions(
            stream, role, extensions, options,
        )?)
    }
}

impl<S> Deflate for Yawc<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn send(&mut self, text: &'static str) -> Result<()> {
        let frame = yawc::Frame::text(Bytes::from_static(text.as_bytes()));
        Ok(now(self.0.send(frame))??)
    }

    fn into_written(self) -> Result<Vec<u8>> {
        let mut far = self.1.ok_or("only a trial run can be checked")?;
        drop(self.0);
        let mut written = Vec::new();
        now(far.read_to_end(&mut written))??;
        Ok(written)
    }
}

impl Inflate for Yawc<Wire> {
    fn receive(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        for _ in 0..count {
            let frame = now(self.0.next())?.ok_or("closed")?;
            each(frame.payload());
        }
        Ok(())
    }
}
