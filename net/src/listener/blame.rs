//! Whose fault a long queue is. What a peer sends mostly asks for more of the same, so that a queue
//! above its mark stops reading; but not for what other threads have put there.

use super::figures::low;
use super::sending::{BUSY, FAILED, PAUSED, Sending, TURN};
use super::tally::HALF;
use super::tuning::Tuning;

/// What of it are reasons.
const REASONS: u8 = PAUSED | BUSY | FAILED;
/// What waits was sent by other threads, or some of it.
pub(super) const OTHERS: u8 = 8;
/// Nevertheless, callbacks of this turn have sent something.
const ANSWERED: u8 = 16;

impl Sending {
    /// Why its peer is not to be read from; once the transport is gone, that is to be read.
    #[inline]
    pub(crate) const fn held(&self) -> u8 {
        if self.stream.is_some() { self.hold & REASONS } else { 0 }
    }

    /// A turn of the loop begins. Callbacks on workers cannot be told from others who send.
    #[inline]
    pub(super) fn begin_turn(&mut self, on_workers: bool) {
        self.hold &= !ANSWERED;
        if on_workers {
            self.hold &= !OTHERS;
        }
    }

    /// A message was sent, or was to be: by the loop's own thread, or by another.
    pub(super) const fn sent_by(&mut self, on_loop: bool) {
        self.hold |= match (on_loop, self.corked) {
            (false, _) => OTHERS,
            (true, true) => ANSWERED,
            (true, false) => 0,
        };
    }

    /// Whether others send too, so that it matters who did.
    pub(super) const fn has_others(&self) -> bool {
        self.hold & OTHERS != 0
    }

    /// Whether a long queue is the fault of what was read, as far as can be told.
    pub(super) const fn is_own_fault(&self) -> bool {
        self.hold & (OTHERS | ANSWERED) != OTHERS
    }

    /// Reading stops until what waits now has left, whatever is queued since; whether there is
    /// anything to wait for.
    pub(super) fn pause(&mut self, tuning: &Tuning) -> bool {
        let leave = self.queued().saturating_sub(tuning.low());
        if leave > 0 {
            // Of a queue that is longer than that, the rest is looked at then.
            let mark = low(self.sent + leave.min(1 << 30) as u64);
            self.rare().paused_to = Some(mark);
        }
        leave > 0
    }

    /// Whether that has yet to leave.
    pub(super) fn is_paused(&self) -> bool {
        let mark = self.rare.as_ref().and_then(|rare| rare.paused_to);
        // The mark was never further away than half of what these numbers count.
        let left = |mark| low(self.sent).wrapping_sub(mark) < HALF || self.queued() == 0;
        mark.is_some_and(|mark| !left(mark))
    }

    /// If it has, the connection is to have a turn. Nobody else may say so: other threads may take
    /// all the room that the system has, so that no event ever tells the loop of any.
    pub(super) fn resume(&mut self) {
        if !self.is_paused()
            && let Some(rare) = &mut self.rare
            && rare.paused_to.take().is_some()
        {
            self.drained |= TURN;
        }
    }
}
