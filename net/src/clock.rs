//! Time as the engine wants it: a duration since some fixed moment.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The moment from which this process counts.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time since the process first asked.
pub(crate) fn now() -> Duration {
    START.elapsed()
}
