//! What a connection does because time has passed.

use std::time::Duration;

use wirewright_core::{CloseCode, KeepAliveAction, Message};

use super::context::Context;
use super::open::{End, Flow, Open, RATE};
use super::pacing::Silence;
use super::service::Service;
use crate::close_frame::CloseFrame;
use crate::error::ConnectionError;

impl Open {
    /// The time at which [`timeout`](Self::timeout) has something to do.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let pacing = self.pacing.as_ref().and_then(|pacing| pacing.deadline());
        // After a Close no Ping can be sent, and that deadline governs.
        let watch = self.keep_alive.poll_timeout().filter(|_| self.close_by().is_none());
        let keep_alive = watch.map(|wake| wake.at);
        // A peer that is not read from is not to blame for what it has not finished.
        let assembly = self.incoming.poll_timeout().filter(|_| !self.is_held());
        [pacing, assembly, keep_alive].into_iter().flatten().min()
    }

    /// Whether that is no earlier than it was: what has passed since has only put it off.
    #[inline]
    pub(crate) fn is_steady(&self) -> bool {
        let waits = self.keep_alive.is_awaiting_pong() || self.pacing.is_some();
        !waits && self.incoming.poll_timeout().is_none()
    }

    pub(super) fn close_by(&self) -> Option<Duration> {
        self.pacing.as_ref().and_then(|pacing| pacing.close_by)
    }

    /// The peer has from now on to answer our Close.
    pub(super) fn await_close(&mut self, ctx: &Context) {
        let own = self.caller.lock().rare.as_ref().and_then(|rare| rare.close_timeout);
        let by = ctx.now.saturating_add(own.unwrap_or(self.caller.settings().close_timeout));
        let pacing = self.pacing.get_or_insert_default();
        pacing.close_by.get_or_insert(by);
        // Nothing can be sent any more.
        pacing.streams.clear();
    }

    /// Acts on what is due; whether the connection is to have a turn.
    pub(crate) fn timeout(&mut self, ctx: &mut Context) -> Result<bool, End> {
        let _span = self.span();
        if self.close_by().is_some_and(|at| at <= ctx.now) {
            return Err(End::Lost(None));
        }
        if !self.is_held()
            && let Err(limit) = self.incoming.handle_timeout(ctx.now)
        {
            let error = ConnectionError::Limit(limit);
            return match self.fail(limit.close_code(), &error) {
                Flow::End(end) => Err(end),
                _ => Ok(false),
            };
        }
        self.advance(ctx.now).map_err(|error| End::Lost(Some(error)))?;
        let mut sending = self.caller.lock();
        self.told.tell(&mut sending, self.caller.figures());
        let drained = sending.drained != 0;
        drop(sending);
        if self.close_by().is_some() {
            return Ok(drained);
        }
        let turn = self.pace(ctx) | drained;
        self.expire(ctx);
        if self.service.is_none() {
            // A callback has panicked.
            let Flow::End(end) = self.over() else { return Ok(turn) };
            return Err(end);
        }
        self.watch(ctx)?;
        Ok(turn)
    }

    /// Looks after the peer's being alive.
    fn watch(&mut self, ctx: &Context) -> Result<(), End> {
        if self.is_held() {
            // It is we who do not listen.
            self.keep_alive.activity(ctx.now);
        }
        match self.keep_alive.handle_timeout(ctx.now) {
            KeepAliveAction::None => Ok(()),
            KeepAliveAction::Ping(payload) => {
                // If nothing was sent for long either, little is to be held.
                self.caller.lock().outgoing.release_idle();
                match self.caller.ping(&payload) {
                    // A queue at its cap says as much as a Ping would: what is owed joins it then.
                    Ok(_) | Err(_) => Ok(()),
                }
            }
            KeepAliveAction::Dead => {
                self.report(&ConnectionError::Unresponsive);
                Err(End::Lost(None))
            }
        }
    }

    /// Looks after rates, silence and age; whether the peer may be read from again.
    fn pace(&mut self, ctx: &Context) -> bool {
        let Some(pacing) = &mut self.pacing else { return false };
        let rested = pacing.rested.take_if(|at| *at <= ctx.now).is_some();
        let expired = pacing.expires.take_if(|at| *at <= ctx.now).is_some();
        let wrote = self.caller.lock().rare.as_ref().and_then(|rare| rare.wrote);
        let silence = pacing.idle.as_mut().map_or(Silence::Short, |idle| {
            idle.touch(wrote.unwrap_or_default());
            idle.check(ctx.now)
        });
        if rested {
            self.stopped &= !RATE;
        }
        if silence == Silence::Tell {
            self.caller.figures().idle.add(1);
            self.call_guarded(Service::on_idle_timeout);
        }
        if expired || silence == Silence::Close {
            self.go_away(ctx);
        }
        rested
    }

    /// Says 1001 and awaits the answer.
    pub(crate) fn go_away(&mut self, ctx: &Context) {
        self.dismiss(&CloseFrame::going_away(""), ctx);
    }

    /// What came counts towards the rates: how many messages may be handled, or what is done
    /// instead.
    #[cold]
    pub(super) fn allowance(&mut self, ctx: &mut Context) -> Result<u32, Flow> {
        let (bytes, now) = (std::mem::take(&mut ctx.fresh), ctx.now);
        let tuning = self.caller.tuning();
        let Some(pacing) = &mut self.pacing else { return Ok(u32::MAX) };
        match pacing.read(bytes.into(), now, tuning) {
            Ok(within) => {
                // What was read is handled, and then there is a rest.
                self.stopped |= if within { 0 } else { RATE };
                Ok(pacing.allowance(now, tuning))
            }
            Err(error) => Err(self.fail(CloseCode::POLICY_VIOLATION, &error)),
        }
    }

    /// The last message that the rate allows, or the first that it does not.
    #[cold]
    pub(super) fn last(&mut self, message: Message<'_>) -> Flow {
        let Some(pacing) = &self.pacing else { return Flow::Again };
        if let Err(error) = pacing.spent(self.caller.tuning()) {
            return self.fail(CloseCode::POLICY_VIOLATION, &error);
        }
        self.stopped |= RATE;
        self.deliver(message);
        Flow::Paused
    }
}
