//! A time in half the room of a `Duration`.

use core::num::NonZeroU64;
use core::time::Duration;

/// A time since the caller's fixed moment, as idle connections hold it: eight bytes, also where
/// it may be missing. Nanoseconds, one too many, so that zero is free for `None`; after 584 years
/// it stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

impl Moment {
    #[inline]
    pub(crate) fn new(time: Duration) -> Self {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    #[inline]
    pub(crate) const fn time(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }
}
