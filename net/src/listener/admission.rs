//! How many connections there may be, how many there are, and why others are not.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::figures::{ErrorStats, TrafficStats};

/// Bounds on connections.
#[derive(Clone, Debug)]
pub(crate) struct AdmissionLimits {
    pub(crate) connections: usize,
    pub(crate) handshakes: usize,
    pub(crate) per_address: Option<usize>,
    pub(crate) per_identity: Option<usize>,
    /// Connections accepted a second, and at once.
    pub(crate) rate: Option<(u32, u32)>,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        // More connections than descriptors commonly allow.
        let (connections, handshakes) = (1 << 20, 1024);
        Self { connections, handshakes, per_address: None, per_identity: None, rate: None }
    }
}

/// What a listener has done and does, at one moment: a copy of its counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerStats {
    /// Connections accepted from the system, those refused at once included.
    pub accepted: u64,
    /// Connections that were answered with 101.
    pub upgraded: u64,
    /// Plain requests that the fallback has answered.
    pub answered: u64,
    /// Connections now that have neither their 101 nor another answer.
    pub handshaking: usize,
    /// Connections now that had their 101, until their sockets are closed.
    pub open: usize,
    /// Connections now that had another answer, until their sockets are closed.
    pub leaving: usize,
    /// Connections that got no 101, by the reason.
    pub refused: RefusedStats,
    /// What has passed on its connections.
    pub traffic: TrafficStats,
    /// What went wrong on its connections.
    pub errors: ErrorStats,
    /// Callbacks that panicked, and destructors of services.
    pub panics: u64,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $field:ident = $variant:ident,)*) => {
        /// Connections that got no 101, by the reason.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct RefusedStats {
            $($(#[$doc])* pub $field: u64,)*
        }

        /// Why a connection gets no 101.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Reason {
            $($variant,)*
        }

        /// Counters, one for each [`Reason`].
        #[derive(Debug, Default)]
        struct Refused {
            $($field: AtomicU64,)*
        }

        impl Refused {
            const fn of(&self, reason: Reason) -> &AtomicU64 {
                match reason {
                    $(Reason::$variant => &self.$field,)*
                }
            }

            fn snapshot(&self) -> RefusedStats {
                RefusedStats { $($field: self.$field.load(Relaxed),)* }
            }
        }
    };
}

reasons! {
    /// `max_connections`.
    connections = Connections,
    /// `max_handshakes`.
    handshakes = Handshakes,
    /// `max_connections_per_address`.
    address = Address,
    /// `accept_rate`.
    rate = Rate,
    /// `max_connections_per_identity`.
    identity = Identity,
    /// No TLS with the peer.
    tls = Tls,
    /// Not HTTP, over `handshake_limits`, or not as RFC 6455 §4.2.1 wants it.
    request = Request,
    /// No service has the path.
    route = Route,
    /// The service's check of the parameters.
    check = Check,
    /// The origin policy.
    origin = Origin,
    /// An authenticator, more than one `Authorization`, or an identity that has expired or was
    /// revoked.
    authentication = Authentication,
    /// The upgrade service.
    service = Service,
    /// No thread was to be had for what may block.
    threads = Threads,
    /// `handshake_timeout`.
    deadline = Deadline,
}

/// What a connection counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Handshaking,
    Open,
    Leaving,
}

/// A listener's counters, which its loops share. No message touches them.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: AdmissionLimits,
    accepted: AtomicU64,
    upgraded: AtomicU64,
    answered: AtomicU64,
    handshaking: AtomicUsize,
    open: AtomicUsize,
    leaving: AtomicUsize,
    refused: Refused,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    identities: Mutex<HashMap<Box<str>, usize>>,
}

/// So many connections that were refused unread wait at once for their peers to take the answer;
/// more are closed without one.
const LEAVING: usize = 256;

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        Self {
            limits,
            accepted: AtomicU64::new(0),
            upgraded: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            handshaking: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            refused: Refused::default(),
            addresses: Mutex::default(),
            identities: Mutex::default(),
        }
    }

    pub(crate) const fn limits(&self) -> &AdmissionLimits {
        &self.limits
    }

    /// Counts a connection that was accepted, and says whether it may stay. The one loop that
    /// accepts asks, so that no other connection takes its place in between.
    pub(crate) fn admit(
        self: &Arc<Self>,
        peer: IpAddr,
        rate: Option<&mut Rate>,
        now: Duration,
    ) -> Result<Option<Box<Place>>, Reason> {
        self.accepted.fetch_add(1, Relaxed);
        let admitted = self.place(peer, rate, now);
        match &admitted {
            Ok(_) => self.enter(Held::Handshaking),
            Err(reason) => self.refused(*reason),
        }
        admitted
    }

    fn place(
        self: &Arc<Self>,
        peer: IpAddr,
        rate: Option<&mut Rate>,
        now: Duration,
    ) -> Result<Option<Box<Place>>, Reason> {
        let handshaking = self.handshaking.load(Relaxed);
        // Those that leave take nobody's place, and are not without number either.
        let leaving = self.leaving.load(Relaxed).saturating_sub(LEAVING);
        let all = leaving.max(handshaking + self.open.load(Relaxed));
        if rate.is_some_and(|rate| !rate.take(now)) {
            return Err(Reason::Rate);
        }
        if all >= self.limits.connections {
            return Err(Reason::Connections);
        }
        if handshaking >= self.limits.handshakes {
            return Err(Reason::Handshakes);
        }
        let Some(max) = self.limits.per_address else { return Ok(None) };
        let address = network(peer);
        if !enter(&mut lock(&self.addresses), address, max) {
            return Err(Reason::Address);
        }
        let admission = Arc::clone(self);
        Ok(Some(Box::new(Place { admission, address: Some(address), identity: None })))
    }

    /// A place among the connections of one identity, where those are limited.
    pub(crate) fn identify(self: &Arc<Self>, name: &str) -> Result<Option<Box<Place>>, Reason> {
        let Some(max) = self.limits.per_identity else { return Ok(None) };
        if !enter(&mut lock(&self.identities), name.into(), max) {
            return Err(Reason::Identity);
        }
        let admission = Arc::clone(self);
        Ok(Some(Box::new(Place { admission, address: None, identity: Some(name.into()) })))
    }

    /// Whether another connection that was refused may wait for its peer.
    pub(crate) fn may_linger(&self) -> bool {
        self.leaving.load(Relaxed) < LEAVING
    }

    pub(crate) fn enter(&self, held: Held) {
        self.count(held).fetch_add(1, Relaxed);
    }

    pub(crate) fn leave(&self, held: Held) {
        self.count(held).fetch_sub(1, Relaxed);
    }

    /// A connection is something else from now on.
    pub(crate) fn turn(&self, held: &mut Held, into: Held) {
        if *held != into {
            self.enter(into);
            self.leave(*held);
            *held = into;
        }
        if into == Held::Open {
            self.upgraded.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn refused(&self, reason: Reason) {
        self.refused.of(reason).fetch_add(1, Relaxed);
    }

    pub(crate) fn answered(&self) {
        self.answered.fetch_add(1, Relaxed);
    }

    pub(crate) fn stats(&self) -> ListenerStats {
        ListenerStats {
            accepted: self.accepted.load(Relaxed),
            upgraded: self.upgraded.load(Relaxed),
            answered: self.answered.load(Relaxed),
            handshaking: self.handshaking.load(Relaxed),
            open: self.open.load(Relaxed),
            leaving: self.leaving.load(Relaxed),
            refused: self.refused.snapshot(),
            ..ListenerStats::default()
        }
    }

    const fn count(&self, held: Held) -> &AtomicUsize {
        match held {
            Held::Handshaking => &self.handshaking,
            Held::Open => &self.open,
            Held::Leaving => &self.leaving,
        }
    }
}

/// A connection's place among those of its address and of its identity, given back when dropped;
/// there is none where neither is limited.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
    identity: Option<Box<str>>,
}

impl Place {
    /// Both places in one.
    pub(crate) fn join(mine: &mut Option<Box<Self>>, other: Option<Box<Self>>) {
        match (mine.as_mut(), other) {
            (Some(mine), Some(mut other)) => mine.identity = other.identity.take(),
            (None, other) => *mine = other,
            (Some(_), None) => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            leave(&mut lock(&self.admission.addresses), &address);
        }
        if let Some(identity) = &self.identity {
            leave(&mut lock(&self.admission.identities), identity);
        }
    }
}

fn enter<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: K, max: usize) -> bool {
    if max == 0 {
        return false;
    }
    let count = counts.entry(key).or_insert(0);
    let free = *count < max;
    *count += usize::from(free);
    free
}

fn leave<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What one peer has: an address of IPv4, but 64 bits of IPv6, all of which are given to one site
/// (RFC 6177 §2).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

/// So many a second, and so many at once.
#[derive(Debug)]
pub(crate) struct Rate {
    interval: Duration,
    /// How far ahead of its time the next one may come.
    tolerance: Duration,
    /// When the next one is due, if they come evenly.
    due: Duration,
}

impl Rate {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, tolerance: interval * burst.saturating_sub(1), due: Duration::ZERO }
    }

    fn take(&mut self, now: Duration) -> bool {
        if self.due > now + self.tolerance {
            return false;
        }
        self.due = self.due.max(now) + self.interval;
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics between two changes.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s40_a_rate_lets_a_burst_pass_and_then_so_many_a_second() {
        let mut rate = Rate::new(10, 5);
        let second = Duration::from_secs(1);
        let mut taken = |at: Duration| (0..100).filter(|_| rate.take(at)).count();
        assert_eq!(taken(second), 5);
        assert_eq!(taken(second * 3 / 2), 5);
        assert_eq!(taken(second * 16 / 10), 1);
        assert_eq!(taken(second * 100), 5);
        let evenly = (0..1000).filter(|n| rate.take(second * 200 + second * *n / 100)).count();
        assert!((100..=106).contains(&evenly), "{evenly}");
    }

    #[test]
    fn s40_addresses_of_one_site_are_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn s40_places_are_given_back() {
        let limits =
            AdmissionLimits { per_address: Some(2), per_identity: Some(1), ..Default::default() };
        let admission = Arc::new(Admission::new(limits));
        let admit = || admission.admit("192.0.2.1".parse().unwrap(), None, Duration::ZERO);
        let (mut first, second) = (admit().unwrap(), admit().unwrap());
        assert_eq!(admit().unwrap_err(), Reason::Address);
        Place::join(&mut first, admission.identify("somebody").unwrap());
        assert_eq!(admission.identify("somebody").unwrap_err(), Reason::Identity);
        drop(first);
        let place = admission.identify("somebody").unwrap();
        drop((second, place, admit().unwrap()));
        assert!(lock(&admission.addresses).is_empty());
        assert!(lock(&admission.identities).is_empty());
    }
}
