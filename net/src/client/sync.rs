//! What turns and custody are made of, so that a model checker can put its own in their place.

#[cfg(not(all(test, loom)))]
mod real {
    pub(in crate::client) use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};
    pub(in crate::client) use std::sync::{Condvar, Mutex, MutexGuard};
}

#[cfg(all(test, loom))]
mod real {
    pub(in crate::client) use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};
    pub(in crate::client) use loom::sync::{Condvar, Mutex, MutexGuard};
}

pub(super) use real::*;
