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
