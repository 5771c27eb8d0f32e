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
    usage: Usage,
}

/// How much of some memory is in use, to tell whether it is worth keeping.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// The most bytes in use since the memory was last looked at.
    peak: usize,
    /// How often in a row less than a quarter of it was in use.
    roomy: u8,
}

/// A buffer this small is never given back.
const KEEP: usize = 16 * 1024;
/// So many half-empty turns, and a buffer that once grew gives half of itself back.
const PATIENCE: u8 = 64;
/// What a buffer may hold over a quarter more than what it holds of use, when it grows.
const SLACK: usize = 4 * 1024;
/// What a buffer without memory gets when its first small piece comes.
const FIRST: usize = 256;

impl Usage {
    pub(crate) const fn new() -> Self {
        Self { peak: 0, roomy: 0 }
    }

    /// So many bytes are, or were, in use.
    #[inline]
    pub(crate) fn reached(&mut self, n: usize) {
        self.peak = self.peak.max(n);
    }

    /// To be asked once a batch: how much of `capacity` to keep, if not all, as memory has long
    /// been larger than its use.
    pub(crate) fn settle(&mut self, capacity: usize) -> Option<usize> {
        let used = core::mem::take(&mut self.peak);
        if capacity <= KEEP || used >= capacity / 4 {
            self.roomy = 0;
            return None;
        }
        self.roomy += 1;
        if self.roomy < PATIENCE {
            return None;
        }
        self.roomy = 0;
        Some((capacity / 2).max(KEEP))
    }

    /// As [`settle`](Self::settle), for bytes that are collected and cleared.
    pub(crate) fn settle_empty(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty()
            && let Some(keep) = self.settle(bytes.capacity())
        {
            bytes.shrink_to(keep);
        }
    }
}

impl Buffer {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, usage: Usage::new() }
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
            self.usage.reached(self.end);
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
        self.usage.reached(self.end);
        self.end = self.end.min(self.start + n);
    }

    /// Room at the end: at least one byte, and `want` of them as far as growth from what is
    /// held allows (a quarter of it and [`SLACK`]), so that a claimed length costs nothing.
    pub(crate) fn space(&mut self, want: usize) -> &mut [u8] {
        let want = want.max(1);
        if self.room() < want {
            self.compact();
            let step = (self.end / 4).saturating_add(SLACK);
            // Growth costs a copy, so that small reads must not each bring some of it.
            if self.room() < want.min(step / 2) {
                self.grow(step.min(want.max(step / 2)));
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Grows by one step from what it held when it was last full, up to `max`.
    pub(crate) fn widen(&mut self, held: usize, max: usize) {
        let size = held.saturating_add(held / 4).saturating_add(SLACK).min(max);
        self.grow(size.saturating_sub(self.end));
    }

    /// Room for exactly as many bytes as will now be written, whatever that takes.
    #[inline]
    pub(crate) fn reserve(&mut self, n: usize) -> &mut [u8] {
        if self.room() < n {
            self.make_room(n);
        }
        &mut self.bytes[self.end..]
    }

    // Out of line: a frame's code is short and runs through here.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, n: usize) {
        self.compact();
        // Doubling, as the bytes are there and cost their copy each time the buffer moves.
        self.grow(n.max(self.bytes.len().min(n.saturating_mul(8))));
    }

    /// How many bytes there is room for as it is.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.bytes.len() - self.end
    }

    /// The first `n` bytes of the room, which has as many, have been written.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.room());
        self.end += n;
    }

    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// As [`extend`](Self::extend), for what comes in many small pieces: it grows by doubling, so
    /// that each byte is moved twice at most.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let end = self.end.saturating_add(bytes.len());
        if end > self.bytes.len() {
            return self.push_grown(bytes);
        }
        self.bytes[self.end..end].copy_from_slice(bytes);
        self.end = end;
    }

    #[cold]
    fn push_grown(&mut self, bytes: &[u8]) {
        self.compact();
        if self.room() < bytes.len() {
            self.grow(bytes.len().max(self.bytes.len()).max(FIRST));
        }
        self.extend(bytes);
    }

    /// Gives memory back after a burst, by halves, once the buffer has long been larger than its
    /// use.
    pub(crate) fn settle(&mut self) {
        if !self.is_empty() {
            return;
        }
        // An empty message leaves the two behind what was read.
        self.usage.reached(self.end);
        (self.start, self.end) = (0, 0);
        if self.bytes.len() <= KEEP {
            return;
        }
        if let Some(keep) = self.usage.settle(self.bytes.len()) {
            self.bytes.truncate(keep);
            self.bytes.shrink_to(keep);
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
            self.usage.reached(self.end);
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
