//! DEFLATE, one bit at a time (RFC 1951): an oracle for the inflater.

/// What inflating gave before it ended, and how it ended.
#[derive(Clone, Debug)]
pub struct Inflated {
    /// History, and what came behind it.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// How inflating ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where a block did, on a byte's border.
    Boundary,
    /// In the middle of a block.
    Middle,
    /// At what is not DEFLATE.
    Corrupt,
}

/// Inflates blocks of RFC 1951, one bit at a time, behind `history`.
#[must_use]
pub fn inflate(input: &[u8], history: Vec<u8>, window: usize) -> Inflated {
    let mut inflater = Inflater { input, at: 0, bytes: history, window };
    let end = loop {
        if inflater.at == input.len() * 8 {
            break End::Boundary;
        }
        match inflater.block() {
            Ok(()) => {}
            Err(end) => break end,
        }
    };
    Inflated { bytes: inflater.bytes, end }
}

struct Inflater<'a> {
    input: &'a [u8],
    /// Bits that are read.
    at: usize,
    bytes: Vec<u8>,
    window: usize,
}

/// A Huffman code: symbols by length of code, then by code.
struct Code(Vec<Vec<usize>>);

impl Inflater<'_> {
    fn bits(&mut self, n: usize) -> Result<usize, End> {
        let mut value = 0;
        for i in 0..n {
            let byte = self.input.get(self.at / 8).ok_or(End::Middle)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Ok(value)
    }

    fn block(&mut self) -> Result<(), End> {
        let last = self.bits(1)? == 1;
        match self.bits(2)? {
            0 => {
                self.at = self.at.next_multiple_of(8);
                let (len, complement) = (self.bits(16)?, self.bits(16)?);
                if len ^ complement != 0xFFFF {
                    return Err(End::Corrupt);
                }
                for _ in 0..len {
                    let byte = self.bits(8)?;
                    self.bytes.push(byte.to_le_bytes()[0]);
                }
            }
            1 => {
                let lengths = [(8, 144), (9, 112), (7, 24), (8, 8)];
                let lengths = lengths.iter().flat_map(|&(len, n)| vec![len; n]);
                let lengths: Vec<usize> = lengths.collect();
                self.symbols(&Code::new(&lengths)?, &Code::new(&[5; 32])?)?;
            }
            2 => {
                let (literals, distances) = self.codes()?;
                self.symbols(&literals, &distances)?;
            }
            _ => return Err(End::Corrupt),
        }
        if last {
            self.at = self.at.next_multiple_of(8);
        }
        Ok(())
    }

    fn codes(&mut self) -> Result<(Code, Code), End> {
        let (literals, distances) = (self.bits(5)? + 257, self.bits(5)? + 1);
        let orders = self.bits(4)? + 4;
        if literals > 286 || distances > 30 {
            return Err(End::Corrupt);
        }
        let mut lengths = [0; 19];
        for order in ORDER.into_iter().take(orders) {
            lengths[order] = self.bits(3)?;
        }
        let code = Code::complete(&lengths)?;
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (value, repeat) = match self.symbol(&code)? {
                16 => {
                    let last = *lengths.last().ok_or(End::Corrupt)?;
                    (last, 3 + self.bits(2)?)
                }
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                length => (length, 1),
            };
            lengths.extend(vec![value; repeat]);
        }
        if lengths.len() > literals + distances || lengths[256] == 0 {
            return Err(End::Corrupt);
        }
        let (literals, distances) = lengths.split_at(literals);
        Ok((Code::new(literals)?, Code::new(distances)?))
    }

    fn symbol(&mut self, code: &Code) -> Result<usize, End> {
        let (mut value, mut first) = (0, 0);
        for symbols in &code.0[1..] {
            value = value << 1 | self.bits(1)?;
            first <<= 1;
            if let Some(symbol) = symbols.get(value - first) {
                return Ok(*symbol);
            }
            first += symbols.len();
        }
        Err(End::Corrupt)
    }

    fn number(&mut self, symbol: usize, base: &[usize], bits: &[usize]) -> Result<usize, End> {
        let base = base.get(symbol).ok_or(End::Corrupt)?;
        Ok(base + self.bits(bits[symbol])?)
    }

    fn symbols(&mut self, literals: &Code, distances: &Code) -> Result<(), End> {
        loop {
            let symbol = self.symbol(literals)?;
            match symbol {
                0..=255 => self.bytes.push(symbol.to_le_bytes()[0]),
                256 => return Ok(()),
                _ => {
                    let len = self.number(symbol - 257, &LENGTHS, &LENGTH_BITS)?;
                    let symbol = self.symbol(distances)?;
                    let distance = self.number(symbol, &DISTANCES, &DISTANCE_BITS)?;
                    if distance > self.window || distance > self.bytes.len() {
                        return Err(End::Corrupt);
                    }
                    for _ in 0..len {
                        self.bytes.push(self.bytes[self.bytes.len() - distance]);
                    }
                }
            }
        }
    }
}

impl Code {
    /// A code from its lengths; incomplete only if there is one symbol of one bit, or none.
    fn new(lengths: &[usize]) -> Result<Self, End> {
        let mut symbols = vec![Vec::new(); 16];
        for (symbol, &length) in lengths.iter().enumerate() {
            symbols[length].push(symbol);
        }
        symbols[0].clear();
        let mut free = 1_usize;
        for symbols in &symbols[1..] {
            free = (free * 2).checked_sub(symbols.len()).ok_or(End::Corrupt)?;
        }
        let longest = symbols.iter().rposition(|symbols| !symbols.is_empty());
        if free > 0 && longest.is_some_and(|longest| longest > 1) {
            return Err(End::Corrupt);
        }
        Ok(Self(symbols))
    }

    /// The code for code lengths, which must be complete.
    fn complete(lengths: &[usize]) -> Result<Self, End> {
        if lengths.iter().filter(|&&length| length > 0).count() < 2 {
            return Err(End::Corrupt);
        }
        Self::new(lengths)
    }
}

const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What a symbol for a length, from 257 on, stands for, and bits to be added (RFC 1951 §3.2.5).
const LENGTHS: [usize; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
const LENGTH_BITS: [usize; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

/// The same for distances.
const DISTANCES: [usize; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
    2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_BITS: [usize; 30] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];
