//! Symbols into blocks (RFC 1951 §3.2.3).

use alloc::vec::Vec;

use super::huffman::{
    Code, Codes, DISTANCES, END, FIXED, LITERALS, assign, code_lengths, distance_symbol,
    length_symbol,
};
use super::matches::Symbol;
use super::tables::ORDER;

/// Appends bits to bytes, the first lowest.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    bits: u64,
    count: u32,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, bits: 0, count: 0 }
    }

    /// Appends the lowest `n` < 64 bits of `value`, whose others are zero.
    #[inline(always)]
    fn put(&mut self, value: u64, n: u32) {
        self.bits |= value << self.count;
        self.count += n;
        if self.count >= 64 {
            self.out.extend_from_slice(&self.bits.to_le_bytes());
            self.count -= 64;
            // What found no room: `n` less than 64 of it, so the shift is less than 64.
            self.bits = if self.count == 0 { 0 } else { value >> (n - self.count) };
        }
    }

    /// The empty block without compression that ends a flush, but for its last four bytes
    /// `00 00 FF FF`; nothing is left in the writer.
    pub(super) fn flush(&mut self) {
        self.put(0, 3);
        self.align();
    }

    fn align(&mut self) {
        let bytes = self.count.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.bits.to_le_bytes()[..bytes]);
        (self.bits, self.count) = (0, 0);
    }

    /// Writes blocks without compression.
    pub(super) fn stored(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(0xFFFF) {
            self.put(0, 3);
            self.align();
            // At most 65 535.
            let len = u16::try_from(chunk.len()).unwrap_or(0);
            self.out.extend_from_slice(&len.to_le_bytes());
            self.out.extend_from_slice(&(!len).to_le_bytes());
            self.out.extend_from_slice(chunk);
        }
    }

    /// Writes one block: `symbols`, which stand for `bytes`, in the shortest of the three ways.
    pub(super) fn block(&mut self, symbols: &[Symbol], bytes: &[u8]) {
        let stored = 35 + 7 + 8 * bytes.len();
        // A header for codes of the block's own is longer than what they would save on little.
        if symbols.len() <= FEW {
            let before = (self.out.len(), self.bits, self.count);
            self.put(0b010, 3);
            self.symbols(symbols, &FIXED);
            let length = (self.out.len() - before.0) * 8 + self.count as usize;
            if length > stored + before.2 as usize {
                self.out.truncate(before.0);
                (self.bits, self.count) = (before.1, before.2);
                self.stored(bytes);
            }
            return;
        }
        let frequencies = Frequencies::of(symbols);
        let header = Header::new(&frequencies);
        let extra = frequencies.extra_bits();
        let fixed = frequencies.cost(&FIXED) + extra;
        let own = header.bits + frequencies.cost(&header.codes) + extra;
        if stored <= fixed.min(own) {
            self.stored(bytes);
        } else if fixed <= own {
            self.put(0b010, 3);
            self.symbols(symbols, &FIXED);
        } else {
            header.write(self);
            self.symbols(symbols, &header.codes);
        }
    }

    fn symbols(&mut self, symbols: &[Symbol], codes: &Codes) {
        // A copy that the compiler can keep in registers.
        let mut writer = Writer { out: &mut *self.out, bits: self.bits, count: self.count };
        for &symbol in symbols {
            if symbol.is_literal() {
                let code = codes.literals[symbol.byte()];
                writer.put(code.bits(), code.length());
            } else {
                let (value, n) = codes.reference(symbol);
                writer.put(value, n);
            }
        }
        let end = codes.literals[END];
        writer.put(end.bits(), end.length());
        (self.bits, self.count) = (writer.bits, writer.count);
    }
}

/// How often each symbol stands in a block.
struct Frequencies {
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
}

impl Frequencies {
    fn of(symbols: &[Symbol]) -> Self {
        let (mut literals, mut distances) = ([0; LITERALS], [0; DISTANCES]);
        for &symbol in symbols {
            if symbol.is_literal() {
                literals[symbol.byte()] += 1;
            } else {
                literals[length_symbol(symbol.length()).0] += 1;
                distances[distance_symbol(symbol.distance()).0] += 1;
            }
        }
        literals[END] = 1;
        Self { literals, distances }
    }

    /// Bits of all codes.
    fn cost(&self, codes: &Codes) -> usize {
        let sum = |frequencies: &[u32], codes: &[Code]| {
            frequencies.iter().zip(codes).map(|(&n, code)| n * code.length()).sum::<u32>()
        };
        (sum(&self.literals, &codes.literals) + sum(&self.distances, &codes.distances)) as usize
    }

    /// Bits that no code changes.
    fn extra_bits(&self) -> usize {
        let lengths = self.literals.iter().skip(265).zip(0..20).map(|(&n, at)| n * (at / 4 + 1));
        let distances = self.distances.iter().skip(4).zip(0..).map(|(&n, at)| n * (at / 2 + 1));
        lengths.chain(distances).sum::<u32>() as usize
    }
}

/// A block's own codes, and how its header says them (RFC 1951 §3.2.7).
struct Header {
    codes: Codes,
    literals: usize,
    distances: usize,
    /// Code lengths as runs: a symbol, and the value of its extra bits.
    runs: [(u8, u8); LITERALS + DISTANCES],
    run_count: usize,
    orders: [Code; 19],
    order_count: usize,
    /// Of the whole header.
    bits: usize,
}

impl Header {
    fn new(frequencies: &Frequencies) -> Self {
        let (mut lengths, mut distance_lengths) = ([0; LITERALS], [0; DISTANCES]);
        code_lengths(&frequencies.literals, 15, &mut lengths);
        code_lengths(&frequencies.distances, 15, &mut distance_lengths);
        let used = |lengths: &[u8], least: usize| {
            lengths.iter().rposition(|&length| length > 0).map_or(least, |at| least.max(at + 1))
        };
        let (literals, distances) = (used(&lengths, 257), used(&distance_lengths, 1));
        let mut codes =
            Codes { literals: [Code::NONE; LITERALS], distances: [Code::NONE; DISTANCES] };
        assign(&lengths, &mut codes.literals);
        assign(&distance_lengths, &mut codes.distances);
        // "The code length repeat codes can cross from HLIT + 257 to the HDIST + 1 code lengths"
        // (§3.2.7).
        let mut all = [0; LITERALS + DISTANCES];
        all[..literals].copy_from_slice(&lengths[..literals]);
        all[literals..literals + distances].copy_from_slice(&distance_lengths[..distances]);
        let mut header = Self {
            codes,
            literals,
            distances,
            runs: [(0, 0); LITERALS + DISTANCES],
            run_count: 0,
            orders: [Code::NONE; 19],
            order_count: 0,
            bits: 0,
        };
        header.encode(&all[..literals + distances]);
        header
    }

    /// Makes runs of the code lengths, and the code for them.
    fn encode(&mut self, lengths: &[u8]) {
        let mut frequencies = [0; 19];
        let mut extra = 0;
        for run in lengths.chunk_by(|a, b| a == b) {
            let mut left = run.len();
            let mut first = true;
            while left > 0 {
                let (symbol, n) = match (run[0], left) {
                    (0, 11..) => (18, left.min(138)),
                    (0, 3..) => (17, left),
                    // A repeat needs one to repeat.
                    (1.., 3..) if !first => (16, left.min(6)),
                    (length, _) => (length, 1),
                };
                let (base, extra_bits) = run_base(symbol);
                let over = u8::try_from(n - base).unwrap_or(0);
                self.runs[self.run_count] = (symbol, over);
                self.run_count += 1;
                frequencies[usize::from(symbol)] += 1;
                extra += extra_bits as usize;
                left -= n;
                first = false;
            }
        }
        let mut lengths = [0; 19];
        code_lengths(&frequencies, 7, &mut lengths);
        assign(&lengths, &mut self.orders);
        let used = ORDER.iter().rposition(|&at| lengths[at] > 0).map_or(0, |at| at + 1);
        self.order_count = used.max(4);
        let codes: usize = frequencies
            .iter()
            .zip(lengths)
            .map(|(&n, length)| n as usize * usize::from(length))
            .sum();
        self.bits = 3 + 14 + 3 * self.order_count + codes + extra;
    }

    fn write(&self, writer: &mut Writer<'_>) {
        let [literals, distances] = [self.literals - 257, self.distances - 1].map(|n| n as u64);
        writer.put(0b100 | literals << 3 | distances << 8, 13);
        writer.put(self.order_count as u64 - 4, 4);
        for &at in &ORDER[..self.order_count] {
            writer.put(self.orders[at].length().into(), 3);
        }
        for &(symbol, over) in &self.runs[..self.run_count] {
            let code = self.orders[usize::from(symbol)];
            writer.put(code.bits(), code.length());
            writer.put(over.into(), run_base(symbol).1);
        }
    }
}

/// The shortest run that a code length's symbol stands for, and its extra bits.
const fn run_base(symbol: u8) -> (usize, u32) {
    match symbol {
        16 => (3, 2),
        17 => (3, 3),
        18 => (11, 7),
        _ => (1, 0),
    }
}

/// Up to so many symbols, a block has the fixed codes.
const FEW: usize = 96;
