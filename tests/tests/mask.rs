//! Masking (RFC 6455 §5.3) against the RFC's own definition, at any alignment and split.

use wirewright_core::Mask;
use wirewright_tests::raw;
use wirewright_tests::raw::{KEY, frame};
use wirewright_tests::rng::Dice;
use wirewright_tests::splits::{Setup, binary, check};

fn expected(key: [u8; 4], bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    raw::mask(key, &mut bytes);
    bytes
}

#[test]
fn p054_transform_at_every_length_and_split() {
    let noise = Dice::new(54).noise(256);
    for len in 0..=67 {
        let plain = &noise[..len];
        let masked = expected(KEY, plain);
        for at in 0..=len {
            for second in [at, (at + len) / 2, len] {
                let mut mask = Mask::new(KEY);
                let mut bytes = plain.to_vec();
                mask.apply(&mut bytes[..at]);
                mask.apply(&mut bytes[at..second]);
                mask.apply(&mut bytes[second..]);
                assert_eq!(bytes, masked);
                let mut mask = Mask::new(KEY);
                let mut bytes = vec![0; len];
                mask.copy(&mut bytes[..at], &plain[..at]);
                mask.apply(&mut []);
                mask.copy(&mut bytes[at..], &plain[at..]);
                assert_eq!(bytes, masked);
            }
        }
        // In frames, across reads.
        let setup = Setup::server();
        assert_eq!(check(&setup, &frame(setup.role, 0x82, plain)), [binary(plain)]);
    }
}

#[test]
fn s42_masks_agree_at_every_alignment() {
    let mut dice = Dice::new(42);
    let noise = dice.noise(1024);
    // Into the middle of a larger buffer, so that alignment changes and what lies about it shows
    // a write too far.
    for len in 0..=300 {
        for align in 0..64 {
            let key = if align % 9 == 0 { [0xFF, 0, 0x80, 1] } else { KEY };
            let plain = &noise[align..align + len];
            let masked = expected(key, plain);
            let mut field = noise.clone();
            Mask::new(key).apply(&mut field[align..align + len]);
            assert_eq!(field[..align], noise[..align]);
            assert_eq!(field[align..align + len], masked);
            assert_eq!(field[align + len..], noise[align + len..]);
            let other = align * 7 % 64;
            let mut field = noise.clone();
            Mask::new(key).copy(&mut field[other..other + len], plain);
            assert_eq!(field[..other], noise[..other]);
            assert_eq!(field[other..other + len], masked);
            assert_eq!(field[other + len..], noise[other + len..]);
        }
    }
}

#[test]
fn s42_masks_agree_over_long_payloads() {
    let mut dice = Dice::new(43);
    for len in [255, 256, 257, 511, 1000, 4095, 4096, 4097, 65_536, 65_537] {
        let plain = dice.noise(len);
        let key = dice.noise(4).try_into().unwrap();
        let masked = expected(key, &plain);
        let mut bytes = plain.clone();
        let mut mask = Mask::new(key);
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut((1 + dice.below(2000)).min(rest.len()));
            mask.apply(now);
            rest = later;
        }
        assert_eq!(bytes, masked);
        Mask::new(key).apply(&mut bytes);
        assert_eq!(bytes, plain, "it is its own reverse");
        Mask::new(key).copy(&mut bytes, &plain);
        assert_eq!(bytes, masked);
    }
}

#[test]
fn p054_rfc6455_5_7_example() {
    let mut hello = *b"Hello";
    Mask::new([0x37, 0xFA, 0x21, 0x3D]).apply(&mut hello);
    assert_eq!(hello, [0x7F, 0x9F, 0x4D, 0x51, 0x58]);
}

#[test]
#[should_panic(expected = "a masked copy keeps its length")]
fn copy_of_another_length_is_refused() {
    Mask::new(KEY).copy(&mut [0; 3], &[0; 4]);
}
