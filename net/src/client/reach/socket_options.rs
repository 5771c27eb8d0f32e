//! What the system is told about a socket before it connects.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Probes that the system sends on a silent connection, beneath WebSocket's own Pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpKeepAlive {
    /// Silence before the first probe.
    pub time: Duration,
    /// Between two probes; as the system sees fit, by default.
    pub interval: Option<Duration>,
    /// Probes without an answer before the connection counts as lost; as the system sees fit, by
    /// default.
    pub retries: Option<u32>,
}

impl TcpKeepAlive {
    /// The first probe after this much silence, the rest as the system sees fit.
    #[must_use]
    pub const fn new(time: Duration) -> Self {
        Self { time, interval: None, retries: None }
    }

    /// With so much time between two probes.
    #[must_use]
    pub const fn with_interval(self, interval: Duration) -> Self {
        Self { interval: Some(interval), ..self }
    }

    /// With so many probes before the connection counts as lost.
    #[must_use]
    pub const fn with_retries(self, retries: u32) -> Self {
        Self { retries: Some(retries), ..self }
    }

    fn parameters(self) -> socket2::TcpKeepalive {
        let mut parameters = socket2::TcpKeepalive::new().with_time(self.time);
        if let Some(interval) = self.interval {
            parameters = parameters.with_interval(interval);
        }
        if let Some(retries) = self.retries {
            parameters = parameters.with_retries(retries);
        }
        parameters
    }
}

#[derive(Clone, Debug)]
pub(super) struct SocketOptions {
    pub(super) nodelay: bool,
    pub(super) send_buffer: Option<usize>,
    pub(super) receive_buffer: Option<usize>,
    /// This end's address.
    pub(super) local: Option<SocketAddr>,
    pub(super) keep_alive: Option<TcpKeepAlive>,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) user_timeout: Option<Duration>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            send_buffer: None,
            receive_buffer: None,
            local: None,
            keep_alive: None,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            user_timeout: None,
        }
    }
}

impl SocketOptions {
    /// Before connecting, as the window's scale is settled then.
    pub(super) fn apply(&self, socket: &socket2::Socket, to: SocketAddr) -> io::Result<()> {
        self.apply_buffers(socket)?;
        socket.set_tcp_nodelay(self.nodelay)?;
        if let Some(keep_alive) = self.keep_alive {
            socket.set_tcp_keepalive(&keep_alive.parameters())?;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(timeout) = self.user_timeout {
            socket.set_tcp_user_timeout(Some(timeout))?;
        }
        match self.local {
            Some(local) if local.is_ipv4() != to.is_ipv4() => {
                Err(io::Error::other("`local_addr` is of the other address family"))
            }
            Some(local) => socket.bind(&local.into()),
            None => Ok(()),
        }
    }

    /// What sockets of any kind have.
    pub(super) fn apply_buffers(&self, socket: &socket2::Socket) -> io::Result<()> {
        if let Some(size) = self.send_buffer {
            socket.set_send_buffer_size(size)?;
        }
        if let Some(size) = self.receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    fn applied(options: &SocketOptions) -> Socket {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        options.apply(&socket, "127.0.0.1:80".parse().unwrap()).unwrap();
        socket
    }

    #[test]
    fn the_system_is_told_what_was_asked_for() {
        let plain = applied(&SocketOptions::default());
        assert!(plain.tcp_nodelay().unwrap() && !plain.keepalive().unwrap());
        let keep_alive = TcpKeepAlive::new(Duration::from_secs(77));
        let options = SocketOptions {
            nodelay: false,
            receive_buffer: Some(65_536),
            send_buffer: Some(65_536),
            local: Some("127.0.0.1:0".parse().unwrap()),
            keep_alive: Some(keep_alive.with_interval(Duration::from_secs(7)).with_retries(3)),
            ..SocketOptions::default()
        };
        let socket = applied(&options);
        assert!(!socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert!(socket.recv_buffer_size().unwrap() >= 65_536);
        assert!(socket.send_buffer_size().unwrap() >= 65_536);
        assert!(socket.local_addr().unwrap().as_socket().unwrap().ip().is_loopback());
        #[cfg(unix)]
        {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn the_system_is_told_how_long_to_wait_for_acknowledgements() {
        let user_timeout = Some(Duration::from_secs(9));
        let socket = applied(&SocketOptions { user_timeout, ..SocketOptions::default() });
        assert_eq!(socket.tcp_user_timeout().unwrap(), user_timeout);
    }
}
