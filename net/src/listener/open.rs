//! A connection after its handshake: events of the engine into callbacks of the service.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use wirewright_core::{
    Close, CloseCode, Event, Inbox, Incoming, KeepAlive, KeepAliveAction, Message, Outbox,
    Reply as Owed,
};

use super::caller::{Caller, Sending};
use super::context::Context;
use super::service::{Outcome, Reply, Service};
use crate::error::ConnectionError;

/// The stage in which messages pass.
pub(crate) struct Open {
    caller: Caller,
    incoming: Incoming,
    /// `None` once it has panicked or been told of the end.
    service: Option<Box<dyn Service>>,
    keep_alive: KeepAlive,
    /// When the peer must have answered our Close.
    close_by: Option<Duration>,
    /// The peer does not read what we send, so that we do not read either, until so many bytes in
    /// all have left; zero: reading goes on.
    paused_to: u64,
}

/// Where handling leaves a connection.
pub(crate) enum Flow {
    /// Read on, best so many bytes.
    NeedMore(usize),
    /// Read on when others had their turn.
    Again,
    /// Read on when the queue has drained.
    Paused,
    /// The stage is over.
    End(End),
}

/// How a stage ended, with the bytes that are still to be sent.
pub(crate) enum End {
    /// The request was answered with something else than 101.
    Refused(Outbox),
    /// Both sides have said Close.
    Closed(Outbox),
    /// We have said why and will hear no more.
    Failed(Outbox),
    /// The transport is gone.
    Lost(Option<io::Error>),
}

/// A queue of this many bytes stops reading, as what is read mostly asks for more of the same;
/// so does one at its cap. What other threads have queued is none of reading's fault: it stops
/// where a turn has made such a queue longer.
const HIGH: usize = 256 * 1024;
/// When all but so many of the bytes have left that waited as reading stopped, it goes on,
/// whatever was queued since.
const LOW: usize = 64 * 1024;

impl Open {
    pub(crate) fn new(
        caller: Caller,
        incoming: Incoming,
        service: Box<dyn Service>,
        now: Duration,
    ) -> Self {
        let keep_alive = KeepAlive::new(Arc::clone(&caller.settings().keep_alive), now);
        Self { caller, incoming, service: Some(service), keep_alive, close_by: None, paused_to: 0 }
    }

    /// How long a Close has for its answer.
    pub(crate) fn close_timeout(&self) -> Duration {
        self.caller.settings().close_timeout
    }

    /// Tells the service that the connection is open.
    pub(crate) fn begin(&mut self, ctx: &mut Context) {
        ctx.mark = HIGH.min(self.caller.settings().max_queued);
        self.caller.lock().cork(&mut ctx.lent);
        let opened = catch_unwind(AssertUnwindSafe(|| self.call(None, Service::on_open)));
        if opened.is_err() {
            self.panicked();
        }
    }

    /// Before a turn: sends what waits if that is possible now, and lends the loop's outbox.
    pub(crate) fn resume(&mut self, ctx: &mut Context) -> io::Result<()> {
        if self.is_paused() {
            self.advance(ctx.now)?;
        }
        let mut sending = self.caller.lock();
        if sending.has_sent(self.paused_to) {
            self.paused_to = 0;
        }
        ctx.mark = HIGH.min(self.caller.settings().max_queued).max(sending.queued() + 1);
        sending.cork(&mut ctx.lent);
        Ok(())
    }

    /// Sends what waits, as far as that goes.
    fn advance(&mut self, now: Duration) -> io::Result<()> {
        let mut sending = self.caller.lock();
        let before = sending.sent;
        sending.flush()?;
        self.caller.note(&sending);
        if sending.sent != before {
            // Who reads is alive, though its answer to a Ping may lie where we do not read, and
            // the Ping behind what waits.
            self.keep_alive.activity(now);
        }
        Ok(())
    }

    /// After a turn: sends what gathered.
    pub(crate) fn settle(&mut self, ctx: &mut Context) -> io::Result<()> {
        let mut sending = self.caller.lock();
        let queued = sending.uncork(&mut ctx.lent)?;
        self.caller.note(&sending);
        if self.is_paused() {
            if sending.has_sent(self.paused_to) {
                self.paused_to = 0;
            }
        } else if queued >= ctx.mark {
            self.paused_to = pause(&sending);
        }
        if self.close_by.is_none() && sending.is_close_sent() {
            self.close_by = Some(ctx.now.saturating_add(self.caller.settings().close_timeout));
        }
        Ok(())
    }

    pub(crate) const fn is_paused(&self) -> bool {
        self.paused_to != 0
    }

    /// Handles all that has arrived, under one guard against panics: one for each message would
    /// cost as much as decoding it.
    pub(crate) fn handle(&mut self, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        let flow = catch_unwind(AssertUnwindSafe(|| self.handle_all(inbox, ctx)));
        flow.unwrap_or_else(|_| {
            self.panicked();
            Flow::End(End::Failed(self.caller.lock().end()))
        })
    }

    fn handle_all(&mut self, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        if self.is_paused() {
            return Flow::Paused;
        }
        self.keep_alive.activity(ctx.now);
        loop {
            if self.service.is_none() {
                // It has panicked, perhaps in `on_open`.
                let out = self.caller.lock().end();
                return Flow::End(End::Failed(out));
            }
            if self.caller.queued() >= ctx.mark {
                match self.relieve() {
                    Ok(true) => {}
                    Ok(false) => return Flow::Paused,
                    Err(error) => return Flow::End(End::Lost(Some(error))),
                }
            }
            let event = match self.incoming.receive(ctx.now, inbox) {
                Ok(event) => event,
                Err(error) => return self.fail(error.close_code(), &error.into()),
            };
            match event {
                Event::NeedMore { hint } => return Flow::NeedMore(hint),
                Event::Message(Message::Text(text)) => {
                    self.call(None, |service, caller| service.on_text(caller, text));
                }
                Event::Message(Message::Binary(bytes)) => {
                    self.call(None, |service, caller| service.on_binary(caller, bytes));
                }
                Event::Ping(payload) => {
                    self.call(Some(payload), |service, caller| service.on_ping(caller, payload));
                }
                Event::Pong(payload) => {
                    self.keep_alive.pong(ctx.now, payload);
                    self.call(None, |service, caller| service.on_pong(caller, payload));
                }
                Event::Closed(close) => return self.closed(close),
                // Streaming was not asked for.
                Event::Fragment(_) => {}
            }
        }
    }

    /// The time at which [`timeout`](Self::timeout) has something to do.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        // After a Close no Ping can be sent, and that deadline governs.
        let watch = self.keep_alive.poll_timeout().filter(|_| self.close_by.is_none());
        let keep_alive = watch.map(|wake| wake.at);
        [self.close_by, self.incoming.poll_timeout(), keep_alive].into_iter().flatten().min()
    }

    /// Acts on what is due.
    pub(crate) fn timeout(&mut self, ctx: &mut Context) -> Result<(), End> {
        if self.close_by.is_some_and(|at| at <= ctx.now) {
            return Err(End::Lost(None));
        }
        if let Err(limit) = self.incoming.handle_timeout(ctx.now) {
            let error = ConnectionError::Limit(limit);
            return match self.fail(limit.close_code(), &error) {
                Flow::End(end) => Err(end),
                _ => Ok(()),
            };
        }
        self.advance(ctx.now).map_err(|error| End::Lost(Some(error)))?;
        if self.close_by.is_some() {
            return Ok(());
        }
        match self.keep_alive.handle_timeout(ctx.now) {
            KeepAliveAction::None => Ok(()),
            // A queue at its cap says as much as a Ping would: what is owed joins it then.
            KeepAliveAction::Ping(payload) => match self.caller.ping(&payload) {
                Ok(_) | Err(_) => Ok(()),
            },
            KeepAliveAction::Dead => {
                self.report(&ConnectionError::Unresponsive);
                Err(End::Lost(None))
            }
        }
    }

    /// Says 1001 and awaits the answer.
    pub(crate) fn go_away(&mut self, ctx: &Context) {
        // An error is that a Close was sent already.
        let _ = self.caller.close(CloseCode::GOING_AWAY.value(), "");
        let by = ctx.now.saturating_add(self.caller.settings().close_timeout);
        self.close_by.get_or_insert(by);
    }

    /// The transport is gone, without a Close from the peer: 1006 (RFC 6455 §7.1.5).
    pub(crate) fn lost(&mut self, error: Option<io::Error>) {
        if let Some(error) = error {
            self.report(&ConnectionError::Network(error));
        } else {
            // The peer may have ended its side only: what was answered in this very turn is sent,
            // as it is where the end comes a moment later.
            let _ = self.caller.lock().flush();
        }
        self.gone();
    }

    /// As [`lost`](Self::lost), with nothing to report.
    pub(crate) fn gone(&mut self) {
        drop(self.caller.lock().end());
        self.finish(Close::from_code(CloseCode::ABNORMAL));
    }

    /// The peer has said Close.
    fn closed(&mut self, close: Close<'_>) -> Flow {
        self.caller.lock().reply(close.reply());
        let out = self.caller.lock().end();
        self.finish(close);
        Flow::End(End::Closed(out))
    }

    /// The peer broke a rule or a limit: it is told, and nothing more is heard (RFC 6455 §7.1.7).
    fn fail(&mut self, code: CloseCode, error: &ConnectionError) -> Flow {
        tracing::debug!(caller = ?self.caller, %error, "connection failed");
        self.report(error);
        let out = {
            let mut sending = self.caller.lock();
            sending.fail(code);
            sending.end()
        };
        self.finish(Close::from_code(CloseCode::ABNORMAL));
        Flow::End(End::Failed(out))
    }

    /// Writes early, because much has gathered; whether that helped.
    #[cold]
    fn relieve(&mut self) -> io::Result<bool> {
        let mut sending = self.caller.lock();
        sending.flush()?;
        self.caller.note(&sending);
        self.paused_to = pause(&sending);
        Ok(!self.is_paused())
    }

    /// Runs a callback and does what it asks for; the caller guards against its panic.
    #[inline]
    fn call(
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

    fn outcome(&mut self, outcome: Outcome, ping: Option<&[u8]>) {
        let sent = match outcome {
            Ok(Reply::Nothing) => return,
            Ok(Reply::Text(text)) => self.caller.write_text(&text).map(drop),
            Ok(Reply::Binary(bytes)) => self.caller.write_binary(&bytes).map(drop),
            Ok(Reply::Close(code, reason)) => self.caller.close(code.value(), &reason),
            Ok(Reply::Pong) => {
                if let Some(payload) = ping {
                    self.caller.lock().reply(Owed::pong(payload));
                }
                return;
            }
            Err(error) => return self.report(&ConnectionError::callback(error)),
        };
        if let Err(error) = sent {
            self.report(&ConnectionError::Callback(Box::new(error)));
        }
    }

    /// Tells the service of an error.
    #[cold]
    fn report(&mut self, error: &ConnectionError) {
        let Some(service) = &mut self.service else { return };
        let caller = &self.caller;
        if catch_unwind(AssertUnwindSafe(|| service.on_error(caller, error))).is_err() {
            self.panicked();
        }
    }

    /// Tells the service of the end, once.
    fn finish(&mut self, close: Close<'_>) {
        let Some(mut service) = self.service.take() else { return };
        let caller = &self.caller;
        let told = catch_unwind(AssertUnwindSafe(move || {
            service.on_close(caller, close);
            drop(service);
        }));
        if told.is_err() {
            tracing::error!(caller = ?self.caller, "service panicked as its connection ended");
        }
    }

    /// A service that panicked may be in any state: it is not called again, and its peer is told
    /// of an internal error. All other connections go on.
    #[cold]
    fn panicked(&mut self) {
        tracing::error!(caller = ?self.caller, "service panicked, closing its connection");
        if let Some(service) = self.service.take() {
            // Its destructor may panic too.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(service)));
        }
        self.caller.lock().fail(CloseCode::INTERNAL_ERROR);
    }
}

/// How many bytes in all must have left before reading goes on; zero if it need not stop.
fn pause(sending: &Sending) -> u64 {
    match sending.queued().saturating_sub(LOW.min(sending.cap / 4)) {
        0 => 0,
        leave => sending.sent + leave as u64,
    }
}
