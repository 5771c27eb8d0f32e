//! The header of a frame (RFC 6455 §5.2, §5.5): what each endpoint accepts, and what it refuses.

use wirewright_core::{CloseCode, Limit, ReceiveError, Role, Violation};
use wirewright_tests::raw::{self, KEY, LONGEST, frame, frames, header, odd_header};
use wirewright_tests::seen::Seen;
use wirewright_tests::splits::{FULL, Feeding, Setup, binary, check, failed, run, text};

/// Refused by both roles, and the peer is told 1002.
#[track_caller]
fn refused(input: impl Fn(Role) -> Vec<u8>, violation: Violation) {
    assert_eq!(violation.close_code(), CloseCode::PROTOCOL_ERROR);
    for setup in Setup::both() {
        assert_eq!(check(&setup, &input(setup.role)), failed(violation));
    }
}

#[test]
fn p045_unmasked_client_frame_fails_1002() {
    let hello = [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F];
    assert_eq!(check(&Setup::server(), &hello), failed(Violation::NotMasked));
    // Control and empty frames too.
    for first in [0x80, 0x82, 0x88, 0x89, 0x8A] {
        assert_eq!(check(&Setup::server(), &[first, 0]), failed(Violation::NotMasked));
    }
    assert_eq!(check(&Setup::client(), &hello), [text("Hello")]);
}

#[test]
fn p047_masked_server_frame_fails_1002() {
    let hello = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
    assert_eq!(check(&Setup::client(), &hello), failed(Violation::Masked));
    for first in [0x80, 0x82, 0x88, 0x89, 0x8A] {
        let masked = [first, 0x80, 1, 2, 3, 4];
        assert_eq!(check(&Setup::client(), &masked), failed(Violation::Masked));
    }
    assert_eq!(check(&Setup::server(), &hello), [text("Hello")]);
}

#[test]
fn s04_mask_bit_that_flips_between_fragments() {
    for (setup, violation) in
        [(Setup::server(), Violation::NotMasked), (Setup::client(), Violation::Masked)]
    {
        let mut input = frame(setup.role, 0x01, b"Hel");
        let other = if setup.role == Role::Server { Role::Client } else { Role::Server };
        input.extend(frame(other, 0x80, b"lo"));
        assert_eq!(check(&setup, &input), failed(violation));
    }
}

#[test]
fn s04_zero_masking_key_is_legal() {
    let hello = [0x81, 0x85, 0, 0, 0, 0, 0x48, 0x65, 0x6C, 0x6C, 0x6F];
    assert_eq!(check(&Setup::server(), &hello), [text("Hello")]);
}

#[test]
fn p048_reserved_bits_fail_1002() {
    for bits in 1..8 {
        for opcode in [0x0, 0x1, 0x2, 0x8, 0x9, 0xA] {
            let first = 0x80 | bits << 4 | opcode;
            refused(|role| frame(role, first, b""), Violation::ReservedBits(bits));
        }
    }
    // After a good message, and with compression, RSV2 and RSV3 all the same.
    for setup in Setup::both().into_iter().chain(Setup::both_deflated(FULL)) {
        let input = frames(setup.role, &[(0x81, b"ok"), (0xA1, b"no"), (0x81, b"never")]);
        let violation = Violation::ReservedBits(2);
        assert_eq!(check(&setup, &input), [text("ok"), Seen::Failed(violation.into())]);
    }
}

#[test]
fn p049_unknown_opcode_fails_1002() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"x"] {
            let violation = Violation::ReservedOpCode(opcode);
            refused(|role| frame(role, 0x80 | opcode, payload), violation);
            refused(|role| frame(role, opcode, payload), violation);
        }
    }
}

#[test]
fn p050_length_with_its_sign_bit_fails_1002() {
    for length in [[0xFF; 8], [0x80, 0, 0, 0, 0, 0, 0, 0], [0x80, 0, 0, 0, 0, 0, 0, 5]] {
        refused(|role| odd_header(role, 0x82, 127, &length), Violation::LengthSignBit);
        refused(|role| odd_header(role, 0x01, 127, &length), Violation::LengthSignBit);
    }
}

#[test]
fn s01_length_that_wraps() {
    // NATS's fifteen bytes: the last one in another read, as in every split.
    let mut nats = vec![0x82, 0xFF];
    nats.extend([0xFF; 8]);
    nats.extend(KEY);
    nats.push(0);
    assert_eq!(check(&Setup::server(), &nats), failed(Violation::LengthSignBit));
    // The greatest legal length is refused at its header, before a byte of payload.
    let len = u64::MAX >> 1;
    for setup in Setup::both() {
        let max = setup.config.limits.max_frame_size;
        let error = ReceiveError::from(Limit::FrameSize { len, max });
        assert_eq!(error.close_code(), CloseCode::MESSAGE_TOO_BIG);
        let huge = header(setup.role, 0x82, len);
        assert_eq!(check(&setup, &huge), [Seen::Failed(error)]);
        // Without limits it is waited for, without a panic and without memory, if there can be so
        // much.
        let patient = setup.clone().unlimited();
        if len > LONGEST {
            let limit = Limit::FrameSize { len, max: usize::MAX };
            assert_eq!(check(&patient, &huge), [Seen::Failed(limit.into())]);
        }
        let len = LONGEST;
        let mut input = header(setup.role, 0x82, len);
        input.extend([0; 40]);
        assert_eq!(check(&patient, &input), []);
        // Lengths whose sum wraps: the second is refused by the limit on the message.
        let bounded = setup.unlimited().with(|config| config.limits.max_message_size = len);
        for second in [len, len - 1, 1] {
            let mut input = frame(bounded.role, 0x02, b"x");
            input.extend(header(bounded.role, 0x00, second));
            let seen = check(&bounded, &input);
            if second == len {
                let limit = Limit::MessageSize { len: len + 1, max: len };
                assert_eq!(seen, [Seen::Failed(limit.into())]);
            } else {
                assert_eq!(seen, []);
            }
        }
    }
}

#[test]
fn p051_length_not_minimal_fails_1002() {
    for len in [0, 1, 5, 125] {
        let violation = Violation::LengthNotMinimal(len);
        let [.., high, low] = len.to_be_bytes();
        refused(|role| odd_header(role, 0x82, 126, &[high, low]), violation);
    }
    for len in [0_u64, 1, 125, 126, 65_535] {
        let violation = Violation::LengthNotMinimal(len);
        refused(|role| odd_header(role, 0x81, 127, &len.to_be_bytes()), violation);
    }
}

#[test]
fn s03_length_not_minimal_with_its_payload() {
    refused(
        |role| {
            let mut input = odd_header(role, 0x82, 126, &[0, 124]);
            input.extend(raw::transform(role, &[7; 124]));
            input
        },
        Violation::LengthNotMinimal(124),
    );
    refused(
        |role| {
            let mut input = odd_header(role, 0x82, 127, &65_535_u64.to_be_bytes());
            input.extend(raw::transform(role, &[7; 300]));
            input
        },
        Violation::LengthNotMinimal(65_535),
    );
}

#[test]
fn p051_every_length_form_is_received() {
    for setup in Setup::both() {
        for len in [0, 1, 124, 125, 126, 127, 128, 65_535, 65_536] {
            let payload = vec![0xA5; len];
            let input = frame(setup.role, 0x82, &payload);
            assert_eq!(check(&setup, &input), [binary(&payload)]);
        }
    }
}

#[test]
fn p057_fragmented_control_frame_fails_1002() {
    for opcode in [0x8, 0x9, 0xA] {
        refused(|role| frame(role, opcode, b""), Violation::ControlFragmented);
        refused(|role| frames(role, &[(0x01, b"a"), (opcode, b"b")]), Violation::ControlFragmented);
    }
}

#[test]
fn p062_long_control_frame_fails_1002() {
    for first in [0x88, 0x89, 0x8A] {
        refused(|role| odd_header(role, first, 126, &[0, 126]), Violation::ControlTooLong);
        // Nor is the longer form legal for a short payload.
        refused(|role| odd_header(role, first, 126, &[0, 5]), Violation::ControlTooLong);
        refused(|role| odd_header(role, first, 127, &[0; 8]), Violation::ControlTooLong);
    }
    for setup in Setup::both() {
        let longest = [0x55; 125];
        let input = frames(setup.role, &[(0x89, &longest), (0x8A, &longest), (0x89, b"")]);
        let seen = check(&setup, &input);
        let expected =
            [Seen::Ping(longest.to_vec()), Seen::Pong(longest.to_vec()), Seen::Ping(vec![])];
        assert_eq!(seen, expected);
    }
}

#[test]
fn p100_first_two_bytes_table() {
    // Every first byte with every second one: what is refused is refused with 1002, and
    // what is not refused is a frame.
    for setup in Setup::both() {
        let masked = if setup.role == Role::Server { 0x80 } else { 0 };
        for (first, second) in (0..=255_u8).flat_map(|a| (0..=255_u8).map(move |b| (a, b))) {
            let (opcode, short) = (first & 0x0F, second & 0x7F);
            let len = if short == 126 { 200 } else { usize::from(short) };
            let mut input = vec![first, second];
            input.extend_from_slice(&[0, 200][..if short == 126 { 2 } else { 0 }]);
            input.extend(vec![0; len + if second >= 0x80 { 4 } else { 0 }]);
            let mut seen = run(&setup, [&input[..]], Feeding::Extend);
            let legal = first & 0x70 == 0
                && matches!(opcode, 1 | 2 | 8 | 9 | 10)
                && (opcode < 8 || (first >= 0x80 && short < 126))
                // No Close has the code 0, and no length of 8 bytes is 0.
                && (opcode != 8 || short == 0)
                && short != 127
                && second & 0x80 == masked;
            let code = match seen.pop() {
                Some(Seen::Failed(error)) => Some(error.close_code()),
                _ => None,
            };
            let expected = if legal { None } else { Some(CloseCode::PROTOCOL_ERROR) };
            assert_eq!(code, expected, "{first:02X} {second:02X}");
        }
    }
}
