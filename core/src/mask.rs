//! Masking: `transformed[i] = original[i] XOR key[i mod 4]` (RFC 6455 §5.3).

use pulp::{Arch, NullaryFnOnce};

/// A masking key and how far into its four bytes the payload has come, so that a payload may be
/// transformed piece by piece, at any split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(u32);

/// Below this the choice between instruction sets costs more than the wider ones save.
const WIDE: usize = 256;

impl Mask {
    /// A mask at the first byte of a payload.
    #[inline]
    #[must_use]
    pub const fn new(key: [u8; 4]) -> Self {
        // Little-endian throughout, so that the next bytes are the lowest ones; it costs nothing
        // where numbers are.
        Self(u32::from_le_bytes(key))
    }

    /// Masks or unmasks the next `data.len()` bytes of the payload in place.
    #[inline]
    pub fn apply(&mut self, data: &mut [u8]) {
        self.xor(data);
        *self = self.after(data.len());
    }

    /// Copies `from` to `to`, masking on the way: one pass where a copy and a mask take two.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn copy(&mut self, to: &mut [u8], from: &[u8]) {
        assert_eq!(to.len(), from.len(), "a masked copy keeps its length");
        self.xor_copy(to, from);
        *self = self.after(from.len());
    }

    /// As [`apply`](Self::apply), where nothing of the payload follows.
    #[inline]
    pub(crate) fn xor(self, data: &mut [u8]) {
        if data.len() < WIDE {
            xor_short(data, self);
        } else {
            Arch::new().dispatch(Xor(data, self));
        }
    }

    /// As [`copy`](Self::copy), where nothing of the payload follows; the lengths are equal.
    #[inline]
    pub(crate) fn xor_copy(self, to: &mut [u8], from: &[u8]) {
        if from.len() < WIDE {
            xor_copy_short(to, from, self);
        } else {
            Arch::new().dispatch(XorCopy(to, from, self));
        }
    }

    /// The mask `n` bytes further on.
    #[inline]
    fn after(self, n: usize) -> Self {
        // The lowest byte holds all of a number below four.
        Self(self.0.rotate_right(u32::from((n % 4).to_le_bytes()[0]) * 8))
    }

    #[inline]
    fn on8(self, bytes: [u8; 8]) -> [u8; 8] {
        (u64::from_le_bytes(bytes) ^ self.word()).to_le_bytes()
    }

    #[inline]
    const fn on4(self, bytes: [u8; 4]) -> [u8; 4] {
        (u32::from_le_bytes(bytes) ^ self.0).to_le_bytes()
    }

    /// A block of whole words.
    #[inline(always)]
    fn on<const N: usize>(self, mut block: [u8; N]) -> [u8; N] {
        for word in block.as_chunks_mut::<8>().0 {
            *word = self.on8(*word);
        }
        block
    }

    /// The key twice over.
    #[inline]
    fn word(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }
}

/// Copies `from` to `to`, which is as long, and does short ones without a call.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    if from.len() < 64 {
        // Masked by zeros, which leaves of it the copy.
        xor_copy_short(to, from, Mask(0));
    } else {
        to.copy_from_slice(from);
    }
}

// Long payloads: plain loops over words, which the compiler turns into the widest vectors of the
// instruction set that they are dispatched for.

#[inline(always)]
fn xor(data: &mut [u8], mask: Mask) {
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = mask.on8(*word);
    }
    xor_short(rest, mask);
}

#[inline(always)]
fn xor_copy(to: &mut [u8], from: &[u8], mask: Mask) {
    let (words, rest) = to.as_chunks_mut::<8>();
    let (from_words, from_rest) = from.as_chunks::<8>();
    for (word, from) in words.iter_mut().zip(from_words) {
        *word = mask.on8(*from);
    }
    xor_copy_short(rest, from_rest, mask);
}

// Short payloads: blocks of what every target does in a step or two, without the entry and exit
// code that a loop over wider vectors has. The last block may overlap the one before: what both
// write is the same, as the last is computed from what was there before.

#[inline(always)]
fn xor_short(data: &mut [u8], mask: Mask) {
    let len = data.len();
    if len >= 32 {
        xor_blocks::<32>(data, mask);
    } else if len >= 16 {
        xor_blocks::<16>(data, mask);
    } else if len >= 8 {
        xor_blocks::<8>(data, mask);
    } else if let (Some(&first), Some(&last)) = (data.first_chunk::<4>(), data.last_chunk::<4>()) {
        let last = mask.after(len).on4(last);
        data[..4].copy_from_slice(&mask.on4(first));
        data[len - 4..].copy_from_slice(&last);
    } else {
        for (byte, key) in data.iter_mut().zip(mask.0.to_le_bytes()) {
            *byte ^= key;
        }
    }
}

#[inline(always)]
fn xor_blocks<const N: usize>(data: &mut [u8], mask: Mask) {
    let Some(&last) = data.last_chunk::<N>() else { return };
    let last = mask.after(data.len()).on(last);
    for block in data.as_chunks_mut::<N>().0 {
        *block = mask.on(*block);
    }
    if let Some(end) = data.last_chunk_mut::<N>() {
        *end = last;
    }
}

#[inline(always)]
fn xor_copy_short(to: &mut [u8], from: &[u8], mask: Mask) {
    let len = from.len();
    if len >= 32 {
        xor_copy_blocks::<32>(to, from, mask);
    } else if len >= 16 {
        xor_copy_blocks::<16>(to, from, mask);
    } else if len >= 8 {
        xor_copy_blocks::<8>(to, from, mask);
    } else if let (Some(&first), Some(&last)) = (from.first_chunk::<4>(), from.last_chunk::<4>()) {
        to[..4].copy_from_slice(&mask.on4(first));
        to[len - 4..].copy_from_slice(&mask.after(len).on4(last));
    } else {
        for ((byte, from), key) in to.iter_mut().zip(from).zip(mask.0.to_le_bytes()) {
            *byte = from ^ key;
        }
    }
}

#[inline(always)]
fn xor_copy_blocks<const N: usize>(to: &mut [u8], from: &[u8], mask: Mask) {
    for (block, from) in to.as_chunks_mut::<N>().0.iter_mut().zip(from.as_chunks::<N>().0) {
        *block = mask.on(*from);
    }
    if let (Some(end), Some(&last)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *end = mask.after(from.len()).on(last);
    }
}

struct Xor<'a>(&'a mut [u8], Mask);

impl NullaryFnOnce for Xor<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        // Vectors that cross a cache line cost twice; a payload begins wherever its header ends.
        let Self(data, mask) = self;
        let to_line = data.as_ptr().align_offset(64).min(data.len());
        let (head, rest) = data.split_at_mut(to_line);
        xor_short(head, mask);
        xor(rest, mask.after(to_line));
    }
}

struct XorCopy<'a>(&'a mut [u8], &'a [u8], Mask);

impl NullaryFnOnce for XorCopy<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        xor_copy(self.0, self.1, self.2);
    }
}
