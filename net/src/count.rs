//! Counters that cost next to nothing where one thread at a time counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that anybody may read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// For the one thread that counts at the time: a load and a store.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.set(self.value().wrapping_add(n));
    }

    /// For what is rare and may happen on several threads at once. Nothing that is counted in this
    /// manner is counted in the other.
    pub(crate) fn add_anywhere(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
