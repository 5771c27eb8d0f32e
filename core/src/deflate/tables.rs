//! Huffman decoding: code tables, the bit reader, and the loop over a block's symbols.
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

const LITERAL: u32 = 1 << 31;
const EXCEPTIONAL: u32 = 1 << 15;
const SUBTABLE: u32 = 1 << 14;
const END: u32 = 1 << 13;
/// What no code leads to.
const INVALID: u32 = EXCEPTIONAL;

/// The codes of RFC 1951 §3.2.6.
pub(super) static FIXED_LITERALS: [u32; 512] = fixed_literals();
pub(super) static FIXED_DISTANCES: [u32; 32] = fixed_distances();

/// Takes bits from the front of the input, lowest first.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    /// Bits above `count` are those that follow in `input`, or zero.
    bits: u64,
    count: u32,
}

impl<'a> Reader<'a> {
    /// Reads on from the `rest` of another.
    pub(super) const fn new(input: &'a [u8], bits: u64, count: u32) -> Self {
        Self { input, bits, count }
    }

    /// What was taken from the input and not used.
    pub(super) const fn rest(&self) -> (u64, u32) {
        (self.bits & ((1 << self.count) - 1), self.count)
    }

    /// Takes in what fits: at least 56 bits are there afterwards, or all that the input has.
    #[inline(always)]
    fn refill(&mut self) {
        if let Some((chunk, _)) = self.input.split_first_chunk::<8>() {
            self.bits |= u64::from_le_bytes(*chunk) << self.count;
            // As many whole bytes as there was room for; parts of one more lie above `count`.
            self.input = &self.input[((63 - self.count) >> 3) as usize..];
            self.count |= 56;
        } else {
            self.refill_slowly();
        }
    }

    #[cold]
    fn refill_slowly(&mut self) {
        while let (0..=55, [byte, rest @ ..]) = (self.count, self.input) {
            self.bits |= u64::from(*byte) << self.count;
            self.count += 8;
            self.input = rest;
        }
    }

    /// Whether `n` ≤ 56 bits are there, or can be had.
    pub(super) fn need(&mut self, n: u32) -> bool {
        if self.count < n {
            self.refill();
        }
        self.has(n)
    }

    #[inline]
    pub(super) const fn has(&self, n: u32) -> bool {
        self.count >= n
    }

    /// The next `n` bits, as if zeros followed the input.
    #[inline(always)]
    pub(super) const fn peek(&self, n: u32) -> usize {
        low(self.bits, n)
    }

    /// Drops `n` bits, which must be there.
    #[inline(always)]
    pub(super) const fn drop(&mut self, n: u32) {
        self.bits >>= n;
        self.count -= n;
    }

    #[inline(always)]
    pub(super) const fn take(&mut self, n: u32) -> usize {
        let value = self.peek(n);
        self.drop(n);
        value
    }

    /// Drops what is left of the byte at hand.
    pub(super) const fn align(&mut self) {
        self.drop(self.count % 8);
    }

    /// Copies whole bytes, at most `n`; says how many.
    pub(super) fn copy(&mut self, n: usize, to: &mut [u8]) -> usize {
        let n = n.min(to.len());
        let mut copied = 0;
        while copied < n && self.count >= 8 {
            to[copied] = self.take(8).to_le_bytes()[0];
            copied += 1;
        }
        if copied < n {
            // No bits are left but those of bytes that are now copied, or taken anew.
            self.bits = 0;
            let more = (n - copied).min(self.input.len());
            to[copied..copied + more].copy_from_slice(&self.input[..more]);
            self.input = &self.input[more..];
            copied += more;
        }
        copied
    }
}

/// Where symbols go. Invariant of `decode`: a match is begun only with [`ROOM`] bytes free.
pub(super) struct Output<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) pos: usize,
}

/// The longest match, a chunk that is written beyond its end, and three literals.
const ROOM: usize = 258 + CHUNK + 3;
const CHUNK: usize = 16;

impl Output<'_> {
    /// Repeats `len` bytes from `distance` back. Writes up to a chunk more than that.
    #[inline(always)]
    fn repeat(&mut self, distance: usize, len: usize) {
        let (pos, from) = (self.pos, self.pos - distance);
        self.pos += len;
        if distance >= CHUNK {
            let mut done = 0;
            while done < len {
                let mut chunk = [0; CHUNK];
                chunk.copy_from_slice(&self.bytes[from + done..from + done + CHUNK]);
                self.bytes[pos + done..pos + done + CHUNK].copy_from_slice(&chunk);
                done += CHUNK;
            }
        } else if distance == 1 {
            let byte = self.bytes[from];
            self.bytes[pos..pos + len].fill(byte);
        } else {
            for at in 0..len {
                self.bytes[pos + at] = self.bytes[from + at];
            }
        }
    }
}

/// Why the loop over a block's symbols ends.
pub(super) enum End {
    Block,
    Input,
    Room,
}

/// The two codes of a block.
pub(super) struct Decoder<'a> {
    literals: &'a [u32],
    literal_bits: u32,
    distances: &'a [u32],
    distance_bits: u32,
}

impl<'a> Decoder<'a> {
    pub(super) const fn new(
        literals: &'a [u32],
        literal_bits: u32,
        distances: &'a [u32],
        distance_bits: u32,
    ) -> Self {
        Self { literals, literal_bits, distances, distance_bits }
    }

    /// Decodes to the end of the block, the input or the room.
    pub(super) fn decode(
        &self,
        reader: &mut Reader<'_>,
        output: &mut Output<'_>,
        window: usize,
    ) -> Result<End, InflateError> {
        // A copy that the compiler can keep in registers.
        let mut local = Reader { input: reader.input, bits: reader.bits, count: reader.count };
        let end = self.run(&mut local, output, window);
        *reader = Reader { input: local.input, bits: local.bits, count: local.count };
        end
    }

    #[inline(always)]
    fn run(
        &self,
        reader: &mut Reader<'_>,
        output: &mut Output<'_>,
        window: usize,
    ) -> Result<End, InflateError> {
        loop {
            if output.bytes.len() - output.pos < ROOM {
                return Ok(End::Room);
            }
            reader.refill();
            let mut entry = lookup(self.literals, self.literal_bits, reader.bits);
            // Two literals and a match are 2 × 15 + 15 + 5 bits at most, then comes a refill.
            for _ in 0..2 {
                if entry & LITERAL == 0 || !reader.has(code_bits(entry)) {
                    break;
                }
                reader.drop(code_bits(entry));
                output.bytes[output.pos] = entry.to_le_bytes()[2];
                output.pos += 1;
                entry = lookup(self.literals, self.literal_bits, reader.bits);
            }
            if entry & EXCEPTIONAL != 0 {
                return exceptional(entry, reader);
            }
            if entry & LITERAL != 0 {
                if reader.has(code_bits(entry)) {
                    reader.drop(code_bits(entry));
                    output.bytes[output.pos] = entry.to_le_bytes()[2];
                    output.pos += 1;
                    continue;
                }
                return Ok(End::Input);
            }
            if !self.repeat(entry, reader, output, window)? {
                return Ok(End::Input);
            }
        }
    }

    /// A match whose length is at `entry`; `false`, and nothing has changed, if the input ends in
    /// it.
    #[inline(always)]
    fn repeat(
        &self,
        entry: u32,
        reader: &mut Reader<'_>,
        output: &mut Output<'_>,
        window: usize,
    ) -> Result<bool, InflateError> {
        reader.refill();
        let length_bits = code_bits(entry) + extra_bits(entry);
        let len = value(entry) + (extra(reader.bits >> code_bits(entry), entry));
        let ahead = reader.bits >> length_bits;
        let entry = lookup(self.distances, self.distance_bits, ahead);
        let bits = length_bits + code_bits(entry) + extra_bits(entry);
        if entry & EXCEPTIONAL != 0 && reader.has(length_bits + 15) {
            return Err(InflateError::Corrupt);
        }
        if entry & EXCEPTIONAL != 0 || !reader.has(bits) {
            return Ok(false);
        }
        let distance = value(entry) + (extra(ahead >> code_bits(entry), entry));
        // The peer agreed to reach no further than the window (RFC 7692 §7.1.2), and can reach no
        // further than there are bytes.
        if distance > window || distance > output.pos {
            return Err(InflateError::Corrupt);
        }
        reader.drop(bits);
        output.repeat(distance, len);
        Ok(true)
    }
}

/// The end of a block, a code that was not assigned, or bits that are still to come.
#[cold]
fn exceptional(entry: u32, reader: &mut Reader<'_>) -> Result<End, InflateError> {
    if entry & END != 0 && reader.has(code_bits(entry)) {
        reader.drop(code_bits(entry));
        return Ok(End::Block);
    }
    // With less than a code's bits, zeros stood for those to come.
    if entry & END != 0 || !reader.has(15) { Ok(End::Input) } else { Err(InflateError::Corrupt) }
}

#[inline(always)]
fn lookup(table: &[u32], index_bits: u32, bits: u64) -> u32 {
    let entry = table[low(bits, index_bits)];
    if entry & SUBTABLE == 0 {
        return entry;
    }
    table[value(entry) + extra(bits >> index_bits, entry)]
}

/// The lowest `n` bits, at most 16.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most 16 bits are left")]
const fn low(bits: u64, n: u32) -> usize {
    (bits & ((1 << n) - 1)) as usize
}

#[inline(always)]
const fn code_bits(entry: u32) -> u32 {
    entry & 0xFF
}

#[inline(always)]
const fn extra_bits(entry: u32) -> u32 {
    (entry >> 8) & 0x1F
}

/// The lowest of `bits` that are the extra bits of an entry.
#[inline(always)]
const fn extra(bits: u64, entry: u32) -> usize {
    low(bits, extra_bits(entry))
}

#[inline(always)]
const fn value(entry: u32) -> usize {
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
