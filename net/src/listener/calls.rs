//! Callbacks of a service on its loop, and what becomes of what they give back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::Span;
use tracing::span::EnteredSpan;
use wirewright_core::{Close, CloseCode, Reply as Owed};

use super::caller::Caller;
use super::figures::kind;
use super::open::{DEAD, Open};
use super::sending::SERVICE;
use super::service::{Outcome, Reply, RunOn, Service};
use super::streams::Stream;
use crate::error::ConnectionError;
use crate::metrics;

impl Open {
    /// Enters the connection's span, if somebody wants to see it.
    #[inline]
    pub(super) fn span(&self) -> Option<EnteredSpan> {
        Some(self.pacing.as_ref()?.span.clone()?.entered())
    }

    /// Runs a callback and does what it asks for; the caller guards against its panic.
    #[inline]
    pub(super) fn call(
        &mut self,
        ping: Option<&[u8]>,
        callback: impl FnOnce(&mut dyn Service, &Caller) -> Outcome,
    ) {
        let Some(service) = &mut self.service else { return };
        let caller = &self.caller;
        match callback(&mut **service, caller) {
            // Dropping it would be a call that does nothing.
            Ok(nothing @ Reply::Nothing) => std::mem::forget(nothing),
            outcome => self.outcome(outcome, ping),
        }
    }

    /// As [`call`](Self::call), guarded.
    pub(super) fn call_guarded(
        &mut self,
        callback: impl FnOnce(&mut dyn Service, &Caller) -> Outcome,
    ) {
        if catch_unwind(AssertUnwindSafe(|| self.call(None, callback))).is_err() {
            self.panicked();
        }
    }

    fn outcome(&mut self, outcome: Outcome, ping: Option<&[u8]>) {
        let done = match (outcome, ping) {
            (Ok(Reply::Stream(stream)), _) => self.stream(stream),
            (Ok(Reply::Pong), Some(payload)) => {
                self.caller.lock().reply(Owed::pong(payload));
                self.caller.figures().pongs_out.add_anywhere(1);
                Ok(())
            }
            (outcome, _) => self.caller.reply(outcome),
        };
        if let Err(error) = done {
            self.report(&error);
        }
    }

    fn stream(&mut self, stream: Stream) -> Result<(), ConnectionError> {
        let max = self.caller.max_streams();
        self.pacing.get_or_insert_default().streams.push(stream, max)
    }

    /// Tells the service that its queue has drained, if it has.
    pub(super) fn tell_drained(&mut self) {
        let drained = self.caller.lock().drained;
        if drained == 0 {
            return;
        }
        let away = self.service.as_ref().is_some_and(|it| it.runs_on() == RunOn::Workers);
        if away || drained & SERVICE != 0 {
            self.caller.figures().drained.add(u64::from(drained & SERVICE != 0));
            self.call_guarded(Service::on_drain);
        }
        self.caller.lock().drained &= !drained;
    }

    /// Tells the service of an error.
    #[cold]
    pub(super) fn report(&mut self, error: &ConnectionError) {
        self.caller.count_error(error);
        let Some(service) = &mut self.service else { return };
        let caller = &self.caller;
        if catch_unwind(AssertUnwindSafe(|| service.on_error(caller, error))).is_err() {
            self.panicked();
        }
    }

    /// Tells the service of the end, once.
    pub(super) fn finish(&mut self, close: Close<'_>) {
        self.pacing = None;
        let Some(mut service) = self.service.take() else { return };
        let caller = &self.caller;
        let figures = caller.figures();
        figures.closed.add(1);
        let told = catch_unwind(AssertUnwindSafe(move || {
            let here = service.runs_on() == RunOn::Loop;
            service.on_close(caller, close);
            drop(service);
            // Elsewhere the service has yet to hear of it.
            drop(here.then(|| caller.take_attributes()));
        }));
        if told.is_err() {
            figures.panics.add_anywhere(1);
            tracing::error!(caller = ?self.caller, "service panicked as its connection ended");
        }
    }

    /// A service that panicked may be in any state: it is not called again, and its peer is told
    /// of an internal error. All other connections go on.
    #[cold]
    pub(super) fn panicked(&mut self) {
        tracing::error!(caller = ?self.caller, "service panicked, closing its connection");
        self.caller.figures().panics.add_anywhere(1);
        if let Some(service) = self.service.take() {
            // Its destructor may panic too.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(service)));
        }
        self.stopped |= DEAD;
        let mut sending = self.caller.lock();
        self.caller.count_close(&sending);
        sending.fail(CloseCode::INTERNAL_ERROR);
    }
}

impl Caller {
    /// Counts an error that the service is told of, and logs its kind: what it says may hold parts
    /// of a message.
    pub(crate) fn count_error(&self, error: &ConnectionError) {
        self.figures().errors.count(error);
        if let ConnectionError::MessageRate { .. } | ConnectionError::ByteRate { .. } = error {
            self.figures().rates_exceeded.add(1);
        }
        let (kind, error_type) = kind(error);
        metrics::error(metrics::SERVER, &self.settings().name, error_type, kind);
        tracing::debug!(caller = ?self, kind, "error");
        tracing::trace!(caller = ?self, %error, "error");
    }

    /// Sends what a callback gave back; what was in the way goes to `on_error`.
    pub(crate) fn reply(&self, outcome: Outcome) -> Result<(), ConnectionError> {
        let sent = match outcome {
            Ok(Reply::Text(text)) => self.write_text(&text).map(drop),
            Ok(Reply::Binary(bytes)) => self.write_binary(&bytes).map(drop),
            Ok(Reply::Close(code, reason)) => self.close(code.value(), &reason),
            // A Pong is owed to a Ping alone, and streams are for whoever asks for their items.
            Ok(Reply::Nothing | Reply::Pong | Reply::Stream(_)) => Ok(()),
            Err(error) => return Err(ConnectionError::callback(error)),
        };
        sent.map_err(|error| ConnectionError::Callback(Box::new(error)))
    }

    /// Sends a Pong from elsewhere than the loop's turn.
    pub(crate) fn owe(&self, pong: Owed) {
        let mut sending = self.lock();
        sending.reply(pong);
        self.figures().pongs_out.add_anywhere(1);
        // A transport that is gone is the loop's to find.
        let _ = sending.written();
        self.note_and_look(sending);
    }
}

/// The span in which all callbacks of a connection run.
pub(super) fn connection_span(caller: &Caller) -> Span {
    let (id, peer) = (caller.id(), caller.peer_addr());
    tracing::debug_span!("connection", id, %peer, service = &*caller.settings().name)
}
