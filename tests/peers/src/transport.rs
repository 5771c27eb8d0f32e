//! A load's connection: TCP, or TLS over it, to be read and written as if there were no difference.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};

use crate::{Result, tls};

/// A connection, blocking until it is told otherwise.
#[derive(Debug)]
pub enum Transport {
    /// The bytes as they are.
    Plain(TcpStream),
    /// In records.
    Tls(Box<TlsStream>),
}

impl Transport {
    /// Opens a TCP connection that delays nothing. Over TLS, where `config` says how, the
    /// handshake goes on whenever something is written or read.
    ///
    /// # Errors
    /// What TCP fails with.
    pub fn connect(addr: SocketAddr, config: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let tcp = TcpStream::connect(addr)?;
        tcp.set_nodelay(true)?;
        let Some(config) = config else {
            return Ok(Self::Plain(tcp));
        };
        let tls = ClientConnection::new(Arc::clone(config), tls::name()?)?;
        Ok(Self::Tls(Box::new(TlsStream {
            tcp,
            tls,
            wire: Vec::new(),
            opened: 0,
        })))
    }

    /// The socket.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => &stream.tcp,
        }
    }

    /// Whether a session from before was resumed; not before the handshake is done.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        let Self::Tls(stream) = self else {
            return false;
        };
        stream.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp().as_fd()
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Ciphertext taken from the socket at once: as much as rustls's own streams take costs a system
/// call for each 4 KiB.
const READ: usize = 128 * 1024;

/// TLS over a socket that may or may not block.
#[derive(Debug)]
pub struct TlsStream {
    tcp: TcpStream,
    tls: ClientConnection,
    /// What was read, of which so much is open.
    wire: Vec<u8>,
    opened: usize,
}

impl TlsStream {
    /// Opens what was read, as far as `buffer` has room; how much of it was filled.
    fn open(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            // Where nothing is at hand it says that this would block.
            while let Ok(more @ 1..) = self.tls.reader().read(&mut buffer[filled..]) {
                filled += more;
            }
            let mut rest = &self.wire[self.opened..];
            if filled == buffer.len() || rest.is_empty() {
                return Ok(filled);
            }
            self.opened += self.tls.read_tls(&mut rest)?;
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    /// Writes what waits, as far as the socket takes it at once; whether all of it has left.
    fn drain(&mut self) -> io::Result<bool> {
        match self.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            result => result.map(|()| true),
        }
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let filled = self.open(buffer)?;
            // The handshake's next flight.
            self.drain()?;
            if filled > 0 || buffer.is_empty() {
                return Ok(filled);
            }
            self.wire.resize(READ, 0);
            let read = self.tcp.read(&mut self.wire);
            self.opened = 0;
            self.wire.truncate(*read.as_ref().unwrap_or(&0));
            if read? == 0 {
                return Ok(0);
            }
        }
    }
}

impl Write for TlsStream {
    /// Takes more only when all that it took before has left.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let taken = self.tls.writer().write(bytes)?;
        self.drain()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }
}
