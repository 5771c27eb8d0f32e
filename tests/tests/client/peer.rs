//! A server with a script: real sockets, literal bytes, no engine of ours.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wirewright::{Client, ClientBuilder};
use wirewright_core::handshake::accept_key;

/// Longer than anything here takes on the slowest machine; what hangs fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const CONT: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// A server for one connection, in a thread of its own.
pub(crate) struct Server {
    addr: SocketAddr,
    thread: JoinHandle<()>,
}

impl Server {
    /// What comes in is the script's from the first byte on.
    pub(crate) fn raw(script: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        Self::listen(None, script)
    }

    /// The script begins behind the handshake.
    pub(crate) fn start(script: impl FnOnce(Peer) + Send + 'static) -> Self {
        Self::raw(|stream| script(Peer::accept(stream)))
    }

    /// As [`start`](Self::start), with a receive buffer so small that a client is soon stuck.
    pub(crate) fn narrow(script: impl FnOnce(Peer) + Send + 'static) -> Self {
        Self::listen(Some(4096), |stream| script(Peer::accept(stream)))
    }

    /// The script accepts as many connections as it wants.
    pub(crate) fn host(script: impl FnOnce(Host) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        Self { addr, thread: thread::spawn(|| script(Host { listener })) }
    }

    fn listen(buffer: Option<usize>, script: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Some(bytes) = buffer {
            // Accepted sockets inherit it.
            socket2::SockRef::from(&listener).set_recv_buffer_size(bytes).unwrap();
            socket2::SockRef::from(&listener).set_send_buffer_size(bytes).unwrap();
        }
        let addr = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let stream = Host { listener }.accept_raw();
            script(stream);
        });
        Self { addr, thread }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.addr)
    }

    /// Options whose deadlines end a test that hangs.
    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder(&self.url())
            .compression(None)
            .handshake_timeout(Some(PATIENCE))
            .read_timeout(Some(PATIENCE))
            .write_timeout(Some(PATIENCE))
            .close_timeout(Some(PATIENCE))
    }

    pub(crate) fn connect(&self) -> Client {
        self.builder().connect().unwrap()
    }

    /// Waits for the script to end, and fails with it.
    pub(crate) fn join(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) listener: TcpListener,
}

impl Host {
    pub(crate) fn accept_raw(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Does the handshake.
    pub(crate) fn accept(&self) -> Peer {
        Peer::accept(self.accept_raw())
    }

    /// Answers a request with this instead of 101.
    pub(crate) fn refuse(&self, answer: &str) {
        let mut stream = self.accept_raw();
        read_head(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// The server's end of an open connection.
#[derive(Debug)]
pub(crate) struct Peer<S = TcpStream> {
    pub(crate) stream: S,
}

/// A frame as it came: the payload unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    /// Compressed (RFC 7692 §6).
    pub(crate) rsv1: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl<S: Read + Write> Peer<S> {
    /// Does the handshake.
    pub(crate) fn accept(mut stream: S) -> Self {
        let request = read_head(&mut stream);
        stream.write_all(answer(&request).as_bytes()).unwrap();
        Self { stream }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends an unfragmented frame.
    pub(crate) fn frame(&mut self, opcode: u8, payload: &[u8]) {
        self.send(&frame(0x80 | opcode, payload));
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.frame(CLOSE, &close_body(code, reason));
    }

    /// The next frame, which must be masked (RFC 6455 §5.1).
    pub(crate) fn receive(&mut self) -> Frame {
        self.try_receive().unwrap()
    }

    pub(crate) fn try_receive(&mut self) -> io::Result<Frame> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        assert_eq!(head[0] & 0x30, 0, "reserved bits");
        assert_eq!(head[1] & 0x80, 0x80, "mask bit");
        let len = match head[1] & 0x7F {
            126 => u64::from(u16::from_be_bytes(self.array()?)),
            127 => u64::from_be_bytes(self.array()?),
            len => u64::from(len),
        };
        let key: [u8; 4] = self.array()?;
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut payload)?;
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        let fin = head[0] & 0x80 != 0;
        Ok(Frame { fin, rsv1: head[0] & 0x40 != 0, opcode: head[0] & 0x0F, payload })
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The next message over all its frames, control frames passed over.
    pub(crate) fn message(&mut self) -> Frame {
        let mut whole = self.data_frame();
        while !whole.fin {
            let next = self.data_frame();
            assert_eq!(next.opcode, CONT);
            whole.payload.extend(next.payload);
            whole.fin = next.fin;
        }
        whole
    }

    fn data_frame(&mut self) -> Frame {
        loop {
            let frame = self.receive();
            if frame.opcode < CLOSE {
                return frame;
            }
        }
    }

    /// The next frame is a Close with this body.
    pub(crate) fn expect_close(&mut self, body: &[u8]) {
        let frame = self.receive();
        assert_eq!((frame.opcode, frame.fin), (CLOSE, true), "{frame:?}");
        assert_eq!(frame.payload, body);
    }

    /// Nothing more comes: the client has closed its end.
    pub(crate) fn expect_end(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            other => panic!("more came, or nothing at all: {other:?} {byte:?}"),
        }
    }
}

/// A frame from a server: its first byte is FIN, RSV and opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let [.., high, low] = payload.len().to_be_bytes();
    let mut bytes = match payload.len() {
        0..=125 => vec![first, low],
        126..=0xFFFF => vec![first, 126, high, low],
        len => [&[first, 127][..], &(len as u64).to_be_bytes()].concat(),
    };
    bytes.extend(payload);
    bytes
}

pub(crate) fn close_body(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A request up to its empty line.
pub(crate) fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// The value of a header of a request.
pub(crate) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// `Sec-WebSocket-Accept` for a request.
pub(crate) fn accept(request: &str) -> String {
    let key = header(request, "Sec-WebSocket-Key").unwrap();
    String::from_utf8(accept_key(key.as_bytes()).to_vec()).unwrap()
}

/// The plainest answer that opens a connection.
pub(crate) fn answer(request: &str) -> String {
    let accept = accept(request);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}
