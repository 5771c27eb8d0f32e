//! From a URL to an open connection.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use socket2::{Protocol, Type};
use wirewright_core::handshake::{Awaiting, ClientRequest, HandshakeError, Response};
use wirewright_core::{Inbox, MaskingKeys, Outbox, Uri};

use super::driver::{Opened, deadline, is_past};
use super::error::{ClientError, Deadline};
use super::socket::{Socket, Ways};

/// How to reach the server, and how long that may take.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) connect_timeout: Option<Duration>,
    pub(super) handshake_timeout: Option<Duration>,
    pub(super) nodelay: bool,
    pub(super) send_buffer: Option<usize>,
    pub(super) receive_buffer: Option<usize>,
    pub(super) spin: Duration,
}

/// What an inbox begins with: a batch of small messages in one receive.
const INBOX: usize = 16 * 1024;

/// Connects and does the opening handshake (RFC 6455 §4.1).
pub(super) fn open(
    request: ClientRequest,
    reach: &Reach,
) -> Result<(Opened, Response), ClientError> {
    // The seam for TLS: a layer between this socket and the inbox and outbox below.
    if request.uri().is_secure() {
        return Err(ClientError::TlsMissing);
    }
    let (mut key, mut seed) = ([0; 16], [0; 32]);
    fill(&mut key)?;
    fill(&mut seed)?;

    let stream = reach.dial(request.uri(), deadline(reach.connect_timeout))?;
    let socket = Socket::new(stream, reach.spin).map_err(ClientError::Network)?;

    let mut outbox = Outbox::new();
    let awaiting = request.send(key, &mut outbox);
    let mut handshake = Handshake {
        socket,
        inbox: Inbox::with_capacity(INBOX),
        outbox,
        deadline: deadline(reach.handshake_timeout),
    };
    let response = handshake.run(awaiting)?;
    let Handshake { socket, inbox, outbox, .. } = handshake;
    let (keys, agreement) = (MaskingKeys::from_seed(seed), response.deflate());
    Ok((Opened { socket, inbox, outbox, keys, agreement }, response))
}

struct Handshake {
    socket: Socket,
    inbox: Inbox,
    outbox: Outbox,
    deadline: Option<Instant>,
}

impl Handshake {
    fn run(&mut self, mut awaiting: Awaiting) -> Result<Response, ClientError> {
        // A server that refuses may do so before it has read everything, so that an error of
        // sending is told only where there is no answer.
        let sent = self.send();
        loop {
            if let Some(response) = awaiting.receive(&mut self.inbox)? {
                sent?;
                return Ok(response);
            }
            match self.receive() {
                Ok(true) => {}
                Ok(false) => return Err(ended(&mut awaiting, sent)),
                Err(error) if awaiting.is_refused() => {
                    // The body of a refusal is worth no more than the refusal.
                    drop(error);
                    return Err(awaiting.receive_end().into());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&mut self) -> Result<(), ClientError> {
        while let Some(bytes) = self.outbox.poll_transmit() {
            match self.socket.try_send(bytes) {
                Ok(n) => self.outbox.transmitted(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Ways { read: false, write: true })?;
                }
                Err(error) => return Err(ClientError::Network(error)),
            }
        }
        Ok(())
    }

    /// Receives something; `false` at the end of the stream.
    fn receive(&mut self) -> Result<bool, ClientError> {
        loop {
            match self.socket.try_receive(self.inbox.space(1)) {
                Ok(n) => {
                    self.inbox.received(n);
                    return Ok(n > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Ways { read: true, write: false })?;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(ClientError::Network(error)),
            }
        }
    }

    fn wait(&self, ways: Ways) -> Result<(), ClientError> {
        let ready = self.socket.wait(ways, self.deadline).map_err(ClientError::Network)?;
        // Bytes that trickle in keep nobody waiting beyond the deadline.
        if is_past(self.deadline) || !(ready.read || ready.write) {
            return Err(ClientError::TimedOut(Deadline::Handshake));
        }
        Ok(())
    }
}

/// The server ended the connection instead of answering, or within its refusal.
fn ended(awaiting: &mut Awaiting, sent: Result<(), ClientError>) -> ClientError {
    match (awaiting.receive_end(), sent) {
        (HandshakeError::Ended, Err(error)) => error,
        (error, _) => error.into(),
    }
}

impl Reach {
    /// Tries the host's addresses in order. Each may take its share of the time that is left, so
    /// that one that swallows everything leaves time for the next.
    fn dial(&self, uri: &Uri, deadline: Option<Instant>) -> Result<TcpStream, ClientError> {
        let host = uri.host();
        let addresses = resolve(host, uri.port())
            .map_err(|source| ClientError::Resolve { host: host.into(), source })?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for (tried, &address) in addresses.iter().enumerate() {
            let share = deadline.map_or(NO_DEADLINE, |at| {
                let others = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
                at.saturating_duration_since(Instant::now()) / others
            });
            match self.connect(address, share) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        // Nothing but time can have made the system's own patience the shorter one.
        if is_past(deadline) && last.kind() == io::ErrorKind::TimedOut {
            return Err(ClientError::TimedOut(Deadline::Connect));
        }
        Err(ClientError::Connect { host: host.into(), source: last })
    }

    fn connect(&self, address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        // Before connecting, as the window's scale is settled then.
        if let Some(size) = self.send_buffer {
            socket.set_send_buffer_size(size)?;
        }
        if let Some(size) = self.receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        socket.set_tcp_nodelay(self.nodelay)?;
        socket.connect_timeout(&address.into(), timeout)?;
        Ok(socket.into())
    }
}

/// Longer than any system tries.
const NO_DEADLINE: Duration = Duration::from_secs(86_400);

fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    Ok((host, port).to_socket_addrs()?.collect())
}

/// "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a
/// strong source of entropy" (RFC 6455 §5.3): without one there is no connection.
fn fill(bytes: &mut [u8]) -> Result<(), ClientError> {
    getrandom::fill(bytes).map_err(|error| ClientError::Random(error.to_string()))
}
