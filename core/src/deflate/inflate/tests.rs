#![expect(clippy::cast_possible_truncation, reason = "test inputs are small")]

use alloc::{vec, vec::Vec};

use flate2::{Compress, Compression, FlushCompress};

use super::{InflateError, Inflater};

const CORRUPT: Result<&[u8], InflateError> = Err(InflateError::Corrupt);

fn message(inflater: &mut Inflater, pieces: &[&[u8]], limit: u64) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    for piece in pieces {
        inflater.inflate(piece, &mut out, limit)?;
    }
    inflater.end_message(&mut out, limit)?;
    Ok(out)
}

/// Whole, at every split, and byte by byte, after the same `history`.
#[track_caller]
fn check(bits: u8, history: &[&[u8]], input: &[u8], expected: Result<&[u8], InflateError>) {
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    let splits = (0..=input.len()).map(|at| vec![&input[..at], &input[at..]]);
    for pieces in splits.chain([bytes]) {
        let mut inflater = Inflater::new(bits);
        for earlier in history {
            message(&mut inflater, &[earlier], u64::MAX).unwrap();
        }
        let found = message(&mut inflater, &pieces, u64::MAX);
        assert_eq!(found.as_deref().map_err(|&error| error), expected, "{pieces:02X?}");
    }
}

const HELLO: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
const HELLO_FINAL: &[u8] = &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];

#[test]
fn d21_rfc7692_7_2_3_vectors() {
    // §7.2.3.1: one block. §7.2.3.2: the same again, by reference to the first.
    check(15, &[], HELLO, Ok(b"Hello"));
    check(15, &[HELLO], &[0xF2, 0x00, 0x11, 0x00, 0x00], Ok(b"Hello"));
    // §7.2.3.3: a block without compression.
    let stored = [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00];
    check(15, &[], &stored, Ok(b"Hello"));
    // §7.2.3.4: a block with BFINAL=1. §7.2.3.5: two blocks.
    check(15, &[], HELLO_FINAL, Ok(b"Hello"));
    let two = [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00];
    check(15, &[], &two, Ok(b"Hello"));
}

#[test]
fn d25_empty_message() {
    check(15, &[], &[0x00], Ok(b""));
    check(15, &[HELLO], &[0x00], Ok(b""));
    // "02 00" is an empty block with fixed codes, then the empty one without compression.
    check(15, &[], &[0x02, 0x00], Ok(b""));
}

#[test]
fn d21_bfinal_ends_neither_message_nor_window() {
    // The block with BFINAL=1 is padded; another one follows it.
    let twice = [&HELLO_FINAL[..7], HELLO].concat();
    check(15, &[], &twice, Ok(b"HelloHello"));
    // It may refer to what came before, in this message and the last.
    let again = [0xF2, 0x00, 0x11, 0x00, 0x00];
    check(15, &[], &[&HELLO_FINAL[..7], &again].concat(), Ok(b"HelloHello"));
    check(15, &[HELLO_FINAL], &again, Ok(b"Hello"));
    check(15, &[HELLO_FINAL, &again], &again, Ok(b"Hello"));
}

#[test]
fn s12_bad_streams() {
    let cases: &[&[u8]] = &[
        // No bytes at all: not even the empty block.
        &[],
        // Block type 3.
        &[0x06],
        &[0x07, 0x00],
        // LEN and NLEN are no complements.
        &[0x00, 0x05, 0x00, 0xFB, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        // A stored block longer than the message.
        &[0x00, 0x06, 0x00, 0xF9, 0xFF, 0x48],
        // A reference to before the first byte.
        &[0xF2, 0x00, 0x11, 0x00, 0x00],
        // 287 codes for literals and lengths; 31 for distances.
        &[0xF4, 0x00, 0x00],
        &[0x04, 0x1E, 0x00],
        // All code lengths zero.
        &[0x04, 0x00, 0x00, 0x00, 0x00, 0x00],
    ];
    for case in cases {
        check(15, &[], case, CORRUPT);
    }
    // Truncated anywhere.
    for at in 1..HELLO.len() - 1 {
        check(15, &[], &HELLO[..at], CORRUPT);
    }
}

#[test]
fn s12_dead_after_an_error() {
    let mut inflater = Inflater::new(15);
    assert_eq!(message(&mut inflater, &[&[0x06]], 9), Err(InflateError::Corrupt));
    assert_eq!(message(&mut inflater, &[HELLO], 9), Err(InflateError::Corrupt));
}

/// `len` zeros by one literal and matches of distance 1, in a block with fixed codes.
fn deflate(bytes: &[u8], level: u32, bits: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 100 + 1000);
    let mut compress = Compress::new_with_window_bits(Compression::new(level), false, bits);
    compress.compress_vec(bytes, &mut out, FlushCompress::Sync).unwrap();
    assert_eq!(compress.total_in(), bytes.len() as u64);
    assert_eq!(out.split_off(out.len() - 4), [0x00, 0x00, 0xFF, 0xFF]);
    out
}

#[test]
fn s09_limit_is_exact() {
    for len in [1, 100, 16_384, 32_768, 65_536, 1 << 20] {
        let bomb = deflate(&vec![0; len], 9, 15);
        for piece in [bomb.len(), 1] {
            let pieces: Vec<&[u8]> = bomb.chunks(piece).collect();
            let limit = len as u64;
            let mut inflater = Inflater::new(15);
            assert_eq!(message(&mut inflater, &pieces, limit).map(|it| it.len()), Ok(len));
            // The count begins anew with each message.
            assert_eq!(message(&mut inflater, &pieces, limit).map(|it| it.len()), Ok(len));
            let mut out = Vec::new();
            let over = pieces.iter().try_for_each(|it| inflater.inflate(it, &mut out, limit - 1));
            assert_eq!(over, Err(InflateError::TooBig));
            assert!((out.capacity() as u64) < limit);
        }
    }
}

#[test]
fn s09_a_piece_that_was_taken_away_counts() {
    let mut bomb = deflate(&[0; 1000], 9, 15);
    bomb.extend([0x00, 0x00, 0xFF, 0xFF]);
    let (mut inflater, mut out) = (Inflater::new(15), Vec::new());
    inflater.inflate(&bomb, &mut out, 1000).unwrap();
    out.clear();
    assert_eq!(inflater.inflate(HELLO, &mut out, 1000), Err(InflateError::TooBig));
}

#[test]
fn s09_blocks_without_output() {
    let empty = [0x00, 0x00, 0x00, 0xFF, 0xFF].repeat(100_000);
    let mut inflater = Inflater::new(15);
    let input = [&empty[..], &[0x00]].concat();
    assert_eq!(message(&mut inflater, &[&input], 0), Ok(vec![]));
    assert_eq!(inflater.buffer.capacity(), 0);
}

#[test]
fn s09_memory_grows_with_what_came() {
    let mut inflater = Inflater::new(15);
    message(&mut inflater, &[HELLO], 9).unwrap();
    assert!(inflater.buffer.capacity() <= 2 * super::FIRST);
    let bomb = deflate(&vec![0; 1 << 20], 9, 15);
    message(&mut inflater, &[&bomb], u64::MAX).unwrap();
    assert!(inflater.buffer.capacity() <= 48 * 1024);
}

/// A block with fixed codes: literals, then a match of three bytes.
fn with_match(literals: usize, distance: u32) -> Vec<u8> {
    let (mut bits, mut out) = (Vec::new(), Vec::new());
    let mut put = |value: u32, n: u32, first_high: bool| {
        for at in 0..n {
            bits.push(value >> (if first_high { n - 1 - at } else { at }) & 1 == 1);
        }
    };
    put(0b010, 3, false);
    (0..literals).for_each(|at| put(0x30 + at as u32 % 144, 8, true));
    put(1, 7, true);
    let symbol = (0..30).rev().find(|&it| super::tables::base(it) <= distance).unwrap();
    put(symbol, 5, true);
    put(distance - super::tables::base(symbol), (symbol / 2).saturating_sub(1), false);
    put(0, 7, true);
    put(0, 3, false);
    for byte in bits.chunks(8) {
        out.push((0..).zip(byte).map(|(at, &bit)| u8::from(bit) << at).sum());
    }
    out
}

#[test]
fn d26_distance_beyond_the_agreed_window() {
    for bits in 8..=15 {
        let window = 1 << bits;
        let reach = |distance| {
            let mut inflater = Inflater::new(bits);
            let found = message(&mut inflater, &[&with_match(40_000, distance)], u64::MAX);
            found.map(|found| found.len())
        };
        assert_eq!(reach(1), Ok(40_003));
        assert_eq!(reach(window), Ok(40_003));
        if bits < 15 {
            assert_eq!(reach(window + 1), Err(InflateError::Corrupt), "{bits}");
        }
    }
    // D-26's own: 9 bits, distance 513, and one byte before the first.
    check(9, &[], &with_match(600, 513), CORRUPT);
    check(15, &[], &with_match(600, 601), CORRUPT);
    assert!(message(&mut Inflater::new(15), &[&with_match(600, 600)], 999).is_ok());
}

#[test]
fn d23_reset_forgets() {
    let mut inflater = Inflater::new(15);
    message(&mut inflater, &[HELLO], 5).unwrap();
    inflater.reset();
    let again = [0xF2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(message(&mut inflater, &[&again], 5), Err(InflateError::Corrupt));
}

/// Bytes of many kinds: runs, near and far repeats, text, noise.
fn sample(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    let mut out: Vec<u8> = Vec::new();
    while out.len() < len {
        let n = next() % 300 + 1;
        match next() % 5 {
            0 => out.extend(core::iter::repeat_n(next() as u8, n)),
            1 if !out.is_empty() => {
                let from = next() % out.len();
                let to = (from + n).min(out.len());
                out.extend_from_within(from..to);
            }
            2 => out.extend((0..n).map(|_| next() as u8)),
            3 => out.extend((0..n).map(|_| b'a' + (next() % 7 * (next() % 4)) as u8)),
            _ => out.extend((0..n).map(|_| b"{\"price\":17,}"[next() % 13])),
        }
    }
    out.truncate(len);
    out
}

#[test]
fn d24_agrees_with_zlib() {
    for seed in 1..60 {
        let bits = 9 + (seed % 7) as u8;
        let level = (seed % 10) as u32;
        let mut compress = Compress::new_with_window_bits(Compression::new(level), false, bits);
        let mut inflater = Inflater::new(bits);
        for round in 0..6 {
            let len = [10, 300, 5000, 70_000, 40_000, 1][(seed as usize + round) % 6];
            let bytes = sample(seed * 77 + round as u64, len);
            let mut deflated = Vec::with_capacity(len * 2 + 1000);
            compress.compress_vec(&bytes, &mut deflated, FlushCompress::Sync).unwrap();
            deflated.truncate(deflated.len() - 4);
            for piece in [usize::MAX, 1, 7, 4096] {
                let mut copy = Inflater { buffer: inflater.buffer.clone(), ..Inflater::new(bits) };
                (copy.pos, copy.flushed) = (inflater.pos, inflater.flushed);
                let pieces: Vec<&[u8]> = deflated.chunks(piece).collect();
                let found = message(&mut copy, &pieces, len as u64).unwrap();
                assert!(found == bytes, "seed {seed} round {round} piece {piece}");
            }
            message(&mut inflater, &[&deflated], len as u64).unwrap();
        }
    }
}

#[test]
fn s12_random_bytes_and_flipped_bits() {
    let whole = deflate(&sample(5, 3000), 6, 15);
    for seed in 1..2_000_u64 {
        let noise = sample(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15), 64);
        let _ = message(&mut Inflater::new(15), &[&noise], 1 << 20);
        let mut flipped = whole.clone();
        let at = (seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 20) as usize % (whole.len() * 8);
        flipped[at / 8] ^= 1 << (at % 8);
        let one = message(&mut Inflater::new(15), &[&flipped], 1 << 20);
        let bytes: Vec<&[u8]> = flipped.chunks(3).collect();
        assert_eq!(message(&mut Inflater::new(15), &bytes, 1 << 20), one);
    }
}
