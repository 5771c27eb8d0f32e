//! One connection being opened to an address at a time, in this whole process.
//!
//! "If the client already has a WebSocket connection to the remote host (IP address) identified by
//! /host/ and port /port/ pair, even if the remote host is known by another name, the client MUST
//! wait until that connection has been established or for that connection to have failed. There
//! MUST be no more than one connection in a CONNECTING state" (RFC 6455 §4.1).

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Whom a connection is opened to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remote {
    /// An address, however the host is called.
    Address(IpAddr, u16),
    /// "If the client cannot determine the IP address of the remote host (for example, because all
    /// communication is being done through a proxy server that performs DNS queries itself), then
    /// the client MUST assume for the purposes of this step that each host name refers to a
    /// distinct remote host" (§4.1).
    Name(String, u16),
}

impl From<SocketAddr> for Remote {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address.ip().to_canonical(), address.port())
    }
}

/// Who waits for whom, the first in each line being at it.
struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    lines: BTreeMap<Remote, VecDeque<u64>>,
    next: u64,
}

static LINES: Lines =
    Lines { state: Mutex::new(State { lines: BTreeMap::new(), next: 0 }), changed: Condvar::new() };

/// A place in the line for one remote, given up when it is dropped. Whoever is first may connect,
/// and keeps the place until the connection is open or has failed.
#[derive(Debug)]
pub(super) struct Place {
    remote: Remote,
    ticket: u64,
}

impl Place {
    /// Goes to the end of the line.
    pub(super) fn take(remote: Remote) -> Self {
        let mut state = lock();
        let ticket = state.next;
        state.next += 1;
        state.lines.entry(remote.clone()).or_default().push_back(ticket);
        Self { remote, ticket }
    }

    pub(super) fn is_first(&self) -> bool {
        self.is_first_in(&lock())
    }

    fn is_first_in(&self, state: &State) -> bool {
        state.lines.get(&self.remote).is_some_and(|line| line.front() == Some(&self.ticket))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock();
        if let Some(line) = state.lines.get_mut(&self.remote) {
            line.retain(|ticket| *ticket != self.ticket);
            if line.is_empty() {
                state.lines.remove(&self.remote);
            }
        }
        drop(state);
        LINES.changed.notify_all();
    }
}

/// Waits until one of `places` is first; `false` if none was by then.
pub(super) fn wait(places: &[&Place], until: Option<Instant>) -> bool {
    let mut state = lock();
    loop {
        if places.iter().any(|place| place.is_first_in(&state)) {
            return true;
        }
        state = match until.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(left) if left.is_zero() => return false,
            Some(left) => {
                let waited = LINES.changed.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => LINES.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

fn lock() -> MutexGuard<'static, State> {
    // Nothing that could panic runs under it.
    LINES.state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn places_are_had_in_order_and_given_up_when_dropped() {
        let remote = || Remote::Name("places".into(), 1);
        let [first, second, third] = [(); 3].map(|()| Place::take(remote()));
        let other = Place::take(Remote::Name("places".into(), 2));
        assert!(first.is_first() && other.is_first());
        assert!(!second.is_first() && !third.is_first());
        // One who gives up in the middle holds up nobody.
        drop(second);
        assert!(!wait(&[&third], Some(Instant::now() + Duration::from_millis(5))));
        let waiter = std::thread::spawn(move || wait(&[&third], None));
        drop(first);
        assert!(waiter.join().unwrap());
        assert!(Place::take(remote()).is_first());
    }

    #[test]
    fn one_address_has_one_line_however_it_is_written() {
        let remote = |text: &str| Remote::from(text.parse::<SocketAddr>().unwrap());
        assert_eq!(remote("[::ffff:192.0.2.1]:80"), remote("192.0.2.1:80"));
        assert_ne!(remote("192.0.2.1:80"), remote("192.0.2.1:81"));
    }
}
