//! One thread, one epoll, and in each place a connection that waits for its answer.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::net::sockopt::set_socket_linger;
use rustls::ClientConfig;
use wirewright_peers::transport::Transport;
use wirewright_peers::{Result, frames};

/// Longer than any server takes for a handshake.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

struct Opening {
    stream: Transport,
    /// The server's head so far.
    head: Vec<u8>,
}

pub struct Load {
    addr: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    epoll: OwnedFd,
    request: String,
    openings: Vec<Opening>,
    /// Done so far.
    pub upgrades: u64,
    /// Those of them that resumed a session.
    pub resumed: u64,
}

impl Load {
    /// Opens as many connections as are to be in flight.
    pub fn start(
        addr: SocketAddr,
        tls: Option<Arc<ClientConfig>>,
        in_flight: usize,
    ) -> Result<Self> {
        let mut load = Self {
            addr,
            tls,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            request: frames::request(""),
            openings: Vec::with_capacity(in_flight),
            upgrades: 0,
            resumed: 0,
        };
        for index in 0..in_flight {
            let opening = load.open(index)?;
            load.openings.push(opening);
        }
        Ok(load)
    }

    /// A connection whose request is on its way, or over TLS the hello before it. On loopback
    /// neither step waits for the server.
    fn open(&self, index: usize) -> Result<Opening> {
        let mut stream = Transport::connect(self.addr, self.tls.as_ref())?;
        stream.tcp().set_nonblocking(true)?;
        stream.write_all(self.request.as_bytes())?;
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        let head = Vec::with_capacity(512);
        Ok(Opening { stream, head })
    }

    /// Runs until `end`, give or take one wake-up.
    pub fn run(&mut self, end: Instant) -> Result<()> {
        let mut events = Vec::with_capacity(256);
        while Instant::now() < end {
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&PATIENCE))?;
            if events.is_empty() {
                return Err("the server does not answer".into());
            }
            for event in &events {
                let event: &epoll::Event = event;
                let data = event.data;
                self.turn(data.u64() as usize)?;
            }
        }
        Ok(())
    }

    /// Reads what there is of an answer. Behind a whole one the connection is reset, so that no
    /// port waits for a minute, and the next takes its place.
    fn turn(&mut self, index: usize) -> Result<()> {
        let Opening { stream, head } = &mut self.openings[index];
        let mut buffer = [0; 1024];
        let read = match stream.read(&mut buffer) {
            // The handshake of TLS goes on.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            read => read?,
        };
        if read == 0 {
            return Err("the handshake ended early".into());
        }
        head.extend_from_slice(&buffer[..read]);
        if head.ends_with(b"\r\n\r\n") {
            frames::check_head(head)?;
            set_socket_linger(stream.tcp(), Some(Duration::ZERO))?;
            self.upgrades += 1;
            self.resumed += u64::from(stream.is_resumed());
            self.openings[index] = self.open(index)?;
        }
        Ok(())
    }
}
