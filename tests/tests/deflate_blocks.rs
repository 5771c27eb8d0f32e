//! Blocks that bring their own codes, written bit by bit: what no compressor sends, and what RFC
//! 1951 allows all the same (RFC 1951 §3.2.7, RFC 7692 §7.2).

use wirewright_core::Violation;
use wirewright_tests::inflate::{End, inflate};
use wirewright_tests::raw::{HELLO_DEFLATED, frames};
use wirewright_tests::splits::{FORGETFUL, FULL, Setup, binary, check, failed};

/// A stream of bits.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    /// A number: its lowest bit is the first.
    fn number(&mut self, value: usize, n: usize) -> &mut Self {
        self.0.extend((0..n).map(|at| value >> at & 1 == 1));
        self
    }

    /// A code: its highest bit is the first.
    fn code(&mut self, value: usize, n: usize) -> &mut Self {
        self.0.extend((0..n).rev().map(|at| value >> at & 1 == 1));
        self
    }

    /// The beginning of a block with codes of these lengths. The code for code lengths has four
    /// bits for each length from 0 to 15, and none for repeats.
    fn header(&mut self, literals: &[usize], distances: &[usize]) -> &mut Self {
        self.number(0b100, 3);
        self.number(literals.len() - 257, 5).number(distances.len() - 1, 5).number(19 - 4, 4);
        // "16, 17, 18" stand first in their order (RFC 1951 §3.2.7).
        for at in 0..19 {
            self.number(if at < 3 { 0 } else { 4 }, 3);
        }
        for &length in literals.iter().chain(distances) {
            self.code(length, 4);
        }
        self
    }

    /// The stream in bytes, with zeros up to the last one's end.
    fn bytes(&self) -> Vec<u8> {
        let byte =
            |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        self.0.chunks(8).map(byte).collect()
    }

    /// It as the payload of a message: an empty block without compression, less its tail.
    fn message(&mut self) -> Vec<u8> {
        self.number(0, 3).bytes()
    }
}

/// Symbols with the lengths of their codes.
type Lengths<'a> = &'a [(usize, usize)];

/// The lengths of the codes of literals and lengths, by symbol.
fn lengths(of: Lengths<'_>) -> Vec<usize> {
    let mut lengths = vec![0; of.iter().map(|(symbol, _)| symbol + 1).max().unwrap_or(0).max(257)];
    for &(symbol, length) in of {
        lengths[symbol] = length;
    }
    lengths
}

/// A message of this payload is what is expected, or corrupt: however it is cut, in both roles,
/// and the message behind it is not affected. The bit-by-bit oracle says the same.
#[track_caller]
fn is(payload: &[u8], expected: Option<&[u8]>) {
    let oracle = inflate(&[payload, &[0, 0, 0xFF, 0xFF]].concat(), Vec::new(), 1 << 15);
    let whole = (oracle.end == End::Boundary).then_some(&oracle.bytes[..]);
    assert_eq!(whole, expected, "{:?}", oracle.end);
    for setup in Setup::both_deflated(FULL).into_iter().chain(Setup::both_deflated(FORGETFUL)) {
        let input = frames(setup.role, &[(0xC2, payload), (0xC2, HELLO_DEFLATED)]);
        let expected = expected.map(|bytes| vec![binary(bytes), binary(b"Hello")]);
        assert_eq!(check(&setup, &input), expected.unwrap_or_else(|| failed(Violation::Deflate)));
    }
}

const END: usize = 256;
/// The symbol of three bytes that are repeated.
const THREE: usize = 257;

/// "If only one distance code is used, it is encoded using one bit, not zero bits; in this case
/// there is a single code length of one, with one unused code" (RFC 1951 §3.2.7).
#[test]
fn d21_one_distance_code_has_one_bit_and_leaves_one_unused() {
    // 0: three bytes. 10: `a`. 11: the end.
    let literals = lengths(&[(b'a'.into(), 2), (END, 2), (THREE, 1)]);
    for distances in [&[1][..], &[1, 0, 0, 0], &[0, 1], &[0, 0, 0, 1]] {
        let with = |distance| {
            let mut bits = Bits::default();
            bits.header(&literals, distances);
            for _ in 0..4 {
                bits.code(0b10, 2);
            }
            bits.code(0, 1).code(distance, 1).code(0b11, 2).message()
        };
        is(&with(0), Some(b"aaaaaaa"));
        is(&with(1), None);
    }
}

/// "One distance code of zero bits means that there are no distance codes used at all (the data
/// is all literals)" (RFC 1951 §3.2.7).
#[test]
fn d21_without_distance_codes_there_are_literals_only() {
    let literals = lengths(&[(b'a'.into(), 2), (END, 2), (THREE, 1)]);
    for distances in [&[0][..], &[0; 30]] {
        let mut bits = Bits::default();
        bits.header(&literals, distances).code(0b10, 2).code(0b10, 2);
        is(&bits.code(0b11, 2).message(), Some(b"aa"));
        // A length, and whatever bits behind it.
        for distance in [0, 0x7FFF] {
            let mut bits = Bits::default();
            bits.header(&literals, distances).code(0b10, 2).code(0, 1).code(distance, 15);
            is(&bits.code(0b11, 2).message(), None);
        }
    }
}

/// "No code may be the start of another", and no bits may lead to none: of a code for a single
/// symbol, one bit alone does.
#[test]
fn s12_codes_are_complete_and_not_more() {
    let whole: &[usize] = &[1, 1];
    let message = |literals: Lengths<'_>, distances: &[usize]| {
        let mut bits = Bits::default();
        bits.header(&lengths(literals), distances);
        // The end is the last of the codes of one bit, or the one there is.
        let end = usize::from(literals.len() > 1);
        bits.code(end, 1).message()
    };
    is(&message(&[(END, 1)], whole), Some(b""));
    let corrupt: [(Lengths<'_>, &[usize]); 8] = [
        (&[(END, 2)], whole),
        (&[(END, 1), (0, 2)], whole),
        (&[(END, 1), (0, 1), (1, 1)], whole),
        (&[(0, 1), (1, 1)], whole),
        (&[(END, 1), (0, 1)], &[2]),
        (&[(END, 1), (0, 1)], &[15]),
        (&[(END, 1), (0, 1)], &[1, 2]),
        (&[(END, 1), (0, 1)], &[1, 1, 1]),
    ];
    for (literals, distances) in corrupt {
        is(&message(literals, distances), None);
    }
    // The code that one symbol leaves unused leads to none.
    let mut bits = Bits::default();
    is(&bits.header(&lengths(&[(END, 1)]), whole).code(1, 1).message(), None);
}

/// The tail that is appended is "00 00 FF FF" (RFC 7692 §7.2.2): a block whose end is written
/// with ones may end in it, but the message then ends inside a byte, and so inside a block.
#[test]
fn d24_s12_a_block_that_ends_in_the_tail_ends_no_message() {
    for longest in 9..=15 {
        // A code for each length, and two of the longest: zeros for NUL, ones for the end.
        let mut list: Vec<_> = (1..=longest).map(|length| (length - 1, length)).collect();
        list.push((END, longest));
        let mut bits = Bits::default();
        is(&bits.header(&lengths(&list), &[1, 1]).bytes(), None);
        // With the end in the message itself there is nothing wrong with such a code.
        let mut bits = Bits::default();
        bits.header(&lengths(&list), &[1, 1]).code(0, 1).code((1 << longest) - 1, longest);
        is(&bits.message(), Some(&[0]));
    }
}
