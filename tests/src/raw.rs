//! Frames built by hand, for what the engine itself would never send.

use wirewright_core::Role;

/// The masking key of frames built here: RFC 6455 §5.7's.
pub const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// The text of RFC 7692's examples.
pub const HELLO: &[u8] = b"Hello";
/// It, compressed (RFC 7692 §7.2.3.1).
pub const HELLO_DEFLATED: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];

/// The length of the longest frame that an endpoint without limits waits for: the protocol's
/// longest, or what a machine of 32 bits counts memory in.
pub const LONGEST: u64 = if usize::BITS < 64 { usize::MAX as u64 } else { u64::MAX >> 1 };

/// A frame for an endpoint of this role: masked for a server. `first` is the first byte: FIN,
/// RSV and opcode.
#[must_use]
pub fn frame(to: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(to, first, payload.len() as u64);
    bytes.extend(transform(to, payload));
    bytes
}

/// The header of such a frame, of a length that need not follow.
#[must_use]
pub fn header(to: Role, first: u8, len: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    let masked = if to == Role::Server { 0x80 } else { 0 };
    let [.., high, low] = len.to_be_bytes();
    match len {
        0..=125 => bytes.push(masked | low),
        126..=0xFFFF => bytes.extend([masked | 126, high, low]),
        _ => {
            bytes.push(masked | 127);
            bytes.extend(len.to_be_bytes());
        }
    }
    if to == Role::Server {
        bytes.extend(KEY);
    }
    bytes
}

/// A header whose second byte and length field are given as they are.
#[must_use]
pub fn odd_header(to: Role, first: u8, second: u8, length: &[u8]) -> Vec<u8> {
    let masked = if to == Role::Server { 0x80 } else { 0 };
    let mut bytes = vec![first, masked | second];
    bytes.extend(length);
    if to == Role::Server {
        bytes.extend(KEY);
    }
    bytes
}

/// A payload as it stands in a frame for this role.
#[must_use]
pub fn transform(to: Role, payload: &[u8]) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    if to == Role::Server {
        mask(KEY, &mut bytes);
    }
    bytes
}

/// RFC 6455 §5.3, letter by letter: "transformed-octet-i = original-octet-i XOR
/// masking-key-octet-j, j = i MOD 4".
pub fn mask(key: [u8; 4], bytes: &mut [u8]) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}

/// Several frames, one behind the other.
#[must_use]
pub fn frames(to: Role, list: &[(u8, &[u8])]) -> Vec<u8> {
    list.iter().flat_map(|(first, payload)| frame(to, *first, payload)).collect()
}

/// A frame taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// FIN, RSV and opcode.
    pub first: u8,
    /// The masking key.
    pub key: Option<[u8; 4]>,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
    /// Bytes that the header took.
    pub header: usize,
}

/// Takes apart what an endpoint has sent, which must be whole frames.
///
/// # Panics
/// If it is not.
#[must_use]
pub fn sent(mut bytes: &[u8]) -> Vec<Sent> {
    let mut list = Vec::new();
    while let [first, second, ..] = bytes {
        let (mut header, len) = match second & 0x7F {
            126 => (4, u64::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
            127 => (10, bytes[2..10].iter().fold(0, |len, &byte| len << 8 | u64::from(byte))),
            len => (2, u64::from(len)),
        };
        let key = (second & 0x80 != 0).then(|| {
            header += 4;
            [bytes[header - 4], bytes[header - 3], bytes[header - 2], bytes[header - 1]]
        });
        let end = header + usize::try_from(len).expect("a frame that is in memory");
        let mut payload = bytes[header..end].to_vec();
        if let Some(key) = key {
            mask(key, &mut payload);
        }
        list.push(Sent { first: *first, key, payload, header });
        bytes = &bytes[end..];
    }
    assert!(bytes.is_empty(), "half a header");
    list
}
