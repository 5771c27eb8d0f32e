//! Files that ask for more work to derive a key from their password than anybody wants to do.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wirewright_auth::{SigningKey, VerifyingKey};

use super::support::Folder;

const PBES2: &[u8] = &[6, 9, 42, 134, 72, 134, 247, 13, 1, 5, 13];
const PBKDF2: &[u8] = &[6, 9, 42, 134, 72, 134, 247, 13, 1, 5, 12];
const SCRYPT: &[u8] = &[6, 9, 43, 6, 1, 4, 1, 218, 71, 4, 11];
const SHA256: &[u8] = &[48, 12, 6, 8, 42, 134, 72, 134, 247, 13, 2, 9, 5, 0];
const AES256: &[u8] = &[6, 9, 96, 134, 72, 1, 101, 3, 4, 1, 42];
/// `pbeWithSHAAnd3-KeyTripleDES-CBC` (RFC 7292 appendix C).
const TRIPLE_DES: &[u8] = &[6, 10, 42, 134, 72, 134, 247, 13, 1, 12, 1, 3];
const DATA: &[u8] = &[6, 9, 42, 134, 72, 134, 247, 13, 1, 7, 1];
const SHROUDED: &[u8] = &[6, 11, 42, 134, 72, 134, 247, 13, 1, 12, 10, 1, 2];

/// A value as DER has it, of the parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match content.len() {
        len @ ..128 => vec![u8::try_from(len).unwrap()],
        len @ ..256 => vec![0x81, u8::try_from(len).unwrap()],
        len => [&[0x82][..], &u16::try_from(len).unwrap().to_be_bytes()].concat(),
    };
    [&[tag][..], &length, &content].concat()
}

fn integer(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    let digits = &bytes[zeros..];
    let sign: &[u8] = if digits[0] > 127 { &[0] } else { &[] };
    der(2, &[sign, digits])
}

fn pbes2(derivation: &[&[u8]]) -> Vec<u8> {
    let cipher = der(48, &[AES256, &der(4, &[&[0; 16]])]);
    der(48, &[PBES2, &der(48, &[&der(48, derivation), &cipher])])
}

fn pbkdf2(rounds: u64) -> Vec<u8> {
    pbes2(&[PBKDF2, &der(48, &[&der(4, &[b"saltsalt"]), &integer(rounds), SHA256])])
}

fn scrypt(cost: u64, blocks: u64, passes: u64) -> Vec<u8> {
    let numbers = [integer(cost), integer(blocks), integer(passes)].concat();
    pbes2(&[SCRYPT, &der(48, &[&der(4, &[b"saltsalt"]), &numbers])])
}

fn triple_des(rounds: u64) -> Vec<u8> {
    der(48, &[TRIPLE_DES, &der(48, &[&der(4, &[b"saltsalt"]), &integer(rounds)])])
}

/// A private key that is encrypted so.
fn key(algorithm: &[u8]) -> Vec<u8> {
    der(48, &[algorithm, &der(4, &[&[0; 32]])])
}

/// A PKCS#12 file with such keys, and without a checksum.
fn store(keys: &[Vec<u8>]) -> Vec<u8> {
    let bags: Vec<u8> =
        keys.iter().flat_map(|key| der(48, &[SHROUDED, &der(0xA0, &[key])])).collect();
    let data = |content: &[u8]| der(48, &[DATA, &der(0xA0, &[&der(4, &[content])])]);
    let safes = der(48, &[&data(&der(48, &[&bags]))]);
    der(48, &[&integer(3), &data(&safes)])
}

/// Why such a key is not read, from PEM and from PKCS#12.
fn refusals(algorithm: &[u8]) -> Vec<String> {
    let key = key(algorithm);
    let label = "ENCRYPTED PRIVATE KEY";
    let body = STANDARD.encode(&key);
    let lines: Vec<&str> =
        (0..body.len()).step_by(64).map(|i| &body[i..body.len().min(i + 64)]).collect();
    let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
    let from_pem = SigningKey::from_pem(pem.as_bytes(), Some(&"changeit".into()));
    let mut refusals = of_store(&[key]);
    refusals.push(from_pem.unwrap_err().to_string());
    refusals
}

fn of_store(keys: &[Vec<u8>]) -> Vec<String> {
    let folder = Folder::new(&format!("derivation-{:?}", std::thread::current().id()));
    let file = folder.file("store.p12", store(keys));
    let signing = SigningKey::from_pkcs12_file(&file, &"changeit".into(), None);
    let verifying = VerifyingKey::from_pkcs12_file(&file, &"changeit".into(), None);
    vec![signing.unwrap_err().to_string(), verifying.unwrap_err().to_string()]
}

#[test]
fn rfc8018_5_2_a_file_cannot_ask_for_any_number_of_rounds() {
    let started = Instant::now();
    for (algorithm, expected) in [
        (pbkdf2(5_000_001), "asks for 5000001 rounds"),
        (pbkdf2(u32::MAX.into()), "asks for 4294967295 rounds"),
        (scrypt(1 << 18, 9, 1), "asks for 294912 KiB of memory"),
        (scrypt(1 << 60, 8, 1), "asks for 1152921504606846976 KiB of memory"),
        (scrypt(1 << 18, 8, 5), "has 1310720 KiB written"),
        (scrypt(0, 8, 1), "has 0 for the cost of scrypt"),
        (scrypt(3, 8, 1), "has 3 for the cost of scrypt"),
    ] {
        for refusal in refusals(&algorithm) {
            assert!(refusal.contains(expected), "{refusal}\nis not\n{expected}");
        }
    }
    assert!(started.elapsed() < Duration::from_secs(2), "it was derived");
}

#[test]
fn rfc7292_the_keys_of_a_file_share_what_it_may_ask_for() {
    let started = Instant::now();
    let many = 900_000;
    for keys in [vec![key(&pbkdf2(many)); 6], vec![key(&triple_des(many)); 3]] {
        for refusal in of_store(&keys) {
            assert!(refusal.contains("asks for 5400000 rounds"), "{refusal}");
        }
    }
    assert!(started.elapsed() < Duration::from_secs(2), "it was derived");
    // What is within the limits is tried.
    for refusal in of_store(&[key(&pbkdf2(1)), key(&triple_des(1)), key(&scrypt(2, 1, 1))]) {
        assert!(refusal.contains("that this password opens"), "{refusal}");
    }
    for refusal in refusals(&pbkdf2(1)) {
        assert!(refusal.contains("password"), "{refusal}");
    }
}
