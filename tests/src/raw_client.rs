//! A client of literal bytes on a real socket, without an engine of ours.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use wirewright_core::Role;

use crate::raw;

/// Longer than anything takes on the slowest machine; what hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// First bytes of unfragmented frames.
pub const TEXT: u8 = 0x81;
/// As [`TEXT`].
pub const BINARY: u8 = 0x82;
/// As [`TEXT`].
pub const CLOSE: u8 = 0x88;
/// As [`TEXT`].
pub const PING: u8 = 0x89;
/// As [`TEXT`].
pub const PONG: u8 = 0x8A;

/// The key of RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A request for an upgrade, with further header lines, each with its CRLF.
#[must_use]
pub fn request(more: &str) -> String {
    format!(
        "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// A socket to a listener, or TLS over one, and what was read of it ahead.
#[derive(Debug)]
pub struct RawClient<S = TcpStream> {
    /// The socket; what is read from it here passes the buffer by.
    pub stream: S,
    ahead: Vec<u8>,
    taken: usize,
}

/// A frame from a server: its first byte and its payload.
pub type Frame = (u8, Vec<u8>);

impl RawClient {
    /// A socket on which nothing was said yet.
    ///
    /// # Panics
    /// Here and below: if the network fails, or does not do what the name of a method says.
    #[must_use]
    pub fn silent(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).unwrap())
    }

    /// As [`silent`](Self::silent), with buffers so small that a server is soon stuck.
    #[must_use]
    pub fn narrow(addr: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&addr.into()).unwrap();
        Self::over(socket.into()).upgrade("")
    }

    /// A connection after the handshake.
    #[must_use]
    pub fn open(addr: SocketAddr) -> Self {
        Self::silent(addr).upgrade("")
    }

    /// A client over a socket that is connected.
    #[must_use]
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over_any(stream)
    }

    /// Sends nothing more, but reads on.
    pub fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection by a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

impl<S: Read + Write> RawClient<S> {
    /// A client over a stream of any kind.
    #[must_use]
    pub const fn over_any(stream: S) -> Self {
        Self { stream, ahead: Vec::new(), taken: 0 }
    }

    /// Does the handshake, with further header lines.
    #[must_use]
    pub fn upgrade(mut self, more: &str) -> Self {
        self.send(request(more));
        let answer = self.head();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        self
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a masked frame.
    pub fn frame(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.send(raw::frame(Role::Server, first, payload.as_ref()));
    }

    /// Sends a Close with this code.
    pub fn close(&mut self, code: u16) {
        self.frame(CLOSE, code.to_be_bytes());
    }

    /// A head up to its empty line.
    pub fn head(&mut self) -> String {
        loop {
            let unread = &self.ahead[self.taken..];
            if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(unread[..end + 4].to_vec()).unwrap();
                self.taken += end + 4;
                return head;
            }
            assert_ne!(self.fill().unwrap(), 0, "the end, within a head");
        }
    }

    /// The next frame; `None` at the end of the stream.
    ///
    /// # Errors
    /// What reading gave.
    pub fn try_receive(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some((frame, len)) = parse(&self.ahead[self.taken..]) {
                self.taken += len;
                return Ok(Some(frame));
            }
            if self.fill()? == 0 {
                assert_eq!(self.taken, self.ahead.len(), "the end, within a frame");
                return Ok(None);
            }
        }
    }

    /// The next frame.
    pub fn receive(&mut self) -> Frame {
        self.try_receive().unwrap().expect("a frame before the end")
    }

    /// The next message over all its frames, pings and pongs passed over.
    pub fn message(&mut self) -> Vec<u8> {
        let (mut first, mut whole) = self.data_frame();
        assert!(matches!(first & 0x7F, 1 | 2), "a message's first frame: {first:#x}");
        while first & 0x80 == 0 {
            let next = self.data_frame();
            assert_eq!(next.0 & 0x7F, 0, "a continuation");
            first = next.0;
            whole.extend(next.1);
        }
        whole
    }

    fn data_frame(&mut self) -> Frame {
        loop {
            let frame = self.receive();
            if !matches!(frame.0, PING | PONG) {
                return frame;
            }
        }
    }

    /// The next frame is this one.
    pub fn expect(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        assert_eq!(self.receive(), (first, payload.as_ref().to_vec()));
    }

    /// The next frame is a Close with this code.
    pub fn expect_close(&mut self, code: u16) {
        let (first, body) = self.receive();
        assert_eq!(first, CLOSE, "{body:?}");
        assert_eq!(body[..2], code.to_be_bytes());
    }

    /// Nothing more comes, and the end is no reset.
    pub fn expect_end(&mut self) {
        let frame = self.try_receive();
        assert!(matches!(frame, Ok(None)), "not the end: {frame:?}");
    }

    /// The transport ends, by a reset if need be, whatever comes before it; what came.
    pub fn rest(&mut self) -> Vec<u8> {
        while let Ok(1..) = self.fill() {}
        self.ahead.split_off(self.taken)
    }

    /// Reads and forgets what comes, until the transport ends.
    pub fn drain(&mut self) {
        self.taken = self.ahead.len();
        while let Ok(1..) = self.fill() {
            self.taken = self.ahead.len();
        }
    }

    /// How long the transport lives on.
    pub fn lifetime(&mut self) -> Duration {
        let start = Instant::now();
        self.rest();
        start.elapsed()
    }

    /// A round trip: whatever was sent on other sockets before it is with the same loop, too.
    pub fn barrier(&mut self) {
        self.frame(TEXT, "barrier");
        self.expect(TEXT, "barrier");
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.ahead.drain(..self.taken);
        self.taken = 0;
        let before = self.ahead.len();
        self.ahead.resize(before + 64 * 1024, 0);
        let result = self.stream.read(&mut self.ahead[before..]);
        self.ahead.truncate(before + *result.as_ref().unwrap_or(&0));
        result
    }
}

/// A frame, which must not be masked, and its length with the header.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let (&len, rest) = rest.split_first()?;
    let (header, len) = match len {
        0..=125 => (2, usize::from(len)),
        126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).unwrap()),
        _ => panic!("a masked frame from a server (RFC 6455 §5.1)"),
    };
    let payload = bytes.get(header..header + len)?.to_vec();
    Some(((first, payload), header + len))
}
