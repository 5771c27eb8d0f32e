//! Huffman decoding: code tables (RFC 1951 §3.2.2).
//!
//! A table is indexed by the next bits of the input, lowest first. Its entries, `u32`:
//!
//! ```text
//! bit  31        30..16              15            14         13        12..8         7..0
//!      literal   value, base, or     exceptional   subtable   end of    extra bits,   bits of
//!                place of subtable                            block     or its size   the code
//! ```

use super::inflate::InflateError;

/// Bits of a table's index, for literals and lengths; longer codes have a subtable.
const LITERAL_BITS: u32 = 10;
const DISTANCE_BITS: u32 = 8;
/// The most entries that a complete code makes with such an index (`enough 288 10 15` and
/// `enough 32 8 15` of zlib's examples).
pub(super) const LITERALS_SIZE: usize = 1334;
pub(super) const DISTANCES_SIZE: usize = 402;

pub(super) const LITERAL: u32 = 1 << 31;
pub(super) const EXCEPTIONAL: u32 = 1 << 15;
pub(super) const SUBTABLE: u32 = 1 << 14;
pub(super) const END: u32 = 1 << 13;
/// What no code leads to.
const INVALID: u32 = EXCEPTIONAL;

/// In which order the lengths of the code for code lengths stand (RFC 1951 §3.2.7).
pub(super) const ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What an entry says of its symbol.
static ORDERS: [u32; 19] = entries(Alphabet::Orders);
static LITERALS: [u32; 288] = entries(Alphabet::Literals);
static DISTANCES: [u32; 32] = entries(Alphabet::Distances);

/// The codes of RFC 1951 §3.2.6.
pub(super) static FIXED_LITERALS: [u32; 512] = fixed_literals();
pub(super) static FIXED_DISTANCES: [u32; 32] = fixed_distances();

#[inline(always)]
pub(super) const fn code_bits(entry: u32) -> u32 {
    entry & 0xFF
}

#[inline(always)]
pub(super) const fn extra_bits(entry: u32) -> u32 {
    (entry >> 8) & 0x1F
}

#[inline(always)]
pub(super) const fn value(entry: u32) -> usize {
    ((entry >> 16) & 0x7FFF) as usize
}

/// A code length's symbol and its bits.
pub(super) const fn symbol(entry: u32) -> (u8, u32) {
    (entry.to_le_bytes()[2], code_bits(entry))
}

/// The table of the code for code lengths. Each function here says how many bits its index has.
pub(super) fn build_orders(lengths: &[u8], table: &mut [u32]) -> Result<u32, InflateError> {
    // Of one symbol alone, the code would be incomplete, and of none, too.
    if lengths.iter().filter(|&&length| length != 0).count() < 2 {
        return Err(InflateError::Corrupt);
    }
    build(lengths, table, 7, &ORDERS)
}

pub(super) fn build_literals(lengths: &[u8], table: &mut [u32]) -> Result<u32, InflateError> {
    build(lengths, table, LITERAL_BITS, &LITERALS)
}

pub(super) fn build_distances(lengths: &[u8], table: &mut [u32]) -> Result<u32, InflateError> {
    build(lengths, table, DISTANCE_BITS, &DISTANCES)
}

/// Makes the table of the canonical code with these lengths (RFC 1951 §3.2.2), at most 286, out
/// of each symbol's entry.
fn build(
    lengths: &[u8],
    table: &mut [u32],
    max_bits: u32,
    entries: &[u32],
) -> Result<u32, InflateError> {
    let counts = count(lengths);
    let longest = longest(&counts)?;
    let bits = longest.min(max_bits);
    let sorted = sort(lengths, &counts);
    let mut start = 0;
    table[..2].fill(INVALID);
    let mut code = 0;
    for length in 1..=bits {
        let end = start + usize::from(counts[length as usize]);
        for &symbol in &sorted[start..end] {
            table[code as usize] = entries[usize::from(symbol)] | length;
            code = increment(code, length);
        }
        start = end;
        if length < bits {
            // One bit more, of which what is there does not depend.
            table.copy_within(..1 << length, 1 << length);
        }
    }
    let long = Long { bits, longest, left: counts, code };
    let end = counts.iter().map(|&n| usize::from(n)).sum();
    long.build(lengths, &sorted[start..end], table, entries)?;
    Ok(bits)
}

/// The codes that are longer than the index.
struct Long {
    bits: u32,
    longest: u32,
    /// How many codes are left of each length.
    left: [u16; 16],
    code: u32,
}

impl Long {
    fn build(
        mut self,
        lengths: &[u8],
        symbols: &[u16],
        table: &mut [u32],
        entries: &[u32],
    ) -> Result<(), InflateError> {
        let (mut prefix, mut place) = (u32::MAX, (0, 1 << self.bits));
        for &symbol in symbols {
            let length = u32::from(lengths[usize::from(symbol)]);
            let low = self.code & ((1 << self.bits) - 1);
            if low != prefix {
                prefix = low;
                let size = subtable_bits(&self.left, length, self.bits, self.longest);
                place = (place.1, place.1 + (1 << size));
                table[low as usize] = SUBTABLE | place_value(place.0) | (size << 8);
            }
            // A complete code fits; `longest` lets no other pass that is longer than one bit.
            let subtable = table.get_mut(place.0..place.1).ok_or(InflateError::Corrupt)?;
            let value = entries[usize::from(symbol)] | length;
            spread(subtable, self.code >> self.bits, length - self.bits, value);
            self.left[length as usize] -= 1;
            self.code = increment(self.code, length);
        }
        Ok(())
    }
}

/// How many symbols there are with a code of each length; those without one are not counted.
fn count(lengths: &[u8]) -> [u16; 16] {
    // Two counts, as a processor adds to the same one again only cycles later.
    let (mut even, mut odd) = ([0_u16; 16], [0_u16; 16]);
    for (_, chunk) in used(lengths) {
        for pair in chunk.chunks(2) {
            even[usize::from(pair[0] & 15)] += 1;
            odd[pair.get(1).map_or(0, |&length| usize::from(length & 15))] += 1;
        }
    }
    for (sum, n) in even.iter_mut().zip(odd) {
        *sum += n;
    }
    even[0] = 0;
    even
}

/// The lengths by eights, each with its first symbol, but for eights without a code: there are
/// many, and in a row.
fn used(lengths: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    (0..).step_by(8).zip(lengths.chunks(8)).filter(|(_, chunk)| {
        chunk.first_chunk().is_none_or(|&eight| u64::from_ne_bytes(eight) != 0)
    })
}

/// The longest code's bits. No code may be the start of another, and each sequence of bits must
/// lead to a symbol, but for "one distance code of one bit" or none (RFC 1951 §3.2.7).
fn longest(counts: &[u16; 16]) -> Result<u32, InflateError> {
    let (mut free, mut longest) = (1_u32, 0);
    for (length, &count) in (0..).zip(counts).skip(1) {
        free = (free * 2).checked_sub(count.into()).ok_or(InflateError::Corrupt)?;
        if count > 0 {
            longest = length;
        }
    }
    if free > 0 && longest > 1 { Err(InflateError::Corrupt) } else { Ok(longest) }
}

/// The symbols that have a code, by its length, and among equals by their number.
fn sort(lengths: &[u8], counts: &[u16; 16]) -> [u16; 288] {
    let mut places = [0_u16; 16];
    for length in 1..15 {
        places[length + 1] = places[length] + counts[length];
    }
    let mut sorted = [0; 288];
    for (first, chunk) in used(lengths) {
        for (symbol, &length) in (first..).zip(chunk) {
            // Without a code, the last place serves, which no symbol has: 286 have codes at most.
            let place = if length == 0 { 287 } else { places[usize::from(length & 15)] };
            sorted[usize::from(place)] = symbol;
            places[usize::from(length & 15)] += 1;
        }
    }
    sorted
}

/// Bits of the index of a subtable for codes from `length` on, given how many are `left`.
fn subtable_bits(left: &[u16; 16], length: u32, bits: u32, longest: u32) -> u32 {
    let mut size = length - bits;
    let mut free = 1_u32 << size;
    while size + bits < longest {
        free = free.saturating_sub(left[(size + bits) as usize].into());
        if free == 0 {
            break;
        }
        size += 1;
        free *= 2;
    }
    size
}

/// Sets all entries whose index ends in `code`.
fn spread(table: &mut [u32], code: u32, length: u32, value: u32) {
    let mut at = code as usize;
    while let Some(entry) = table.get_mut(at) {
        *entry = value;
        at += 1 << length;
    }
}

/// The next canonical code, where the first bit of a code is the lowest of `code`.
#[inline(always)]
const fn increment(code: u32, length: u32) -> u32 {
    // The last bit that is not set is the first, the way a number is written, to be carried into.
    let free = !code & ((1 << length) - 1);
    if free == 0 {
        return 0;
    }
    let bit = 1 << free.ilog2();
    code & (bit - 1) | bit
}

#[expect(clippy::cast_possible_truncation, reason = "tables have under 2048 entries")]
const fn place_value(place: usize) -> u32 {
    (place as u32) << 16
}

/// The entry of a literal, a length or the end of a block, but for its code's bits.
const fn literal(symbol: u32) -> u32 {
    match symbol {
        0..=255 => LITERAL | (symbol << 16),
        256 => EXCEPTIONAL | END,
        257..=264 => (symbol - 254) << 16,
        265..=284 => {
            let extra = (symbol - 261) / 4;
            ((((symbol - 265) % 4 + 4) << extra) + 3) << 16 | extra << 8
        }
        285 => 258 << 16,
        // "Literal/length values 286-287 will never actually occur" (RFC 1951 §3.2.6).
        _ => INVALID,
    }
}

/// The entry of a distance, but for its code's bits.
const fn distance(symbol: u32) -> u32 {
    match symbol {
        0..=3 => (symbol + 1) << 16,
        4..=29 => {
            let extra = symbol / 2 - 1;
            (((symbol % 2 + 2) << extra) + 1) << 16 | extra << 8
        }
        // "distance codes 30-31 will never actually occur" (RFC 1951 §3.2.6).
        _ => INVALID,
    }
}

#[derive(Clone, Copy)]
enum Alphabet {
    Orders,
    Literals,
    Distances,
}

const fn entries<const N: usize>(alphabet: Alphabet) -> [u32; N] {
    let mut entries = [0; N];
    let mut symbol: u32 = 0;
    while (symbol as usize) < N {
        entries[symbol as usize] = match alphabet {
            Alphabet::Orders => symbol << 16,
            Alphabet::Literals => literal(symbol),
            Alphabet::Distances => distance(symbol),
        };
        symbol += 1;
    }
    entries
}

const fn fixed_literals() -> [u32; 512] {
    let mut table = [INVALID; 512];
    let mut symbol: u32 = 0;
    while symbol < 288 {
        let (code, length) = match symbol {
            0..=143 => (0x30 + symbol, 8),
            144..=255 => (0x190 + symbol - 144, 9),
            256..=279 => (symbol - 256, 7),
            _ => (0xC0 + symbol - 280, 8),
        };
        let mut at = (code.reverse_bits() >> (32 - length)) as usize;
        while at < table.len() {
            table[at] = literal(symbol) | length;
            at += 1 << length;
        }
        symbol += 1;
    }
    table
}

const fn fixed_distances() -> [u32; 32] {
    let mut table = [INVALID; 32];
    let mut symbol: u32 = 0;
    while symbol < 32 {
        table[(symbol.reverse_bits() >> 27) as usize] = distance(symbol) | 5;
        symbol += 1;
    }
    table
}

/// The shortest distance of a symbol.
#[cfg(test)]
pub(super) const fn base(symbol: u32) -> u32 {
    distance(symbol) >> 16
}
