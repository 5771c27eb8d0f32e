//! Counters and gauges through the facade `metrics`, for whatever exporter the program has.
//!
//! Nothing here is called for a message: what passes is counted in plain numbers, of which a
//! [`Meter`] tells the facade what has changed since the last time.
//!
//! | name | kind | labels of its own |
//! |---|---|---|
//! | `ws_requests` | counter: opening handshakes | |
//! | `ws_connections` | gauge: connections that are open | |
//! | `ws_messages_received`, `ws_messages_sent` | counters | `type` |
//! | `ws_bytes_received`, `ws_bytes_sent` | counters | |
//! | `ws_resources_invoked` | counter: callbacks and what is asked of a connection | `resource` |
//! | `ws_errors` | counter | `error_type`, `type` |
//!
//! All have the labels `client_or_server`, `service` and `protocol`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether anything is counted for them: without the feature none of it is compiled.
pub(crate) const ON: bool = cfg!(feature = "metrics");

/// Which end counts.
pub(crate) const CLIENT: &str = "client";
/// As [`CLIENT`].
pub(crate) const SERVER: &str = "server";

/// What has passed so far, of one service or connection.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "nobody is told of it"))]
pub(crate) struct Values {
    /// Texts, binary messages, Pings, Pongs.
    pub(crate) received: [u64; 4],
    pub(crate) closes_received: u64,
    /// As `received`.
    pub(crate) sent: [u64; 4],
    pub(crate) closes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    /// Calls of `on_open`, `on_close`, `on_error`, `on_idle_timeout`, `on_drain`,
    /// `on_expired`.
    pub(crate) calls: [u64; 6],
}

/// Name, key and value of a label; those without one name a label that all have.
#[cfg(feature = "metrics")]
type Row = (&'static str, &'static str, &'static str);

/// What the facade is told.
#[cfg(feature = "metrics")]
fn rows(side: &'static str, values: &Values) -> [(Row, u64); 27] {
    const IN: &str = "ws_messages_received";
    const OUT: &str = "ws_messages_sent";
    const CALL: &str = "ws_resources_invoked";
    let Values { closes_received, closes_sent, bytes_received, bytes_sent, .. } = *values;
    let [texts_in, binary_in, pings_in, pongs_in] = values.received;
    let [texts_out, binary_out, pings_out, pongs_out] = values.sent;
    let [open, close, error, idle, drain, expired] = values.calls;
    // A client calls nothing for a message.
    let called = |count| if side == SERVER { count } else { 0 };
    [
        ((IN, "type", "text"), texts_in),
        ((IN, "type", "binary"), binary_in),
        ((IN, "type", "ping"), pings_in),
        ((IN, "type", "pong"), pongs_in),
        ((IN, "type", "close"), closes_received),
        ((OUT, "type", "text"), texts_out),
        ((OUT, "type", "binary"), binary_out),
        ((OUT, "type", "ping"), pings_out),
        ((OUT, "type", "pong"), pongs_out),
        ((OUT, "type", "close"), closes_sent),
        (("ws_bytes_received", "protocol", "ws"), bytes_received),
        (("ws_bytes_sent", "protocol", "ws"), bytes_sent),
        ((CALL, "resource", "on_open"), open),
        ((CALL, "resource", "on_text"), called(texts_in)),
        ((CALL, "resource", "on_binary"), called(binary_in)),
        ((CALL, "resource", "on_ping"), called(pings_in)),
        ((CALL, "resource", "on_pong"), called(pongs_in)),
        ((CALL, "resource", "on_close"), close),
        ((CALL, "resource", "on_error"), error),
        ((CALL, "resource", "on_idle_timeout"), idle),
        ((CALL, "resource", "on_drain"), drain),
        ((CALL, "resource", "on_expired"), expired),
        ((CALL, "resource", "write_text"), texts_out),
        ((CALL, "resource", "write_binary"), binary_out),
        ((CALL, "resource", "ping"), pings_out),
        ((CALL, "resource", "pong"), pongs_out),
        ((CALL, "resource", "close"), closes_sent),
    ]
}

/// What the facade was told of one service or connection.
#[derive(Default)]
pub(crate) struct Meter {
    #[cfg(feature = "metrics")]
    counters: [Option<metrics::Counter>; 27],
    #[cfg(feature = "metrics")]
    told: [u64; 27],
}

impl Meter {
    /// Tells the facade what has changed.
    #[cfg(feature = "metrics")]
    pub(crate) fn tell(&mut self, side: &'static str, service: &str, values: &Values) {
        let known = self.counters.iter_mut().zip(&mut self.told);
        for ((counter, told), ((name, key, label), value)) in known.zip(rows(side, values)) {
            if value != *told {
                // One that never counts is never shown.
                let counter = counter.get_or_insert_with(|| {
                    let mut labels = labels(side, service);
                    if key != "protocol" {
                        labels.push(metrics::Label::new(key, label));
                    }
                    metrics::counter!(name, labels)
                });
                counter.increment(value.wrapping_sub(*told));
                *told = value;
            }
        }
    }

    #[cfg(not(feature = "metrics"))]
    pub(crate) fn tell(&mut self, _: &'static str, _: &str, _: &Values) {}
}

#[cfg(feature = "metrics")]
fn labels(side: &'static str, service: &str) -> Vec<metrics::Label> {
    vec![
        metrics::Label::new("client_or_server", side),
        metrics::Label::new("service", service.to_owned()),
        metrics::Label::new("protocol", "ws"),
    ]
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

/// An opening handshake.
pub(crate) fn request(side: &'static str, service: &str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("ws_requests", labels(side, service)).increment(1);
    let _ = (side, service);
}

/// Something went wrong: what it belongs to, and what it was.
pub(crate) fn error(
    side: &'static str,
    service: &str,
    error_type: &'static str,
    kind: &'static str,
) {
    #[cfg(feature = "metrics")]
    {
        let mut labels = labels(side, service);
        labels.push(metrics::Label::new("error_type", error_type));
        labels.push(metrics::Label::new("type", kind));
        metrics::counter!("ws_errors", labels).increment(1);
    }
    let _ = (side, service, error_type, kind);
}

/// A connection was opened.
pub(crate) fn opened(side: &'static str, service: &str) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("ws_connections", labels(side, service)).increment(1.0);
    let _ = (side, service);
}

/// A connection that was opened is over.
pub(crate) fn over(side: &'static str, service: &str) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("ws_connections", labels(side, service)).decrement(1.0);
    let _ = (side, service);
}

/// A client's connection, counted as open until it ends or is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    service: Box<str>,
    over: AtomicBool,
}

impl Presence {
    pub(crate) fn new(service: Box<str>) -> Self {
        opened(CLIENT, &service);
        Self { service, over: AtomicBool::new(false) }
    }

    /// What it counts as.
    pub(crate) const fn service(&self) -> &str {
        &self.service
    }

    pub(crate) fn end(&self) {
        if !self.over.swap(true, Ordering::Relaxed) {
            over(CLIENT, &self.service);
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.end();
    }
}
