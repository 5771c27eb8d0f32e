//! What the two halves of a connection tell each other: what is owed to the peer, and how it
//! ended.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use wirewright_core::{Close, CloseCode, LayerError, Outbox, Outgoing, ReceiveError, Reply};

use super::error::{ClientError, Deadline};
use crate::metrics::{self, Presence};

/// Shared by whoever receives and whoever sends; its lock is never held across a system call.
///
/// Whoever owes something says so here and *tries* for the sender's turn. If it is taken, then
/// whoever has it looks here once more after giving it back, so that nothing owed is forgotten.
#[derive(Debug)]
pub(super) struct Control {
    /// Its connection's number, for the log.
    id: u64,
    pub(super) presence: Presence,
    pending: Arc<Pending>,
    /// No Close was sent or received, and the network has not failed.
    open: AtomicBool,
    /// Whoever sends waits for room.
    stuck: AtomicBool,
    /// The first Close was ours.
    closed_by_us: AtomicBool,
    /// Whether `state` holds an end.
    ended: AtomicBool,
    state: Mutex<State>,
}

/// That something is owed, or bytes were left unsent by somebody who could not wait. One for all
/// connections of a client: it is looked at without a turn, and is a hint.
#[derive(Debug, Default)]
pub(super) struct Pending(AtomicBool);

impl Pending {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
        // Against the one in `is_set_after`: either we get the sender's turn next, or who gives
        // it back sees this.
        fence(Ordering::SeqCst);
    }

    /// For whoever has just given the sender's turn back.
    #[inline]
    pub(super) fn is_set_after(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct State {
    /// "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to
    /// previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most
    /// recently processed Ping frame" (RFC 6455 §5.5.3): one slot bounds what a flood costs.
    pong: Option<Reply>,
    ping: Option<[u8; 8]>,
    close: Option<CloseCode>,
    end: Option<(End, Instant)>,
}

/// What was owed, for whoever counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owed {
    pub(super) pong: bool,
    pub(super) ping: bool,
    pub(super) close: bool,
}

/// How a connection ended, as often as anybody asks.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// A Close frame was received.
    Closed { code: CloseCode, reason: String },
    /// The peer was told what it did wrong.
    Failed(ReceiveError),
    /// The stream ended.
    Dropped,
    /// The network failed: what kind, and what the system calls it.
    Network(io::ErrorKind, Option<i32>),
    /// TLS failed, or was cut off.
    Insecure(Arc<LayerError>),
    /// The peer fell silent.
    Silent,
    /// This side gave up waiting for the peer's Close.
    GivenUp,
    /// This side wants no more of it.
    Aborted,
}

impl Control {
    pub(super) fn new(id: u64, presence: Presence, pending: Arc<Pending>) -> Self {
        Self {
            id,
            presence,
            pending,
            open: AtomicBool::new(true),
            stuck: AtomicBool::new(false),
            closed_by_us: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Owes the Pong for a Ping, and no longer that for the one before.
    pub(super) fn owe_pong(&self, pong: Reply) {
        self.lock().pong = Some(pong);
        self.set_pending();
    }

    pub(super) fn owes_pong(&self) -> bool {
        self.lock().pong.is_some()
    }

    pub(super) fn owe_ping(&self, payload: [u8; 8]) {
        self.lock().ping = Some(payload);
        self.set_pending();
    }

    /// Says that somebody has to send.
    pub(super) fn set_pending(&self) {
        self.pending.set();
    }

    #[inline]
    pub(super) fn is_pending(&self) -> bool {
        self.pending.0.load(Ordering::Relaxed)
    }

    /// Moves what is owed into the outbox, which ends at a frame's end.
    pub(super) fn take_owed(&self, outgoing: &mut Outgoing, outbox: &mut Outbox) -> Owed {
        let mut state = self.lock();
        self.pending.0.store(false, Ordering::Relaxed);
        let (pong, ping, close) = (state.pong.take(), state.ping.take(), state.close.take());
        drop(state);
        let close_now = close.is_some() && !outgoing.is_close_sent();
        let owed = Owed { pong: pong.is_some(), ping: ping.is_some(), close: close_now };
        if let Some(pong) = pong {
            outgoing.reply(pong, outbox);
        }
        if let Some(ping) = ping {
            // After a Close nothing is owed, and that is the one error: 8 bytes fit.
            let _ = outgoing.send_ping(&ping, outbox);
        }
        if let Some(code) = close {
            outgoing.fail(code, outbox);
        }
        owed
    }

    /// The peer's Close: "the endpoint MUST send a Close frame in response" (RFC 6455 §5.5.1),
    /// unless it sent one.
    pub(super) fn closed(&self, close: Close<'_>) {
        let (code, reason) = (close.code(), close.reason().into());
        self.end_owing(End::Closed { code, reason }, code);
    }

    /// The peer's fault, of which it is told (RFC 6455 §7.1.7).
    pub(super) fn failed(&self, error: ReceiveError) {
        self.end_owing(End::Failed(error), error.close_code());
    }

    fn end_owing(&self, end: End, code: CloseCode) {
        self.end(end);
        let mut state = self.lock();
        state.pong = None;
        state.close = Some(code);
        drop(state);
        self.set_pending();
    }

    /// The connection ended; the first to say how is right.
    pub(super) fn end(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_none() {
            end.log(self.id);
            if let Some((error_type, kind)) = end.fault() {
                metrics::error(metrics::CLIENT, self.presence.service(), error_type, kind);
            }
            self.presence.end();
            state.end = Some((end, Instant::now()));
        }
        self.open.store(false, Ordering::Release);
        self.ended.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// How and when the connection ended, if it did.
    pub(super) fn how_it_ended(&self) -> Option<(End, Instant)> {
        if self.has_ended() { self.lock().end.clone() } else { None }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// A Close was sent, or nothing can be.
    pub(super) fn set_closing(&self) {
        self.open.store(false, Ordering::Release);
    }

    pub(super) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
    }

    /// Whether something waits for the peer to take what it was sent before.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed) || self.is_pending()
    }

    pub(super) fn set_closed_by_us(&self) {
        self.closed_by_us.store(true, Ordering::Relaxed);
        self.set_closing();
    }

    pub(super) fn is_closed_by_us(&self) -> bool {
        self.closed_by_us.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a caller's runs under it, so that nothing in it is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    /// What the counters call it, if something went wrong.
    const fn fault(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Closed { .. } | Self::Aborted => None,
            Self::Failed(ReceiveError::Violation(_)) => Some(("message_received", "violation")),
            Self::Failed(ReceiveError::Limit(_)) => Some(("message_received", "limit")),
            Self::Dropped | Self::Network(..) => Some(("connection", "network")),
            Self::Insecure(_) => Some(("connection", "tls")),
            Self::Silent => Some(("connection", "unresponsive")),
            Self::GivenUp => Some(("close", "unanswered")),
        }
    }

    /// Tells the log, which sees what the peer says in a Close only at its deepest level.
    fn log(&self, connection: u64) {
        match self {
            Self::Closed { code, reason } => {
                tracing::debug!(connection, code = code.value(), "closed");
                tracing::trace!(connection, reason, "closed");
            }
            Self::Failed(error) => {
                let code = error.close_code().value();
                tracing::debug!(connection, code, %error, "connection failed");
            }
            Self::Insecure(error) => tracing::debug!(connection, %error, "connection failed"),
            other => tracing::debug!(connection, how = ?other, "connection over"),
        }
    }

    pub(super) fn network(error: &io::Error) -> Self {
        Self::Network(error.kind(), error.raw_os_error())
    }

    /// Whether the peer was told, or is to be told, and should now end the connection.
    pub(super) const fn is_said(&self) -> bool {
        matches!(self, Self::Closed { .. } | Self::Failed(_))
    }

    /// Whether the connection was lost, by nobody's wish.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self, Self::Dropped | Self::Network(..) | Self::Insecure(_) | Self::Silent)
    }

    pub(super) fn into_error(self) -> ClientError {
        match self {
            Self::Closed { code, reason } => ClientError::Closed { code, reason },
            Self::Failed(error) => error.into(),
            Self::Dropped | Self::GivenUp => ClientError::dropped(),
            Self::Network(kind, os) => {
                let error = os.map_or_else(|| kind.into(), io::Error::from_raw_os_error);
                ClientError::network(error)
            }
            Self::Insecure(error) => ClientError::Tls(error),
            Self::Silent => ClientError::TimedOut(Deadline::KeepAlive),
            Self::Aborted => ClientError::Aborted,
        }
    }
}
