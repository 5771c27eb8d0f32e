//! Compressed messages in frames (RFC 7692 §6, §7.2), with the RFC's own bytes.

use std::time::Duration;

use wirewright_core::deflate::Agreement;
use wirewright_core::{
    CloseCode, Event, Inbox, Limit, Message, MessageKind, Outbox, Outgoing, Role, Violation,
};
use wirewright_tests::inflate;
use wirewright_tests::raw::{self, HELLO_DEFLATED as HELLO, Sent, frame, frames};
use wirewright_tests::rng::Dice;
use wirewright_tests::seen::Seen;
use wirewright_tests::splits::{FORGETFUL, FULL, Setup, binary, check, failed, text};

/// Blocks without compression, as they stand in a message: `00` at the end, less the tail.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut blocks = Vec::new();
    for chunk in bytes.chunks(65_535) {
        let len = u16::try_from(chunk.len()).unwrap();
        blocks.push(0);
        blocks.extend(len.to_le_bytes());
        blocks.extend((!len).to_le_bytes());
        blocks.extend(chunk);
    }
    blocks.push(0);
    blocks
}

fn outgoing(setup: &Setup) -> Outgoing {
    Outgoing::new(setup.sender(), &setup.config, setup.agreement)
}

fn taken(out: &mut Outbox) -> Vec<Sent> {
    let frames = raw::sent(out.poll_transmit().unwrap_or_default());
    out.transmitted(out.len());
    frames
}

fn compressed(outgoing: &mut Outgoing, message: &[u8]) -> Vec<u8> {
    let mut out = Outbox::new();
    outgoing.send(Message::Binary(message), &mut out).unwrap();
    taken(&mut out).into_iter().flat_map(|frame| frame.payload).collect()
}

#[test]
fn d04_compressed_and_plain_messages_alternate() {
    for setup in Setup::both_deflated(FULL) {
        let list: [(u8, &[u8]); 6] = [
            (0xC1, HELLO),
            (0x81, b"plain"),
            (0xC2, HELLO),
            (0x82, b""),
            (0x8A, b"pong"),
            (0xC1, &[0xF2, 0x00, 0x11, 0x00, 0x00]),
        ];
        let expected = [
            text("Hello"),
            text("plain"),
            binary(b"Hello"),
            binary(b""),
            Seen::Pong(b"pong".to_vec()),
            text("Hello"),
        ];
        assert_eq!(check(&setup, &frames(setup.role, &list)), expected);
        // Sent the same way.
        let mut outgoing = outgoing(&setup);
        let mut out = Outbox::new();
        outgoing.send(Message::Text("Hello"), &mut out).unwrap();
        outgoing.send_uncompressed(Message::Text("plain"), &mut out).unwrap();
        outgoing.send_ping(b"ping", &mut out).unwrap();
        outgoing.send(Message::Binary(b"Hello"), &mut out).unwrap();
        let firsts: Vec<u8> = taken(&mut out).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [0xC1, 0x81, 0x89, 0xC2]);
    }
}

#[test]
fn d05_rsv1_on_control_or_continuation_fails_1002() {
    let reserved = failed(Violation::ReservedBits(4));
    for setup in Setup::both_deflated(FULL) {
        for first in [0xC8, 0xC9, 0xCA, 0xC0, 0x40] {
            assert_eq!(check(&setup, &frame(setup.role, first, b"")), reserved);
        }
        for start in [0x01, 0x41] {
            let input = frames(setup.role, &[(start, b""), (0xC0, HELLO)]);
            assert_eq!(check(&setup, &input), reserved);
        }
    }
}

#[test]
fn s10_rsv1_that_was_not_negotiated_fails_1002() {
    let reserved = failed(Violation::ReservedBits(4));
    assert_eq!(Violation::ReservedBits(4).close_code(), CloseCode::PROTOCOL_ERROR);
    for setup in Setup::both() {
        for first in [0xC1, 0xC2, 0x41, 0x42, 0xC0, 0x40, 0xC8, 0xC9, 0xCA] {
            assert_eq!(check(&setup, &frame(setup.role, first, HELLO)), reserved);
        }
    }
}

#[test]
fn d06_utf8_rule_holds_for_inflated_text() {
    for setup in Setup::both_deflated(FULL) {
        for bad in [&b"ok\xFF"[..], b"\xC0\x80", b"\xED\xA0\x80", b"cut \xE2\x82"] {
            let payload = stored(bad);
            let whole = frame(setup.role, 0xC1, &payload);
            assert_eq!(check(&setup, &whole), failed(Violation::TextUtf8), "{bad:02X?}");
            let (one, other) = payload.split_at(payload.len() / 2);
            let parts = frames(setup.role, &[(0x41, one), (0x80, other)]);
            assert_eq!(check(&setup, &parts), failed(Violation::TextUtf8), "{bad:02X?}");
            assert_eq!(check(&setup, &frame(setup.role, 0xC2, &payload)), [binary(bad)]);
        }
        // What is compressed need not be UTF-8 itself, nor a fragment of it a text.
        let payload = stored("€ 🦀 é".as_bytes());
        for at in 0..payload.len() {
            let (one, other) = payload.split_at(at);
            let input = frames(setup.role, &[(0x41, one), (0x80, other)]);
            assert_eq!(check(&setup, &input), [text("€ 🦀 é")]);
        }
    }
}

#[test]
fn d07_compressed_then_fragmented() {
    // RFC 7692 §7.2.3.1: `41 03 F2 48 CD`, `80 04 C9 C9 07 00`; and at every other byte.
    let client = Setup { agreement: Some(FULL), ..Setup::client() };
    let input = [0x41, 0x03, 0xF2, 0x48, 0xCD, 0x80, 0x04, 0xC9, 0xC9, 0x07, 0x00];
    assert_eq!(check(&client, &input), [text("Hello")]);
    for setup in Setup::both_deflated(FULL) {
        for at in 0..=HELLO.len() {
            for to in at..=HELLO.len() {
                let list = [
                    (0x41, &HELLO[..at]),
                    (0x89, &b"?"[..]),
                    (0x00, &HELLO[at..to]),
                    (0x80, &HELLO[to..]),
                ];
                let seen = check(&setup, &frames(setup.role, &list));
                assert_eq!(seen, [Seen::Ping(b"?".to_vec()), text("Hello")]);
            }
        }
        // Sent: compressed as a whole, then cut; RSV1 on the first frame alone.
        let small = setup.with(|config| config.outgoing_frame_size = 3);
        let mut out = Outbox::new();
        outgoing(&small).send(Message::Text("Hello"), &mut out).unwrap();
        let sent = taken(&mut out);
        let firsts: Vec<u8> = sent.iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [0x41, 0x00, 0x80]);
        let joined: Vec<u8> = sent.into_iter().flat_map(|frame| frame.payload).collect();
        assert_eq!(joined, HELLO);
    }
}

#[test]
fn p052_length_is_of_what_is_on_the_wire() {
    // Limits count what was inflated as well.
    for setup in Setup::both_deflated(FULL) {
        let small = setup.clone().with(|config| config.limits.max_message_size = 7);
        let input = frame(setup.role, 0xC1, HELLO);
        assert_eq!(check(&small, &input), [text("Hello")]);
        let smaller = setup.with(|config| config.limits.max_message_size = 6);
        let limit = Limit::MessageSize { len: 7, max: 6 };
        assert_eq!(check(&smaller, &input), [Seen::Failed(limit.into())]);
    }
}

#[test]
fn d20_d24_hello_both_ways() {
    for setup in Setup::both_deflated(FULL) {
        let input = frame(setup.role, 0xC1, HELLO);
        assert_eq!(check(&setup, &input), [text("Hello")]);
        let mut outgoing = outgoing(&setup);
        assert_eq!(compressed(&mut outgoing, b"Hello"), HELLO);
        // RFC 7692 §7.2.3.2: by reference to the first, in whatever words.
        let again = compressed(&mut outgoing, b"Hello");
        assert!(again.len() <= 5);
        let list = [(0xC1, HELLO), (0xC1, &again[..])];
        let seen = check(&setup, &frames(setup.role, &list));
        assert_eq!(seen, [text("Hello"), text("Hello")]);
    }
}

#[test]
fn d21_rfc7692_7_2_3_examples() {
    let examples: [&[u8]; 3] = [
        // §7.2.3.3: a block without compression.
        &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        // §7.2.3.4: BFINAL=1.
        &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
        // §7.2.3.5: two blocks.
        &[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
    ];
    for setup in Setup::both_deflated(FULL).into_iter().chain(Setup::both_deflated(FORGETFUL)) {
        for example in examples {
            // Twice, and something ordinary behind it: state is whole after each.
            let list = [(0xC1, example), (0xC1, example), (0xC1, HELLO)];
            let expected = [text("Hello"), text("Hello"), text("Hello")];
            assert_eq!(check(&setup, &frames(setup.role, &list)), expected);
        }
    }
    // The window outlives BFINAL=1: a reference to a message that ended with it.
    for setup in Setup::both_deflated(FULL) {
        let list = [(0xC1, examples[1]), (0xC1, &[0xF2, 0x00, 0x11, 0x00, 0x00][..])];
        let seen = check(&setup, &frames(setup.role, &list));
        assert_eq!(seen, [text("Hello"), text("Hello")]);
    }
}

#[test]
fn d22_window_of_the_encoder() {
    // What repeats at just more than the window's distance must not be referred to.
    for bits in 9..=15_u8 {
        let agreement =
            Agreement { server_max_window_bits: bits, client_max_window_bits: bits, ..FULL };
        for setup in Setup::both_deflated(agreement) {
            let window = 1 << bits;
            let mut noise = Dice::new(u64::from(bits)).noise(window + 1);
            noise.extend_from_within(..);
            let bytes = compressed(&mut outgoing(&setup), &noise);
            // The oracle refuses any distance over its window.
            let whole = [&bytes[..], &[0, 0, 0xFF, 0xFF]].concat();
            let inflated = inflate::inflate(&whole, Vec::new(), window);
            assert_eq!(inflated.end, inflate::End::Boundary);
            assert!(inflated.bytes == noise);
        }
    }
}

#[test]
fn d23_no_context_takeover() {
    for setup in Setup::both_deflated(FORGETFUL) {
        let mut outgoing = outgoing(&setup);
        for _ in 0..3 {
            assert_eq!(compressed(&mut outgoing, b"Hello, Hello"), {
                let mut fresh = self::outgoing(&setup);
                compressed(&mut fresh, b"Hello, Hello")
            });
        }
        // A reference to the message before is refused: there is no window.
        let list = [(0xC1, HELLO), (0xC1, &[0xF2, 0x00, 0x11, 0x00, 0x00][..])];
        let seen = check(&setup, &frames(setup.role, &list));
        assert_eq!(seen, [text("Hello"), Seen::Failed(Violation::Deflate.into())]);
    }
}

#[test]
fn d24_d23_each_direction_has_its_own_agreement() {
    let client_forgets = Agreement { client_no_context_takeover: true, ..FULL };
    let reference = &[0xF2, 0x00, 0x11, 0x00, 0x00][..];
    for setup in Setup::both_deflated(client_forgets) {
        let input = frames(setup.role, &[(0xC1, HELLO), (0xC1, reference)]);
        let seen = check(&setup, &input);
        let mut outgoing = outgoing(&setup);
        let twice = [compressed(&mut outgoing, b"Hello"), compressed(&mut outgoing, b"Hello")];
        if setup.role == Role::Client {
            // It receives what a server keeps its window for, and forgets its own.
            assert_eq!(seen, [text("Hello"), text("Hello")]);
            assert_eq!(twice[0], twice[1]);
        } else {
            assert_eq!(seen, [text("Hello"), Seen::Failed(Violation::Deflate.into())]);
            assert!(twice[1].len() <= reference.len());
        }
    }
}

#[test]
fn d25_empty_message() {
    for setup in Setup::both_deflated(FULL) {
        let list: [(u8, &[u8]); 4] = [(0xC1, &[0]), (0xC2, &[0]), (0x41, &[]), (0x80, &[0])];
        let expected = [text(""), binary(b""), text("")];
        assert_eq!(check(&setup, &frames(setup.role, &list)), expected);
        let mut outgoing = outgoing(&setup);
        for _ in 0..3 {
            assert_eq!(compressed(&mut outgoing, b""), [0]);
            assert!(!compressed(&mut outgoing, b"between").is_empty());
        }
    }
    // Without a window to keep it may go as it is.
    for setup in Setup::both_deflated(FORGETFUL) {
        let mut out = Outbox::new();
        outgoing(&setup).send(Message::Text(""), &mut out).unwrap();
        let sent = &taken(&mut out)[0];
        assert!((sent.first, &sent.payload[..]) == (0x81, b"") || sent.payload == [0]);
    }
}

#[test]
fn d26_distance_beyond_the_window_fails_1007() {
    assert_eq!(Violation::Deflate.close_code(), CloseCode::INVALID_PAYLOAD);
    // With 9 bits, distance 512 is the last one. Fixed codes: length 3 is 0000001, distance 512
    // is 10001 1111111, 513 is 10010 and eight zeros; the end is 0000000.
    let reach = |distance: u32| {
        let mut bits = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        match distance {
            512 => bits.extend([1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]),
            _ => bits.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        }
        // End of block; then an empty stored block, less its tail.
        bits.extend([0; 7]);
        bits.extend([0, 0, 0]);
        let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
        bits.chunks(8).map(byte).collect::<Vec<u8>>()
    };
    let agreement = Agreement { server_max_window_bits: 9, client_max_window_bits: 9, ..FULL };
    let noise = Dice::new(26).noise(600);
    for setup in Setup::both_deflated(agreement) {
        let list = [(0xC2, &stored(&noise)[..]), (0xC2, &reach(512))];
        let seen = check(&setup, &frames(setup.role, &list));
        assert_eq!(seen, [binary(&noise), binary(&noise[600 - 512..][..3])]);
        let list = [(0xC2, &stored(&noise)[..]), (0xC2, &reach(513))];
        let seen = check(&setup, &frames(setup.role, &list));
        assert_eq!(seen, [binary(&noise), Seen::Failed(Violation::Deflate.into())]);
    }
    // A larger window reaches it.
    for setup in Setup::both_deflated(FULL) {
        let list = [(0xC2, &stored(&noise)[..]), (0xC2, &reach(513))];
        let seen = check(&setup, &frames(setup.role, &list));
        assert_eq!(seen[1], binary(&noise[600 - 513..][..3]));
    }
}

#[test]
fn s12_decoder_state() {
    let corrupt: [&[u8]; 8] = [
        // Truncated, in the symbols and in a stored block.
        &HELLO[..4],
        &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65],
        // Block type 3; LEN that is not NLEN; nothing at all.
        &[0x07],
        &[0x00, 0x05, 0x00, 0xFA, 0x00, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        &[],
        // A distance with nothing behind it; a literal code of no end; a tail of the sender's own.
        &[0xF2, 0x00, 0x11, 0x00, 0x00],
        &[0x05, 0xC0, 0x81, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10],
        &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00, 0x00],
    ];
    for setup in Setup::both_deflated(FULL).into_iter().chain(Setup::both_deflated(FORGETFUL)) {
        for bytes in corrupt {
            let input = frames(setup.role, &[(0xC2, bytes), (0xC2, HELLO)]);
            assert_eq!(check(&setup, &input), failed(Violation::Deflate), "{bytes:02X?}");
            // The next connection is not affected, though it has the same buffers.
            let mut inbox = Inbox::new();
            for _ in 0..2 {
                let mut first = setup.incoming();
                inbox.extend(&frame(setup.role, 0xC2, bytes));
                let event = Seen::of(first.receive(Duration::ZERO, &mut inbox));
                assert_eq!([event], *failed(Violation::Deflate));
                assert!(matches!(
                    first.receive(Duration::ZERO, &mut inbox),
                    Ok(Event::NeedMore { .. })
                ));
                let mut next = setup.incoming();
                inbox.extend(&frame(setup.role, 0xC2, HELLO));
                let event = next.receive(Duration::ZERO, &mut inbox).unwrap();
                assert_eq!(event, Event::Message(Message::Binary(b"Hello")));
                next.receive(Duration::ZERO, &mut inbox).unwrap();
            }
        }
        // BFINAL=1 in the middle of a message, more blocks behind it.
        let list = [(0xC2, &[&HELLO_FINAL[..7], HELLO].concat()[..]), (0xC2, HELLO)];
        let expected = [binary(b"HelloHello"), binary(b"Hello")];
        assert_eq!(check(&setup, &frames(setup.role, &list)), expected);
    }
    const HELLO_FINAL: [u8; 8] = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
}

#[test]
fn s12_random_bytes_never_panic() {
    let mut dice = Dice::new(12);
    for setup in Setup::both_deflated(FULL) {
        for _ in 0..2000 {
            let len = dice.below(120);
            let input = frame(setup.role, 0xC2, &dice.noise(len));
            let mut incoming = setup.incoming();
            let mut inbox = Inbox::new();
            inbox.extend(&input);
            match incoming.receive(Duration::ZERO, &mut inbox) {
                Ok(Event::Message(message)) => assert_eq!(message.kind(), MessageKind::Binary),
                Err(error) => assert_eq!(error, Violation::Deflate.into()),
                event => panic!("{event:?}"),
            }
        }
    }
}

#[test]
fn d27_window_of_8_bits_is_received() {
    let agreement = Agreement { server_max_window_bits: 8, client_max_window_bits: 8, ..FULL };
    for setup in Setup::both_deflated(agreement) {
        let list = [(0xC1, HELLO), (0xC1, &[0xF2, 0x00, 0x11, 0x00, 0x00][..])];
        let seen = check(&setup, &frames(setup.role, &list));
        assert_eq!(seen, [text("Hello"), text("Hello")]);
    }
}

#[test]
fn d28_a_message_may_opt_out() {
    for setup in Setup::both_deflated(FULL) {
        let mut out = Outbox::new();
        let mut outgoing = outgoing(&setup);
        outgoing.send_uncompressed(Message::Text("secret"), &mut out).unwrap();
        let sent = taken(&mut out);
        assert_eq!((sent[0].first, &sent[0].payload[..]), (0x81, &b"secret"[..]));
        // Below the threshold all do.
        let mut setup = setup;
        let compression = setup.config.compression.as_mut().unwrap();
        compression.threshold = 6;
        let mut outgoing = self::outgoing(&setup);
        outgoing.send(Message::Text("five5"), &mut out).unwrap();
        outgoing.send(Message::Text("six 66"), &mut out).unwrap();
        let firsts: Vec<u8> = taken(&mut out).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [0x81, 0xC1]);
    }
}
