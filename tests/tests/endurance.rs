//! What takes a while, counts what a whole process holds, or loads the machine. A binary of its
//! own, and one test at a time, so that neither these nor others are disturbed.
//!
//! More of each: `WIREWRIGHT_CONNECTS`, `WIREWRIGHT_DRAIN`, `WIREWRIGHT_SOAK_SECONDS`. What they
//! measure is printed: `cargo test --release -p wirewright-tests --test endurance -- --nocapture`.
#![cfg(target_os = "linux")]

mod descriptors;
mod drain;
mod hostile;
mod leaks;
mod probe;
mod soak;
mod starved;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by each test here while it runs.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    // A test that failed is no reason for the next to.
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
