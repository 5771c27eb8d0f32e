//! Huffman codes to write with (RFC 1951 §3.2.2): the best for given frequencies, and the fixed.

use super::matches::Symbol;

/// A code, its first bit lowest, and above 16 bits its length.
#[derive(Clone, Copy)]
pub(super) struct Code(u32);

impl Code {
    pub(super) const NONE: Self = Self(0);

    /// From the code as RFC 1951 writes it, first bit highest.
    const fn new(code: u32, length: u32) -> Self {
        Self((code << (32 - length)).reverse_bits() | length << 16)
    }

    #[inline(always)]
    pub(super) const fn bits(self) -> u64 {
        (self.0 & 0xFFFF) as u64
    }

    #[inline(always)]
    pub(super) const fn length(self) -> u32 {
        self.0 >> 16
    }
}

/// The codes of a block.
pub(super) struct Codes {
    pub(super) literals: [Code; LITERALS],
    pub(super) distances: [Code; DISTANCES],
}

impl Codes {
    /// A reference, in one piece: 15 + 5 + 15 + 13 bits at most.
    #[inline(always)]
    pub(super) fn reference(&self, symbol: Symbol) -> (u64, u32) {
        let (length, extra, extra_bits) = length_symbol(symbol.length());
        let code = self.literals[length];
        let (mut value, mut n) = (code.bits(), code.length());
        value |= u64::from(extra) << n;
        n += extra_bits;
        let (distance, extra, extra_bits) = distance_symbol(symbol.distance());
        let code = self.distances[distance];
        value |= code.bits() << n;
        n += code.length();
        value |= u64::from(extra) << n;
        (value, n + extra_bits)
    }
}

/// A length's symbol, the value of its extra bits, and their number (RFC 1951 §3.2.5).
#[inline(always)]
pub(super) const fn length_symbol(length: u32) -> (usize, u32, u32) {
    let over = length - 3;
    if over == 255 {
        return (285, 0, 0);
    }
    if over < 8 {
        return (257 + over as usize, 0, 0);
    }
    let extra_bits = 29 - over.leading_zeros();
    let quarter = (over >> extra_bits) & 3;
    let symbol = 261 + 4 * extra_bits + quarter;
    (symbol as usize, over & ((1 << extra_bits) - 1), extra_bits)
}

/// The same of a distance.
#[inline(always)]
pub(super) const fn distance_symbol(distance: u32) -> (usize, u32, u32) {
    let over = distance - 1;
    if over < 4 {
        return (over as usize, 0, 0);
    }
    let extra_bits = 30 - over.leading_zeros();
    let half = (over >> extra_bits) & 1;
    let symbol = 2 * extra_bits + 2 + half;
    (symbol as usize, over & ((1 << extra_bits) - 1), extra_bits)
}

/// The lengths of an optimal code of at most `max` bits; of two symbols at least, as a code of
/// one is incomplete. (Moffat and Katajainen, "In-Place Calculation of Minimum-Redundancy
/// Codes", 1995.)
pub(super) fn code_lengths(frequencies: &[u32], max: usize, lengths: &mut [u8]) {
    // A frequency is at most a chunk and one, a symbol below 2^9.
    let mut sorted = [0_u32; LITERALS];
    let mut n = 0;
    for (symbol, &frequency) in (0_u32..).zip(frequencies) {
        if frequency > 0 {
            sorted[n] = frequency << 9 | symbol;
            n += 1;
        }
    }
    if n < 2 {
        let only = if n == 1 { sorted[0] as usize & 0x1FF } else { 0 };
        lengths[only] = 1;
        lengths[if only == 0 { 1 } else { 0 }] = 1;
        return;
    }
    let sorted = &mut sorted[..n];
    sorted.sort_unstable();
    let mut depths = [0_u32; LITERALS];
    for (depth, &key) in depths.iter_mut().zip(&*sorted) {
        *depth = key >> 9;
    }
    minimum_redundancy(&mut depths[..n]);
    let mut counts = [0_usize; 16];
    for &depth in &depths[..n] {
        counts[max.min(depth as usize)] += 1;
    }
    limit(&mut counts, max);
    // The rarest symbols have the longest codes.
    let mut length = max;
    for &key in &*sorted {
        while counts[length] == 0 {
            length -= 1;
        }
        counts[length] -= 1;
        lengths[key as usize & 0x1FF] = length.to_le_bytes()[0];
    }
}

/// Turns ascending frequencies, two at least, into the depths of their leaves in a Huffman tree.
fn minimum_redundancy(a: &mut [u32]) {
    let n = a.len();
    let (mut root, mut leaf) = (0, 0);
    // Left to right: internal nodes, with the parents of those that are used up.
    for (next, parent) in (0..n - 1).zip(0..) {
        let mut sum = 0;
        for _ in 0..2 {
            if leaf >= n || (root < next && a[root] < a[leaf]) {
                sum += core::mem::replace(&mut a[root], parent);
                root += 1;
            } else {
                sum += a[leaf];
                leaf += 1;
            }
        }
        a[next] = sum;
    }
    // Right to left: the depths of internal nodes, and from them those of the leaves.
    a[n - 2] = 0;
    for next in (0..n - 2).rev() {
        a[next] = a[a[next] as usize] + 1;
    }
    let (mut free, mut depth, mut root, mut next) = (1, 0, n - 1, n);
    while free > 0 {
        let mut used = 0;
        while root > 0 && a[root - 1] == depth {
            used += 1;
            root -= 1;
        }
        while free > used {
            next -= 1;
            a[next] = depth;
            free -= 1;
        }
        free = 2 * used;
        depth += 1;
    }
}

/// Moves codes so that none is over `max` bits and the code is complete again.
fn limit(counts: &mut [usize], max: usize) {
    let mut total: usize = (1..=max).map(|length| counts[length] << (max - length)).sum();
    while total > 1 << max {
        counts[max] -= 1;
        // A shorter code becomes two that are longer by one bit, of which one is the one removed.
        // There is one: of `max` bits alone over 2^max would have to be, and there are 19 codes of
        // up to 7 bits, or 286 of up to 15.
        let length = counts[..max].iter().rposition(|&count| count > 0).unwrap_or(0);
        counts[length] -= 1;
        counts[length + 1] += 2;
        total -= 1;
    }
}

/// The canonical code with these lengths (RFC 1951 §3.2.2).
pub(super) fn assign(lengths: &[u8], codes: &mut [Code]) {
    let mut counts = [0_u32; 16];
    for &length in lengths {
        counts[usize::from(length)] += 1;
    }
    counts[0] = 0;
    let mut next = [0_u32; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
    }
    for (code, &length) in codes.iter_mut().zip(lengths).filter(|(_, length)| **length > 0) {
        let next = &mut next[usize::from(length)];
        *code = Code::new(*next, length.into());
        *next += 1;
    }
}

/// The codes of RFC 1951 §3.2.6.
pub(super) static FIXED: Codes = fixed();

const fn fixed() -> Codes {
    let mut codes = Codes { literals: [Code::NONE; LITERALS], distances: [Code::NONE; DISTANCES] };
    let mut symbol: u32 = 0;
    while (symbol as usize) < LITERALS {
        codes.literals[symbol as usize] = match symbol {
            0..=143 => Code::new(0x30 + symbol, 8),
            144..=255 => Code::new(0x190 + symbol - 144, 9),
            256..=279 => Code::new(symbol - 256, 7),
            _ => Code::new(0xC0 + symbol - 280, 8),
        };
        symbol += 1;
    }
    let mut symbol: u32 = 0;
    while (symbol as usize) < DISTANCES {
        codes.distances[symbol as usize] = Code::new(symbol, 5);
        symbol += 1;
    }
    codes
}

/// The symbol of a block's end.
pub(super) const END: usize = 256;
/// Symbols for literals, lengths and the end; symbols for distances (RFC 1951 §3.2.5).
pub(super) const LITERALS: usize = 286;
pub(super) const DISTANCES: usize = 30;
