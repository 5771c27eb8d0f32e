//! Every error that the engine can give, provoked once, with what the peer is told.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use wirewright_core::{
    Close, CloseCode, Event, Inbox, Limit, Message, Misuse, Outbox, Outgoing, ReceiveError, Role,
    Violation,
};
use wirewright_tests::raw::{self, frame, frames};
use wirewright_tests::rng::Dice;
use wirewright_tests::seen::Seen;
use wirewright_tests::splits::{FULL, Setup, check, failed};

const SERVER: Role = Role::Server;

#[test]
fn every_violation() {
    let hello = |first: u8| frame(SERVER, first, b"Hello");
    let odd = |first: u8, second: u8, len: &[u8]| raw::odd_header(SERVER, first, second, len);
    let close = |body: &[u8]| frame(SERVER, 0x88, body);
    let two = |first: u8, second: u8| frames(SERVER, &[(first, b"a"), (second, b"b")]);
    let cases: Vec<(Vec<u8>, Violation, u16, &str)> = vec![
        (hello(0x91), Violation::ReservedBits(1), 1002, "RFC 6455 §5.2"),
        (hello(0x83), Violation::ReservedOpCode(3), 1002, "RFC 6455 §5.2"),
        (odd(0x82, 126, &[0, 9]), Violation::LengthNotMinimal(9), 1002, "RFC 6455 §5.2"),
        (odd(0x82, 127, &[0xFF; 8]), Violation::LengthSignBit, 1002, "RFC 6455 §5.2"),
        (vec![0x81, 0x00], Violation::NotMasked, 1002, "RFC 6455 §5.1"),
        (hello(0x09), Violation::ControlFragmented, 1002, "RFC 6455 §5.5"),
        (odd(0x89, 126, &[0, 126]), Violation::ControlTooLong, 1002, "RFC 6455 §5.5"),
        (hello(0x80), Violation::UnexpectedContinuation, 1002, "RFC 6455 §5.4"),
        (two(0x01, 0x81), Violation::ExpectedContinuation, 1002, "RFC 6455 §5.4"),
        (close(b"\x03"), Violation::CloseLength, 1002, "RFC 6455 §5.5.1"),
        (close(b"\x03\xED"), Violation::CloseCode(1005), 1002, "RFC 6455 §7.4"),
        (close(b"\x03\xE8\xFF"), Violation::CloseReasonUtf8, 1007, "RFC 6455 §8.1"),
        (frame(SERVER, 0x81, b"\xFF"), Violation::TextUtf8, 1007, "RFC 6455 §8.1"),
        (frame(SERVER, 0xC1, b"\x07"), Violation::Deflate, 1007, "RFC 7692 §7.2.2"),
    ];
    let server = Setup { agreement: Some(FULL), ..Setup::server() };
    let mut kinds: HashSet<Discriminant<Violation>> = HashSet::new();
    let mut messages = HashSet::new();
    let mut provoke = |setup: &Setup, input: &[u8], violation: Violation, code, section| {
        // That the Close with this code is sent is what `check` checks.
        assert_eq!(check(setup, input), failed(violation));
        assert_eq!(violation.close_code().value(), code, "{violation}");
        assert_eq!(violation.section(), section, "{violation}");
        let error = ReceiveError::from(violation);
        assert_eq!(error.close_code(), violation.close_code());
        assert_eq!(error.to_string(), format!("{violation} ({section})"));
        assert!(messages.insert(violation.to_string()));
        kinds.insert(discriminant(&violation));
    };
    for (input, violation, code, section) in cases {
        provoke(&server, &input, violation, code, section);
    }
    let masked = frame(SERVER, 0x81, b"");
    provoke(&Setup::client(), &masked, Violation::Masked, 1002, "RFC 6455 §5.1");
    assert_eq!(kinds.len(), 15, "all there are");
}

#[test]
fn every_limit_on_size() {
    for setup in Setup::both() {
        let tight = setup.with(|config| {
            config.limits.max_frame_size = 100;
            config.limits.max_message_size = 150;
            config.limits.max_fragments = 3;
            config.limits.max_control_frames = 2;
        });
        let provoke = |list: &[(u8, &[u8])], before: usize, limit: Limit, code, says: &str| {
            let seen = check(&tight, &frames(tight.role, list));
            assert_eq!(seen.len(), before + 1);
            assert_eq!(seen[before], Seen::Failed(limit.into()));
            assert_eq!(limit.close_code().value(), code);
            assert_eq!(ReceiveError::from(limit).close_code(), limit.close_code());
            assert_eq!(limit.to_string(), says);
            assert_eq!(ReceiveError::from(limit).to_string(), says);
        };
        provoke(
            &[(0x82, &[0; 101])],
            0,
            Limit::FrameSize { len: 101, max: 100 },
            1009,
            "frame of 101 bytes, over `max_frame_size` of 100",
        );
        provoke(
            &[(0x02, &[0; 100]), (0x80, &[0; 51])],
            0,
            Limit::MessageSize { len: 151, max: 150 },
            1009,
            "message of at least 151 bytes, over `max_message_size` of 150",
        );
        provoke(
            &[(0x02, b""), (0x00, b""), (0x00, b""), (0x80, b"")],
            0,
            Limit::Fragments { max: 3 },
            1008,
            "message of over 3 fragments, the limit of `max_fragments`",
        );
        provoke(
            &[(0x89, b"1"), (0x8A, b"2"), (0x89, b"3"), (0x8A, b"4"), (0x89, b"5")],
            4,
            Limit::ControlFrames { max: 2 },
            1008,
            "over 2 control frames a second, the limit of `max_control_frames`",
        );
    }
}

#[test]
fn limit_on_assembly_time() {
    let second = Duration::from_secs(1);
    let limit = Limit::AssemblyTime { max: 60 * second };
    assert_eq!(limit.close_code(), CloseCode::POLICY_VIOLATION);
    assert_eq!(
        limit.to_string(),
        "message still incomplete after 60s, the limit of `max_assembly_time`"
    );
    for setup in Setup::both() {
        let begun = |at: Duration| {
            let mut connection = setup.connection();
            let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
            inbox.extend(&frame(setup.role, 0x02, b"begun"));
            let event = connection.receive(at, &mut inbox, &mut out).unwrap();
            assert!(matches!(event, Event::NeedMore { .. }));
            (connection, inbox, out)
        };
        // By the clock, whether or not anything comes; told to the peer; once.
        let (mut connection, mut inbox, mut out) = begun(5 * second);
        assert_eq!(connection.poll_timeout(), Some(65 * second));
        let almost = 65 * second - Duration::from_nanos(1);
        assert_eq!(connection.handle_timeout(almost, &mut out), Ok(()));
        assert_eq!(connection.handle_timeout(65 * second, &mut out), Err(limit));
        assert_eq!(connection.handle_timeout(66 * second, &mut out), Ok(()));
        assert_eq!(connection.poll_timeout(), None);
        let sent = raw::sent(out.poll_transmit().unwrap());
        assert_eq!((sent.len(), sent[0].first), (1, 0x88));
        assert_eq!(sent[0].payload, 1008_u16.to_be_bytes());
        inbox.extend(&frame(setup.role, 0x80, b"too late"));
        let event = connection.receive(66 * second, &mut inbox, &mut out);
        assert_eq!(event, Ok(Event::NeedMore { hint: 1 }));
        // By a fragment that comes too late. A byte that arrives, or a fragment, pushes nothing
        // back.
        let (mut connection, mut inbox, mut out) = begun(Duration::ZERO);
        for at in 1..60 {
            inbox.extend(&frame(setup.role, 0x00, b"on"));
            connection.receive(at * second, &mut inbox, &mut out).unwrap();
            assert_eq!(connection.poll_timeout(), Some(60 * second));
        }
        inbox.extend(&frame(setup.role, 0x80, b"end"));
        let event = connection.receive(60 * second, &mut inbox, &mut out);
        assert_eq!(event, Err(limit.into()));
        // In time, and the next message has its own.
        let (mut connection, mut inbox, mut out) = begun(Duration::ZERO);
        inbox.extend(&frames(setup.role, &[(0x80, b""), (0x02, b"")]));
        let event = connection.receive(59 * second, &mut inbox, &mut out).unwrap();
        assert_eq!(event, Event::Message(Message::Binary(b"begun")));
        assert_eq!(connection.poll_timeout(), None);
        connection.receive(59 * second, &mut inbox, &mut out).unwrap();
        assert_eq!(connection.poll_timeout(), Some(119 * second));
    }
}

#[test]
fn limit_on_control_frames_refills() {
    // Whatever is sent within the rate passes, in whatever rhythm; what is not is found out.
    for (rate, seed) in [(1, 1), (3, 2), (7, 3), (1000, 4), (1000, 5), (100_000, 6)] {
        let setup = Setup::server().with(|config| config.limits.max_control_frames = rate);
        let ping = frame(SERVER, 0x89, b"");
        let mut dice = Dice::new(seed);
        let mut incoming = setup.incoming();
        let mut inbox = Inbox::new();
        let interval = Duration::from_secs(1) / rate;
        let mut due = Duration::ZERO;
        for _ in 0..5000 {
            // A burst, and a pause that makes up for it.
            let burst = u32::try_from(1 + dice.below(5)).unwrap();
            for part in 0..burst {
                inbox.extend(&ping);
                let now = due + interval / 100 * part;
                let event = incoming.receive(now, &mut inbox);
                if burst <= 2 * rate {
                    assert_eq!(event, Ok(Event::Ping(b"")), "rate {rate}, at {now:?}");
                }
            }
            if burst > 2 * rate {
                break;
            }
            // Bursts of up to five want room for five.
            due += interval * burst.max(if rate < 3 { 5 } else { 0 });
        }
        let mut flooded = setup.incoming();
        let passed = (0_u32..).take_while(|&i| {
            inbox.extend(&ping);
            // Twice as fast as allowed.
            let event = flooded.receive(interval / 2 * i, &mut inbox);
            event == Ok(Event::Ping(b""))
        });
        let passed = passed.count();
        // Two seconds' worth at once, and as many again as refilled meanwhile.
        let burst = 2 * usize::try_from(rate).unwrap();
        assert!((burst..=2 * burst + 2).contains(&passed), "rate {rate}: {passed}");
    }
    // No control frames at all, and no limit at all.
    let none = Setup::server().with(|config| config.limits.max_control_frames = 0);
    let seen = check(&none, &frame(SERVER, 0x89, b""));
    assert_eq!(seen, [Seen::Failed(Limit::ControlFrames { max: 0 }.into())]);
    let any = Setup::server().with(|config| config.limits.max_control_frames = u32::MAX);
    let mut incoming = any.incoming();
    let mut inbox = Inbox::new();
    for _ in 0..10_000 {
        inbox.extend(&frame(SERVER, 0x8A, b""));
        assert_eq!(incoming.receive(Duration::ZERO, &mut inbox), Ok(Event::Pong(b"")));
    }
}

#[test]
fn every_misuse() {
    let mut kinds: HashSet<Discriminant<Misuse>> = HashSet::new();
    let mut provoke = |result: Result<(), Misuse>, misuse: Misuse, says: &str| {
        assert_eq!(result, Err(misuse));
        assert_eq!(misuse.to_string(), says);
        kinds.insert(discriminant(&misuse));
    };
    let setup = Setup::server();
    let mut out = Outbox::new();
    let mut outgoing = Outgoing::new(setup.sender(), &setup.config, None);
    let long = outgoing.send_ping(&[0; 126], &mut out);
    let says = "control payload of 126 bytes, over the 125 that a control frame holds";
    provoke(long, Misuse::ControlTooLong(126), says);
    let code = Close::new(1005, "").map(|_| ());
    provoke(code, Misuse::CloseCode(1005), "close code 1005 not allowed in a close frame");
    let reason = Close::new(1000, &"r".repeat(124)).map(|_| ());
    let says = "close reason of 124 bytes, over the 123 that a close frame holds";
    provoke(reason, Misuse::CloseReasonTooLong(124), says);
    outgoing.send_part(Message::Text("a"), false, &mut out).unwrap();
    let open = outgoing.send(Message::Text("b"), &mut out);
    provoke(open, Misuse::MessageOpen, "message begun while another is being sent in parts");
    let kind = outgoing.send_part(Message::Binary(b"b"), true, &mut out);
    provoke(kind, Misuse::PartKind, "text and binary parts in one message");
    outgoing.send_close(Close::EMPTY, &mut out).unwrap();
    let late = outgoing.send(Message::Text("late"), &mut out);
    provoke(late, Misuse::CloseSent, "close frame already sent");
    assert_eq!(kinds.len(), 6, "all there are");
}
