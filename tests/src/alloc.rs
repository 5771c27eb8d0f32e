//! The allocator of the tests: the system's, counting what each thread asks of it.

#![expect(unsafe_code, reason = "an allocator is unsafe by nature; no other module may be")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting.
#[derive(Debug)]
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What one thread did. Memory that is freed by another thread than allocated it counts as held
/// by the one and owed by the other.
#[derive(Clone, Copy)]
struct Counts {
    /// Calls that gave memory out, growth included.
    calls: u64,
    held: i64,
    peak: i64,
}

thread_local! {
    // Neither made nor dropped by code, so that the allocator may use it at any time.
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { calls: 0, held: 0, peak: 0 }) };
}

fn count(calls: u64, taken: usize, given_back: usize) {
    let mut counts = COUNTS.get();
    counts.calls += calls;
    // No allocation exceeds `isize::MAX`.
    counts.held += taken.cast_signed() as i64 - given_back.cast_signed() as i64;
    counts.peak = counts.peak.max(counts.held);
    COUNTS.set(counts);
}

// SAFETY: each method passes its arguments on to the system's allocator as they are, and its
// answer back; the contract is therefore the caller's and the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(1, new_size, layout.size());
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// Measures what this thread allocates from its making on. Threads do not disturb each other, and
/// of several meters on one thread the last one made shows peaks.
#[derive(Debug)]
pub struct Meter {
    calls: u64,
    held: i64,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter {
    /// A meter at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut counts = COUNTS.get();
        counts.peak = counts.held;
        COUNTS.set(counts);
        Self { calls: counts.calls, held: counts.held }
    }

    /// How often memory was asked for.
    #[must_use]
    pub fn allocations(&self) -> u64 {
        COUNTS.get().calls - self.calls
    }

    /// Bytes held now over those at the beginning.
    #[must_use]
    pub fn held(&self) -> u64 {
        (COUNTS.get().held - self.held).max(0).cast_unsigned()
    }

    /// The most bytes held at any time over those at the beginning.
    #[must_use]
    pub fn peak(&self) -> u64 {
        (COUNTS.get().peak - self.held).max(0).cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;

    #[test]
    fn counts_what_this_thread_takes_and_gives_back() {
        let meter = Meter::new();
        let mut bytes = vec![0_u8; 1000];
        assert_eq!((meter.allocations(), meter.held(), meter.peak()), (1, 1000, 1000));
        bytes.reserve_exact(3000);
        assert_eq!((meter.allocations(), meter.held(), meter.peak()), (2, 4000, 4000));
        drop(bytes);
        assert_eq!((meter.allocations(), meter.held(), meter.peak()), (2, 0, 4000));
        let elsewhere = std::thread::spawn(|| Meter::new().held());
        assert_eq!(elsewhere.join().unwrap(), 0);
    }
}
