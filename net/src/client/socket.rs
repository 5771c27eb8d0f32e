//! The socket of a client: one system call to receive, one to send, and a third only where the
//! kernel has nothing to give or no room to take.
//!
//! On Unix the socket stays in blocking mode, so that receiving waits in the same call that
//! receives; sending never waits in the call, as whoever waits to send must go on receiving.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

#[derive(Debug)]
pub(super) struct Socket {
    /// Of TCP or of the system's own (Unix).
    stream: socket2::Socket,
    /// How long to ask again and again before waiting.
    spin: Duration,
}

/// Until when a reader waits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Until {
    /// The caller's deadline.
    pub(super) hard: Option<Instant>,
    /// When to look at timers, which may be somewhat late.
    pub(super) soft: Option<Instant>,
    /// How long a wait of this connection mostly is: the one that the kernel is told, once.
    pub(super) usual: Option<Duration>,
}

/// What the socket's receive timeout is set to; kept by whoever has the reader's turn.
#[derive(Debug, Default)]
pub(super) struct KernelTimeout(Option<Duration>);

/// Which directions of a socket are waited for, or ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ways {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Socket {
    pub(super) fn new(stream: socket2::Socket, spin: Duration) -> io::Result<Self> {
        // Elsewhere a single call cannot be told not to wait.
        stream.set_nonblocking(cfg!(not(unix)))?;
        Ok(Self { stream, spin })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr().and_then(|address| internet(&address))
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr().and_then(|address| internet(&address))
    }

    /// Ends both directions, which wakes everybody who waits for one.
    pub(super) fn shutdown(&self) {
        // An error says that it is shut down.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Receives what is there; 0 is the end of the stream.
    pub(super) fn try_receive(&self, space: &mut [u8]) -> io::Result<usize> {
        retry(|| sys::receive(&self.stream, space, false))
    }

    /// Sends what there is room for.
    pub(super) fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| sys::send(&self.stream, bytes))
    }

    /// Receives, and waits for something to receive; [`io::ErrorKind::WouldBlock`] at the earlier
    /// of the deadlines, or before.
    pub(super) fn receive(
        &self,
        set: &mut KernelTimeout,
        space: &mut [u8],
        until: Until,
    ) -> io::Result<usize> {
        if !self.spin.is_zero()
            && let Some(result) = self.spin(space, until)
        {
            return result;
        }
        if cfg!(unix) && until.is_usual() {
            if set.0 != until.usual {
                self.stream.set_read_timeout(until.usual)?;
                set.0 = until.usual;
            }
            // To go on after a signal would begin the time-out anew: the caller looks at its
            // deadlines first.
            let late = |error: io::Error| match error.kind() {
                io::ErrorKind::Interrupted => io::ErrorKind::WouldBlock.into(),
                _ => error,
            };
            return sys::receive(&self.stream, space, true).map_err(late);
        }
        match self.try_receive(space) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        let ready = self.wait(Ways { read: true, write: false }, until.earliest())?;
        if ready.read { self.try_receive(space) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Waits until the socket is ready in one of these ways, or the deadline has come. A socket
    /// that is broken is ready in every way that was asked for.
    pub(super) fn wait(&self, ways: Ways, deadline: Option<Instant>) -> io::Result<Ways> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, ways.read);
        flags.set(PollFlags::OUT, ways.write);
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = left.map(timespec);
            let mut fds = [PollFd::new(&self.stream, flags)];
            match poll(&mut fds, timeout.as_ref()) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    let ready = fds[0].revents();
                    let broken = ready.intersects(PollFlags::HUP | PollFlags::ERR);
                    return Ok(Ways {
                        read: ways.read && (broken || ready.contains(PollFlags::IN)),
                        write: ways.write && (broken || ready.contains(PollFlags::OUT)),
                    });
                }
            }
        }
    }

    /// Asks again and again, for those who pay a core for latency; `None` when it has to wait.
    fn spin(&self, space: &mut [u8], until: Until) -> Option<io::Result<usize>> {
        let spun = Instant::now().checked_add(self.spin);
        let end = [spun, until.earliest()].into_iter().flatten().min();
        loop {
            match self.try_receive(space) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Some(other),
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return None;
            }
            std::hint::spin_loop();
        }
    }
}

/// What the kernel's timer may be late by, where a caller's deadline hangs on it.
const TOLERANCE: Duration = Duration::from_millis(1);

impl Until {
    pub(super) fn earliest(self) -> Option<Instant> {
        [self.hard, self.soft].into_iter().flatten().min()
    }

    /// Whether a wait of the usual length ends neither after the caller's deadline nor much after
    /// the other, so that the kernel need not be told of either.
    fn is_usual(self) -> bool {
        if self.hard.is_none() && self.soft.is_none() {
            return self.usual.is_none();
        }
        let Some(usual) = self.usual else { return false };
        let now = Instant::now();
        let fits = |at: Option<Instant>, late: Duration| {
            at.is_none_or(|at| at.saturating_duration_since(now) + late >= usual)
        };
        fits(self.hard, TOLERANCE) && fits(self.soft, usual / 4)
    }
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    // A century will do: some systems refuse what they cannot hold.
    let seconds = duration.as_secs().min(100 * 365 * 86_400);
    // Its width differs from system to system; a billion fits into each.
    let nanos = duration.subsec_nanos().cast_signed();
    Timespec { tv_sec: seconds.cast_signed(), tv_nsec: nanos.into() }
}

fn internet(address: &socket2::SockAddr) -> io::Result<SocketAddr> {
    let none = || io::Error::new(io::ErrorKind::Unsupported, "a Unix socket has no address");
    address.as_socket().ok_or_else(none)
}

fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(unix)]
mod sys {
    use rustix::net::{self, RecvFlags, SendFlags};
    use socket2::Socket;
    use std::io;

    pub(super) fn receive(stream: &Socket, space: &mut [u8], wait: bool) -> io::Result<usize> {
        let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        let (received, _) = net::recv(stream, space, flags)?;
        Ok(received)
    }

    pub(super) fn send(stream: &Socket, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT;
        // On Apple's systems this was asked for when the socket was made.
        #[cfg(not(target_vendor = "apple"))]
        let flags = flags | SendFlags::NOSIGNAL;
        Ok(net::send(stream, bytes, flags)?)
    }
}

#[cfg(not(unix))]
mod sys {
    use std::io::{self, Read as _, Write as _};

    use socket2::Socket;

    pub(super) fn receive(mut stream: &Socket, space: &mut [u8], _wait: bool) -> io::Result<usize> {
        stream.read(space)
    }

    pub(super) fn send(mut stream: &Socket, bytes: &[u8]) -> io::Result<usize> {
        stream.write(bytes)
    }
}
