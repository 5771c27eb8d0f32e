//! The longer way of a message: behind others that wait, or to nobody.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::sync::{Arc, Condvar};

use wirewright_core::{Close, Message, Misuse, Outbox, Outgoing, Reply};

use super::budget::Charge;
use super::caller::Sent;
use super::rare::{Rare, Waiting};
use super::sending::{LOG, SERVICE, Sending, WAITERS, gate};
use super::topics::Encoded;
use super::tuning::{Tuning, WhenFull};
use crate::error::SendError;

/// Messages are written together, so many at most.
const TOGETHER: usize = 32;
/// So many bytes are encoded ahead of being written.
const AHEAD: usize = 16 * 1024;

impl Sending {
    #[inline]
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// [`send`](Self::send) where something is in the way, or where it is not to be inlined.
    #[cold]
    pub(super) fn send_gated(
        &mut self,
        message: Message<'_>,
        tuning: &Tuning,
    ) -> Result<Sent, SendError> {
        self.send_gated_as(message, true, tuning)
    }

    /// As [`send_gated`](Self::send_gated), and not compressed if it is not to be.
    #[cold]
    pub(super) fn send_gated_as(
        &mut self,
        message: Message<'_>,
        compress: bool,
        tuning: &Tuning,
    ) -> Result<Sent, SendError> {
        if let Some(dropped) = self.make_room(tuning)? {
            return Ok(dropped);
        }
        if self.is_behind(tuning) {
            self.wait(Waiting::Own { message: message.into(), compress });
            return self.written();
        }
        let (outgoing, out) = self.open()?;
        send(outgoing, message, compress, out)?;
        self.count(message.kind());
        self.written()
    }

    /// Sends what other connections are sent too, encoded as this one's peer expects it. It leaves
    /// with what else is published in this turn of the loop.
    pub(crate) fn send_shared(
        &mut self,
        encoded: &Arc<Encoded>,
        tuning: &Tuning,
    ) -> Result<Sent, SendError> {
        self.open()?;
        if self.is_full(tuning.max_queued)
            && let Some(dropped) = self.make_room(tuning)?
        {
            return Ok(dropped);
        }
        self.wait(Waiting::Shared(Arc::clone(encoded)));
        Ok(Sent::Queued(self.queued()))
    }

    /// Sends what other connections are sent too, if nothing waits and the system takes any of it,
    /// of which the rest then waits; whether none does. An error shows at the next attempt.
    pub(crate) fn send_at_once(&mut self, encoded: &Encoded) -> Option<bool> {
        let stream = self.stream.as_ref().filter(|_| self.is_bare() && self.is_open())?;
        let Ok(sent @ 1..) = (&**stream).write(encoded.as_bytes()) else { return None };
        self.taken(sent);
        self.count(encoded.kind());
        let whole = sent == encoded.len();
        if !whole {
            self.out.get_or_insert_default().extend(&encoded.as_bytes()[sent..]);
        }
        Some(whole)
    }

    fn wait(&mut self, message: Waiting) {
        self.gate = 0;
        self.count(message.kind());
        self.rare().push(message);
    }

    /// Whether a message must wait unencoded: behind others that do, or to be dropped again.
    fn is_behind(&self, tuning: &Tuning) -> bool {
        let waiting = self.rare.as_ref().is_some_and(|rare| !rare.waiting.is_empty());
        waiting || tuning.when_full == WhenFull::DropOldest && self.encoded() >= tuning.gate()
    }

    /// A large message: head and payload straight to the system, behind what waits. Only what it
    /// does not take is copied.
    pub(super) fn write_direct(&mut self, head: &[u8], payload: &[u8]) -> Result<Sent, SendError> {
        let Some(stream) = &self.stream else { return Err(SendError::Closed) };
        let out = self.out.get_or_insert_default();
        let waiting = out.poll_transmit().unwrap_or_default();
        let parts = [IoSlice::new(waiting), IoSlice::new(head), IoSlice::new(payload)];
        let mut written = loop {
            match (&**stream).write_vectored(&parts) {
                Ok(n) => break n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.broken(),
            }
        };
        let sent = written.min(waiting.len());
        out.transmitted(sent);
        let all = written;
        written -= sent;
        for part in [head, payload] {
            let sent = written.min(part.len());
            out.extend(&part[sent..]);
            written -= sent;
        }
        let queued = out.len();
        self.taken(all);
        Ok(if queued == 0 { Sent::Written } else { Sent::Queued(queued) })
    }

    /// Makes room for a message; `Some` if it is to be dropped instead.
    fn make_room(&mut self, tuning: &Tuning) -> Result<Option<Sent>, SendError> {
        self.open()?;
        let cap = tuning.max_queued;
        if self.queued() >= cap || !self.corked || self.above == 0 {
            self.flush_or_end()?;
        }
        self.mark(tuning);
        self.join_owed();
        self.reopen_gate(tuning);
        if !self.is_full(cap) {
            return Ok(None);
        }
        // Whoever is refused will want to know when to try again.
        self.above |= SERVICE;
        let refusal = self.refusal(cap);
        match tuning.when_full {
            WhenFull::Refuse => {
                self.rare().totals.untold.refuse(&refusal);
                Err(refusal)
            }
            WhenFull::DropNew => {
                self.rare().totals.drop_one();
                Ok(Some(Sent::Dropped))
            }
            WhenFull::DropOldest => {
                while self.is_full(cap) && self.rare().pop().is_some() {
                    self.rare().totals.drop_one();
                }
                Ok(None)
            }
            WhenFull::Close(code) => {
                let queued = self.queued();
                self.rare().overrun = Some(queued);
                self.fail(code);
                Err(refusal)
            }
        }
    }

    /// Notes that the queue is above its high mark.
    fn mark(&mut self, tuning: &Tuning) {
        if self.queued() >= tuning.high() {
            self.above |= SERVICE;
        }
    }

    fn is_full(&self, cap: usize) -> bool {
        let queued = self.queued();
        let charge = self.rare.as_ref().and_then(|rare| rare.charge.as_ref());
        queued >= cap || queued > 0 && charge.is_some_and(Charge::is_exceeded)
    }

    fn refusal(&self, cap: usize) -> SendError {
        let queued = self.queued();
        match self.rare.as_ref().and_then(|rare| rare.charge.as_ref()) {
            Some(charge) if queued < cap => SendError::Exhausted { max: charge.max() },
            _ => SendError::Full { queued, cap },
        }
    }

    fn reopen_gate(&mut self, tuning: &Tuning) {
        let shut = self.rare.as_ref().is_some_and(|rare| rare.is_in_the_way());
        self.gate = if shut { 0 } else { gate(tuning) };
    }

    /// A Pong that was to wait for an empty queue joins it after all, as those who go on sending
    /// may never leave one.
    fn join_owed(&mut self) {
        if let Some(reply) = self.rare.as_mut().and_then(|rare| rare.owed.take()) {
            self.outgoing.reply(*reply, self.out.get_or_insert_default());
        }
    }

    pub(super) fn owe(&mut self, reply: Reply) {
        self.gate = 0;
        self.rare().owed = Some(Box::new(reply));
    }

    /// Sends a Close behind all that waits.
    pub(crate) fn send_close(&mut self, close: Close<'_>) -> Result<(), SendError> {
        self.open()?;
        self.flatten();
        let (outgoing, out) = self.open()?;
        outgoing.send_close(close, out)?;
        self.written().map(drop)
    }

    /// Encodes all that waits.
    pub(super) fn flatten(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        rare.owed = None;
        let out = self.out.get_or_insert_default();
        while let Some(message) = rare.pop() {
            encode(&mut self.outgoing, &message, out);
        }
    }

    /// All that was encoded has left: what is next? Whether there is more to write.
    pub(super) fn refill(&mut self) -> io::Result<bool> {
        let Some(rare) = &mut self.rare else { return Ok(false) };
        if let Some(reply) = rare.owed.take() {
            self.outgoing.reply(*reply, self.out.get_or_insert_default());
            return Ok(true);
        }
        match rare.waiting.front() {
            None => Ok(false),
            Some(Waiting::Shared(_)) if rare.sealing.is_none() => self.write_shared(),
            Some(_) => {
                let (out, sealed) = (self.out.get_or_insert_default(), rare.sealing.is_some());
                while out.len() < AHEAD
                    && let Some(front) = rare.waiting.front()
                    && (sealed || matches!(front, Waiting::Own { .. }))
                    && let Some(message) = rare.pop()
                {
                    encode(&mut self.outgoing, &message, out);
                }
                Ok(true)
            }
        }
    }

    /// Writes messages from where all connections share them; of one that leaves in part, the rest
    /// is copied.
    fn write_shared(&mut self) -> io::Result<bool> {
        let (Some(rare), Some(stream)) = (&mut self.rare, &self.stream) else { return Ok(false) };
        let mut parts = [IoSlice::new(&[]); TOGETHER];
        let mut count = 0;
        for (part, message) in parts.iter_mut().zip(&rare.waiting) {
            let Waiting::Shared(encoded) = message else { break };
            *part = IoSlice::new(encoded.as_bytes());
            count += 1;
        }
        let mut written = match (&**stream).write_vectored(&parts[..count]) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // The first goes where it waits for the system to have room.
                let first = rare.pop();
                let out = self.out.get_or_insert_default();
                if let Some(message) = &first {
                    encode(&mut self.outgoing, message, out);
                }
                return Ok(first.is_some());
            }
            Err(error) => return Err(error),
        };
        let all = written;
        while written > 0
            && let Some(message) = rare.pop()
        {
            let Waiting::Shared(encoded) = &message else { break };
            let taken = written.min(encoded.len());
            written -= taken;
            if taken < encoded.len() {
                self.out.get_or_insert_default().extend(&encoded.as_bytes()[taken..]);
            }
        }
        self.taken(all);
        Ok(true)
    }

    /// After a flush outside the loop's turns: holds what waits in the budget, and lets go of what
    /// is no longer needed.
    pub(crate) fn account(&mut self, tuning: &Tuning) {
        if self.corked {
            return;
        }
        if self.tally.is_high() {
            self.empty_tally();
        }
        let encoded = self.encoded();
        if encoded == 0 && self.rare.is_none() {
            return;
        }
        self.mark(tuning);
        let rare = self.rare();
        let own = encoded + rare.waiting_own + rare.sealed();
        match &mut rare.charge {
            None if own == 0 => {}
            charge => {
                charge.get_or_insert_with(|| tuning.budget.charge()).set(own);
            }
        }
        if rare.waiting.is_empty() && rare.waiting.capacity() > TOGETHER {
            rare.waiting = VecDeque::new();
        }
        if own == 0 && rare.is_idle() {
            self.rare = None;
        }
        self.reopen_gate(tuning);
    }

    pub(crate) fn empty_tally(&mut self) {
        let mut tally = std::mem::take(&mut self.tally);
        tally.empty_into(&mut self.rare().totals);
    }

    /// Whether the queue has drained and somebody is to hear of it; said once.
    pub(crate) fn has_drained(&mut self, tuning: &Tuning) -> bool {
        if self.above == 0 || self.queued() > tuning.low() {
            return false;
        }
        let whom = std::mem::take(&mut self.above);
        // A queue that is gone with its transport is nobody's to fill.
        self.drained |= if self.stream.is_some() { whom & !LOG } else { 0 };
        if let Some(drained) = self.rare.as_mut().and_then(|rare| rare.drained.take()) {
            drained.notify_all();
        }
        true
    }

    /// A message went to nobody.
    pub(crate) fn dropped(&mut self) {
        self.rare().totals.drop_one();
    }

    /// Where to wait for the queue to drain.
    pub(super) fn await_drain(&mut self) -> Arc<Condvar> {
        self.above |= WAITERS;
        Arc::clone(self.rare().drained.get_or_insert_default())
    }

    /// The end of what is here. Nobody waits any longer; what is still encoded stays in the budget.
    pub(super) fn end_rare(&mut self) -> Option<Charge> {
        let rare = self.rare.as_mut()?;
        rare.waiting = VecDeque::new();
        (rare.waiting_bytes, rare.waiting_own) = (0, 0);
        rare.owed = None;
        rare.place = None;
        if let Some(drained) = rare.drained.take() {
            drained.notify_all();
        }
        rare.charge.take()
    }
}

/// Not where messages usually come by: there the engine is inlined.
#[inline(never)]
fn send(
    outgoing: &mut Outgoing,
    message: Message<'_>,
    compress: bool,
    out: &mut Outbox,
) -> Result<(), Misuse> {
    if compress { outgoing.send(message, out) } else { outgoing.send_uncompressed(message, out) }
}

fn encode(outgoing: &mut Outgoing, message: &Waiting, out: &mut Outbox) {
    // The one error is that a Close was sent, and before one all that waits is encoded.
    let _ = match message {
        Waiting::Shared(encoded) => outgoing.send_encoded(encoded.as_bytes(), out),
        Waiting::Own { message, compress } => send(outgoing, message.message(), *compress, out),
    };
}
