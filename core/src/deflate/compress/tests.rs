#![expect(clippy::cast_possible_truncation, reason = "test inputs are small")]

use alloc::{vec, vec::Vec};

use flate2::{Decompress, FlushDecompress};

use super::Compressor;
use crate::deflate::Inflater;

fn message(compressor: &mut Compressor, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compressor.compress(input, true, &mut out);
    out
}

/// Both readings of what a compressor sends: zlib's, and ours, which holds it to its window.
struct Reader {
    zlib: Decompress,
    ours: Inflater,
}

impl Reader {
    fn new(window_bits: u8) -> Self {
        Self { zlib: Decompress::new(false), ours: Inflater::new(window_bits) }
    }

    #[track_caller]
    fn check(&mut self, message: &[u8], expected: &[u8]) {
        let mut out = Vec::new();
        self.ours.inflate(message, &mut out, u64::MAX).unwrap();
        self.ours.end_message(&mut out, u64::MAX).unwrap();
        assert!(out == expected);
        let mut out = Vec::with_capacity(expected.len() + 64);
        let input = [message, &[0x00, 0x00, 0xFF, 0xFF]].concat();
        let before = self.zlib.total_in();
        self.zlib.decompress_vec(&input, &mut out, FlushDecompress::Sync).unwrap();
        assert_eq!(self.zlib.total_in() - before, input.len() as u64);
        assert!(out == expected);
    }
}

#[test]
fn d20_d25_vectors() {
    let mut compressor = Compressor::new(6, 15);
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    assert_eq!(message(&mut compressor, b"Hello"), hello);
    // §7.2.3.2 has a literal and a reference to four bytes; this is one to all five.
    assert_eq!(message(&mut compressor, b"Hello"), [0x02, 0x13, 0x00, 0x00]);
    // §7.2.3.6.
    assert_eq!(message(&mut compressor, b""), [0x00]);
    // D-10, D-23.
    compressor.reset();
    assert_eq!(message(&mut compressor, b"Hello"), hello);
    // §7.2.3.3.
    let stored = [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00];
    assert_eq!(message(&mut Compressor::new(0, 15), b"Hello"), stored);
}

/// Bytes of many kinds: runs, near and far repeats, few and many different ones.
fn sample(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize
    };
    let mut out: Vec<u8> = Vec::new();
    while out.len() < len {
        let n = next() % 400 + 1;
        match next() % 5 {
            0 => out.extend(core::iter::repeat_n(next() as u8, n)),
            1 if !out.is_empty() => {
                let from = next() % out.len();
                out.extend_from_within(from..(from + n).min(out.len()));
            }
            2 if seed.is_multiple_of(2) => out.extend((0..n).map(|_| next() as u8)),
            _ => out.extend((0..n).map(|_| b"{\"price\":17,}"[next() % 13])),
        }
    }
    out.truncate(len);
    out
}

#[test]
fn d22_d23_d27_every_level_window_and_takeover() {
    for level in 0..=9 {
        for bits in 8..=15 {
            for takeover in [true, false] {
                let mut compressor = Compressor::new(level, bits);
                let mut reader = Reader::new(bits);
                for (seed, len) in (0..).zip([1, 5, 100, 600, 0, 3, 5000, 40_000, 70_000, 300]) {
                    let input = sample(seed + u64::from(bits), len);
                    if !takeover {
                        compressor.reset();
                        reader = Reader::new(bits);
                    }
                    reader.check(&message(&mut compressor, &input), &input);
                }
            }
        }
    }
}

#[test]
fn d22_repeats_just_beyond_the_window() {
    for bits in 8..=15 {
        let window = 1_usize << bits;
        for distance in [window - 1, window, window + 1] {
            let noise: Vec<u8> = (0..distance as u32)
                .map(|at| (at.wrapping_mul(0x9E37_79B1) ^ (at << 7)).to_be_bytes()[0])
                .collect();
            let input = noise.repeat(3);
            let mut compressor = Compressor::new(9, bits);
            let first = message(&mut compressor, &input);
            let mut reader = Reader::new(bits);
            reader.check(&first, &input);
            reader.check(&message(&mut compressor, &input), &input);
        }
    }
}

#[test]
fn d07_parts_of_a_message() {
    let input = sample(3, 3000);
    for size in [1, 7, 1000, 2999] {
        let (mut compressor, mut out) = (Compressor::new(6, 15), Vec::new());
        let mut reader = Reader::new(15);
        for part in input.chunks(size) {
            compressor.compress(part, false, &mut out);
            // A part can be read as soon as it is there.
            assert!(out.ends_with(&[0x00, 0x00, 0xFF, 0xFF]));
        }
        compressor.compress(&[], true, &mut out);
        reader.check(&out, &input);
        // The same with the last part at the end, and appended to what is there.
        let mut out = b"head".to_vec();
        let (last, parts) = input.chunks(size).next_back().zip(Some(input.chunks(size))).unwrap();
        for part in parts.take(input.len().div_ceil(size) - 1) {
            compressor.compress(part, false, &mut out);
        }
        compressor.compress(last, true, &mut out);
        assert!(out.starts_with(b"head"));
        reader.check(&out[4..], &input);
    }
}

/// Frequencies like Fibonacci's numbers make the deepest Huffman tree.
#[test]
fn d21_codes_are_at_most_fifteen_bits() {
    let (mut input, mut a, mut b) = (Vec::new(), 1, 1);
    for byte in 0..22_u8 {
        input.extend(vec![byte; a]);
        (a, b) = (b, a + b);
    }
    // In no order, so that there is little to refer to.
    let mut state = 1_u32;
    for at in (1..input.len()).rev() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        input.swap(at, (state >> 8) as usize % (at + 1));
    }
    for level in 1..=9 {
        let out = message(&mut Compressor::new(level, 15), &input);
        assert!(out.len() < input.len() / 2);
        Reader::new(15).check(&out, &input);
    }
}

#[test]
fn what_does_not_shrink_is_stored() {
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|at| (at.wrapping_mul(0x9E37_79B1) ^ at.wrapping_mul(at)).to_be_bytes()[0])
        .collect();
    for len in [1, 20, 90, 97, 1000, 32_768, 65_536, 100_000] {
        let out = message(&mut Compressor::new(6, 15), &noise[..len]);
        // RFC 1951 §3.2.4: five bytes a block, and the byte that ends the message.
        assert!(out.len() <= len + 6 * len.div_ceil(32_768), "{len}: {}", out.len());
        Reader::new(15).check(&out, &noise[..len]);
    }
}

#[test]
fn positions_never_come_to_their_end() {
    let input = sample(8, 50_000);
    let (mut compressor, mut reader) = (Compressor::new(6, 15), Reader::new(15));
    compressor.matches.start_at(u32::MAX / 2 - 100_000);
    for _ in 0..8 {
        reader.check(&message(&mut compressor, &input), &input);
    }
    // Without takeover, too.
    compressor.matches.start_at(u32::MAX / 2 - 100_000);
    for _ in 0..8 {
        compressor.reset();
        Reader::new(15).check(&message(&mut compressor, &input), &input);
    }
}

#[test]
fn steady_state_keeps_its_memory() {
    let input = sample(9, 20_000);
    let (mut compressor, mut out) = (Compressor::new(6, 15), Vec::with_capacity(40_000));
    for _ in 0..4 {
        compressor.compress(&input, true, &mut out);
    }
    let held = (compressor.symbols.capacity(), compressor.matches.capacity());
    for _ in 0..10 {
        out.clear();
        compressor.compress(&input, true, &mut out);
        assert_eq!((compressor.symbols.capacity(), compressor.matches.capacity()), held);
        assert_eq!(out.capacity(), 40_000);
    }
}
