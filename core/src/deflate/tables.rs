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
    let bits = build(lengths, table, 7, |symbol| symbol << 16)?;
    // Of one symbol alone, the code would be incomplete, and of none, too.
    if bits == 0 || lengths.iter().filter(|&&length| length != 0).count() == 1 {
        return Err(InflateError::Corrupt);
    }
    Ok(bits)
}

pub(super) fn build_literals(lengths: &[u8], table: &mut [u32]) -> Result<u32, InflateError> {
    build(lengths, table, LITERAL_BITS, literal)
}

pub(super) fn build_distances(lengths: &[u8], table: &mut [u32]) -> Result<u32, InflateError> {
    build(lengths, table, DISTANCE_BITS, distance)
}

/// Makes the table of the canonical code with these lengths (RFC 1951 §3.2.2).
fn build(
    lengths: &[u8],
    table: &mut [u32],
    max_bits: u32,
    entry: impl Fn(u32) -> u32,
) -> Result<u32, InflateError> {
    let mut left = count(lengths);
    let longest = longest(&left)?;
    let bits = longest.min(max_bits);
    let mut next = 1_usize << bits;
    table[..next].fill(INVALID);
    let (mut code, mut prefix, mut place) = (0_u32, u32::MAX, (0, 0));
    let sorted = sort(lengths, &left);
    for &symbol in &sorted[..left.iter().map(|&n| usize::from(n)).sum()] {
        let length = u32::from(lengths[usize::from(symbol)]);
        let value = entry(symbol.into()) | length;
        if length <= bits {
            spread(&mut table[..1 << bits], code, length, value);
        } else {
            let low = code & ((1 << bits) - 1);
            if low != prefix {
                prefix = low;
                let size = subtable_bits(&left, length, bits, longest);
                place = (next, next + (1 << size));
                next = place.1;
                let pointer = SUBTABLE | place_value(place.0) | (size << 8);
                *table.get_mut(low as usize).ok_or(InflateError::Corrupt)? = pointer;
            }
            let subtable = table.get_mut(place.0..place.1).ok_or(InflateError::Corrupt)?;
            spread(subtable, code >> bits, length - bits, value);
        }
        left[length as usize] -= 1;
        code = increment(code, length);
    }
    Ok(bits)
}

/// How many codes there are of each length; zero means that a symbol has none.
fn count(lengths: &[u8]) -> [u16; 16] {
    let mut counts = [0; 16];
    for &length in lengths {
        counts[usize::from(length & 15)] += 1;
    }
    counts[0] = 0;
    counts
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
    for (symbol, &length) in (0..).zip(lengths).filter(|&(_, &length)| length > 0) {
        let place = &mut places[usize::from(length & 15)];
        sorted[usize::from(*place)] = symbol;
        *place += 1;
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
    for entry in table.iter_mut().skip(code as usize).step_by(1 << length) {
        *entry = value;
    }
}

/// The next canonical code, where the first bit of a code is the lowest of `code`.
const fn increment(code: u32, length: u32) -> u32 {
    let mut bit = 1 << (length - 1);
    while code & bit != 0 {
        bit >>= 1;
    }
    if bit == 0 { 0 } else { (code & (bit - 1)) + bit }
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
