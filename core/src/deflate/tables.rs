//! Huffman decoding: code tables, the bit reader, and the loop over a block's symbols.
//!
//! A table is indexed by the next bits of the input, lowest first. Its entries, `u32`:
//!
//! ```text
//! bit  31        30       29..16             15            14        13      12..8        7..0
//!      literal   match    value, base, or    exceptional   subtable  end     extra bits,  bits of
//!                         place of subtable                of block          or its size  the code
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
        // At most 15 bits are ever asked for.
        (self.bits & ((1 << n) - 1)) as u32 as usize
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
            let mut entry = lookup(self.literals, self.literal_bits, reader);
            // Two literals and a match are 2 × 15 + 15 + 5 bits at most, then comes a refill.
            for _ in 0..2 {
                if entry & LITERAL == 0 || !reader.has(code_bits(entry)) {
                    break;
                }
                reader.drop(code_bits(entry));
                output.bytes[output.pos] = entry.to_le_bytes()[2];
                output.pos += 1;
                entry = lookup(self.literals, self.literal_bits, reader);
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
        let len = value(entry) + ((reader.bits >> code_bits(entry)) as u32 as usize & mask(entry));
        let mut ahead =
            Reader { input: &[], bits: reader.bits >> length_bits, count: reader.count };
        let entry = lookup(self.distances, self.distance_bits, &ahead);
        let bits = length_bits + code_bits(entry) + extra_bits(entry);
        if !reader.has(bits.max(if entry & EXCEPTIONAL != 0 { length_bits + 15 } else { 0 })) {
            return Ok(false);
        }
        ahead.bits >>= code_bits(entry);
        let distance = value(entry) + (ahead.bits as u32 as usize & mask(entry));
        // A code that was not assigned; "a distance beyond the window" (RFC 7692 §7.2.2 with
        // §7.1.2: the peer agreed to reach no further); a distance beyond all there was.
        if entry & EXCEPTIONAL != 0 || distance > window || distance > output.pos {
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
fn lookup(table: &[u32], bits: u32, reader: &Reader<'_>) -> u32 {
    let entry = table[reader.peek(bits)];
    if entry & SUBTABLE == 0 {
        return entry;
    }
    let at = ((reader.bits >> bits) as u32) & ((1 << extra_bits(entry)) - 1);
    table[value(entry) + at as usize]
}

#[inline(always)]
const fn code_bits(entry: u32) -> u32 {
    entry & 0xFF
}

#[inline(always)]
const fn extra_bits(entry: u32) -> u32 {
    (entry >> 8) & 0x1F
}

#[inline(always)]
const fn value(entry: u32) -> usize {
    ((entry >> 16) & 0x7FFF) as usize
}

/// The mask of an entry's extra bits.
#[inline(always)]
const fn mask(entry: u32) -> usize {
    (1 << extra_bits(entry)) - 1
}

/// A code length's symbol and its bits.
pub(super) const fn symbol(entry: u32) -> (u8, u32) {
    (entry.to_le_bytes()[2], code_bits(entry))
}

/// The table of the code for code lengths; which must be complete, as zlib has it.
pub(super) fn build_orders(lengths: &[u8], table: &mut [u32]) -> Result<u32, InflateError> {
    build(lengths, table, 7, |symbol| symbol << 16)
}

pub(super) fn build_literals(lengths: &[u8], table: &mut [u32]) -> Result<u32, InflateError> {
    build(lengths, table, LITERAL_BITS, literal)
}

pub(super) fn build_distances(lengths: &[u8], table: &mut [u32]) -> Result<u32, InflateError> {
    build(lengths, table, DISTANCE_BITS, distance)
}
