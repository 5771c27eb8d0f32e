//! The closing handshake and its codes (RFC 6455 §5.5.1, §7), and failing (§7.1.7).

use std::time::Duration;

use wirewright_core::{
    Close, CloseCode, Event, Inbox, MAX_CLOSE_REASON, Message, Misuse, Outbox, Violation,
};
use wirewright_tests::raw::{self, frame, frames};
use wirewright_tests::seen::Seen;
use wirewright_tests::splits::{Setup, check, failed, text};

const NOW: Duration = Duration::ZERO;

fn body(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

fn closed(code: u16, reason: &str) -> Vec<Seen> {
    vec![Seen::Closed(code, reason.to_owned())]
}

/// The codes that may stand in a Close frame (RFC 6455 §7.4 and IANA's registry).
fn is_legal(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[test]
fn p063_close_body() {
    for setup in Setup::both() {
        let close = |body: &[u8]| check(&setup, &frame(setup.role, 0x88, body));
        assert_eq!(close(b""), closed(1005, ""));
        for byte in [0, 3, 0xFF] {
            assert_eq!(close(&[byte]), failed(Violation::CloseLength));
        }
        assert_eq!(close(&body(1000, b"")), closed(1000, ""));
        assert_eq!(close(&body(1000, "grüß".as_bytes())), closed(1000, "grüß"));
        let longest = "r".repeat(MAX_CLOSE_REASON);
        assert_eq!(close(&body(4999, longest.as_bytes())), closed(4999, &longest));
    }
    assert_eq!(Violation::CloseLength.close_code(), CloseCode::PROTOCOL_ERROR);
}

#[test]
fn p090_every_code_in_a_received_close() {
    for setup in Setup::both() {
        for code in 0..=u16::MAX {
            let expected =
                if is_legal(code) { closed(code, "") } else { failed(Violation::CloseCode(code)) };
            // Every code once; the codes at the borders in every split.
            let input = frame(setup.role, 0x88, &body(code, b""));
            let mut incoming = setup.incoming();
            let mut inbox = Inbox::new();
            inbox.extend(&input);
            assert_eq!([Seen::of(incoming.receive(NOW, &mut inbox))], *expected);
            if is_legal(code) != is_legal(code.wrapping_sub(1)) || code < 3 {
                assert_eq!(check(&setup, &input), expected);
            }
        }
    }
}

#[test]
fn p088_codes_that_are_never_on_the_wire() {
    for code in [1004, 1005, 1006, 1015] {
        for setup in Setup::both() {
            let input = frame(setup.role, 0x88, &body(code, b"why"));
            assert_eq!(check(&setup, &input), failed(Violation::CloseCode(code)));
        }
        assert_eq!(Close::new(code, ""), Err(Misuse::CloseCode(code)));
    }
    // One that says how a connection ended sends a Close without a body.
    for code in [CloseCode::NO_STATUS, CloseCode::ABNORMAL, CloseCode::TLS_FAILURE] {
        let mut out = Outbox::new();
        let mut server = Setup::server().connection();
        server.send_close(Close::from_code(code), &mut out).unwrap();
        assert_eq!(out.poll_transmit().unwrap(), [0x88, 0]);
    }
}

#[test]
fn p089_p090_codes_that_may_be_sent() {
    for code in 0..=u16::MAX {
        match Close::new(code, "") {
            Ok(close) => {
                assert!(is_legal(code), "{code}");
                assert_eq!(close.code().value(), code);
                assert_eq!(CloseCode::from_wire(code), Some(close.code()));
            }
            Err(misuse) => {
                assert!(!is_legal(code), "{code}");
                assert_eq!(misuse, Misuse::CloseCode(code));
                assert_eq!(CloseCode::from_wire(code), None);
            }
        }
    }
    let named = [
        (CloseCode::NORMAL, 1000),
        (CloseCode::GOING_AWAY, 1001),
        (CloseCode::PROTOCOL_ERROR, 1002),
        (CloseCode::UNSUPPORTED_DATA, 1003),
        (CloseCode::NO_STATUS, 1005),
        (CloseCode::ABNORMAL, 1006),
        (CloseCode::INVALID_PAYLOAD, 1007),
        (CloseCode::POLICY_VIOLATION, 1008),
        (CloseCode::MESSAGE_TOO_BIG, 1009),
        (CloseCode::MANDATORY_EXTENSION, 1010),
        (CloseCode::INTERNAL_ERROR, 1011),
        (CloseCode::SERVICE_RESTART, 1012),
        (CloseCode::TRY_AGAIN_LATER, 1013),
        (CloseCode::BAD_GATEWAY, 1014),
        (CloseCode::TLS_FAILURE, 1015),
    ];
    for (code, number) in named {
        assert_eq!(code.value(), number);
        assert_eq!(format!("{code} {code:?}"), format!("{number} CloseCode({number})"));
    }
}

#[test]
fn s18_close_payload() {
    for setup in Setup::both() {
        let close = |body: &[u8]| check(&setup, &frame(setup.role, 0x88, body));
        assert_eq!(close(&[0x03]), failed(Violation::CloseLength));
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65_535] {
            let violation = Violation::CloseCode(code);
            assert_eq!(violation.close_code(), CloseCode::PROTOCOL_ERROR);
            assert_eq!(close(&body(code, b"")), failed(violation));
        }
        for code in (1000..=1003).chain(1007..=1014).chain([3000, 4999]) {
            assert_eq!(close(&body(code, b"ok")), closed(code, "ok"));
        }
        let bad: [&[u8]; 5] =
            [b"\xC0\x80", b"ok\xFF", b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"cut \xE2\x82"];
        for reason in bad {
            assert_eq!(close(&body(1000, reason)), failed(Violation::CloseReasonUtf8));
        }
        assert_eq!(Violation::CloseReasonUtf8.close_code(), CloseCode::INVALID_PAYLOAD);
        assert_eq!(close(&body(1000, &[b'r'; 123])), closed(1000, &"r".repeat(123)));
        // 124 bytes of reason are 126 of payload.
        let mut long = raw::odd_header(setup.role, 0x88, 126, &[0, 126]);
        long.extend(raw::transform(setup.role, &body(1000, &[b'r'; 124])));
        assert_eq!(check(&setup, &long), failed(Violation::ControlTooLong));
        // Sent: exactly code and reason.
        for reason in ["", "r", &"r".repeat(123)] {
            let mut out = Outbox::new();
            let mut connection = setup.connection();
            connection.send_close(Close::new(3000, reason).unwrap(), &mut out).unwrap();
            let sent = raw::sent(out.poll_transmit().unwrap());
            assert_eq!(sent.len(), 1);
            assert_eq!((sent[0].first, &sent[0].payload), (0x88, &body(3000, reason.as_bytes())));
        }
    }
    assert_eq!(Close::new(1000, &"r".repeat(124)), Err(Misuse::CloseReasonTooLong(124)));
    assert_eq!(Close::new(1000, &"ü".repeat(62)), Err(Misuse::CloseReasonTooLong(124)));
}

#[test]
fn p066_close_is_answered_once() {
    // That it is answered, with its code, at every split, is what `check` checks.
    for setup in Setup::both() {
        let input = frames(setup.role, &[(0x88, b"\x0F\xA0why"), (0x88, b"\x03\xE8")]);
        assert_eq!(check(&setup, &input), closed(4000, "why"));
    }
}

#[test]
fn p066_answer_to_our_close_is_not_answered() {
    for setup in Setup::both() {
        let mut connection = setup.connection();
        let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
        connection.send_close(Close::new(1000, "done").unwrap(), &mut out).unwrap();
        assert!(!connection.is_closed(), "the peer's is still to come");
        let sent = out.len();
        inbox.extend(&frame(setup.role, 0x88, b"\x03\xE8"));
        let event = connection.receive(NOW, &mut inbox, &mut out).unwrap();
        assert_eq!(event, Event::Closed(Close::new(1000, "").unwrap()));
        assert_eq!(out.len(), sent);
        assert!(connection.is_closed());
    }
}

#[test]
fn p067_answer_waits_for_no_message_of_ours() {
    // A Close that is due while we send in parts goes out; the rest of the message does not.
    for setup in Setup::both() {
        let mut connection = setup.connection();
        let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
        connection.outgoing().send_part(Message::Text("long"), false, &mut out).unwrap();
        inbox.extend(&frame(setup.role, 0x88, b""));
        connection.receive(NOW, &mut inbox, &mut out).unwrap();
        let rest = connection.outgoing().send_part(Message::Text("rest"), true, &mut out);
        assert_eq!(rest, Err(Misuse::CloseSent));
        let sent = raw::sent(out.poll_transmit().unwrap());
        let firsts: Vec<u8> = sent.iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [0x01, 0x88]);
    }
}

#[test]
fn p069_ping_is_answered_with_its_payload() {
    // The answers are checked by `check`, at every split.
    for setup in Setup::both() {
        for payload in [&b""[..], b"p", &[0x80; 124], &[0xFF; 125]] {
            let seen = check(&setup, &frame(setup.role, 0x89, payload));
            assert_eq!(seen, [Seen::Ping(payload.to_vec())]);
        }
        // "unless it already received a Close frame" (§5.5.2): nothing behind one is read.
        let input = frames(setup.role, &[(0x88, b""), (0x89, b"late")]);
        assert_eq!(check(&setup, &input), closed(1005, ""));
    }
}

#[test]
fn p080_p081_code_and_reason_are_reported() {
    for setup in Setup::both() {
        let close = |list: &[(u8, &[u8])]| check(&setup, &frames(setup.role, list));
        assert_eq!(close(&[(0x88, b"")]), closed(1005, ""));
        assert_eq!(close(&[(0x88, b"\x03\xE9bye")]), closed(1001, "bye"));
        // The first one counts.
        assert_eq!(close(&[(0x88, b"\x0B\xB8"), (0x88, b"\x03\xE8")]), closed(3000, ""));
        let seen = close(&[(0x81, b"last words"), (0x88, b"\x03\xE8")]);
        assert_eq!(seen, [vec![text("last words")], closed(1000, "")].concat());
    }
}

#[test]
fn p082_p083_after_a_failure_a_close_and_silence() {
    for setup in Setup::both() {
        // The Close with the right code is what `check` checks, and that nothing behind the
        // failure is read, pings and a Close included.
        let behind: [(u8, &[u8]); 4] =
            [(0x81, b"data"), (0x89, b"ping"), (0x88, b"\x03\xE8"), (0xFF, b"nonsense")];
        let bad: [(u8, &[u8], u16); 3] =
            [(0x83, b"", 1002), (0x81, b"\xFF", 1007), (0x88, b"\x03", 1002)];
        for (first, payload, code) in bad {
            let mut input = frame(setup.role, first, payload);
            input.extend(frames(setup.role, &behind));
            let seen = check(&setup, &input);
            let [Seen::Failed(error)] = &seen[..] else { panic!("{seen:?}") };
            assert_eq!(error.close_code().value(), code);
        }
        let big = frame(setup.role, 0x82, &[0; 65_537]);
        let seen = check(&setup, &big);
        let [Seen::Failed(error)] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(error.close_code(), CloseCode::MESSAGE_TOO_BIG);
    }
}

#[test]
fn p083_a_half_that_was_stopped_reads_nothing() {
    for setup in Setup::both() {
        let mut incoming = setup.incoming();
        let mut inbox = Inbox::new();
        // In the middle of a message.
        inbox.extend(&frame(setup.role, 0x01, b"open"));
        assert!(matches!(incoming.receive(NOW, &mut inbox), Ok(Event::NeedMore { .. })));
        assert!(incoming.poll_timeout().is_some());
        incoming.stop();
        assert!(incoming.is_done());
        assert_eq!(incoming.poll_timeout(), None);
        assert_eq!(incoming.handle_timeout(Duration::MAX), Ok(()));
        inbox.extend(&frames(setup.role, &[(0x80, b"end"), (0x89, b""), (0x81, b"x")]));
        assert_eq!(incoming.receive(NOW, &mut inbox), Ok(Event::NeedMore { hint: 1 }));
        assert!(inbox.is_empty());
    }
}

#[test]
fn p085_transport_that_ends_leaves_nothing_to_report() {
    // Cut at each byte: what was whole before is delivered, nothing else is, and the connection
    // is not closed in the protocol's sense; that is 1006, for the caller to say.
    for setup in Setup::both() {
        let list: [(u8, &[u8]); 3] = [(0x81, b"whole"), (0x02, b"frag"), (0x80, b"ment")];
        let input = frames(setup.role, &list);
        let first = frame(setup.role, 0x81, b"whole").len();
        for end in 0..input.len() {
            let seen = check(&setup, &input[..end]);
            assert_eq!(seen, if end < first { vec![] } else { vec![text("whole")] });
        }
    }
}

#[test]
fn s17_peer_that_goes_on_after_our_close() {
    for setup in Setup::both() {
        let mut connection = setup.connection();
        let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
        connection.send_close(Close::new(1001, "").unwrap(), &mut out).unwrap();
        let sent = out.len();
        // Data for ever: pings are no longer answered, nothing is kept, no second Close is sent.
        for _ in 0..1000 {
            inbox.extend(&frames(setup.role, &[(0x81, b"data"), (0x89, b"ping")]));
            let event = connection.receive(NOW, &mut inbox, &mut out).unwrap();
            assert_eq!(event, Event::Message(Message::Text("data")));
            let event = connection.receive(NOW, &mut inbox, &mut out).unwrap();
            assert_eq!(event, Event::Ping(b"ping"));
            let more = connection.receive(NOW, &mut inbox, &mut out).unwrap();
            assert!(matches!(more, Event::NeedMore { .. }));
            assert!(inbox.is_empty());
        }
        // A violation at the end does not lead to another Close either.
        inbox.extend(&frame(setup.role, 0x83, b""));
        connection.receive(NOW, &mut inbox, &mut out).unwrap_err();
        assert_eq!(out.len(), sent);
        assert!(connection.is_closed());
    }
}

#[test]
fn s17_two_closes_cross() {
    // Both ends close at the same time: each sends one, each sees one.
    let (mut a, mut b) = (Setup::client().connection(), Setup::server().connection());
    let (mut from_a, mut from_b) = (Outbox::new(), Outbox::new());
    a.send_close(Close::new(1000, "a").unwrap(), &mut from_a).unwrap();
    b.send_close(Close::new(1001, "b").unwrap(), &mut from_b).unwrap();
    let (mut to_a, mut to_b) = (Inbox::new(), Inbox::new());
    to_b.extend(from_a.poll_transmit().unwrap());
    to_a.extend(from_b.poll_transmit().unwrap());
    let (len_a, len_b) = (from_a.len(), from_b.len());
    let seen_by_a = Seen::of(a.receive(NOW, &mut to_a, &mut from_a));
    let seen_by_b = Seen::of(b.receive(NOW, &mut to_b, &mut from_b));
    assert_eq!([seen_by_a], *closed(1001, "b"));
    assert_eq!([seen_by_b], *closed(1000, "a"));
    assert_eq!((from_a.len(), from_b.len()), (len_a, len_b));
    assert!(a.is_closed() && b.is_closed());
}
