//! Events of a client's socket, where the system has them for a socket that is not mio's.

use std::io;

use mio::{Interest, Registry, Token};

use super::socket::Socket;

/// Asks for events of a socket, instead of those that were asked for before.
#[cfg(unix)]
pub(super) fn ask(
    registry: &Registry,
    socket: &Socket,
    token: Token,
    ways: Interest,
) -> io::Result<()> {
    use std::os::fd::{AsFd as _, AsRawFd as _};

    use mio::unix::SourceFd;

    let descriptor = socket.as_fd().as_raw_fd();
    match registry.register(&mut SourceFd(&descriptor), token, ways) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            registry.reregister(&mut SourceFd(&descriptor), token, ways)
        }
        other => other,
    }
}

/// Wants no more events of a socket.
#[cfg(unix)]
pub(super) fn stop(registry: &Registry, socket: &Socket) {
    use std::os::fd::{AsFd as _, AsRawFd as _};

    use mio::unix::SourceFd;

    // An error says that there would be none.
    let _ = registry.deregister(&mut SourceFd(&socket.as_fd().as_raw_fd()));
}

/// Where there are none, nobody drives a client but its callers.
#[cfg(not(unix))]
pub(super) fn ask(_: &Registry, _: &Socket, _: Token, _: Interest) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
pub(super) fn stop(_: &Registry, _: &Socket) {}
