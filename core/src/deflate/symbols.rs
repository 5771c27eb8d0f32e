//! The loop over a block's symbols: literals and references into bytes (RFC 1951 §3.2.3).

use super::bits::{Reader, low};
use super::inflate::InflateError;
use super::tables::{END, EXCEPTIONAL, LITERAL, SUBTABLE, code_bits, extra_bits, value};

/// Where symbols go. Invariant of `decode`: a match is begun only with [`ROOM`] bytes free.
pub(super) struct Output<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) pos: usize,
}

/// The longest match, a chunk that is written beyond its end, and three literals.
const ROOM: usize = 258 + CHUNK + 3;
const CHUNK: usize = 16;

impl Output<'_> {
    #[inline(always)]
    const fn has_room(&self) -> bool {
        self.bytes.len() - self.pos >= ROOM
    }

    /// Takes a literal whose bits are there.
    #[inline(always)]
    fn put(&mut self, entry: u32, reader: &mut Reader<'_>) {
        reader.drop(code_bits(entry));
        self.bytes[self.pos] = entry.to_le_bytes()[2];
        self.pos += 1;
    }

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
        let mut local = Reader::copy_of(reader);
        let end = self.run(&mut local, output, window);
        *reader = local;
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
            if let Some(end) = self.run_ahead(reader, output, window)? {
                return Ok(end);
            }
            if !output.has_room() {
                return Ok(End::Room);
            }
            // Few bytes are left: each symbol is looked at before it is taken.
            reader.refill();
            let entry = lookup(self.literals, self.literal_bits, reader.bits);
            if entry & EXCEPTIONAL != 0 {
                return exceptional(entry, reader);
            }
            let is_whole = if entry & LITERAL == 0 {
                self.repeat(entry, reader, output, window)?
            } else if reader.has(code_bits(entry)) {
                output.put(entry, reader);
                true
            } else {
                false
            };
            if !is_whole {
                return Ok(End::Input);
            }
        }
    }

    /// The same as long as the input and the room are ample, so that neither ends in a symbol.
    #[inline(always)]
    fn run_ahead(
        &self,
        reader: &mut Reader<'_>,
        output: &mut Output<'_>,
        window: usize,
    ) -> Result<Option<End>, InflateError> {
        while reader.is_ample() && output.has_room() {
            reader.refill();
            // 56 bits at least: three codes from the table, and the rest of a fourth.
            let mut entry = self.literals[reader.peek(self.literal_bits)];
            if entry & LITERAL != 0 {
                output.put(entry, reader);
                entry = self.literals[reader.peek(self.literal_bits)];
                if entry & LITERAL != 0 {
                    output.put(entry, reader);
                    entry = self.literals[reader.peek(self.literal_bits)];
                    if entry & LITERAL != 0 {
                        output.put(entry, reader);
                        continue;
                    }
                }
            }
            if entry & (SUBTABLE | EXCEPTIONAL) != 0 {
                entry = lookup(self.literals, self.literal_bits, reader.bits);
                if entry & LITERAL != 0 {
                    output.put(entry, reader);
                    continue;
                }
                if entry & EXCEPTIONAL != 0 {
                    return exceptional(entry, reader).map(Some);
                }
            }
            self.repeat(entry, reader, output, window)?;
        }
        Ok(None)
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

/// The lowest of `bits` that are the extra bits of an entry.
#[inline(always)]
const fn extra(bits: u64, entry: u32) -> usize {
    low(bits, extra_bits(entry))
}
