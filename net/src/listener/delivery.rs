//! What a loop does for many connections at once: publishes, sheds load, says goodbye.

use std::io;
use std::time::Duration;

use mio::Token;
use wirewright_core::CloseCode;

use super::connection::{Connection, Next, Stage};
use super::context::Context;
use super::event_loop::EventLoop;
use super::open::{End, Flow, Open};
use super::topics::Publication;
use crate::error::ConnectionError;

impl EventLoop {
    /// Puts a message into the queues of its subscribers or, if it is `alone`, sends it to those
    /// for whom nothing waits. None of them runs any code or goes away in here, whatever happens
    /// to its queue.
    pub(super) fn publish(&mut self, publication: &Publication, alone: bool) {
        let now = alone.then_some(self.ctx.now);
        for token in self.subscribers.of(&publication.topic) {
            let Some(connection) = self.slots.get_mut(token) else { continue };
            if connection.publish(publication, now) && !connection.published {
                connection.published = true;
                self.published.push(token);
            }
        }
    }

    /// Writes what was published since the last time, once for each connection.
    pub(super) fn send_published(&mut self) {
        let mut tokens = std::mem::take(&mut self.published);
        for token in tokens.drain(..) {
            let Some(connection) = self.slots.get_mut(token) else { continue };
            connection.published = false;
            let next = connection.send_published(&mut self.ctx);
            self.after(token, next);
        }
        self.published = tokens;
    }

    /// Ends connections, those that hold most first, until the budget has room for what is left.
    /// What other loops hold is theirs to end.
    pub(super) fn shed(&mut self) {
        self.ctx.exceeded = false;
        while self.ctx.settings.defaults.tuning.budget.is_exceeded() {
            let held = |&token: &Token| self.slots.get(token).map_or(0, Connection::held);
            let most = self.slots.tokens().into_iter().max_by_key(held);
            let Some(token) = most.filter(|token| held(token) > 0) else { return };
            let Some(connection) = self.slots.get_mut(token) else { return };
            let next = connection.shed(&mut self.ctx);
            self.after(token, next);
        }
    }

    /// Has all connections told to go before the loop ends, one after another over the window that
    /// the options say.
    pub(super) fn spread(&mut self, stop_by: Duration) {
        let now = self.ctx.now;
        let window = self.ctx.settings.defaults.tuning.shutdown_spread;
        let window = window.min(stop_by.saturating_sub(now) / 2);
        let tokens = self.slots.tokens();
        let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX).max(1);
        let times = (0..).map(|number| now.saturating_add(window / count * number));
        self.leaving = times.zip(tokens).collect();
        self.dismiss();
    }

    /// Tells those to go whose time has come.
    pub(super) fn dismiss(&mut self) {
        while let Some((_, token)) = self.leaving.pop_front_if(|(at, _)| *at <= self.ctx.now) {
            let Some(connection) = self.slots.get_mut(token) else { continue };
            let next = connection.go_away(&mut self.ctx);
            self.after(token, next);
        }
    }
}

impl Connection {
    /// What it holds of the budget: a message that is incomplete, and what waits for the peer.
    pub(crate) fn held(&self) -> u64 {
        let queued = if let Stage::Open(open) = &self.stage { open.held() } else { 0 };
        queued + self.inbox.as_ref().map_or(0, |own| own.bytes())
    }

    /// Ends as the one that holds most of a budget that is exceeded.
    pub(crate) fn shed(&mut self, ctx: &mut Context) -> Next {
        self.inbox = None;
        if let Stage::Open(open) = &mut self.stage {
            let error =
                ConnectionError::Exhausted { max: ctx.settings.defaults.tuning.budget.max() };
            if open.held() > 0 {
                // Whoever does not read will not read a Close behind all that waits either.
                open.report(&error);
                open.gone();
            } else if let Flow::End(end) = open.fail(CloseCode::TRY_AGAIN_LATER, &error) {
                return self.end(end, ctx);
            }
        }
        self.close();
        Next::Gone
    }

    /// Hands on what was published, `now` if possible; whether something is to be done about it
    /// at the end of this turn of the loop.
    pub(crate) fn publish(&mut self, publication: &Publication, now: Option<Duration>) -> bool {
        let Stage::Open(open) = &mut self.stage else { return false };
        open.publish(publication, now)
    }

    /// Sends what was published.
    pub(crate) fn send_published(&mut self, ctx: &mut Context) -> Next {
        let Stage::Open(open) = &mut self.stage else { return Next::Wait };
        match open.send_published(ctx) {
            Ok(true) => Next::Again,
            Ok(false) => Next::Wait,
            Err(error) => {
                let next = self.end(End::Lost(Some(error)), ctx);
                self.close();
                next
            }
        }
    }
}

impl Open {
    /// What its queue holds of the budget.
    fn held(&self) -> u64 {
        self.caller.lock().rare.as_ref().map_or(0, |rare| rare.charged())
    }

    /// Sends what was published `now` if nothing waits, else puts it into the queue; whether there
    /// is more to do.
    pub(crate) fn publish(&mut self, publication: &Publication, now: Option<Duration>) -> bool {
        if publication.but == Some(self.caller.id()) {
            return false;
        }
        let tuning = self.caller.tuning();
        let message = publication.message();
        let mut sending = self.caller.lock();
        // Nobody is there to be told of a refusal: what is dropped is counted, and a Close or the
        // end shows when the queue is written.
        let sent = match sending.encoding(message.len()) {
            Some(encoding) => {
                let encoded = publication.encoded(encoding, &tuning.budget);
                if let Some(now) = now
                    && let Some(whole) = sending.send_at_once(&encoded)
                {
                    self.told.tell(&mut sending, self.caller.figures());
                    drop(sending);
                    self.touch(now);
                    return !whole;
                }
                sending.send_shared(&encoded, tuning)
            }
            None => sending.send_gated(message, tuning),
        };
        self.caller.log_full(&mut sending, &sent);
        if sent.is_err() && sending.is_open() {
            sending.dropped();
        }
        true
    }

    /// A message was sent to it outside its turns.
    fn touch(&mut self, now: Duration) {
        if let Some(idle) = self.pacing.as_mut().and_then(|pacing| pacing.idle.as_mut()) {
            idle.touch(now);
        }
    }

    /// Writes what was published; whether there is more to do.
    pub(crate) fn send_published(&mut self, ctx: &Context) -> io::Result<bool> {
        self.touch(ctx.now);
        let mut sending = self.caller.lock();
        sending.flush_alone()?;
        self.caller.note(&mut sending);
        self.told.tell(&mut sending, self.caller.figures());
        Ok(sending.drained != 0 || sending.has_news())
    }
}
