//! Fragments and the frames between them (RFC 6455 §5.4).

use wirewright_core::{CloseCode, Limit, ReceiveError, Violation};
use wirewright_tests::raw::{frame, frames, header};
use wirewright_tests::rng::Dice;
use wirewright_tests::seen::Seen;
use wirewright_tests::splits::{Setup, binary, check, failed, text};

#[track_caller]
fn refused(list: &[(u8, &[u8])], violation: Violation) {
    assert_eq!(violation.close_code(), CloseCode::PROTOCOL_ERROR);
    for setup in Setup::both() {
        assert_eq!(check(&setup, &frames(setup.role, list)), failed(violation), "{list:02X?}");
    }
}

#[test]
fn p055_rfc6455_5_7_examples() {
    let client = |input: &[u8]| check(&Setup::client(), input);
    let server = |input: &[u8]| check(&Setup::server(), input);
    // A single-frame unmasked text message.
    assert_eq!(client(&[0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]), [text("Hello")]);
    // A single-frame masked text message.
    let masked = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
    assert_eq!(server(&masked), [text("Hello")]);
    // A fragmented unmasked text message.
    let fragmented = [0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F];
    assert_eq!(client(&fragmented), [text("Hello")]);
    // Unmasked Ping request and masked Ping response; the response is a client's, a Pong.
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F];
    assert_eq!(client(&ping), [Seen::Ping(b"Hello".to_vec())]);
    let pong = [0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
    assert_eq!(server(&pong), [Seen::Pong(b"Hello".to_vec())]);
    // 256 bytes and 64 KiB of binary in a single unmasked frame.
    let mut bytes = vec![0x82, 0x7E, 0x01, 0x00];
    bytes.extend([0xEE; 256]);
    assert_eq!(client(&bytes), [binary(&[0xEE; 256])]);
    let mut bytes = vec![0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0];
    bytes.extend([0xEE; 65_536]);
    assert_eq!(client(&bytes), [binary(&[0xEE; 65_536])]);
}

#[test]
fn p055_fragmented_and_unfragmented() {
    let payload: Vec<u8> = (0..=255).collect();
    for setup in Setup::both() {
        for size in [1, 2, 3, 7, 64, 100, 255, 256] {
            let mut list = Vec::new();
            let last = payload.len().div_ceil(size) - 1;
            for (i, piece) in payload.chunks(size).enumerate() {
                let opcode = if i == 0 { 0x02 } else { 0x00 };
                list.push((opcode | if i == last { 0x80 } else { 0 }, piece));
            }
            list.push((0x81, b"next"));
            let input = frames(setup.role, &list);
            assert_eq!(check(&setup, &input), [binary(&payload), text("next")], "{size}");
        }
    }
}

#[test]
fn p056_control_between_fragments_is_delivered_at_once() {
    for setup in Setup::both() {
        let input = frames(
            setup.role,
            &[
                (0x01, b"Hel"),
                (0x89, b"are you there"),
                (0x00, b""),
                (0x8A, b""),
                (0x89, b"2"),
                (0x80, b"lo"),
                (0x88, b"\x03\xE8bye"),
            ],
        );
        let expected = [
            Seen::Ping(b"are you there".to_vec()),
            Seen::Pong(vec![]),
            Seen::Ping(b"2".to_vec()),
            text("Hello"),
            Seen::Closed(1000, "bye".to_owned()),
        ];
        assert_eq!(check(&setup, &input), expected);
        // Also before the fragment that follows has come.
        let begun = frames(setup.role, &[(0x02, b"begun"), (0x89, b"now")]);
        assert_eq!(check(&setup, &begun), [Seen::Ping(b"now".to_vec())]);
        // A Close need not wait for the message either.
        let closed = frames(setup.role, &[(0x02, b"begun"), (0x88, b""), (0x80, b"never")]);
        assert_eq!(check(&setup, &closed), [Seen::Closed(1005, String::new())]);
    }
}

#[test]
fn p058_interleaved_messages_fail_1002() {
    refused(&[(0x01, b"a"), (0x81, b"b")], Violation::ExpectedContinuation);
    refused(&[(0x01, b"a"), (0x01, b"b")], Violation::ExpectedContinuation);
    refused(&[(0x02, b""), (0x82, b"")], Violation::ExpectedContinuation);
    refused(&[(0x02, b"a"), (0x00, b"b"), (0x81, b"c")], Violation::ExpectedContinuation);
}

#[test]
fn p059_order_is_kept() {
    for setup in Setup::both() {
        let mut dice = Dice::new(59);
        let (mut input, mut expected) = (Vec::new(), Vec::new());
        for i in 0..60_u32 {
            let payload = i.to_be_bytes().repeat(dice.below(9));
            let at = dice.below(payload.len() + 1);
            if dice.one_in(2) {
                input.extend(frame(setup.role, 0x82, &payload));
            } else {
                input.extend(frame(setup.role, 0x02, &payload[..at]));
                if dice.one_in(2) {
                    input.extend(frame(setup.role, 0x8A, &i.to_be_bytes()));
                    expected.push(Seen::Pong(i.to_be_bytes().to_vec()));
                }
                input.extend(frame(setup.role, 0x80, &payload[at..]));
            }
            expected.push(binary(&payload));
        }
        assert_eq!(check(&setup, &input), expected);
    }
}

#[test]
fn p060_continuation_without_a_start_fails_1002() {
    refused(&[(0x80, b"")], Violation::UnexpectedContinuation);
    refused(&[(0x00, b"x")], Violation::UnexpectedContinuation);
    for setup in Setup::both() {
        // A message that ended is over.
        let input = frames(setup.role, &[(0x01, b"a"), (0x80, b"b"), (0x80, b"c")]);
        let violation = Violation::UnexpectedContinuation;
        assert_eq!(check(&setup, &input), [text("ab"), Seen::Failed(violation.into())]);
    }
}

#[test]
fn p060_all_fragments_take_the_type_of_the_first() {
    for setup in Setup::both() {
        let input = frames(setup.role, &[(0x01, b"t"), (0x80, b""), (0x02, b""), (0x80, b"b")]);
        assert_eq!(check(&setup, &input), [text("t"), binary(b"b")]);
    }
}

#[test]
fn p060_empty_fragments_are_legal() {
    for setup in Setup::both() {
        let empty = [(0x01, &b""[..]), (0x00, b""), (0x00, b""), (0x80, b"")];
        assert_eq!(check(&setup, &frames(setup.role, &empty)), [text("")]);
        let padded = [(0x01, &b""[..]), (0x00, b"x"), (0x00, b""), (0x80, b"")];
        assert_eq!(check(&setup, &frames(setup.role, &padded)), [text("x")]);
    }
}

#[test]
fn s08_sequencing() {
    refused(&[(0x00, b"")], Violation::UnexpectedContinuation);
    refused(&[(0x01, b"a"), (0x02, b"b")], Violation::ExpectedContinuation);
    refused(&[(0x02, b"a"), (0x09, b"b")], Violation::ControlFragmented);
    for opcode in [3, 7, 11, 15] {
        refused(&[(0x02, b"a"), (0x80 | opcode, b"b")], Violation::ReservedOpCode(opcode));
    }
}

#[test]
fn s06_fragments_for_ever() {
    for setup in Setup::both() {
        let setup = setup.with(|config| config.limits.max_message_size = 1000);
        // The limit holds at the header that goes past it, before its payload is there.
        let mut input = frame(setup.role, 0x01, b"");
        for _ in 0..7 {
            input.extend(frame(setup.role, 0x00, &[b'x'; 126]));
        }
        input.extend(header(setup.role, 0x00, 119));
        let limit = ReceiveError::from(Limit::MessageSize { len: 1001, max: 1000 });
        assert_eq!(limit.close_code(), CloseCode::MESSAGE_TOO_BIG);
        assert_eq!(check(&setup, &input), [Seen::Failed(limit)]);
        // To its last byte it may be used.
        let mut input = frame(setup.role, 0x01, &[b'x'; 500]);
        input.extend(frame(setup.role, 0x80, &[b'x'; 500]));
        assert_eq!(check(&setup, &input), [text(&"x".repeat(1000))]);
    }
}

#[test]
fn p097_limits_on_frame_message_and_fragments() {
    for setup in Setup::both() {
        let setup = setup.with(|config| {
            config.limits.max_frame_size = 10;
            config.limits.max_message_size = 25;
            config.limits.max_fragments = 4;
        });
        let (at, over) = ([1_u8; 10], [1_u8; 11]);
        let one = |seen: Vec<Seen>, limit: Limit| assert_eq!(seen, [Seen::Failed(limit.into())]);
        assert_eq!(check(&setup, &frame(setup.role, 0x82, &at)), [binary(&at)]);
        one(check(&setup, &frame(setup.role, 0x82, &over)), Limit::FrameSize { len: 11, max: 10 });
        let long = frames(setup.role, &[(0x02, &at), (0x00, &at), (0x80, &at[..6])]);
        one(check(&setup, &long), Limit::MessageSize { len: 26, max: 25 });
        let four = [(0x02, &b"a"[..]), (0x00, b"b"), (0x00, b""), (0x80, b"d")];
        assert_eq!(check(&setup, &frames(setup.role, &four)), [binary(b"abd")]);
        let five = [(0x02, &b""[..]), (0x00, b""), (0x00, b""), (0x00, b""), (0x80, b"")];
        let many = Limit::Fragments { max: 4 };
        assert_eq!(many.close_code(), CloseCode::POLICY_VIOLATION);
        one(check(&setup, &frames(setup.role, &five)), many);
    }
}

#[test]
fn p077_server_unmasks() {
    // Fragments with keys of their own, control frames with others in between.
    let mut input = vec![0x01, 0x83, 1, 2, 3, 4];
    input.extend([b'H' ^ 1, b'e' ^ 2, b'l' ^ 3]);
    input.extend([0x89, 0x81, 9, 9, 9, 9, b'?' ^ 9]);
    input.extend([0x80, 0x82, 5, 6, 7, 8, b'l' ^ 5, b'o' ^ 6]);
    let expected = [Seen::Ping(b"?".to_vec()), text("Hello")];
    assert_eq!(check(&Setup::server(), &input), expected);
}
