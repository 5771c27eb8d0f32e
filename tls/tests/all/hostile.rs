//! What a peer, or somebody on the way, may do to the bytes.

use wirewright_core::LayerState;
use wirewright_tls::{ClientTls, Identity, ServerTls, TlsError, Trust};

use crate::certificates::Authority;
use crate::pair::{End, Pair, VERSIONS, client_of, configs};
use crate::plain_peer::PlainServer;

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

/// Cuts each record of the handshake that is not encrypted into records of one byte.
fn one_byte_records(bytes: &[u8]) -> Vec<u8> {
    let mut cut = Vec::new();
    let mut rest = bytes;
    let mut plain = true;
    while let [kind, high_version, low_version, high, low, body @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let header = [*kind, *high_version, *low_version];
        // Behind ChangeCipherSpec, all is encrypted, as is what is called application data.
        plain &= *kind == 22;
        if plain {
            for byte in &body[..len] {
                cut.extend(header);
                cut.extend([0, 1, *byte]);
            }
        } else {
            cut.extend(&rest[..5 + len]);
        }
        rest = &body[len..];
    }
    cut
}

#[test]
fn s37_a_handshake_in_records_of_one_byte() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        for size in [1, 6, 7, 11, 1000, usize::MAX] {
            let mut pair = Pair::new(&client, &server, "example.com");
            pair.client.turn();
            loop {
                let up = one_byte_records(&pair.client.sent());
                let down = one_byte_records(&pair.server.sent());
                if up.is_empty() && down.is_empty() {
                    break;
                }
                up.chunks(size).for_each(|piece| pair.server.receive(piece));
                down.chunks(size).for_each(|piece| pair.client.receive(piece));
            }
            pair.assert_open();
            pair.assert_passes();
        }
    }
}

#[test]
fn s37_encrypted_flights_in_small_records() {
    let authority = Authority::new("authority");
    let client = client_of(&authority);
    let mut peer = PlainServer::new(&authority, &client, Some(32));
    peer.handshake_without_tickets();
    assert!(peer.layer.layer.is_open());
    peer.layer.write(&[7; 10_000]);
    let sealed = peer.layer.sent();
    peer.receive(&sealed);
    assert_eq!(peer.read(), [7; 10_000]);
}

#[test]
fn s37_a_chain_of_a_hundred_certificates() {
    let authority = Authority::new("authority");
    let issued = authority.issue(&["example.com"]);
    let mut chain = issued.chain.clone();
    for i in 0..99 {
        chain.push_str(&Authority::new(&format!("extra {i}")).pem());
    }
    let identity = Identity::pem(chain, issued.key);
    for version in VERSIONS {
        let server = ServerTls::builder().identity(identity.clone()).versions([version]);
        let server = server.build().unwrap();
        for size in [1, 1000, usize::MAX] {
            let mut pair = Pair::new(&client_of(&authority), &server, "example.com");
            pair.carry(size);
            pair.assert_open();
            let peer = pair.client.layer.security().peer.unwrap();
            assert_eq!(peer.chain.len(), 100);
        }
        // Of strangers alone it is refused, and not for ever looked for a way through.
        let other = Authority::new("other");
        let mut pair = Pair::new(&client_of(&other), &server, "example.com");
        pair.carry(usize::MAX);
        assert!(matches!(pair.client.failure(), TlsError::Certificate(_)));
    }
}

/// The bytes of each flight of a handshake, the client's first.
fn flights(client: &ClientTls, server: &ServerTls) -> Vec<Vec<u8>> {
    let mut pair = Pair::new(client, server, "example.com");
    pair.client.turn();
    let mut flights = Vec::new();
    loop {
        let up = pair.client.sent();
        pair.server.receive(&up);
        let down = pair.server.sent();
        pair.client.receive(&down);
        if up.is_empty() && down.is_empty() {
            return flights;
        }
        flights.extend([up, down]);
    }
}

/// That whoever has failed is done with it, and has said so to its peer where it could.
fn assert_settled(end: &mut End, what: &str) {
    let Some(error) = &end.error else {
        assert_ne!(end.state, LayerState::More, "{what}");
        return;
    };
    assert!(!error.to_string().is_empty());
    let error = end.failure();
    let said = end.sent();
    assert!(said.len() < 20_000, "{what}");
    end.error = None;
    end.receive(b"more");
    assert_eq!(end.failure(), error, "{what}: it goes on failing for the same reason");
    assert!(end.sent().is_empty(), "{what}: and says so once");
    assert!(end.layer.seal(b"more", &mut end.out).is_err());
    end.layer.close(&mut end.out);
    assert!(end.out.is_empty());
}

#[test]
fn a_byte_changed_anywhere_in_the_handshake_never_goes_unnoticed_or_panics() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let lengths: Vec<usize> = flights(&client, &server).iter().map(Vec::len).collect();
        let (hello, answer) = (lengths[0], lengths[1]);
        for at in (0..hello + answer).step_by(7) {
            let what = format!("{version}, byte {at}");
            let mut pair = Pair::new(&client, &server, "example.com");
            pair.client.turn();
            let mut up = pair.client.sent();
            if at < up.len() {
                up[at] ^= 0x41;
            }
            pair.server.receive(&up);
            let mut down = pair.server.sent();
            if let Some(byte) = at.checked_sub(hello).and_then(|at| down.get_mut(at)) {
                *byte ^= 0x41;
            }
            pair.client.receive(&down);
            pair.carry(usize::MAX);
            let both = pair.client.layer.is_open() && pair.server.layer.is_open();
            let fine = pair.client.error.is_none() && pair.server.error.is_none();
            // The version in a record's header counts for nothing (RFC 8446 §5.1).
            let in_header = |start: usize| (start + 1..start + 3).contains(&at);
            assert!(!(both && fine) || in_header(0) || at >= hello, "{what}");
            assert_settled(&mut pair.client, &what);
            assert_settled(&mut pair.server, &what);
        }
    }
}

#[test]
fn a_byte_changed_anywhere_in_a_record_is_corruption() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let mut pair = Pair::open(&client, &server, "example.com");
        pair.client.write(b"a record");
        let len = pair.client.sent().len();
        for at in 5..len {
            let mut pair = Pair::open(&client, &server, "example.com");
            pair.client.write(b"a record");
            let mut bytes = pair.client.sent();
            bytes[at] ^= 1;
            pair.server.receive(&bytes);
            assert_eq!(pair.server.failure(), TlsError::Corrupted, "{version}, byte {at}");
            assert!(pair.server.failure().is_transient());
            assert!(pair.server.read().is_empty());
            let alert = pair.server.sent();
            pair.client.receive(&alert);
            let heard = pair.client.failure();
            assert!(
                matches!(&heard, TlsError::Alert { name, .. } if name == "bad_record_mac"),
                "{heard:?}"
            );
        }
    }
}

#[test]
fn a_record_twice_or_out_of_order_is_corruption() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let mut pair = Pair::open(&client, &server, "example.com");
        pair.client.write(b"one");
        let one = pair.client.sent();
        pair.client.write(b"two");
        let two = pair.client.sent();
        let mut other = Pair::open(&client, &server, "example.com");
        other.server.receive(&one);
        assert_eq!(other.server.failure(), TlsError::Corrupted, "another connection's");
        pair.server.receive(&one);
        pair.server.receive(&one);
        assert_eq!(pair.server.failure(), TlsError::Corrupted, "twice");
        assert_eq!(pair.server.read(), b"one");
        let mut third = Pair::open(&client, &server, "example.com");
        third.server.receive(&two);
        assert_eq!(third.server.failure(), TlsError::Corrupted);
    }
}

#[test]
fn who_does_not_speak_tls_is_told_so() {
    let (client, server) = configs(&Authority::new("authority"), "TLSv1.3");
    let cases: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x", &[0; 64]];
    for bytes in cases {
        let mut pair = Pair::new(&client, &server, "example.com");
        pair.client.turn();
        for end in [&mut pair.client, &mut pair.server] {
            end.receive(bytes);
            let failure = end.failure();
            assert!(matches!(failure, TlsError::NotTls(_)), "{failure:?}");
            assert!(failure.to_string().contains("does not speak TLS"), "{failure}");
        }
        let mut pair = Pair::open(&client, &server, "example.com");
        pair.client.receive(bytes);
        let failure = pair.client.failure();
        assert!(matches!(failure, TlsError::Misbehaved(_)), "it has spoken it before: {failure:?}");
    }
}

#[test]
fn rfc8446_5_1_a_record_that_is_too_long_is_refused_by_its_header() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        for opened in [false, true] {
            let mut pair = Pair::new(&client, &server, "example.com");
            pair.client.turn();
            if opened {
                pair.carry(usize::MAX);
            }
            pair.server.receive(&[if opened { 23 } else { 22 }, 3, 3, 0xff, 0xff]);
            assert!(matches!(pair.server.failure(), TlsError::Misbehaved(_)));
        }
    }
}

#[test]
fn a_message_that_is_too_long_is_refused_by_its_header() {
    let (client, server) = configs(&Authority::new("authority"), "TLSv1.3");
    let mut pair = Pair::new(&client, &server, "example.com");
    // A ClientHello of 65 536 bytes.
    pair.server.receive(&[22, 3, 1, 0, 4, 1, 1, 0, 0]);
    assert!(matches!(pair.server.failure(), TlsError::Misbehaved(_)));
    pair.client.turn();
}

#[test]
fn empty_records_are_not_taken_for_ever() {
    let (client, server) = configs(&Authority::new("authority"), "TLSv1.2");
    let mut pair = Pair::new(&client, &server, "example.com");
    pair.client.turn();
    for _ in 0..10_000 {
        pair.server.receive(&[22, 3, 3, 0, 0]);
        if pair.server.error.is_some() {
            break;
        }
    }
    assert!(matches!(pair.server.failure(), TlsError::Misbehaved(_)));
}

#[test]
fn a_second_hello_is_against_the_rules() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let mut pair = Pair::new(&client, &server, "example.com");
        pair.client.turn();
        let hello = pair.client.sent();
        pair.server.receive(&hello);
        pair.server.receive(&hello);
        let failure = pair.server.failure();
        let expected = matches!(failure, TlsError::Misbehaved(_) | TlsError::Corrupted);
        assert!(expected, "{version}: {failure:?}");
    }
}

#[test]
fn random_bytes_never_panic() {
    let (client, server) = configs(&Authority::new("authority"), "TLSv1.3");
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..400 {
        let mut pair = Pair::new(&client, &server, "example.com");
        pair.client.turn();
        if round % 2 == 0 {
            pair.carry(usize::MAX);
        }
        for _ in 0..20 {
            let len = usize::from(numbers.byte());
            let mut bytes: Vec<u8> = (0..len).map(|_| numbers.byte()).collect();
            // Mostly with headers that look right.
            if let ([kind, high, low, len_high, len_low, ..], true) =
                (bytes.as_mut_slice(), numbers.byte() < 200)
            {
                *kind = 20 + *kind % 4;
                (*high, *low, *len_high) = (3, 3, 0);
                *len_low = u8::try_from(len - 5).unwrap();
            }
            pair.client.receive(&bytes);
            pair.server.receive(&bytes);
        }
        assert_settled(&mut pair.client, "client");
        assert_settled(&mut pair.server, "server");
    }
}

#[test]
fn the_alert_for_a_bad_certificate_is_in_what_is_to_be_sent() {
    let authority = Authority::new("authority");
    let stranger = Authority::new("stranger");
    for version in VERSIONS {
        let (_, server) = configs(&authority, version);
        let client = ClientTls::builder().trust(Trust::pem(stranger.pem())).build().unwrap();
        let mut pair = Pair::new(&client, &server, "example.com");
        pair.carry(usize::MAX);
        let heard = pair.server.failure();
        assert!(
            matches!(&heard, TlsError::Alert { code: 48, name } if name == "unknown_ca"),
            "{version}: {heard:?}"
        );
        assert!(!heard.is_transient());
    }
}
