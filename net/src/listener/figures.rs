//! What passes on a listener's connections: each loop counts for each service by itself, once a
//! turn, and whoever asks adds that up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::admission::ListenerStats;
use super::caller::Caller;
use super::context::Context;
use super::open::Open;
use super::sending::Sending;
use super::tally::HALF;
use crate::count::Count;
use crate::error::ConnectionError;
use crate::metrics;

/// What has passed on a listener's connections, as of the last turn of each: what other threads
/// have sent since then is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrafficStats {
    /// Messages received.
    pub messages_in: u64,
    /// Messages sent, those in queues included.
    pub messages_out: u64,
    /// Bytes received behind the 101: frames with their headers.
    pub bytes_in: u64,
    /// Bytes that the system has taken, the 101 included.
    pub bytes_out: u64,
    /// Messages that were dropped because a queue was full.
    pub dropped: u64,
    /// Messages that were refused because a queue was full.
    pub refused_by_queue: u64,
    /// Messages that were refused because all queues together were.
    pub refused_by_budget: u64,
    /// How often a peer sent more than `message_rate` or `byte_rate` lets it, whether it was held
    /// up for that or closed.
    pub rates_exceeded: u64,
}

macro_rules! figures {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// Counters of one loop for one service.
        #[derive(Debug, Default)]
        pub(crate) struct Figures {
            $($(#[$doc])* pub(crate) $field: Count,)*
            pub(crate) errors: Errors,
        }

        /// The same as plain numbers.
        #[derive(Clone, Copy, Debug, Default)]
        pub(crate) struct Sums {
            $(pub(crate) $field: u64,)*
            pub(crate) errors: ErrorStats,
        }

        impl Figures {
            pub(crate) fn sums(&self) -> Sums {
                Sums { $($field: self.$field.value(),)* errors: self.errors.sums() }
            }
        }

        impl Sums {
            fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
                self.errors.add(&other.errors);
            }
        }
    };
}

figures! {
    // The loop's alone to count.
    messages_in,
    /// Those of `messages_in` that are text; counted for `metrics` only.
    texts_in,
    bytes_in,
    messages_out,
    /// Those of `messages_out` that are text; counted for `metrics` only.
    texts_out,
    bytes_out,
    dropped,
    refused_by_queue,
    refused_by_budget,
    pings_in,
    pongs_in,
    closes_in,
    /// Connections that were opened, and so calls of `on_open`.
    opened,
    /// Calls of `on_close`, `on_idle_timeout`, `on_drain`, `on_expired`.
    closed,
    idle,
    drained,
    expired,
    rates_exceeded,
    // Any thread's.
    pings_out,
    pongs_out,
    closes_out,
    panics,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $field:ident = $pattern:pat, $name:literal, $type:literal;)*) => {
        /// Errors of a listener's connections by kind, as
        /// [`Service::on_error`](super::Service::on_error) is told of them; see
        /// [`ConnectionError`](crate::ConnectionError).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct ErrorStats {
            $($(#[$doc])* pub $field: u64,)*
        }

        /// Counters, one for each kind.
        #[derive(Debug, Default)]
        pub(crate) struct Errors {
            $($field: Count,)*
        }

        impl Errors {
            pub(crate) fn count(&self, error: &ConnectionError) {
                match error {
                    $($pattern => self.$field.add_anywhere(1),)*
                }
            }

            fn sums(&self) -> ErrorStats {
                ErrorStats { $($field: self.$field.value(),)* }
            }
        }

        impl ErrorStats {
            /// How many there were in all.
            #[must_use]
            pub const fn total(&self) -> u64 {
                let Self { $($field,)* } = self;
                0 $(+ *$field)*
            }

            fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }

        /// An error's kind and what it belongs to, which hold nothing of what anybody has sent.
        pub(crate) const fn kind(error: &ConnectionError) -> (&'static str, &'static str) {
            match error {
                $($pattern => ($name, $type),)*
            }
        }
    };
}

errors! {
    /// The peer broke the protocol.
    violation = ConnectionError::Violation(_), "violation", "message_received";
    /// The peer went past a limit.
    limit = ConnectionError::Limit(_), "limit", "message_received";
    /// The transport failed.
    network = ConnectionError::Network(_), "network", "connection";
    /// TLS failed, or was cut off.
    tls = ConnectionError::Tls(_), "tls", "connection";
    /// The peer answered no Ping.
    unresponsive = ConnectionError::Unresponsive, "unresponsive", "connection";
    /// A message broke the rules of its type.
    message = ConnectionError::Message(_), "message", "message_received";
    /// The peer was closed for `message_rate`.
    message_rate = ConnectionError::MessageRate { .. }, "message_rate", "message_received";
    /// The peer was closed for `byte_rate`.
    byte_rate = ConnectionError::ByteRate { .. }, "byte_rate", "message_received";
    /// The peer was closed as it did not read.
    overrun = ConnectionError::Overrun { .. }, "overrun", "message_sent";
    /// The connection was closed as all together held too much.
    exhausted = ConnectionError::Exhausted { .. }, "exhausted", "message_sent";
    /// A reply as a stream failed.
    stream = ConnectionError::Stream(_), "stream", "resource_invocation";
    /// A reply as a stream was refused.
    streams = ConnectionError::Streams { .. }, "streams", "resource_invocation";
    /// A callback gave an error.
    callback = ConnectionError::Callback(_), "callback", "resource_invocation";
}

impl Sums {
    /// The same for the facade `metrics`.
    pub(crate) fn values(&self) -> metrics::Values {
        let binary_in = self.messages_in.saturating_sub(self.texts_in);
        let binary_out = self.messages_out.saturating_sub(self.texts_out);
        let errors = self.errors.total();
        metrics::Values {
            received: [self.texts_in, binary_in, self.pings_in, self.pongs_in],
            closes_received: self.closes_in,
            sent: [self.texts_out, binary_out, self.pings_out, self.pongs_out],
            closes_sent: self.closes_out,
            bytes_received: self.bytes_in,
            bytes_sent: self.bytes_out,
            calls: [self.opened, self.closed, errors, self.idle, self.drained, self.expired],
        }
    }
}

/// How much of what a connection has sent the figures were told of. Each number is the lower part
/// of one that only grows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    bytes: u32,
    messages: u32,
}

impl Told {
    /// Tells `figures` the rest.
    #[inline]
    pub(crate) fn tell(&mut self, sending: &mut Sending, figures: &Figures) {
        let (bytes, messages) = (low(sending.sent), sending.tally.messages_out & (HALF - 1));
        figures.bytes_out.add(bytes.wrapping_sub(self.bytes).into());
        let fresh = messages.wrapping_sub(self.messages) & (HALF - 1);
        figures.messages_out.add(fresh.into());
        (self.bytes, self.messages) = (bytes, messages);
        if metrics::ON {
            figures.texts_out.add(std::mem::take(&mut sending.texts_out).into());
        }
        if sending.rare.is_some() {
            tell_rare(sending, figures);
        }
    }
}

#[cold]
fn tell_rare(sending: &mut Sending, figures: &Figures) {
    let Some(rare) = &mut sending.rare else { return };
    let untold = std::mem::take(&mut rare.totals.untold);
    figures.dropped.add(untold.dropped.into());
    figures.refused_by_queue.add(untold.refused_by_queue.into());
    figures.refused_by_budget.add(untold.refused_by_budget.into());
}

/// The lower half.
pub(crate) fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

/// All figures of a listener.
#[derive(Debug, Default)]
pub(crate) struct AllFigures(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Those of services that a loop has no more connections to.
    past: Sums,
    now: Vec<Arc<Figures>>,
}

impl AllFigures {
    /// Counters for one loop and one service.
    pub(crate) fn enter(&self) -> Arc<Figures> {
        let figures = Arc::new(Figures::default());
        self.lock().now.push(Arc::clone(&figures));
        figures
    }

    /// Nobody counts there any more.
    pub(crate) fn retire(&self, figures: &Arc<Figures>) {
        let mut state = self.lock();
        state.past.add(&figures.sums());
        state.now.retain(|other| !Arc::ptr_eq(other, figures));
    }

    pub(crate) fn add_to(&self, stats: &mut ListenerStats) {
        let state = self.lock();
        let mut all = state.past;
        for figures in &state.now {
            all.add(&figures.sums());
        }
        drop(state);
        stats.traffic = TrafficStats {
            messages_in: all.messages_in,
            messages_out: all.messages_out,
            bytes_in: all.bytes_in,
            bytes_out: all.bytes_out,
            dropped: all.dropped,
            refused_by_queue: all.refused_by_queue,
            refused_by_budget: all.refused_by_budget,
            rates_exceeded: all.rates_exceeded,
        };
        stats.errors = all.errors;
        stats.panics = all.panics;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what this turn has received.
pub(super) fn count(caller: &Caller, sending: &mut Sending, ctx: &mut Context) {
    let (bytes, messages) =
        (std::mem::take(&mut ctx.bytes_in), std::mem::take(&mut ctx.messages_in));
    sending.tally.bytes_in += bytes;
    sending.tally.messages_in += messages;
    let figures = caller.figures();
    figures.bytes_in.add(bytes.into());
    figures.messages_in.add(messages.into());
}

impl Open {
    /// Counts what came in a turn that was the last.
    pub(crate) fn count_last(&self, ctx: &mut Context) {
        count(&self.caller, &mut self.caller.lock(), ctx);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.told.tell(&mut self.caller.lock(), self.caller.figures());
        metrics::over(metrics::SERVER, &self.caller.settings().name);
    }
}
