//! Servers behind a Unix socket, which have neither addresses nor a handshake of TCP's.

use std::io;
use std::path::Path;
use std::time::Instant;

use socket2::{Domain, SockAddr, Type};

use super::due::Due;
use super::failure::{Attempts, Failure};
use super::socket_options::SocketOptions;

pub(super) fn connect(
    path: &Path,
    options: &SocketOptions,
    due: Due,
) -> Result<socket2::Socket, Failure> {
    let failed = |error| {
        let mut attempts = Attempts::default();
        attempts.push(path.display(), error);
        Failure::Connect(attempts)
    };
    let address = SockAddr::unix(path).map_err(failed)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    options.apply_buffers(&socket).map_err(failed)?;
    loop {
        // A server that does not accept makes clients wait, on Linux for as long as a send may
        // take: there is nothing to poll for.
        let left = due.at().map(|at| at.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Failure::Late(due));
        }
        socket.set_write_timeout(left).map_err(failed)?;
        match socket.connect(&address) {
            Ok(()) => return Ok(socket),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Err(Failure::Late(due)),
                _ => return Err(failed(error)),
            },
        }
    }
}
