//! How a client reaches its server: from a URI to a connection over which nothing was said yet.

mod dial;
mod due;
mod environment;
mod failure;
mod line;
mod options;
mod proxy;
pub(super) mod redirect;
mod resolve;
mod socket_options;
mod socks;
mod tunnel;
#[cfg(unix)]
mod unix;
mod wire;

use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;
use std::time::Duration;

use wirewright_core::Uri;
use wirewright_core::handshake::HandshakeLimits;

use super::error::{ClientError, Deadline};
use super::socket::Socket;
use dial::{Dial, Dialled};
pub(super) use due::Due;
use environment::is_loopback;
pub(super) use failure::Joined;
pub use failure::{Attempt, Attempts, ProxyError, RedirectError, SocksReply, UrlFailure};
use line::{Place, Remote};
use proxy::{Kind, ProxyServer};
pub use proxy::{Proxy, ProxyUrlError};
pub use resolve::Resolver;
use resolve::{Addresses, Names};
use socket_options::SocketOptions;
pub use socket_options::TcpKeepAlive;
use socks::Target;
pub(super) use wire::{Secured, Wire};

/// How to reach the server.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) timeouts: Timeouts,
    /// Between the beginnings of attempts at two addresses of one host.
    attempt_delay: Duration,
    names: Names,
    proxy: Proxy,
    /// How many of them to follow.
    pub(super) redirects: usize,
    /// RFC 6455 §4.1: one connection being opened to an address at a time.
    in_line: bool,
    #[cfg(unix)]
    unix_socket: Option<PathBuf>,
    socket: SocketOptions,
    spin: Duration,
}

/// How long each step may take; `None` is for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    resolve: Option<Duration>,
    connect: Option<Duration>,
    proxy: Option<Duration>,
    pub(super) tls: Option<Duration>,
    pub(super) handshake: Option<Duration>,
    pub(super) total: Option<Duration>,
}

impl Default for Reach {
    fn default() -> Self {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        Self {
            timeouts: Timeouts {
                resolve: seconds(30),
                connect: seconds(30),
                proxy: seconds(30),
                tls: seconds(10),
                handshake: seconds(300),
                total: seconds(600),
            },
            attempt_delay: Duration::from_millis(250),
            names: Names::system(),
            proxy: Proxy::from_environment(),
            redirects: 0,
            in_line: true,
            #[cfg(unix)]
            unix_socket: None,
            socket: SocketOptions::default(),
            spin: Duration::ZERO,
        }
    }
}

impl Reach {
    /// A connection to the server of this URI, directly or through what stands between: "If the
    /// client is configured to use a proxy [...], then the client SHOULD connect to that proxy and
    /// ask it to open a TCP connection to the host given by /host/ and the port given by /port/"
    /// (RFC 6455 §4.1).
    pub(super) fn open(
        &self,
        uri: &Uri,
        limits: HandshakeLimits,
        total: Due,
    ) -> Result<Wire, ClientError> {
        #[cfg(unix)]
        if let Some(path) = &self.unix_socket {
            let due = total.step(self.timeouts.connect, Deadline::Connect);
            let socket = unix::connect(path, &self.socket, due);
            let socket = socket.map_err(|error| error.of_server(uri.host()))?;
            return self.wire((socket, None), due);
        }
        match self.proxy.towards(uri)? {
            None => self.open_direct(uri, total),
            Some(proxy) => {
                let way = Way { reach: self, proxy: &proxy, uri, total };
                let opened = match proxy.kind {
                    Kind::Http => way.through_tunnel(limits),
                    Kind::Socks5 | Kind::Socks5h => way.through_socks(),
                };
                opened.map_err(ProxyError::on_the_way)
            }
        }
    }

    /// Whether all servers are behind one Unix socket.
    pub(super) const fn is_local(&self) -> bool {
        #[cfg(unix)]
        return self.unix_socket.is_some();
        #[cfg(not(unix))]
        return false;
    }

    /// Whether nothing that is said to the server of this URI leaves this machine.
    pub(super) fn is_here(&self, uri: &Uri) -> bool {
        if self.is_local() {
            return true;
        }
        // A proxy that cannot be made out is an error of connecting, and nothing is said to it.
        let proxy = self.proxy.towards(uri).ok().flatten();
        is_loopback(uri.host()) && proxy.is_none_or(|proxy| is_loopback(&proxy.host))
    }

    fn open_direct(&self, uri: &Uri, total: Due) -> Result<Wire, ClientError> {
        let of_server = |failure: failure::Failure| failure.of_server(uri.host());
        let addresses = self.lookup(uri.host(), uri.port(), total).map_err(of_server)?;
        let due = total.step(self.timeouts.connect, Deadline::Connect);
        let dialled = self.dial(self.in_line).first(addresses, due).map_err(of_server)?;
        self.wire(dialled, due)
    }

    fn lookup(&self, host: &str, port: u16, total: Due) -> Result<Addresses, failure::Failure> {
        let due = total.step(self.timeouts.resolve, Deadline::Resolve);
        self.names.lookup(host, port, due)
    }

    const fn dial(&self, in_line: bool) -> Dial<'_> {
        Dial { options: &self.socket, delay: self.attempt_delay, in_line }
    }

    fn wire(&self, (socket, place): Dialled, due: Due) -> Result<Wire, ClientError> {
        let socket = Socket::new(socket, self.spin).map_err(ClientError::Network)?;
        Ok(Wire::new(socket, due, place))
    }
}

/// The way through a proxy.
struct Way<'w> {
    reach: &'w Reach,
    proxy: &'w ProxyServer,
    uri: &'w Uri,
    total: Due,
}

impl Way<'_> {
    fn through_tunnel(&self, limits: HandshakeLimits) -> Result<Wire, ClientError> {
        let mut wire = self.to_proxy(self.remote())?;
        tunnel::open(&mut wire, self.uri, self.proxy.login.as_ref(), limits)?;
        Ok(wire)
    }

    fn through_socks(&self) -> Result<Wire, ClientError> {
        let (host, port) = (self.uri.host(), self.uri.port());
        if self.proxy.kind == Kind::Socks5h && host.parse::<IpAddr>().is_err() {
            let mut wire = self.to_proxy(self.remote())?;
            socks::open(&mut wire, Target::Name(host, port), self.proxy.login.as_ref())?;
            return Ok(wire);
        }
        let addresses = self.reach.lookup(host, port, self.total);
        let addresses = addresses.map_err(|failure| failure.of_server(host))?;
        let mut last = None;
        for address in addresses {
            match self.to_address(address) {
                // The proxy could not reach this one, and may another.
                Err(ClientError::Proxy(error @ ProxyError::Socks(_))) => last = Some(error),
                other => return other,
            }
        }
        // A lookup gives at least one address, and that one an error.
        Err(last.unwrap_or(ProxyError::Ended).into())
    }

    fn to_address(&self, address: SocketAddr) -> Result<Wire, ClientError> {
        let mut wire = self.to_proxy(address.into())?;
        socks::open(&mut wire, Target::Address(address), self.proxy.login.as_ref())?;
        Ok(wire)
    }

    /// The server as this side knows it.
    fn remote(&self) -> Remote {
        let (host, port) = (self.uri.host(), self.uri.port());
        match host.parse::<IpAddr>() {
            Ok(address) => SocketAddr::new(address, port).into(),
            Err(_) => Remote::Name(host.into(), port),
        }
    }

    /// A connection to the proxy, in the line for whom it is meant: the proxy itself may have any
    /// number of them.
    fn to_proxy(&self, remote: Remote) -> Result<Wire, ClientError> {
        let ProxyServer { host, port, .. } = self.proxy;
        let of_proxy = |failure: failure::Failure| failure.of_proxy(host);
        let addresses = self.reach.lookup(host, *port, self.total).map_err(of_proxy)?;
        let timeouts = &self.reach.timeouts;
        let due = self.total.step(timeouts.connect, Deadline::Connect);
        let place = self.reach.in_line.then(|| Place::take(remote));
        if let Some(place) = &place
            && !line::wait(&[place], due.at())
        {
            return Err(due.because(Deadline::Turn).error());
        }
        let (socket, _) = self.reach.dial(false).first(addresses, due).map_err(of_proxy)?;
        let due = self.total.step(timeouts.proxy, Deadline::Proxy);
        self.reach.wire((socket, place), due)
    }
}
