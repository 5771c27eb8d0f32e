//! Happy eyeballs (RFC 8305): several addresses of one host, each begun a little after the last or
//! as soon as one fails, and the first that accepts wins.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use socket2::{Protocol, Type};

use super::due::Due;
use super::failure::{Attempts, Failure};
use super::line::{self, Place};
use super::resolve::Addresses;
use super::socket_options::SocketOptions;
use crate::client::driver::{deadline, is_past};
use crate::client::error::Deadline;
use crate::client::socket::timespec;

/// How a host's addresses are tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dial<'d> {
    pub(super) options: &'d SocketOptions,
    /// After how long the next address is tried while the last still says nothing.
    pub(super) delay: Duration,
    /// Whether each address has a line to wait in (RFC 6455 §4.1).
    pub(super) in_line: bool,
}

/// A connection, and the place in the line that it holds until the handshake is done.
pub(super) type Dialled = (socket2::Socket, Option<Place>);

impl Dial<'_> {
    /// Connects to the first of `addresses` that accepts. All others are closed.
    pub(super) fn first(self, addresses: Addresses, due: Due) -> Result<Dialled, Failure> {
        let waiting = addresses.into_iter().map(|address| Candidate { address, place: None });
        let race = Race {
            dial: self,
            due,
            waiting: waiting.collect(),
            running: Vec::new(),
            failed: Attempts::default(),
            next: None,
        };
        race.run()
    }
}

struct Race<'d> {
    dial: Dial<'d>,
    due: Due,
    /// Addresses that were not tried yet, in order.
    waiting: Vec<Candidate>,
    running: Vec<Running>,
    failed: Attempts,
    /// When to begin with another one at the latest, while one is running; `None` for never.
    next: Option<Instant>,
}

struct Candidate {
    address: SocketAddr,
    place: Option<Place>,
}

struct Running {
    address: SocketAddr,
    socket: socket2::Socket,
    place: Option<Place>,
}

impl Race<'_> {
    fn run(mut self) -> Result<Dialled, Failure> {
        while !self.due.is_past() {
            if self.running.is_empty() || is_past(self.next) {
                self.start();
            }
            if !self.running.is_empty() {
                if let Some(dialled) = self.poll() {
                    return Ok(dialled);
                }
            } else if self.waiting.is_empty() {
                return Err(Failure::Connect(self.failed));
            } else {
                // Others are at every address that is left.
                let places = self.waiting.iter().filter_map(|candidate| candidate.place.as_ref());
                if !line::wait(&places.collect::<Vec<_>>(), self.due.at()) {
                    return Err(Failure::Late(self.due.because(Deadline::Turn)));
                }
            }
        }
        Err(Failure::Late(self.due))
    }

    /// Begins with the next address at which nobody else is.
    fn start(&mut self) {
        let mut at = 0;
        while let Some(candidate) = self.waiting.get_mut(at) {
            if self.dial.in_line {
                let remote = candidate.address.into();
                let place = candidate.place.get_or_insert_with(|| Place::take(remote));
                if !place.is_first() {
                    at += 1;
                    continue;
                }
            }
            let Candidate { address, place } = self.waiting.remove(at);
            match self.dial.begin(address) {
                Ok(socket) => {
                    self.running.push(Running { address, socket, place });
                    break;
                }
                Err(error) => self.failed.push(address, error),
            }
        }
        if !self.running.is_empty() {
            // Only who has nothing else to do stands in a line: one that comes up first there and
            // is busy elsewhere would hold up the others.
            self.waiting.iter_mut().for_each(|candidate| candidate.place = None);
        }
        // The "Connection Attempt Delay" of RFC 8305 §5.
        self.next = deadline(Some(self.dial.delay));
    }

    /// Waits until an attempt ends or the next is to begin.
    fn poll(&mut self) -> Option<Dialled> {
        let next = self.next.filter(|_| !self.waiting.is_empty());
        let until = [next, self.due.at()].into_iter().flatten().min();
        let timeout = until.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        let fd = |running| PollFd::new(running, PollFlags::OUT);
        let mut fds: Vec<_> = self.running.iter().map(|running| fd(&running.socket)).collect();
        let polled = poll(&mut fds, timeout.as_ref());
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        match polled {
            Ok(0) | Err(Errno::INTR) => return None,
            Ok(_) => {}
            Err(error) => {
                for Running { address, .. } in self.running.drain(..) {
                    self.failed.push(address, error.into());
                }
                return None;
            }
        }
        let mut ready = ready.into_iter();
        let running = mem::take(&mut self.running).into_iter();
        let (ended, running): (Vec<_>, _) = running.partition(|_| ready.next() == Some(true));
        self.running = running;
        for Running { address, socket, place } in ended {
            match socket.take_error() {
                Ok(None) => return Some((socket, place)),
                Ok(Some(error)) | Err(error) => {
                    tracing::debug!(%address, %error, "no connection");
                    self.failed.push(address, error);
                    self.next = Some(Instant::now());
                }
            }
        }
        None
    }
}

impl Dial<'_> {
    /// Begins to connect, and waits for nothing.
    fn begin(self, address: SocketAddr) -> io::Result<socket2::Socket> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        self.options.apply(&socket, address)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Ok(()) => Ok(socket),
            // A signal does not end an attempt that is under way.
            Err(error) => match (Errno::from_io_error(&error), error.kind()) {
                (Some(Errno::INPROGRESS), _)
                | (_, io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(socket),
                _ => Err(error),
            },
        }
    }
}
