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
        // Native byte order on the way in and out: what is XORed is bytes, not numbers.
        Self(u32::from_ne_bytes(key))
    }

    /// Masks or unmasks a payload that is all there, with a key that serves for nothing else.
    #[inline]
    pub(crate) fn apply_whole(key: [u8; 4], data: &mut [u8]) {
        let word = Self::new(key).word();
        if data.len() < WIDE {
            xor_short(data, word);
        } else {
            Arch::new().dispatch(Xor(data, word));
        }
    }

    /// Masks or unmasks the next `data.len()` bytes of the payload in place.
    #[inline]
    pub fn apply(&mut self, data: &mut [u8]) {
        let len = data.len();
        if len < WIDE {
            xor_short(data, self.word());
        } else {
            Arch::new().dispatch(Xor(data, self.word()));
        }
        self.skip(len);
    }

    /// Copies `from` to `to`, masking on the way: one pass where a copy and a mask take two.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn copy(&mut self, to: &mut [u8], from: &[u8]) {
        assert_eq!(to.len(), from.len(), "a masked copy keeps its length");
        if from.len() < WIDE {
            xor_copy_short(to, from, self.word());
        } else {
            Arch::new().dispatch(XorCopy(to, from, self.word()));
        }
        self.skip(from.len());
    }

    /// The key twice over, in the order of the next eight bytes.
    #[inline]
    fn word(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }

    /// Goes on by `n` bytes of payload.
    #[inline]
    fn skip(&mut self, n: usize) {
        // Only `n mod 4` matters, and that fits.
        let mut key = self.0.to_ne_bytes();
        key.rotate_left(n % 4);
        self.0 = u32::from_ne_bytes(key);
    }
}

// Long payloads: plain loops over words, which the compiler turns into the widest vectors of the
// instruction set that they are dispatched for.

#[inline(always)]
fn xor(data: &mut [u8], key: u64) {
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    xor_tail(rest, key);
}

#[inline(always)]
fn xor_copy(to: &mut [u8], from: &[u8], key: u64) {
    let (words, rest) = to.as_chunks_mut::<8>();
    let (from_words, from_rest) = from.as_chunks::<8>();
    for (word, from) in words.iter_mut().zip(from_words) {
        *word = (u64::from_ne_bytes(*from) ^ key).to_ne_bytes();
    }
    rest.copy_from_slice(from_rest);
    xor_tail(rest, key);
}

// Short payloads: blocks of what every target does in one step, without the entry and exit code
// that a loop over wider vectors has.

#[inline(always)]
fn xor_short(data: &mut [u8], key: u64) {
    let wide = u128::from(key) << 64 | u128::from(key);
    let (blocks, rest) = data.as_chunks_mut::<16>();
    for block in blocks {
        *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    xor_tail(rest, key);
}

#[inline(always)]
fn xor_copy_short(to: &mut [u8], from: &[u8], key: u64) {
    let wide = u128::from(key) << 64 | u128::from(key);
    let (blocks, rest) = to.as_chunks_mut::<16>();
    let (from_blocks, from_rest) = from.as_chunks::<16>();
    for (block, from) in blocks.iter_mut().zip(from_blocks) {
        *block = (u128::from_ne_bytes(*from) ^ wide).to_ne_bytes();
    }
    rest.copy_from_slice(from_rest);
    xor_tail(rest, key);
}

/// Fewer than 16 bytes: one step for each bit of their number.
#[inline(always)]
fn xor_tail(data: &mut [u8], key: u64) {
    let (words, rest) = data.as_chunks_mut::<8>();
    if let [word] = words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    let [a, b, c, d, ..] = key.to_ne_bytes();
    let (halves, rest) = rest.as_chunks_mut::<4>();
    if let [half] = halves {
        *half = (u32::from_ne_bytes(*half) ^ u32::from_ne_bytes([a, b, c, d])).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c]) {
        *byte ^= key;
    }
}

struct Xor<'a>(&'a mut [u8], u64);

impl NullaryFnOnce for Xor<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        xor(self.0, self.1);
    }
}

struct XorCopy<'a>(&'a mut [u8], &'a [u8], u64);

impl NullaryFnOnce for XorCopy<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        xor_copy(self.0, self.1, self.2);
    }
}
