//! What has passed on a connection.

use std::time::Duration;

use crate::error::SendError;

/// Figures of one connection, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallerStats {
    /// Bytes received: frames with their headers. Behind by what the turn under way has read.
    pub bytes_in: u64,
    /// Messages received, in the same manner.
    pub messages_in: u64,
    /// Bytes that the system has taken.
    pub bytes_out: u64,
    /// Messages sent, those in the queue included.
    pub messages_out: u64,
    /// Messages that were dropped because the queue was full.
    pub dropped: u64,
    /// The latest round trip of a Ping of ours, if there was one.
    pub rtt: Option<Duration>,
    /// How long it has been open.
    pub age: Duration,
}

/// Counters of four bytes each, for those of eight would push an idle connection into the
/// allocator's next size. They are emptied into [`Totals`] long before they are full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) bytes_in: u32,
    pub(crate) messages_in: u32,
    pub(crate) messages_out: u32,
}

/// Where a [`Tally`] is emptied, on connections that are busy or old.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    bytes_in: u64,
    messages_in: u64,
    messages_out: u64,
    pub(crate) dropped: u64,
    pub(crate) untold: Untold,
}

/// What the listener's figures were not told of yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) dropped: u32,
    pub(crate) refused_by_queue: u32,
    pub(crate) refused_by_budget: u32,
}

impl Untold {
    /// A message was refused.
    pub(crate) const fn refuse(&mut self, refusal: &SendError) {
        let count = match refusal {
            SendError::Exhausted { .. } => &mut self.refused_by_budget,
            _ => &mut self.refused_by_queue,
        };
        *count = count.saturating_add(1);
    }
}

impl Totals {
    pub(crate) const fn is_empty(&self) -> bool {
        let Untold { dropped, refused_by_queue, refused_by_budget } = self.untold;
        let untold = dropped | refused_by_queue | refused_by_budget;
        self.bytes_in | self.messages_in | self.messages_out | self.dropped == 0 && untold == 0
    }

    /// A message was dropped.
    pub(crate) const fn drop_one(&mut self) {
        self.dropped += 1;
        self.untold.dropped = self.untold.dropped.saturating_add(1);
    }
}

/// A tally with a counter from here on is emptied: so much more fits into no one turn.
pub(crate) const HALF: u32 = 1 << 31;

impl Tally {
    /// Whether it is time to empty it.
    #[inline]
    pub(crate) const fn is_high(&self) -> bool {
        (self.bytes_in | self.messages_in | self.messages_out) >= HALF
    }

    pub(crate) fn empty_into(&mut self, totals: &mut Totals) {
        totals.bytes_in += u64::from(std::mem::take(&mut self.bytes_in));
        totals.messages_in += u64::from(std::mem::take(&mut self.messages_in));
        // The rest stays, for whoever looks at how much it has grown.
        totals.messages_out += u64::from(self.messages_out & HALF);
        self.messages_out &= !HALF;
    }

    /// The figures, with what was emptied before.
    pub(crate) fn with(mut self, totals: Option<&Totals>) -> CallerStats {
        let mut all = totals.copied().unwrap_or_default();
        self.empty_into(&mut all);
        let Totals { bytes_in, messages_in, messages_out, dropped, .. } = all;
        let messages_out = messages_out + u64::from(self.messages_out);
        CallerStats { bytes_in, messages_in, messages_out, dropped, ..CallerStats::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_a_tally_is_emptied() {
        let (mut tally, mut totals) = (Tally::default(), Totals::default());
        for _ in 0..3 {
            tally.bytes_in += HALF - 1;
            tally.messages_out += 1;
            assert!(!tally.is_high());
            tally.bytes_in += 1;
            assert!(tally.is_high());
            tally.empty_into(&mut totals);
        }
        tally.messages_in = 7;
        let stats = tally.with(Some(&totals));
        assert_eq!((stats.bytes_in, stats.messages_in, stats.messages_out), (3 << 31, 7, 3));
    }
}
