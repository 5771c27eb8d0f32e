//! A connection after its handshake: events of the engine into callbacks of the service.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use wirewright_core::{Event, Inbox, Incoming, KeepAlive, Message, MessageKind};

use super::caller::Caller;
use super::calls::connection_span;
use super::context::Context;
use super::expiry::Expiry;
use super::figures::{Told, count};
use super::pacing::Pacing;
use super::sending::{FAILED, Rest, Sending};
use super::service::{RunOn, Service};
use super::tuning::Tuning;
use super::work::Remote;
use crate::clock;
use crate::error::ConnectionError;
use crate::{metrics, trace};

/// The stage in which messages pass.
pub(crate) struct Open {
    pub(super) caller: Caller,
    pub(super) incoming: Incoming,
    /// `None` once it has panicked or been told of the end.
    pub(super) service: Option<Box<dyn Service>>,
    pub(super) keep_alive: KeepAlive,
    /// How much of what was sent the figures were told of.
    pub(super) told: Told,
    /// What few connections have.
    pub(super) pacing: Option<Box<Pacing>>,
    /// Why the peer is not read from: [`HELD`], [`RATE`], [`DEAD`], [`QUEUE`].
    pub(super) stopped: u8,
    /// Its callbacks run on workers.
    on_workers: bool,
}

/// Somebody else has said so, as far as this turn knows.
const HELD: u8 = 1;
/// The peer has sent more than it may, for now.
pub(super) const RATE: u8 = 2;
/// The service has panicked.
pub(super) const DEAD: u8 = 4;
/// The peer does not read what we send, or not as fast as it asks for it.
const QUEUE: u8 = 8;

/// Where handling leaves a connection.
pub(crate) enum Flow {
    /// Read on, best so many bytes.
    NeedMore(usize),
    /// Read on when others had their turn.
    Again,
    /// Read on when the queue has drained, or whatever else is in the way has gone.
    Paused,
    /// The stage is over.
    End(End),
}

/// How a stage ended, with the bytes that are still to be sent.
pub(crate) enum End {
    /// The request was answered with something else than 101.
    Refused(Box<Rest>),
    /// Both sides have said Close.
    Closed(Box<Rest>),
    /// We have said why and will hear no more.
    Failed(Box<Rest>),
    /// The transport is gone.
    Lost(Option<io::Error>),
}

/// So many bytes more in a queue that others fill, before it is looked at again in a turn.
const STEP: usize = 64 * 1024;

impl Open {
    pub(crate) fn new(
        caller: Caller,
        incoming: Incoming,
        mut service: Box<dyn Service>,
        ctx: &Context,
    ) -> Self {
        let span = connection_span(&caller);
        let on_workers = service.runs_on() == RunOn::Workers;
        if on_workers {
            let workers = ctx.settings.workers.clone();
            service = Box::new(Remote::new(service, caller.clone(), workers, span.clone()));
        }
        let mut pacing = Pacing::new(caller.tuning(), caller.id(), ctx.now);
        if !span.is_disabled() {
            pacing.get_or_insert_default().span = Some(span);
        }
        if let Some(expiry) = Expiry::of(&caller, ctx.now) {
            pacing.get_or_insert_default().identity = Some(expiry);
        }
        metrics::opened(metrics::SERVER, &caller.settings().name);
        Self {
            incoming,
            service: Some(service),
            keep_alive: KeepAlive::new(Arc::clone(&caller.settings().keep_alive), ctx.now),
            told: Told::default(),
            pacing,
            stopped: 0,
            on_workers,
            caller,
        }
    }

    /// How long a Close has for its answer.
    pub(crate) fn close_timeout(&self) -> Duration {
        self.caller.settings().close_timeout
    }

    /// Tells the service that the connection is open.
    pub(crate) fn begin(&mut self, ctx: &mut Context) {
        ctx.mark = self.caller.tuning().high();
        let figures = self.caller.figures();
        figures.opened.add(1);
        self.caller.lock().cork(&mut ctx.lent);
        let _span = self.span();
        let service = &*self.caller.settings().name;
        let sub_protocol = self.caller.sub_protocol();
        tracing::debug!(caller = ?self.caller, service, sub_protocol, "open");
        self.call_guarded(Service::on_open);
    }

    /// Before a turn: sends what waits if that is possible now, and lends the loop's outbox.
    pub(crate) fn resume(&mut self, ctx: &mut Context) -> io::Result<()> {
        if self.is_paused() || self.caller.queued() > 0 {
            self.advance(ctx.now)?;
        }
        let mut sending = self.caller.lock();
        if self.stopped & QUEUE != 0 && !sending.is_paused() {
            self.stopped &= !QUEUE;
        }
        self.stopped = if sending.held() == 0 { self.stopped & !HELD } else { self.stopped | HELD };
        ctx.mark = self.caller.tuning().high().max(sending.queued() + 1);
        ctx.messages_out = sending.tally.messages_out;
        sending.begin_turn(self.on_workers);
        sending.cork(&mut ctx.lent);
        if sending.drained != 0 || sending.hold & FAILED != 0 || sending.has_news() {
            drop(sending);
            self.resume_rare(ctx);
        }
        Ok(())
    }

    #[cold]
    fn resume_rare(&mut self, ctx: &Context) {
        let _span = self.span();
        let mut sending = self.caller.lock();
        let failed = sending.hold & FAILED != 0;
        let overrun = sending.rare.as_mut().and_then(|rare| rare.overrun.take());
        drop(sending);
        if failed {
            // It has panicked on a worker, where it was dropped.
            (self.service, self.stopped) = (None, self.stopped | DEAD);
        }
        if let Some(queued) = overrun {
            self.report(&ConnectionError::Overrun { queued, cap: self.caller.tuning().max_queued });
        }
        self.note_renewal(ctx);
        self.tell_drained();
    }

    /// Sends what waits, as far as that goes.
    pub(super) fn advance(&mut self, now: Duration) -> io::Result<()> {
        let mut sending = self.caller.lock();
        let before = sending.sent;
        sending.flush()?;
        self.caller.note(&mut sending);
        if sending.sent != before {
            // Who reads is alive, though its answer to a Ping may lie where we do not read, and
            // the Ping behind what waits.
            self.keep_alive.activity(now);
        }
        Ok(())
    }

    /// After a turn: sends what gathered. Whether there is more to do.
    pub(crate) fn settle(&mut self, ctx: &mut Context) -> io::Result<bool> {
        if self.pacing.is_some() {
            self.settle_pacing(ctx);
        }
        let mut sending = self.caller.lock();
        count(&self.caller, &mut sending, ctx);
        let queued = sending.uncork(&mut ctx.lent)?;
        self.told.tell(&mut sending, self.caller.figures());
        self.caller.note(&mut sending);
        // If it has stopped and what it waits for has left, noting that has earned it a turn.
        if self.stopped & QUEUE == 0 && queued >= ctx.mark && sending.is_own_fault() {
            self.stopped |= pause(&mut sending, self.caller.tuning());
        }
        let (closing, drained) = (sending.is_close_sent(), sending.drained != 0);
        drop(sending);
        if closing && self.close_by().is_none() {
            self.await_close(ctx);
        }
        Ok(drained || self.stopped & DEAD != 0 || self.has_more_to_stream())
    }

    /// What pacing has to do with the turn that ends.
    fn settle_pacing(&mut self, ctx: &Context) {
        let Some(pacing) = &mut self.pacing else { return };
        if let Some(idle) = &mut pacing.idle
            && (ctx.messages_in > 0 || self.caller.lock().tally.messages_out != ctx.messages_out)
        {
            idle.touch(ctx.now);
        }
        let low = self.caller.tuning().low();
        let has_room = |caller: &Caller| !caller.is_at(low + 1);
        if let Err(error) = pacing.streams.advance(&self.caller, has_room) {
            self.report(&error);
        }
    }

    fn has_more_to_stream(&self) -> bool {
        let streams = self.pacing.as_ref().is_some_and(|pacing| !pacing.streams.is_empty());
        streams && self.caller.queued() <= self.caller.tuning().low()
    }

    /// Whether the peer is not to be read from.
    pub(crate) const fn is_paused(&self) -> bool {
        self.stopped != 0
    }

    /// Whether that is nothing that the peer could help.
    pub(super) const fn is_held(&self) -> bool {
        self.stopped & !QUEUE != 0
    }

    /// Handles all that has arrived, under one guard against panics: one for each message would
    /// cost as much as decoding it.
    pub(crate) fn handle(&mut self, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        let _span = self.span();
        let flow = catch_unwind(AssertUnwindSafe(|| self.handle_all(inbox, ctx)));
        if let Some(slow) = self.caller.tuning().slow_callback {
            let (now, before) = (clock::now(), ctx.looked);
            ctx.looked = now;
            if now.saturating_sub(before) >= slow {
                self.complain(now.saturating_sub(before));
            }
        }
        flow.unwrap_or_else(|_| {
            self.panicked();
            Flow::End(End::Failed(self.end()))
        })
    }

    #[cold]
    fn complain(&self, took: Duration) {
        let name = self.service.as_ref().map_or("gone", |service| service.name());
        tracing::warn!(caller = ?self.caller, service = name, ?took, "callbacks held up the loop");
    }

    fn handle_all(&mut self, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        if self.is_paused() {
            return if self.service.is_none() { self.over() } else { Flow::Paused };
        }
        self.keep_alive.activity(ctx.now);
        let allowance = match &mut self.pacing {
            None => u32::MAX,
            Some(_) => match self.allowance(ctx) {
                Ok(messages) => messages,
                Err(flow) => return flow,
            },
        };
        let (flow, left) = if trace::shows_messages() {
            self.handle_traced(inbox, ctx, allowance)
        } else {
            self.handle_some::<false>(inbox, ctx, allowance)
        };
        let handled = allowance - left;
        ctx.messages_in += handled;
        if let Some(pacing) = &mut self.pacing {
            pacing.handled(handled, ctx.now);
            if self.stopped & RATE != 0 {
                pacing.rest();
                self.caller.figures().rates_exceeded.add(1);
                tracing::debug!(caller = ?self.caller, "over its rate, and held up for that");
                return if let Flow::End(_) = flow { flow } else { Flow::Paused };
            }
        }
        flow
    }

    /// As [`handle_some`](Self::handle_some), not where messages usually come by.
    #[cold]
    #[inline(never)]
    fn handle_traced(&mut self, inbox: &mut Inbox, ctx: &mut Context, left: u32) -> (Flow, u32) {
        self.handle_some::<true>(inbox, ctx, left)
    }

    /// Handles so many messages, and all that is between them; how many are left to be.
    #[inline]
    fn handle_some<const TRACED: bool>(
        &mut self,
        inbox: &mut Inbox,
        ctx: &mut Context,
        mut left: u32,
    ) -> (Flow, u32) {
        let (mut texts, mut mark) = (0, ctx.mark);
        let flow = loop {
            if self.service.is_none() {
                // It has panicked, perhaps in `on_open`.
                break self.over();
            }
            if self.caller.is_at(mark) {
                match self.relieve(mark) {
                    Ok(Some(next)) => mark = next,
                    Ok(None) => break Flow::Paused,
                    Err(error) => break Flow::End(End::Lost(Some(error))),
                }
            }
            let event = match self.incoming.receive(ctx.now, inbox) {
                Ok(event) => event,
                Err(error) => break self.fail(error.close_code(), &error.into()),
            };
            match event {
                Event::NeedMore { hint } => break Flow::NeedMore(hint),
                Event::Message(message) => {
                    left -= 1;
                    if metrics::ON {
                        texts += u32::from(message.kind() == MessageKind::Text);
                    }
                    if TRACED {
                        trace::message("received", self.caller.id(), message);
                    }
                    if left == 0 {
                        break self.last(message);
                    }
                    self.deliver(message);
                }
                Event::Ping(payload) => {
                    self.caller.figures().pings_in.add(1);
                    trace::control("received a ping", self.caller.id(), payload);
                    self.call(Some(payload), |service, caller| service.on_ping(caller, payload));
                }
                Event::Pong(payload) => {
                    self.caller.figures().pongs_in.add(1);
                    trace::control("received a pong", self.caller.id(), payload);
                    if let Some(rtt) = self.keep_alive.pong(ctx.now, payload) {
                        self.caller.measured(rtt);
                        ctx.sooner = true;
                    }
                    self.call(None, |service, caller| service.on_pong(caller, payload));
                }
                Event::Closed(close) => break self.closed(close),
                // Streaming was not asked for.
                Event::Fragment(_) => {}
            }
        };
        if metrics::ON {
            self.caller.figures().texts_in.add(texts.into());
        }
        (flow, left)
    }

    #[inline]
    pub(super) fn deliver(&mut self, message: Message<'_>) {
        match message {
            Message::Text(text) => self.call(None, |service, caller| service.on_text(caller, text)),
            Message::Binary(bytes) => {
                self.call(None, |service, caller| service.on_binary(caller, bytes));
            }
        }
    }

    /// Writes early, because much has gathered. At which length of the queue to look again;
    /// `None` if reading stops, because that did not help and what waits is reading's fault.
    #[cold]
    fn relieve(&mut self, mark: usize) -> io::Result<Option<usize>> {
        let mut sending = self.caller.lock();
        sending.flush()?;
        self.caller.note(&mut sending);
        let queued = sending.queued();
        if sending.held() != 0 {
            self.stopped |= HELD;
        } else if sending.is_own_fault() {
            self.stopped |= pause(&mut sending, self.caller.tuning());
        } else if queued >= mark {
            // Others fill it: not every message is to look whether they still do.
            return Ok(Some(queued + STEP));
        }
        Ok(if self.is_paused() { None } else { Some(mark) })
    }
}

/// Why reading stops for the queue; zero if it need not.
fn pause(sending: &mut Sending, tuning: &Tuning) -> u8 {
    if sending.pause(tuning) { QUEUE } else { 0 }
}
