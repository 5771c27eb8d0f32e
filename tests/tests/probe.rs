//! What memory a listener holds: its loop is asked over a connection, as each thread counts its
//! own allocations. That takes a listener of one loop.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wirewright::{Caller, Listener, ListenerBuilder, Outcome, Reply};
use wirewright_tests::alloc::Meter;
use wirewright_tests::raw_client::{RawClient, TEXT};
use wirewright_tests::services::{Call, echo, start};

thread_local! {
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

/// Connections that were opened, and that were told of their end.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    opened: AtomicUsize,
    closed: AtomicUsize,
}

impl Seen {
    /// Opened and closed.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.opened.load(Ordering::SeqCst), self.closed.load(Ordering::SeqCst))
    }
}

/// An echo listener that takes orders: `meter` and `held` are the probe's, `close` asks for a
/// Close and `flood` for as much as may be queued.
pub(crate) fn listen(builder: ListenerBuilder) -> (Listener, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let told = Arc::clone(&seen);
    let listener = start(builder, move |caller: &Caller, call: &Call<'_>| {
        match call {
            Call::Open => drop(told.opened.fetch_add(1, Ordering::SeqCst)),
            Call::Close(_) => drop(told.closed.fetch_add(1, Ordering::SeqCst)),
            Call::Text(order) => return obey(caller, order).unwrap_or_else(|| echo(caller, call)),
            _ => {}
        }
        echo(caller, call)
    });
    (listener, seen)
}

fn obey(caller: &Caller, order: &str) -> Option<Outcome> {
    match order {
        "meter" => METER.set(Some(Meter::new())),
        "held" => {
            let held = METER.with_borrow(|meter| meter.as_ref().map_or(0, Meter::held));
            return Some(Ok(Reply::Text(held.to_string())));
        }
        "close" => {
            return Some(caller.close(1000, "").map(|()| Reply::Nothing).map_err(Into::into));
        }
        "flood" => while caller.write_binary(&[7; 8192]).is_ok() {},
        _ => return None,
    }
    Some(Ok(Reply::Nothing))
}

/// A connection over which a listener says what its loop holds.
pub(crate) struct Probe(RawClient);

impl Probe {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self(RawClient::open(addr))
    }

    /// Counts from here on.
    pub(crate) fn zero(&mut self) {
        self.0.frame(TEXT, "meter");
        // No barrier, as keep-alive may have sent a Ping.
        self.0.frame(TEXT, "done");
        assert_eq!(self.0.message(), b"done");
    }

    /// Bytes held by now.
    pub(crate) fn held(&mut self) -> u64 {
        self.0.frame(TEXT, "held");
        String::from_utf8(self.0.message()).unwrap().parse().unwrap()
    }
}
