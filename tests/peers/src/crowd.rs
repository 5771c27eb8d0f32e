//! Idle connections that answer Pings.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use crate::Result;
use crate::frames::{self, Frame, PING, PONG, mask_key};

/// Connections of which nothing but Pings is expected.
#[derive(Debug)]
pub struct Crowd {
    epoll: OwnedFd,
    /// The connections, open and blocking.
    pub streams: Vec<TcpStream>,
    /// Pings answered so far.
    pub pings: u64,
}

impl Crowd {
    /// A crowd of nobody.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            streams: Vec::new(),
            pings: 0,
        })
    }

    /// Adds a connection after its handshake.
    ///
    /// # Errors
    /// When the system does not watch it.
    pub fn add(&mut self, stream: TcpStream) -> Result<()> {
        let data = epoll::EventData::new_u64(self.streams.len() as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        self.streams.push(stream);
        Ok(())
    }

    /// Answers Pings for so long.
    ///
    /// # Errors
    /// When something else comes, or a connection ends.
    pub fn answer_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            events.clear();
            let left = Timespec::try_from(left)?;
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&left))?;
            for event in &events {
                let data = event.data;
                self.answer(data.u64() as usize)?;
            }
        }
    }

    fn answer(&mut self, index: usize) -> Result<()> {
        let mut bytes = [0; 1024];
        let stream = &mut self.streams[index];
        let read = stream.read(&mut bytes)?;
        if read == 0 {
            return Err("the server closed a connection".into());
        }
        let (mut rest, mut pongs) = (&bytes[..read], Vec::new());
        while !rest.is_empty() {
            let Some((first, payload, more)) = frames::parse(rest) else {
                return Err("half a frame from an idle server".into());
            };
            if first != 0x80 | PING {
                return Err(format!("not a Ping from an idle server: {first:#x}").into());
            }
            self.pings += 1;
            Frame {
                fin: true,
                opcode: PONG,
                mask: Some(mask_key(index)),
                payload,
            }
            .write_to(&mut pongs);
            rest = more;
        }
        Ok(stream.write_all(&pongs)?)
    }
}
