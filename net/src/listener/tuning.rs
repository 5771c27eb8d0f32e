//! Options for connections that are open, beside those of the engine.

use std::time::Duration;

use wirewright_core::CloseCode;

use super::budget::Budget;
use super::builder::ListenerBuilder;
use super::expiry::WhenExpired;

/// What becomes of a message for which the queue has no room
/// ([`max_queued`](ListenerBuilder::max_queued), or the [`Budget`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It is not taken, and whoever sends it is told so:
    /// [`SendError::Full`](crate::SendError::Full). What is published skips this subscriber.
    #[default]
    Refuse,
    /// It is dropped, and counted ([`Sent::Dropped`](crate::Sent::Dropped)).
    DropNew,
    /// The oldest messages that wait are dropped, and counted, until it fits: whole messages only,
    /// and none of which a part has left.
    DropOldest,
    /// It is not taken, and the connection ends with this code: 1013 or 1008, mostly.
    Close(CloseCode),
}

/// So much in a second, and so much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What may come in a second, in the long run; at least one.
    pub per_second: u32,
    /// What may come at once after a pause; at least one.
    pub burst: u32,
}

impl Rate {
    /// So much in a second, and twice that at once.
    #[must_use]
    pub const fn per_second(per_second: u32) -> Self {
        Self { per_second, burst: per_second.saturating_mul(2) }
    }
}

/// What is done with a peer that sends more than [`Rate`]s allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenExceeded {
    /// The connection ends with 1008.
    #[default]
    Close,
    /// It is not read from until it may send again, so that the peer waits.
    Pause,
}

/// A listener's options for connections that are open.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    pub(crate) max_queued: usize,
    pub(crate) low_mark: usize,
    pub(crate) high_mark: usize,
    pub(crate) when_full: WhenFull,
    pub(crate) budget: Budget,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) idle_close: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) lifetime_spread: Duration,
    pub(crate) message_rate: Option<Rate>,
    pub(crate) byte_rate: Option<Rate>,
    pub(crate) when_exceeded: WhenExceeded,
    pub(crate) when_expired: WhenExpired,
    pub(crate) slow_callback: Option<Duration>,
    pub(crate) max_streams: usize,
    pub(crate) max_pending: usize,
    pub(crate) shutdown_spread: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            max_queued: 1 << 20,
            low_mark: 64 * 1024,
            high_mark: 256 * 1024,
            when_full: WhenFull::Refuse,
            budget: Budget::quarter_of_memory(),
            idle_timeout: None,
            idle_close: None,
            max_lifetime: None,
            lifetime_spread: Duration::ZERO,
            message_rate: None,
            byte_rate: None,
            when_exceeded: WhenExceeded::Close,
            when_expired: WhenExpired::Leave,
            slow_callback: Some(Duration::from_millis(10)),
            max_streams: 16,
            max_pending: 256 * 1024,
            shutdown_spread: Duration::ZERO,
        }
    }
}

impl Tuning {
    /// A queue of this many bytes is above the mark; never beyond the cap.
    pub(crate) fn high(&self) -> usize {
        self.high_mark.min(self.max_queued)
    }

    /// A queue of at most this many bytes has drained; always below the other mark.
    pub(crate) fn low(&self) -> usize {
        self.low_mark.min(self.max_queued / 4).min(self.high_mark / 2)
    }

    /// A queue from here on takes messages the longer way. Of what may be dropped again, little is
    /// encoded ahead.
    pub(crate) fn gate(&self) -> usize {
        match self.when_full {
            WhenFull::DropOldest => (self.max_queued / 2).min(64 * 1024).min(self.high()),
            _ => self.high(),
        }
    }
}

impl ListenerBuilder {
    /// Bytes that may wait for one connection before [`when_full`](Self::when_full) decides on a
    /// further message; 1 MiB by default. Control frames are exempt.
    pub const fn max_queued(mut self, bytes: usize) -> Self {
        self.defaults.tuning.max_queued = bytes;
        self
    }

    /// What becomes of a message for which there is no room; it is refused by default.
    pub const fn when_full(mut self, policy: WhenFull) -> Self {
        self.defaults.tuning.when_full = policy;
        self
    }

    /// The marks of a connection's queue: a turn in which it grows to `high` ends with the peer
    /// not being read from until most of it has left, and once a queue above `high` has fallen to
    /// `low`, [`Service::on_drain`](crate::Service::on_drain) says so. 64 KiB and 256 KiB by
    /// default; `high` is at most [`max_queued`](Self::max_queued), `low` half of it.
    pub const fn queue_marks(mut self, low: usize, high: usize) -> Self {
        self.defaults.tuning.low_mark = low;
        self.defaults.tuning.high_mark = high;
        self
    }

    /// The bytes that all connections together may hold; a quarter of the memory there is by
    /// default. Listeners may share one.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.defaults.tuning.budget = budget;
        self
    }

    /// Calls [`Service::on_idle_timeout`](crate::Service::on_idle_timeout) once no message was
    /// received or sent on a connection for so long, and again after each further such time. Never
    /// by default. Control frames do not count, or [`keep_alive`](Self::keep_alive) would see to it
    /// that no connection were idle.
    pub const fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.defaults.tuning.idle_timeout = timeout;
        self
    }

    /// Closes a connection with 1001 once no message was received or sent on it for so long. Never
    /// by default.
    pub const fn idle_close(mut self, after: Option<Duration>) -> Self {
        self.defaults.tuning.idle_close = after;
        self
    }

    /// Closes each connection with 1001 when it is so old, less up to `spread`, by which those that
    /// were opened together end apart. Never by default.
    pub const fn max_lifetime(mut self, lifetime: Option<Duration>, spread: Duration) -> Self {
        self.defaults.tuning.max_lifetime = lifetime;
        self.defaults.tuning.lifetime_spread = spread;
        self
    }

    /// Messages that a peer may send; any number by default. Control frames have a limit of their
    /// own, [`Limits::max_control_frames`](crate::Limits::max_control_frames).
    pub const fn message_rate(mut self, rate: Option<Rate>) -> Self {
        self.defaults.tuning.message_rate = rate;
        self
    }

    /// Bytes that a peer may send, headers and all; any number by default. What is found in one
    /// read counts at once, up to 128 KiB.
    pub const fn byte_rate(mut self, rate: Option<Rate>) -> Self {
        self.defaults.tuning.byte_rate = rate;
        self
    }

    /// What is done with a peer that sends more than [`message_rate`](Self::message_rate) or
    /// [`byte_rate`](Self::byte_rate) allow; its connection ends with 1008 by default.
    pub const fn when_exceeded(mut self, policy: WhenExceeded) -> Self {
        self.defaults.tuning.when_exceeded = policy;
        self
    }

    /// Warns, with the service's name, when a turn of callbacks has held up its event loop for so
    /// long; 10 ms by default.
    pub const fn slow_callback(mut self, after: Option<Duration>) -> Self {
        self.defaults.tuning.slow_callback = after;
        self
    }

    /// Replies as streams that one connection may have under way; 16 by default. A further one goes
    /// to `on_error`.
    pub const fn max_streams(mut self, streams: usize) -> Self {
        self.defaults.tuning.max_streams = streams;
        self
    }

    /// Bytes of messages that may wait for the callbacks of one connection on workers
    /// ([`RunOn::Workers`](crate::RunOn::Workers)) before its peer is not read from; 256 KiB by
    /// default.
    pub const fn max_pending(mut self, bytes: usize) -> Self {
        self.defaults.tuning.max_pending = bytes;
        self
    }

    /// Threads for services that run on workers, at most; 64 by default. They start when there is
    /// something to do.
    pub const fn workers(mut self, threads: usize) -> Self {
        self.workers = threads;
        self
    }

    /// The time over which a [`shutdown`](crate::Listener::shutdown) spreads its Closes, so that
    /// not all peers connect elsewhere at once; none by default. At most half of what the shutdown
    /// is given.
    pub const fn shutdown_spread(mut self, window: Duration) -> Self {
        self.defaults.tuning.shutdown_spread = window;
        self
    }

    /// The topics of this listener's connections, which other listeners may share; its own by
    /// default.
    pub fn topics(mut self, topics: super::Topics) -> Self {
        self.topics = topics;
        self
    }
}
