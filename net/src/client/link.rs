//! One connection of a client, which may have several, one after the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wirewright_core::handshake::Response;
use wirewright_core::{Message, MessageKind, Uri};

use super::control::{Control, Pending};
use super::socket::Socket;
use super::stats::Counts;
use crate::metrics::{self, Meter, Presence};
use crate::secure::Secure;
use crate::trace;

/// What the two halves of a connection share. Each half has it beside what is its own, so that
/// whoever has a turn has the connection that belongs to it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: Socket,
    /// What lies between the socket and the two halves, of a connection over TLS.
    pub(super) secure: Option<Secure>,
    pub(super) control: Control,
    /// The moment from which the engine's times count.
    pub(super) epoch: Instant,
    pub(super) response: Arc<Response>,
    /// Where the connection leads, behind redirects.
    pub(super) uri: Arc<Uri>,
    pub(super) id: u64,
    pub(super) counts: Counts,
    /// What the counters of the facade `metrics` were told, and when.
    meter: Mutex<(Meter, Duration)>,
}

/// Messages sent before the facade `metrics` hears of them, at most.
const BATCH: u64 = 64;
/// The same for what is received, as time.
const PAUSE: Duration = Duration::from_millis(100);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Link {
    pub(super) fn new(
        (socket, secure): (Socket, Option<Secure>),
        response: Response,
        uri: Uri,
        pending: Arc<Pending>,
    ) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self {
            socket,
            secure,
            control: Control::new(id, Presence::new(uri.to_string().into()), pending),
            epoch: Instant::now(),
            response: Arc::new(response),
            uri: Arc::new(uri),
            id,
            counts: Counts::default(),
            meter: Mutex::default(),
        }
    }

    /// A message has come.
    #[inline]
    pub(super) fn count_received(&self, message: Message<'_>) {
        if trace::shows_messages() {
            trace::message("received", self.id, message);
        }
        self.counts.received.messages.add(1);
        if metrics::ON && message.kind() == MessageKind::Text {
            self.counts.received.texts.add(1);
        }
    }

    /// A message is sent.
    #[inline]
    pub(super) fn count_sent(&self, message: Message<'_>) {
        self.show_sent(message);
        self.count_written(message.kind());
    }

    #[inline]
    pub(super) fn show_sent(&self, message: Message<'_>) {
        if trace::shows_messages() {
            trace::message("sending", self.id, message);
        }
    }

    /// As [`count_sent`](Self::count_sent), for one that is not there as a whole.
    #[inline]
    pub(super) fn count_written(&self, kind: MessageKind) {
        let sent = &self.counts.sent;
        sent.messages.add(1);
        if metrics::ON {
            sent.texts.add((kind == MessageKind::Text).into());
            if sent.messages.value().is_multiple_of(BATCH) {
                self.report();
            }
        }
    }

    /// Tells the facade `metrics` what has passed, if it was not told for a while.
    #[inline]
    pub(super) fn report_by(&self, now: Duration) {
        if metrics::ON
            && let Ok(mut meter) = self.meter.try_lock()
            && now.saturating_sub(meter.1) >= PAUSE
        {
            meter.1 = now;
            drop(meter);
            self.report();
        }
    }

    /// Tells the facade `metrics` what has passed, unless somebody else is about to.
    pub(super) fn report(&self) {
        if metrics::ON
            && let Ok(mut meter) = self.meter.try_lock()
        {
            let values = self.counts.values();
            meter.0.tell(metrics::CLIENT, self.control.presence.service(), &values);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.report();
    }
}
