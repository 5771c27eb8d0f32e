//! The subscribers: one thread, one epoll, every byte compared.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use wirewright_peers::Result;
use wirewright_peers::frames::{self, BINARY, Frame, mask_key};

/// Longer than any server takes: a delivery that is missing then will not come.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

struct Subscriber {
    stream: TcpStream,
    /// Bytes received of the current publication's frame.
    seen: usize,
}

pub struct Audience {
    epoll: OwnedFd,
    subscribers: Vec<Subscriber>,
    buffer: Vec<u8>,
    /// The message as a publisher sends it, and as everybody gets it.
    sent: Vec<u8>,
    expected: Vec<u8>,
    /// Whose turn it is to publish.
    publisher: usize,
}

impl Audience {
    /// Connects everybody, who then all get one message as a rehearsal.
    pub fn open(addr: SocketAddr, connections: usize, bytes: usize) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut subscribers = Vec::with_capacity(connections);
        for index in 0..connections {
            let stream = frames::open(addr)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            subscribers.push(Subscriber { stream, seen: 0 });
        }
        // A server may subscribe a connection after its handshake.
        std::thread::sleep(Duration::from_millis(500));
        let mut audience = Self {
            epoll,
            subscribers,
            buffer: vec![0; 64 * 1024],
            sent: frame(bytes, Some(mask_key(0))),
            expected: frame(bytes, None),
            publisher: 0,
        };
        audience.publish()?;
        Ok(audience)
    }

    /// Publishes over the next connection and waits until everybody has the whole frame.
    pub fn publish(&mut self) -> Result<Duration> {
        let start = Instant::now();
        let publisher = &mut self.subscribers[self.publisher].stream;
        // A frame is far smaller than the empty buffer of the socket.
        publisher.write_all(&self.sent)?;
        self.publisher = (self.publisher + 1) % self.subscribers.len();
        let mut missing = self.subscribers.len();
        let mut events = Vec::with_capacity(256);
        while missing > 0 {
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&PATIENCE))?;
            if events.is_empty() {
                return Err(format!("{missing} deliveries are missing").into());
            }
            for event in &events {
                let event: &epoll::Event = event;
                let data = event.data;
                missing -= usize::from(self.receive(data.u64() as usize)?);
            }
        }
        let time = start.elapsed();
        self.subscribers.iter_mut().for_each(|it| it.seen = 0);
        Ok(time)
    }

    /// Makes sure that nobody got anything twice: a server that did so has been ahead since.
    pub fn close(self) -> Result<()> {
        std::thread::sleep(Duration::from_millis(100));
        let mut events: Vec<epoll::Event> = Vec::with_capacity(1);
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&at_once))?;
        match events.is_empty() {
            true => Ok(()),
            false => Err("more deliveries than there should be".into()),
        }
    }

    /// Whether this completes the frame.
    fn receive(&mut self, index: usize) -> Result<bool> {
        let subscriber = &mut self.subscribers[index];
        let read = subscriber.stream.read(&mut self.buffer)?;
        if read == 0 {
            return Err("the server closed a connection".into());
        }
        let rest = &self.expected[subscriber.seen..];
        if !rest.starts_with(&self.buffer[..read]) {
            return Err(format!("connection {index} got something else").into());
        }
        subscriber.seen += read;
        Ok(read == rest.len())
    }
}

fn frame(bytes: usize, mask: Option<[u8; 4]>) -> Vec<u8> {
    let payload: Vec<u8> = (0..bytes).map(|i| (i * 31 + i / 251) as u8).collect();
    let mut frame = Vec::new();
    Frame {
        fin: true,
        opcode: BINARY,
        mask,
        payload: &payload,
    }
    .write_to(&mut frame);
    frame
}
