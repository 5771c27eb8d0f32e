//! The limit: what the kernel takes when nobody looks at the frames.
//!
//! After the handshake it sends back what it reads, byte for byte: one read and one write per
//! wake-up. The echoes are still masked, which `load --masked-echo` expects. Over TLS it opens and
//! seals them with rustls alone.

use std::borrow::Cow;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustls::ServerConfig;
use wirewright_peers::bare::Bare;
use wirewright_peers::{Result, frames};

const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    tls: Option<Bare>,
    /// The request so far; `None` once it has been answered.
    head: Option<Vec<u8>>,
    /// What a full socket did not take. While there is any, nothing is read.
    unsent: Vec<u8>,
}

struct Limit {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    tls: Option<Arc<ServerConfig>>,
    scratch: Scratch,
}

/// What all connections have together.
struct Scratch {
    buffer: Vec<u8>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

pub fn serve(addr: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Result<()> {
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let buffer = vec![0; 512 * 1024];
    let scratch = Scratch {
        buffer,
        plain: Vec::new(),
        sealed: Vec::new(),
    };
    let mut limit = Limit {
        epoll,
        listener,
        connections: Vec::new(),
        tls,
        scratch,
    };
    println!("listening on {addr}");
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&limit.epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let data = event.data;
            match data.u64() {
                LISTENER => limit.accept()?,
                index => limit.turn(index as usize)?,
            }
        }
    }
}

impl Limit {
    fn accept(&mut self) -> Result<()> {
        let (stream, _) = match self.listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let free = self.connections.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        epoll::add(
            &self.epoll,
            &stream,
            EventData::new_u64(index as u64),
            EventFlags::IN,
        )?;
        let tls = self.tls.clone().map(Bare::new).transpose()?;
        let (head, unsent) = (Some(Vec::new()), Vec::new());
        let connection = Connection {
            stream,
            tls,
            head,
            unsent,
        };
        self.connections[index] = Some(connection);
        Ok(())
    }

    fn turn(&mut self, index: usize) -> Result<()> {
        let Some(connection) = &mut self.connections[index] else {
            return Ok(());
        };
        let was_blocked = !connection.unsent.is_empty();
        let alive = match connection.turn(&mut self.scratch) {
            Ok(alive) => alive,
            Err(error) if error.is::<std::io::Error>() => false,
            Err(error) => return Err(error),
        };
        let blocked = !connection.unsent.is_empty();
        if !alive {
            // Dropping the stream closes it, which also takes it out of the epoll.
            self.connections[index] = None;
        } else if blocked != was_blocked {
            let flags = if blocked {
                EventFlags::OUT
            } else {
                EventFlags::IN
            };
            let data = EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, &connection.stream, data, flags)?;
        }
        Ok(())
    }
}

impl Connection {
    fn turn(&mut self, scratch: &mut Scratch) -> Result<bool> {
        if !self.unsent.is_empty() {
            let written = write(&mut self.stream, &self.unsent)?;
            self.unsent.drain(..written);
            return Ok(true);
        }
        let read = match self.stream.read(&mut scratch.buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let read = &mut scratch.buffer[..read];
        let Some(tls) = &mut self.tls else {
            let answer = answer(&mut self.head, read)?;
            return send(&mut self.stream, &answer, &mut self.unsent);
        };
        let (plain, sealed) = (&mut scratch.plain, &mut scratch.sealed);
        plain.clear();
        sealed.clear();
        tls.open(read, plain, sealed)?;
        tls.seal(&answer(&mut self.head, plain)?, sealed)?;
        send(&mut self.stream, sealed, &mut self.unsent)
    }
}

/// The response once the request is there, nothing before, and the same bytes behind it.
fn answer<'b>(head: &mut Option<Vec<u8>>, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>> {
    let Some(request) = head else {
        return Ok(bytes.into());
    };
    request.extend_from_slice(bytes);
    let Some(response) = frames::response_to(request, "")? else {
        return Ok([].as_slice().into());
    };
    *head = None;
    Ok(response.into_bytes().into())
}

fn send(stream: &mut TcpStream, bytes: &[u8], unsent: &mut Vec<u8>) -> Result<bool> {
    if !bytes.is_empty() {
        let written = write(stream, bytes)?;
        unsent.extend_from_slice(&bytes[written..]);
    }
    Ok(true)
}

fn write(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
