//! A connection's last stage: what is queued leaves, what comes is discarded.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;
use wirewright_core::{Inbox, Outbox};

use super::connection::{Next, READS};
use super::context::Context;
use super::sending::Rest;

/// How long the peer of a failed connection may take to close its side.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// All that whoever is refused unread is told, from memory that is there anyway.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 0\r\n\r\n";

pub(crate) struct Lingering {
    rest: Box<Rest>,
    pub(crate) deadline: Duration,
    /// Both sides have said Close, or nothing is left to say: gone as soon as `out` is.
    done: bool,
    shut: bool,
}

impl Lingering {
    pub(crate) const fn new(rest: Box<Rest>, done: bool, deadline: Duration) -> Self {
        Self { rest, deadline, done, shut: false }
    }

    /// Refuses a connection that was just accepted. What its peer sends is not parsed, only read
    /// away until it has taken the answer.
    pub(crate) fn busy(mut stream: &TcpStream, ctx: &Context) -> Self {
        // Over TLS it would be noise.
        if ctx.settings.tls.is_none() {
            // A socket that nothing was written to has room for it; if not, it does without.
            let _ = stream.write(BUSY);
        }
        let _ = stream.shutdown(Shutdown::Write);
        let deadline = ctx.now.saturating_add(LINGER);
        Self { rest: Box::new(Outbox::new().into()), deadline, done: false, shut: true }
    }

    /// Sends what is left, then waits for the peer to close: closing on unread bytes would make
    /// the system reset the connection, and what was sent last could be lost on the way.
    pub(crate) fn turn(&mut self, stream: &TcpStream, inbox: &mut Inbox, now: Duration) -> Next {
        while let Some(bytes) = self.rest.out.poll_transmit() {
            match Write::write(&mut &*stream, bytes) {
                Ok(n) => {
                    self.rest.out.transmitted(n);
                    if let Some(link) = &self.rest.link {
                        link.figures.bytes_out.add(n as u64);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Next::Gone,
            }
        }
        if self.rest.out.is_empty() {
            if self.done {
                return Next::Gone;
            }
            if !self.shut {
                self.shut = true;
                self.deadline = self.deadline.min(now.saturating_add(LINGER));
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
        for _ in 0..READS {
            inbox.clear();
            match (&*stream).read(inbox.space(1)) {
                Ok(0) => return Next::Gone,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Next::Gone,
            }
        }
        Next::Again
    }
}
