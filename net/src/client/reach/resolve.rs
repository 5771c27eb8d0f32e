//! From a host's name to its addresses, in the order in which they are tried.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::due::Due;
use super::failure::Failure;
use crate::workers::Workers;

/// Finds the addresses of a host; the system's resolver does so by default.
///
/// Closures of the same shape are resolvers too. Both may block: they run on a thread of their own,
/// and `resolve_timeout` does not wait for them.
///
/// ```
/// use std::net::SocketAddr;
/// use wirewright::Client;
///
/// let inside = |_: &str, port: u16| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
/// let builder = Client::builder("ws://feed.internal/").resolver(inside);
/// ```
pub trait Resolver: Send + Sync {
    /// The addresses of `host`, in order of preference; those of IPv6 and of IPv4 are tried in
    /// turns, and 64 at most. The port is the one to connect to, and mostly `port`.
    ///
    /// # Errors
    /// Why there are none.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

impl<F> Resolver for F
where
    F: Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync,
{
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self(host, port)
    }
}

/// Where names are looked up.
#[derive(Clone)]
pub(super) struct Names(Arc<dyn Resolver>);

/// A lookup that hangs holds its thread, and those that wait for one have their deadlines.
static WORKERS: LazyLock<Workers> = LazyLock::new(|| Workers::new("wirewright-resolve", 16));

impl Names {
    pub(super) fn new(resolver: impl Resolver + 'static) -> Self {
        Self(Arc::new(resolver))
    }

    pub(super) fn system() -> Self {
        Self::new(|host: &str, port: u16| Ok((host, port).to_socket_addrs()?.collect()))
    }

    /// At least one address, each once.
    pub(super) fn lookup(&self, host: &str, port: u16, due: Due) -> Result<Addresses, Failure> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok([(address, port).into()].into());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let (resolver, name) = (Arc::clone(&self.0), host.to_owned());
        let job = move || {
            // Whoever asked may have given up.
            let _ = sender.send(resolver.resolve(&name, port));
        };
        WORKERS.submit(Box::new(job)).map_err(Failure::Resolve)?;
        let answer = match due.at() {
            Some(at) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let addresses = match answer {
            Ok(answer) => interleave(answer.map_err(Failure::Resolve)?),
            Err(RecvTimeoutError::Timeout) => return Err(Failure::Late(due)),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Resolve(io::Error::other("the resolver panicked")));
            }
        };
        if addresses.is_empty() {
            return Err(Failure::Resolve(io::Error::other("the host has no address")));
        }
        Ok(addresses)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

/// Addresses in the order in which they are to be tried.
pub(super) type Addresses = VecDeque<SocketAddr>;

/// More addresses than any host has use for. Whoever answers for a name decides where a client
/// knocks, and shall not have it knock at all doors of a network.
const MOST: usize = 64;

/// Families in turns (RFC 8305 §4), IPv6 first: else one that is broken on the way would have to
/// fail as a whole before the other has its turn. Within a family the resolver's order stays.
fn interleave(addresses: Vec<SocketAddr>) -> Addresses {
    let (sixes, fours): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let (mut sixes, mut fours) = (sixes.into_iter(), fours.into_iter());
    let mut ordered = Addresses::new();
    loop {
        let pair = [sixes.next(), fours.next()];
        if pair == [None, None] {
            return ordered;
        }
        for address in pair.into_iter().flatten() {
            if ordered.len() < MOST && !ordered.contains(&address) {
                ordered.push_back(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_no_address_comes_twice() {
        let cases = [
            ("4a 4b 6a 6b 6c", "6a 4a 6b 4b 6c"),
            ("6a 6a 4a 4a", "6a 4a"),
            ("4a 4b", "4a 4b"),
            ("6a", "6a"),
            ("", ""),
        ];
        let parse = |text: &str| -> Vec<SocketAddr> {
            let address = |word: &str| match word.split_at(1) {
                ("4", last) => format!("192.0.2.{}:80", last.as_bytes()[0]).parse().unwrap(),
                (_, last) => format!("[2001:db8::{last}]:80").parse().unwrap(),
            };
            text.split_whitespace().map(address).collect()
        };
        for (given, expected) in cases {
            assert_eq!(interleave(parse(given)), parse(expected), "{given}");
        }
        let many = (1..=1000).map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        assert_eq!(interleave(many.collect()).len(), MOST);
    }
}
