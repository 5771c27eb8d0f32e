//! When to ping, and when to give a silent peer up (RFC 6455 §5.5.2).

use alloc::sync::Arc;
use core::time::Duration;

use crate::moment::Moment;

/// When to ping and how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAliveOptions {
    /// Silence of the peer before it is pinged; 25 s by default, at least 1 ms. `None` never
    /// pings.
    pub interval: Option<Duration>,
    /// Silence after a ping before the peer is taken for dead; 20 s by default. `None` goes on
    /// pinging for ever.
    pub timeout: Option<Duration>,
}

impl Default for KeepAliveOptions {
    fn default() -> Self {
        Self { interval: Some(Duration::from_secs(25)), timeout: Some(Duration::from_secs(20)) }
    }
}

impl KeepAliveOptions {
    /// No pings.
    #[must_use]
    pub const fn off() -> Self {
        Self { interval: None, timeout: None }
    }
}

/// Watches one peer. Times are [`Duration`]s since any one moment that the caller chose.
///
/// Whatever is received proves the peer alive, not its Pong alone: one that is busy sending a
/// large message may not answer before its end, and one that sends all the time need not be
/// asked. A Pong with a foreign payload, or a second one, is as good as any other frame for that
/// and counts for nothing else: the round trip is measured by matching payload only.
///
/// Call [`activity`](Self::activity) when bytes have arrived, [`pong`](Self::pong) for each Pong,
/// [`handle_timeout`](Self::handle_timeout) at the time that
/// [`poll_timeout`](Self::poll_timeout) names. A message moves no timer: at a wake-up that
/// activity has outdated, `handle_timeout` does nothing, and `poll_timeout` names the next.
#[derive(Clone, Debug)]
pub struct KeepAlive {
    /// Shared, as all connections of a listener have the same.
    options: Arc<KeepAliveOptions>,
    /// When something was last received.
    heard: Moment,
    ping: Option<Sent>,
    /// Pings sent, which numbers the latest.
    count: u32,
}

/// The latest Ping, if its Pong did not come.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Moment,
    /// [`KeepAlive::heard`] at that time: while it is the same, nothing has come since.
    heard: Moment,
}

/// The next wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When to call [`KeepAlive::handle_timeout`].
    pub at: Duration,
    /// What is to be expected of it.
    pub reason: WakeReason,
}

/// Why [`KeepAlive`] wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WakeReason {
    /// The peer will have been silent for [`KeepAliveOptions::interval`].
    Ping,
    /// Nothing will have followed a Ping for [`KeepAliveOptions::timeout`].
    Dead,
}

/// What [`KeepAlive::handle_timeout`] wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum KeepAliveAction {
    /// Nothing is due.
    None,
    /// Send a Ping with this payload.
    Ping([u8; 8]),
    /// The peer is silent for too long: drop the connection (1006, RFC 6455 §7.1.5). Said again
    /// at each call until something is received.
    Dead,
}

impl KeepAlive {
    /// Begins to watch; the connection was opened `now`.
    #[must_use]
    pub fn new(options: impl Into<Arc<KeepAliveOptions>>, now: Duration) -> Self {
        Self { options: options.into(), heard: Moment::new(now), ping: None, count: u32::MAX }
    }

    /// Something was received, whatever it was.
    #[inline]
    pub fn activity(&mut self, now: Duration) {
        self.heard = Moment::new(now);
    }

    /// A Pong was received; if it answers the latest Ping of ours, and is the first to do so, how
    /// long that took.
    pub fn pong(&mut self, now: Duration, payload: &[u8]) -> Option<Duration> {
        self.activity(now);
        let latest = payload_of(self.count);
        let ping = self.ping.take_if(|_| latest == payload)?;
        Some(now.saturating_sub(ping.at.time()))
    }

    /// Whether a Ping was sent whose Pong has not come. As long as none was, activity only puts
    /// off what [`poll_timeout`](Self::poll_timeout) says.
    #[must_use]
    #[inline]
    pub const fn is_awaiting_pong(&self) -> bool {
        self.ping.is_some()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, and why; `None` for never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wake> {
        if let Some(ping) = self.unanswered() {
            let timeout = self.options.timeout;
            // Without a timeout the next Ping follows the last.
            return match timeout {
                Some(timeout) => {
                    let at = ping.at.time().saturating_add(timeout);
                    Some(Wake { at, reason: WakeReason::Dead })
                }
                None => self.ping_after(ping.at),
            };
        }
        self.ping_after(self.heard)
    }

    /// The time is `now`: says what is due, which is nothing where activity has outdated the
    /// wake-up.
    pub fn handle_timeout(&mut self, now: Duration) -> KeepAliveAction {
        match self.poll_timeout() {
            Some(Wake { at, reason: WakeReason::Ping }) if at <= now => {
                KeepAliveAction::Ping(self.send(now))
            }
            Some(Wake { at, reason: WakeReason::Dead }) if at <= now => KeepAliveAction::Dead,
            _ => KeepAliveAction::None,
        }
    }

    fn send(&mut self, now: Duration) -> [u8; 8] {
        self.count = self.count.wrapping_add(1);
        self.ping = Some(Sent { at: Moment::new(now), heard: self.heard });
        payload_of(self.count)
    }

    /// The Ping that nothing has followed.
    fn unanswered(&self) -> Option<&Sent> {
        self.ping.as_ref().filter(|ping| ping.heard == self.heard)
    }

    fn ping_after(&self, since: Moment) -> Option<Wake> {
        // Never zero: with a Ping sent at the time of the last activity, the two could not be
        // told apart.
        let interval = self.options.interval?.max(Duration::from_millis(1));
        Some(Wake { at: since.time().saturating_add(interval), reason: WakeReason::Ping })
    }
}

/// What tells a Ping from those before it.
fn payload_of(count: u32) -> [u8; 8] {
    let [a, b, c, d] = count.to_be_bytes();
    [b'p', b'i', b'n', b'g', a, b, c, d]
}
