//! Time as the engine wants it: a duration since some fixed moment.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The moment from which this process counts.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A time in half the room of a `Duration`, for what idle connections hold; after 584 years it
/// stands still.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The time since the process first asked.
pub(crate) fn now() -> Duration {
    START.elapsed()
}
