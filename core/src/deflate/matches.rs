//! LZ77: input into literals and references to what came before (RFC 1951 §4).

use alloc::{vec, vec::Vec};

/// A literal byte, or a reference: bit 31, nine bits of length from bit 16 on, the distance.
#[derive(Clone, Copy)]
pub(super) struct Symbol(u32);

impl Symbol {
    const REFERENCE: u32 = 1 << 31;

    const fn literal(byte: u8) -> Self {
        Self(byte as u32)
    }

    /// `length` is at most 258, `distance` under 2^15.
    #[expect(clippy::cast_possible_truncation, reason = "nine bits, and fifteen")]
    const fn reference(length: usize, distance: usize) -> Self {
        Self(Self::REFERENCE | (length as u32) << 16 | distance as u32)
    }

    #[inline(always)]
    pub(super) const fn is_literal(self) -> bool {
        self.0 & Self::REFERENCE == 0
    }

    /// Of a literal.
    #[inline(always)]
    pub(super) const fn byte(self) -> usize {
        (self.0 & 0xFF) as usize
    }

    #[inline(always)]
    pub(super) const fn length(self) -> u32 {
        (self.0 >> 16) & 0x1FF
    }

    #[inline(always)]
    pub(super) const fn distance(self) -> u32 {
        self.0 & 0xFFFF
    }
}

/// How hard to look for a reference, by level.
#[derive(Clone, Copy)]
struct Effort {
    /// How many candidates to compare.
    depth: u32,
    /// A length that is good enough to stop at.
    nice: usize,
    /// Whether to look one byte on for a longer one.
    lazy: bool,
}

/// Finds references by chains of positions whose next four bytes have the same hash.
///
/// Positions count on over all messages, so that forgetting them is to raise a bound and costs
/// nothing: what a chain says of positions below it is not looked at. Position 0 is none.
pub(super) struct Matches {
    /// What is in the window and what is to be searched, from position `base` on.
    data: Vec<u8>,
    base: u32,
    window: usize,
    effort: Effort,
    /// By hash: the latest position.
    heads: Vec<u32>,
    hash_shift: u32,
    /// By position modulo the window: how far before it is the last one with the same hash; 0
    /// where that is beyond any window.
    chains: Vec<u16>,
    /// By a hash of three bytes: the latest position. For small input only, where references are
    /// few and near, and one of three bytes pays.
    triples: Vec<u32>,
}

impl Matches {
    pub(super) fn new(level: u8, window_bits: u8) -> Self {
        // More than 2^14 chains find nothing more in 32 KiB.
        let hash_bits = u32::from(window_bits.clamp(10, 14));
        Self {
            data: Vec::new(),
            base: 1,
            window: 1 << window_bits,
            effort: EFFORTS[usize::from(level.min(9))],
            heads: vec![0; 1 << hash_bits],
            hash_shift: 32 - hash_bits,
            chains: vec![0; 1 << window_bits],
            triples: vec![0; 1 << TRIPLE_BITS],
        }
    }

    /// Empties the window.
    pub(super) fn reset(&mut self) {
        self.advance(self.data.len());
        self.data.clear();
    }

    /// Takes in the first [`CHUNK`] bytes of `input`, or all; adds their symbols to `symbols`, and
    /// says what is left. The bytes themselves are [`last`](Self::last).
    pub(super) fn search<'a>(&mut self, input: &'a [u8], symbols: &mut Vec<Symbol>) -> &'a [u8] {
        let (chunk, rest) = input.split_at(input.len().min(CHUNK));
        if self.data.len() + chunk.len() > self.window + CHUNK {
            let old = self.data.len() - self.window;
            self.data.copy_within(old.., 0);
            self.data.truncate(self.window);
            self.advance(old);
        }
        let start = self.data.len();
        if self.data.capacity() - start < chunk.len() {
            // Doubling, but for what would never be used.
            let most = self.window + CHUNK - start;
            self.data.reserve_exact(chunk.len().max(start).min(most));
        }
        self.data.extend_from_slice(chunk);
        symbols.reserve(chunk.len());
        if chunk.len() <= SMALL {
            self.parse::<true>(start, symbols);
        } else {
            self.parse::<false>(start, symbols);
        }
        rest
    }

    /// The last `n` bytes taken in.
    pub(super) fn last(&self, n: usize) -> &[u8] {
        &self.data[self.data.len() - n..]
    }

    /// The first of `data` is `by` bytes further on.
    fn advance(&mut self, by: usize) {
        // `by` is at most a window and a chunk.
        self.base += u32::try_from(by).unwrap_or(0);
        if self.base > u32::MAX / 2 {
            // Once in 2 GiB: all positions are forgotten, before their count comes to its end.
            self.heads.fill(0);
            self.triples.fill(0);
            self.base = 1;
        }
    }

    /// Bytes held for the window and what is searched.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.data.capacity()
    }

    /// As if `position` bytes had been taken in and forgotten.
    #[cfg(test)]
    pub(super) fn start_at(&mut self, position: u32) {
        self.data.clear();
        self.base = position;
    }

    fn parse<const IS_SMALL: bool>(&mut self, start: usize, symbols: &mut Vec<Symbol>) {
        let mut finder = Finder::<IS_SMALL> {
            data: &self.data,
            base: self.base,
            window: self.window,
            heads: &mut self.heads,
            hash_shift: self.hash_shift,
            chains: &mut self.chains,
            triples: &mut self.triples,
        };
        let Effort { depth, nice, lazy } = self.effort;
        let end = finder.data.len();
        let mut at = start;
        while end - at >= MIN_LENGTH {
            let mut best = finder.find(at, MIN_LENGTH - 1, depth, nice);
            if best.distance == 0 {
                symbols.push(Symbol::literal(finder.data[at]));
                at += 1;
                continue;
            }
            let mut inserted = at + 1;
            while lazy && best.length < nice && end - inserted >= MIN_LENGTH {
                let next = finder.find(inserted, best.length, depth / 2, nice);
                inserted += 1;
                if next.length <= best.length {
                    break;
                }
                symbols.push(Symbol::literal(finder.data[at]));
                (at, best) = (at + 1, next);
            }
            symbols.push(Symbol::reference(best.length, best.distance));
            at += best.length;
            for inner in inserted..at.min(end - (MIN_LENGTH - 1)) {
                finder.insert(inner);
            }
        }
        symbols.extend(finder.data[at..].iter().map(|&byte| Symbol::literal(byte)));
    }
}

/// [`Matches`] while it searches, with slices for vectors.
struct Finder<'a, const IS_SMALL: bool> {
    data: &'a [u8],
    base: u32,
    window: usize,
    heads: &'a mut [u32],
    hash_shift: u32,
    chains: &'a mut [u16],
    triples: &'a mut [u32],
}

/// A match; none where the distance is zero.
struct Found {
    length: usize,
    distance: usize,
}

impl<const IS_SMALL: bool> Finder<'_, IS_SMALL> {
    /// Adds the position of `at` to its chain; gives the one before it, and in small input the last
    /// with the same three bytes.
    #[inline(always)]
    fn insert(&mut self, at: usize) -> (u32, Option<u32>) {
        let word = word(self.data, at);
        let hash = word.wrapping_mul(MIX) >> self.hash_shift;
        let position = self.base + index(at);
        let before = core::mem::replace(&mut self.heads[hash as usize], position);
        let distance = u16::try_from(position.wrapping_sub(before)).unwrap_or(0);
        self.chains[position as usize & (self.window - 1)] = distance;
        let triple = IS_SMALL.then(|| {
            let hash = (word << 8).wrapping_mul(MIX) >> (32 - TRIPLE_BITS);
            core::mem::replace(&mut self.triples[hash as usize], position)
        });
        (before, triple)
    }

    /// The longest match at `at` of over `than` ≥ 3 bytes, or of three if there is no such.
    #[inline(always)]
    fn find(&mut self, at: usize, than: usize, depth: u32, nice: usize) -> Found {
        let (mut candidate, triple) = self.insert(at);
        let position = self.base + index(at);
        // A whole window back is the chain's own place.
        let reach = index(self.window - 1);
        let lowest = self.base.max(position.saturating_sub(reach));
        let most = (self.data.len() - at).min(MAX_LENGTH);
        let mut best = Found { length: than, distance: 0 };
        if most <= than {
            return best;
        }
        let first = word(self.data, at);
        for _ in 0..depth {
            if candidate < lowest {
                break;
            }
            let from = (candidate - self.base) as usize;
            // A longer match has the byte behind the best one's end, too.
            if self.data[from + best.length] == self.data[at + best.length]
                && word(self.data, from) == first
            {
                let length = common(self.data, from, at, most);
                if length > best.length {
                    best = Found { length, distance: at - from };
                    if length >= nice || length == most {
                        break;
                    }
                }
            }
            let distance = self.chains[candidate as usize & (self.window - 1)];
            // Zero ends the chain, as position 0 does.
            candidate = if distance == 0 { 0 } else { candidate.saturating_sub(distance.into()) };
        }
        let near = lowest.max(position.saturating_sub(NEAR));
        if let (3, Some(triple)) = (best.length, triple.filter(|&triple| triple >= near)) {
            let from = (triple - self.base) as usize;
            if word(self.data, from) << 8 == first << 8 {
                best.distance = at - from;
            }
        }
        best
    }
}

/// How many bytes from `from` and from `at` on are the same, up to `most`.
#[inline(always)]
fn common(data: &[u8], from: usize, at: usize, most: usize) -> usize {
    let (left, right) = (&data[from..from + most], &data[at..at + most]);
    let mut length = 0;
    while let (Some(a), Some(b)) =
        (left[length..].first_chunk::<8>(), right[length..].first_chunk::<8>())
    {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return length + (differ.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    while length < most && left[length] == right[length] {
        length += 1;
    }
    length
}

/// The four bytes at `at`.
#[inline(always)]
fn word(data: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&data[at..at + 4]);
    u32::from_le_bytes(bytes)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most a window and a chunk")]
const fn index(at: usize) -> u32 {
    at as u32
}

/// Bytes that make one block: the most that is searched at a time.
pub(super) const CHUNK: usize = 16 * 1024;
/// References are to four bytes at least, as shorter ones seldom pay, but in what is [`SMALL`].
const MIN_LENGTH: usize = 4;
const SMALL: usize = 512;
/// So near, a reference to three bytes is shorter than they are.
const NEAR: u32 = 1024;
const TRIPLE_BITS: u32 = 10;
/// An odd number near 2^32 over the golden ratio: it mixes low bits into high ones.
const MIX: u32 = 0x9E37_79B1;
const MAX_LENGTH: usize = 258;

const EFFORTS: [Effort; 10] = [
    Effort { depth: 0, nice: 0, lazy: false },
    Effort { depth: 2, nice: 16, lazy: false },
    Effort { depth: 4, nice: 16, lazy: false },
    Effort { depth: 8, nice: 24, lazy: false },
    Effort { depth: 6, nice: 32, lazy: true },
    Effort { depth: 8, nice: 48, lazy: true },
    Effort { depth: 12, nice: 64, lazy: true },
    Effort { depth: 32, nice: 128, lazy: true },
    Effort { depth: 128, nice: 258, lazy: true },
    Effort { depth: 1024, nice: 258, lazy: true },
];
