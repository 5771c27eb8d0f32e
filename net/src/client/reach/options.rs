//! The options that say how to reach a server.

use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wirewright_core::ClientLayers;

use super::{Names, Proxy, Resolver, TcpKeepAlive, redirect};
use crate::client::builder::ClientBuilder;
use crate::client::error::ClientError;

/// How to reach the server.
impl ClientBuilder {
    /// More URLs to try in this order when the first cannot be used: not resolved, not reached,
    /// refused, late, or no WebSocket server. Each has its own `Host`, unless
    /// [`host`](Self::host) says one for all; each is a server that the caller named, so that
    /// headers, cookies and credentials go to all of them. A `ws` URL beside `wss` ones leaves it
    /// to whoever can cut off the latter whether the connection is encrypted.
    ///
    /// A later connection of the same builder, or of its clones, begins with the URL that worked
    /// last.
    ///
    /// # Errors
    /// [`ClientError::Url`] for one that is none.
    pub fn fallback_urls<'u, I>(mut self, urls: I) -> Result<Self, ClientError>
    where
        I: IntoIterator<Item = &'u str>,
    {
        let urls = urls.into_iter().map(str::parse);
        self.fallbacks = urls.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// How long finding the addresses of one host may take. 30 s by default.
    pub fn resolve_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.reach.timeouts.resolve = timeout;
        self
    }

    /// How long connecting may take over all addresses of one host, waiting for other connections
    /// to them included. 30 s by default.
    pub fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.reach.timeouts.connect = timeout;
        self
    }

    /// How long a proxy may take, once connected to, until there is a way to the server. 30 s by
    /// default.
    pub fn proxy_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.reach.timeouts.proxy = timeout;
        self
    }

    /// How connections to `wss` URLs are secured: own certificate authorities, a client
    /// certificate, versions and cipher suites. By default, with the feature `tls`, as
    /// `wirewright::tls::ClientTls::platform()` has it: the server is trusted if the platform's
    /// authorities vouch for it, over TLS 1.2 or 1.3.
    pub fn tls(mut self, layers: impl ClientLayers + 'static) -> Self {
        self.layers = Some(Arc::new(layers));
        self
    }

    /// How long the handshake of TLS may take, once connected. 10 s by default.
    pub fn tls_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.reach.timeouts.tls = timeout;
        self
    }

    /// How long the handshake may take once connected. 300 s by default.
    pub fn handshake_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.reach.timeouts.handshake = timeout;
        self
    }

    /// How long all of this may take together, over all URLs and redirects. 600 s by default.
    pub fn total_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.reach.timeouts.total = timeout;
        self
    }

    /// Where to look up hosts instead of asking the system.
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> Self {
        self.reach.names = Names::new(resolver);
        self
    }

    /// How long to wait for one address of a host before trying the next beside it; the first to
    /// answer is used (RFC 8305). 250 ms by default, and 10 ms at least.
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.reach.attempt_delay = delay.max(Duration::from_millis(10));
        self
    }

    /// Whether one connection at a time is opened to an address and port in this whole process, as
    /// RFC 6455 §4.1 wants it: others wait, up to their [`connect_timeout`](Self::connect_timeout),
    /// until its handshake is done or has failed. Behind a proxy that looks names up, a host and
    /// port count as an address. On by default; not for Unix sockets.
    pub fn one_at_a_time(mut self, one_at_a_time: bool) -> Self {
        self.reach.in_line = one_at_a_time;
        self
    }

    /// What stands between the client and its servers; the environment says so by default.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.reach.proxy = proxy;
        self
    }

    /// How many redirects of a server to follow (301, 302, 303, 307, 308): none by default, and
    /// never more than 10. `http` and `https` in a `Location` are `ws` and `wss`; from `wss` to
    /// `ws` there is no way.
    ///
    /// Behind a redirect to another scheme, host or port, the server is none that the caller named.
    /// It gets `User-Agent`, `Origin` and `Accept-Language` of the caller's headers, and no other:
    /// neither credentials nor cookies, nor a key in a header of any name. The sub-protocols are
    /// offered to it.
    pub fn redirects(mut self, max: usize) -> Self {
        self.reach.redirects = max.min(redirect::MOST);
        self
    }

    /// Connects to this Unix socket; of the URL remain `Host` and path. Neither a proxy nor
    /// [`local_addr`](Self::local_addr) plays a part then, and no redirect leads to another server.
    #[cfg(unix)]
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.reach.unix_socket = Some(path.into());
        self
    }

    /// This end's address, with port 0 for any; addresses of servers of the other family are then
    /// out of reach. As the system sees fit, by default.
    pub fn local_addr(mut self, address: Option<SocketAddr>) -> Self {
        self.reach.socket.local = address;
        self
    }

    /// Probes of the system's on a silent connection. None by default:
    /// [`keep_alive`](Self::keep_alive) asks the server itself.
    pub fn tcp_keep_alive(mut self, keep_alive: Option<TcpKeepAlive>) -> Self {
        self.reach.socket.keep_alive = keep_alive;
        self
    }

    /// How long what was sent may go unacknowledged before the connection counts as lost
    /// (`TCP_USER_TIMEOUT`). As the system sees fit, by default.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn tcp_user_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.reach.socket.user_timeout = timeout;
        self
    }

    /// Whether small frames leave at once (`TCP_NODELAY`); on by default.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.reach.socket.nodelay = nodelay;
        self
    }

    /// Bytes that the system holds for us of what is sent (`SO_SNDBUF`). As it sees fit, by
    /// default.
    pub fn send_buffer(mut self, bytes: Option<usize>) -> Self {
        self.reach.socket.send_buffer = bytes;
        self
    }

    /// Bytes that the system holds for us of what is received (`SO_RCVBUF`). As it sees fit, by
    /// default.
    pub fn receive_buffer(mut self, bytes: Option<usize>) -> Self {
        self.reach.socket.receive_buffer = bytes;
        self
    }

    /// How long a read asks the system again and again before it waits: latency for a core's
    /// work. Not at all by default.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.reach.spin = spin;
        self
    }
}
