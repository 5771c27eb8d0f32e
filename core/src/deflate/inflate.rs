//! Compressed messages into messages (RFC 7692 §7.2.2, RFC 1951).
//!
//! An engine of our own, because of what the libraries' do not offer: a window that outlives a
//! block with BFINAL=1, distances held to the window that was agreed, memory that grows with what
//! has been received, and a reset that costs nothing.

use alloc::vec::Vec;
use core::fmt;

use super::bits::Reader;
use super::symbols::{Decoder, End, Output};
use super::tables::{self, FIXED_DISTANCES, FIXED_LITERALS, ORDER};

/// Why a message does not inflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// Not a DEFLATE stream, or one that refers to what is not in the window.
    Corrupt,
    /// More bytes than the limit.
    TooBig,
}

/// One direction's inflater. After an error it is dead: it returns that error for ever.
///
/// ```text
///                  ┌───────────────── end of block ─────────────────┐
///                  ▼                                                │
///               Header ──00──► StoredLength ──► Stored ─────────────┤
///                  ├─────01────────────────────► Symbols ───────────┘
///                  └─────10──► Counts ──► Orders ──► Lengths ──► Symbols
/// ```
pub(crate) struct Inflater {
    state: State,
    /// Whether the block at hand has BFINAL=1.
    last: bool,
    /// Whether the block at hand has the codes of RFC 1951 §3.2.6.
    fixed: bool,
    /// Bits taken from the input and not yet used; only the lowest `count` count.
    bits: u64,
    count: u32,
    /// What was inflated last, in one piece: `..flushed` has been handed out, `flushed..pos` not
    /// yet. Distances reach back `pos` bytes at most, and `window` at most.
    buffer: Vec<u8>,
    flushed: usize,
    pos: usize,
    window: usize,
    /// Bytes handed out of the message under way.
    produced: u64,
    codes: Codes,
}

/// What Huffman decoding needs, for blocks that bring their own codes.
struct Codes {
    /// How many code lengths there are for literals and lengths, then for distances.
    literal_count: usize,
    distance_count: usize,
    lengths: [u8; 320],
    literals: [u32; tables::LITERALS_SIZE],
    literal_bits: u32,
    /// In the block's header the code for code lengths stands here.
    distances: [u32; tables::DISTANCES_SIZE],
    distance_bits: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    StoredLength,
    Stored(usize),
    Counts,
    /// So many of so many lengths of the code for code lengths are read.
    Orders(usize, usize),
    /// So many code lengths are read.
    Lengths(usize),
    Symbols,
    Dead(InflateError),
}

/// Why decoding pauses.
enum Pause {
    Input,
    Room,
}

impl Inflater {
    /// An inflater with an empty window of at most `2^window_bits` bytes.
    pub(crate) fn new(window_bits: u8) -> Self {
        Self {
            state: State::Header,
            last: false,
            fixed: false,
            bits: 0,
            count: 0,
            buffer: Vec::new(),
            flushed: 0,
            pos: 0,
            window: 1 << window_bits.clamp(8, 15),
            produced: 0,
            codes: Codes {
                literal_count: 0,
                distance_count: 0,
                lengths: [0; 320],
                literals: [0; tables::LITERALS_SIZE],
                literal_bits: 0,
                distances: [0; tables::DISTANCES_SIZE],
                distance_bits: 0,
            },
        }
    }

    /// Base-2 logarithm of the window's size.
    pub(crate) const fn window_bits(&self) -> u8 {
        // The window is 2^8 to 2^15.
        self.window.trailing_zeros().to_le_bytes()[0]
    }

    /// Appends what the next piece of a message inflates to. `limit` is for the message as a
    /// whole, whether or not what came before is still in `out`; `out` never holds a byte more.
    pub(crate) fn inflate(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<(), InflateError> {
        let result = self.decode(input, out, limit);
        if let Err(error) = result {
            self.state = State::Dead(error);
        }
        result
    }

    /// The message's last piece was the last: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail
    /// end of the payload of the message" (§7.2.2). What is a message ends there, on a block's
    /// boundary; a truncated one does not.
    pub(crate) fn end_message(
        &mut self,
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<(), InflateError> {
        self.inflate(&[0x00, 0x00, 0xFF, 0xFF], out, limit)?;
        if self.state != State::Header || self.count != 0 {
            self.state = State::Dead(InflateError::Corrupt);
            return Err(InflateError::Corrupt);
        }
        self.produced = 0;
        Ok(())
    }

    /// Forgets the window, between two messages: the next one may refer to none before it.
    pub(crate) fn reset(&mut self) {
        self.pos = 0;
        self.flushed = 0;
    }

    fn decode(&mut self, input: &[u8], out: &mut Vec<u8>, limit: u64) -> Result<(), InflateError> {
        let mut reader = Reader::new(input, self.bits, self.count);
        loop {
            let pause = self.run(&mut reader);
            // Also before an error: what is found wrong first must not depend on how the input
            // was cut.
            self.hand_out(out, limit)?;
            match pause? {
                Pause::Input => break,
                Pause::Room => self.make_room(),
            }
        }
        (self.bits, self.count) = reader.rest();
        Ok(())
    }

    /// Moves what is new to `out`, which grows by what is there, doubling, and never over `limit`.
    fn hand_out(&mut self, out: &mut Vec<u8>, limit: u64) -> Result<(), InflateError> {
        let new = &self.buffer[self.flushed..self.pos];
        let left = usize::try_from(limit.saturating_sub(self.produced)).unwrap_or(usize::MAX);
        let fitting = &new[..new.len().min(left)];
        if out.capacity() - out.len() < fitting.len() {
            out.reserve_exact(out.capacity().max(fitting.len()).min(left));
        }
        out.extend_from_slice(fitting);
        self.produced += fitting.len() as u64;
        let all = fitting.len() == new.len();
        self.flushed = self.pos;
        if all { Ok(()) } else { Err(InflateError::TooBig) }
    }

    /// Room behind `pos` for a match and a step more: by growth as long as the buffer is smaller
    /// than a window and a step, else by sliding the window to the front.
    fn make_room(&mut self) {
        let full = self.window + STEP;
        if self.buffer.len() < full {
            let len = (self.buffer.len() * 2).max(self.pos + FIRST).min(full);
            self.buffer.reserve_exact(len - self.buffer.len());
            self.buffer.resize(len, 0);
        } else {
            self.buffer.copy_within(self.pos - self.window..self.pos, 0);
            self.pos = self.window;
            self.flushed = self.window;
        }
    }

    /// Decodes until the input or the room is used up.
    fn run(&mut self, reader: &mut Reader<'_>) -> Result<Pause, InflateError> {
        loop {
            let pause = match self.state {
                State::Header => self.header(reader)?,
                State::StoredLength => self.stored_length(reader)?,
                State::Stored(left) => self.stored(left, reader),
                State::Counts => self.counts(reader)?,
                State::Orders(read, of) => self.orders(read, of, reader)?,
                State::Lengths(read) => self.lengths(read, reader)?,
                State::Symbols => self.symbols(reader)?,
                State::Dead(error) => return Err(error),
            };
            if let Some(pause) = pause {
                return Ok(pause);
            }
        }
    }

    fn header(&mut self, reader: &mut Reader<'_>) -> Result<Option<Pause>, InflateError> {
        if !reader.need(3) {
            return Ok(Some(Pause::Input));
        }
        self.last = reader.take(1) == 1;
        self.fixed = false;
        self.state = match reader.take(2) {
            0 => {
                reader.align();
                State::StoredLength
            }
            1 => {
                self.fixed = true;
                State::Symbols
            }
            2 => State::Counts,
            // "11 - reserved (error)" (RFC 1951 §3.2.3).
            _ => return Err(InflateError::Corrupt),
        };
        Ok(None)
    }

    /// After a block. "When any DEFLATE block with the 'BFINAL' bit set to 1 doesn't end at a byte
    /// boundary, an endpoint MUST add minimal padding bits of 0 to make it end at a byte boundary.
    /// The next DEFLATE block follows the padded data if any" (§7.2.1): BFINAL=1 ends nothing.
    fn end_block(&mut self, reader: &mut Reader<'_>) {
        if self.last {
            reader.align();
        }
        self.state = State::Header;
    }

    fn stored_length(&mut self, reader: &mut Reader<'_>) -> Result<Option<Pause>, InflateError> {
        if !reader.need(32) {
            return Ok(Some(Pause::Input));
        }
        let (len, complement) = (reader.take(16), reader.take(16));
        // "NLEN is the one's complement of LEN" (RFC 1951 §3.2.4).
        if len ^ complement != 0xFFFF {
            return Err(InflateError::Corrupt);
        }
        self.state = State::Stored(len);
        Ok(None)
    }

    fn stored(&mut self, left: usize, reader: &mut Reader<'_>) -> Option<Pause> {
        let copied = reader.copy(left, &mut self.buffer[self.pos..]);
        self.pos += copied;
        if copied == left {
            self.end_block(reader);
            return None;
        }
        self.state = State::Stored(left - copied);
        Some(if self.pos == self.buffer.len() { Pause::Room } else { Pause::Input })
    }

    fn counts(&mut self, reader: &mut Reader<'_>) -> Result<Option<Pause>, InflateError> {
        if !reader.need(14) {
            return Ok(Some(Pause::Input));
        }
        let codes = &mut self.codes;
        codes.literal_count = reader.take(5) + 257;
        codes.distance_count = reader.take(5) + 1;
        let orders = reader.take(4) + 4;
        // 286 codes for literals and lengths, 30 for distances (RFC 1951 §3.2.5).
        if codes.literal_count > 286 || codes.distance_count > 30 {
            return Err(InflateError::Corrupt);
        }
        codes.lengths[..ORDER.len()].fill(0);
        self.state = State::Orders(0, orders);
        Ok(None)
    }

    fn orders(
        &mut self,
        read: usize,
        of: usize,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Pause>, InflateError> {
        let codes = &mut self.codes;
        for (at, &order) in ORDER.iter().enumerate().take(of).skip(read) {
            if !reader.need(3) {
                self.state = State::Orders(at, of);
                return Ok(Some(Pause::Input));
            }
            // Three bits.
            codes.lengths[order] = reader.take(3).to_le_bytes()[0];
        }
        let lengths = &codes.lengths[..ORDER.len()];
        codes.distance_bits = tables::build_orders(lengths, &mut codes.distances)?;
        self.state = State::Lengths(0);
        Ok(None)
    }

    fn lengths(
        &mut self,
        read: usize,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Pause>, InflateError> {
        let codes = &mut self.codes;
        let total = codes.literal_count + codes.distance_count;
        let mut at = read;
        while at < total {
            // The longest: a code of seven bits and seven more.
            reader.need(14);
            let (symbol, bits) = tables::symbol(codes.distances[reader.peek(codes.distance_bits)]);
            let (extra, base) = match symbol {
                0..16 => (0, 1),
                16 => (2, 3),
                17 => (3, 3),
                _ => (7, 11),
            };
            if !reader.has(bits + extra) {
                self.state = State::Lengths(at);
                return Ok(Some(Pause::Input));
            }
            reader.drop(bits);
            if symbol < 16 {
                codes.lengths[at] = symbol;
                at += 1;
                continue;
            }
            let repeat = base + reader.take(extra);
            let value = match symbol {
                // "Copy the previous code length 3 - 6 times" (RFC 1951 §3.2.7).
                16 => *codes.lengths.get(at.wrapping_sub(1)).ok_or(InflateError::Corrupt)?,
                _ => 0,
            };
            if at + repeat > total {
                return Err(InflateError::Corrupt);
            }
            codes.lengths[at..at + repeat].fill(value);
            at += repeat;
        }
        let (literals, distances) = codes.lengths[..total].split_at(codes.literal_count);
        // Without a code for its end a block has none.
        if literals[256] == 0 {
            return Err(InflateError::Corrupt);
        }
        codes.literal_bits = tables::build_literals(literals, &mut codes.literals)?;
        codes.distance_bits = tables::build_distances(distances, &mut codes.distances)?;
        self.state = State::Symbols;
        Ok(None)
    }

    fn symbols(&mut self, reader: &mut Reader<'_>) -> Result<Option<Pause>, InflateError> {
        let codes = if self.fixed {
            Decoder::new(&FIXED_LITERALS, 9, &FIXED_DISTANCES, 5)
        } else {
            let codes = &self.codes;
            Decoder::new(&codes.literals, codes.literal_bits, &codes.distances, codes.distance_bits)
        };
        let mut output = Output { bytes: &mut self.buffer, pos: self.pos };
        let end = codes.decode(reader, &mut output, self.window);
        self.pos = output.pos;
        match end? {
            End::Block => {
                self.end_block(reader);
                Ok(None)
            }
            End::Input => Ok(Some(Pause::Input)),
            End::Room => Ok(Some(Pause::Room)),
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Lengths only: the bytes may be anybody's secret.
        write!(f, "Inflater(window {}, {:?}, {} held)", self.window, self.state, self.pos)
    }
}

/// What is decoded, at most, between two looks at the limit; the longest match fits many times.
const STEP: usize = 16 * 1024;
/// What the buffer starts with, over what it must hold.
const FIRST: usize = 1024;

#[cfg(test)]
mod tests;
