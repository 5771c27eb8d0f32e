//! What a connection has done so far, counted by whoever has the turn for it.

use std::time::Duration;

use super::Client;
use crate::count::Count;
use crate::metrics;

/// What a connection of a client has done so far ([`Client::stats`]). A connection that took the
/// place of another begins at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Bytes received behind the handshake.
    pub bytes_received: u64,
    /// Bytes that the system has taken, behind the handshake.
    pub bytes_sent: u64,
    /// Messages received, those included that nobody has read yet.
    pub messages_received: u64,
    /// Messages sent, or begun.
    pub messages_sent: u64,
    /// Pings received.
    pub pings_received: u64,
    /// Pings sent, those of `keep_alive` included.
    pub pings_sent: u64,
    /// Pongs received.
    pub pongs_received: u64,
    /// Pongs sent.
    pub pongs_sent: u64,
    /// Messages received that nobody has read yet, and which are no longer in the inbox.
    pub queued_ahead: u64,
    /// How long the latest Ping of `keep_alive` was on its way there and back.
    pub round_trip: Option<Duration>,
}

impl Client {
    /// Figures of the connection as it is at present.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.driver.link().counts.snapshot()
    }
}

/// The figures as they are counted. Each is changed only by whoever has the turn that it belongs
/// to, so that adding needs no more than a load and a store.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) received: Received,
    pub(super) sent: Sent,
}

/// What the reader counts; apart from what the sender does, as caches fetch neighbours together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Received {
    pub(super) bytes: Count,
    pub(super) messages: Count,
    /// Those of them that are text; counted for `metrics` only.
    pub(super) texts: Count,
    pub(super) closes: Count,
    pub(super) pings: Count,
    pub(super) pongs: Count,
    pub(super) ahead: Count,
    /// Nanoseconds; zero is none.
    pub(super) round_trip: Count,
}

/// What the sender counts.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Sent {
    pub(super) bytes: Count,
    pub(super) messages: Count,
    /// Those of them that are text; counted for `metrics` only.
    pub(super) texts: Count,
    pub(super) closes: Count,
    pub(super) pings: Count,
    pub(super) pongs: Count,
}

impl Counts {
    /// The same for the facade `metrics`.
    pub(super) fn values(&self) -> metrics::Values {
        let Self { received, sent } = self;
        let [texts_in, texts_out] = [received.texts.value(), sent.texts.value()];
        let binary_in = received.messages.value().saturating_sub(texts_in);
        let binary_out = sent.messages.value().saturating_sub(texts_out);
        metrics::Values {
            received: [texts_in, binary_in, received.pings.value(), received.pongs.value()],
            closes_received: received.closes.value(),
            sent: [texts_out, binary_out, sent.pings.value(), sent.pongs.value()],
            closes_sent: sent.closes.value(),
            bytes_received: received.bytes.value(),
            bytes_sent: sent.bytes.value(),
            ..metrics::Values::default()
        }
    }
    fn snapshot(&self) -> ClientStats {
        let Self { received, sent } = self;
        let round_trip = received.round_trip.value();
        ClientStats {
            bytes_received: received.bytes.value(),
            bytes_sent: sent.bytes.value(),
            messages_received: received.messages.value(),
            messages_sent: sent.messages.value(),
            pings_received: received.pings.value(),
            pings_sent: sent.pings.value(),
            pongs_received: received.pongs.value(),
            pongs_sent: sent.pongs.value(),
            queued_ahead: received.ahead.value(),
            round_trip: (round_trip > 0).then(|| Duration::from_nanos(round_trip)),
        }
    }
}
