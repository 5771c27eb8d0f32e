//! The one kind of buffer below inbox and outbox: a queue of bytes in one piece.

use alloc::vec::Vec;
use core::fmt;

/// Bytes that arrive at the end and leave at the front, always contiguous.
///
/// Invariant: `start <= end <= bytes.len()`. All of `bytes` is initialised, so that a read may
/// fill the tail without zeroing it each time; zeroing happens once, when the buffer grows.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// How often in a row the buffer ran empty having used less than a quarter of itself.
    roomy: u8,
    /// The furthest that `end` went since the buffer last ran empty.
    peak: usize,
}

/// A buffer this small is never given back.
const KEEP: usize = 16 * 1024;
/// So many half-empty turns, and a buffer that once grew gives half of itself back.
const PATIENCE: u8 = 64;
/// What a buffer may hold over a quarter more than what it holds of use, when it grows.
const SLACK: usize = 4 * 1024;

impl Buffer {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, roomy: 0, peak: 0 }
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: alloc::vec![0; capacity], ..Self::new() }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    #[inline]
    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Removes `n` bytes from the front.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len());
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.peak = self.peak.max(self.end);
            self.start = 0;
            self.end = 0;
        }
    }

    /// Removes `n` bytes from the front and keeps the rest where it is, even if it is empty.
    #[inline]
    pub(crate) fn skip(&mut self, n: usize) {
        debug_assert!(n <= self.len());
        self.start = (self.start + n).min(self.end);
    }

    /// Removes all but the first `n` bytes.
    #[inline]
    pub(crate) fn truncate(&mut self, n: usize) {
        self.end = self.end.min(self.start + n);
    }

    /// Room at the end: at least one byte, and `want` of them as far as growth from what is
    /// held allows (a quarter of it and [`SLACK`]), so that a claimed length costs nothing.
    pub(crate) fn space(&mut self, want: usize) -> &mut [u8] {
        let want = want.max(1);
        if self.bytes.len() - self.end < want {
            self.compact();
            let step = (self.end / 4).saturating_add(SLACK);
            // Growth costs a copy, so that small reads must not each bring some of it.
            if self.bytes.len() - self.end < want.min(step / 2) {
                self.grow(step.min(want));
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Room for exactly as many bytes as will now be written, whatever that takes.
    #[inline]
    pub(crate) fn reserve(&mut self, n: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < n {
            self.compact();
            // Doubling, as the bytes are there and cost their copy each time the buffer moves.
            self.grow(n.max(self.bytes.len().min(n.saturating_mul(8))));
        }
        &mut self.bytes[self.end..]
    }

    /// The first `n` bytes of the room have been written.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.bytes.len() - self.end);
        self.end = (self.end + n).min(self.bytes.len());
    }

    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Gives memory back after a burst: all of it at once where it is empty and `keep` is zero,
    /// else by halves, once the buffer has long been larger than its use.
    pub(crate) fn settle(&mut self) {
        if self.bytes.len() <= KEEP || !self.is_empty() {
            return;
        }
        let used = core::mem::take(&mut self.peak);
        self.roomy = if used < self.bytes.len() / 4 { self.roomy + 1 } else { 0 };
        if self.roomy >= PATIENCE {
            self.roomy = 0;
            let half = (self.bytes.len() / 2).max(KEEP);
            self.bytes.truncate(half);
            self.bytes.shrink_to(half);
        }
    }

    /// Gives all memory back, if no bytes are held.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            *self = Self::new();
        }
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.peak = self.peak.max(self.end);
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Makes sure of `n` bytes behind `end`.
    fn grow(&mut self, n: usize) {
        let need = self.end.saturating_add(n);
        if need > self.bytes.len() {
            // Exact, as `Vec`'s own doubling would hold more than was decided here.
            self.bytes.reserve_exact(need - self.bytes.len());
            self.bytes.resize(need, 0);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Lengths only: the bytes may be anybody's secret.
        write!(f, "{} of {} bytes", self.len(), self.capacity())
    }
}
