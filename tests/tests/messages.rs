//! Messages: text and binary, whole and valid (RFC 6455 §5.6, §8.1).

use std::time::Duration;

use wirewright_core::{CloseCode, Event, Inbox, Message, MessageBuf, MessageKind, Violation};
use wirewright_tests::raw::{frame, frames, header, transform};
use wirewright_tests::rng::Dice;
use wirewright_tests::seen::Seen;
use wirewright_tests::splits::{Feeding, Setup, binary, check, failed, pieces, run, text};

const NOW: Duration = Duration::ZERO;

/// One of each kind of code point, and the borders of each kind.
const CODE_POINTS: &str = "\0 a\u{7F}\u{80}é\u{7FF}\u{800}€\u{FFF}\u{1000}\u{CFFF}\u{D7FF}\u{E000}\
    \u{FEFF}\u{FFFD}\u{FFFE}\u{FFFF}\u{10000}🦀\u{3FFFF}\u{40000}\u{FFFFF}\u{100000}\u{10FFFF}";

/// What is not UTF-8, each with the number of its bytes after which that is certain.
const BAD: [(&[u8], usize); 22] = [
    (b"\x80", 1),
    (b"\xBF", 1),
    (b"\xC0\x80", 1),
    (b"\xC1\xBF", 1),
    (b"\xC2\x41", 2),
    (b"\xC2\xC2", 2),
    (b"\xE0\x9F\xBF", 2),
    (b"\xE0\x80\x80", 2),
    (b"\xE1\x80\x41", 3),
    (b"\xED\xA0\x80", 2),
    (b"\xED\xBF\xBF", 2),
    (b"\xED\xA0\x80\xED\xB0\x80", 2),
    (b"\xEF\xBF\xC0", 3),
    (b"\xF0\x8F\xBF\xBF", 2),
    (b"\xF0\x80\x80\x80", 2),
    (b"\xF1\x80\x80\x41", 4),
    (b"\xF4\x90\x80\x80", 2),
    (b"\xF5\x80\x80\x80", 1),
    (b"\xF8\x88\x80\x80\x80", 1),
    (b"\xFC\x84\x80\x80\x80\x80", 1),
    (b"\xFE", 1),
    (b"\xFF", 1),
];

#[test]
fn p072_fragments_may_split_a_code_point() {
    let bytes = CODE_POINTS.as_bytes();
    for setup in Setup::both() {
        for at in 0..=bytes.len() {
            let (one, other) = bytes.split_at(at);
            let input = frames(setup.role, &[(0x01, one), (0x89, b""), (0x80, other)]);
            assert_eq!(check(&setup, &input), [Seen::Ping(vec![]), text(CODE_POINTS)]);
        }
        // A fragment for each byte, and empty ones between.
        let mut input = frame(setup.role, 0x01, b"");
        for byte in bytes {
            input.extend(frames(setup.role, &[(0x00, &[*byte]), (0x00, b"")]));
        }
        input.extend(frame(setup.role, 0x80, b""));
        assert_eq!(check(&setup, &input), [text(CODE_POINTS)]);
    }
}

#[test]
fn p072_text_that_ends_inside_a_code_point_fails_1007() {
    for setup in Setup::both() {
        for cut in ["é", "€", "🦀"] {
            for len in 1..cut.len() {
                let cut = &cut.as_bytes()[..len];
                let whole = frame(setup.role, 0x81, &[b"ok", cut].concat());
                assert_eq!(check(&setup, &whole), failed(Violation::TextUtf8));
                let parts = frames(setup.role, &[(0x01, b"ok"), (0x00, cut), (0x80, b"")]);
                assert_eq!(check(&setup, &parts), failed(Violation::TextUtf8));
            }
        }
    }
}

#[test]
fn p091_text_that_is_not_utf8_fails_1007() {
    assert_eq!(Violation::TextUtf8.close_code(), CloseCode::INVALID_PAYLOAD);
    for setup in Setup::both() {
        for (bad, _) in BAD {
            for before in [0, 1, 7, 63, 64, 65, 200] {
                let payload = [&vec![b'x'; before], bad, b"more"].concat();
                let input = frame(setup.role, 0x81, &payload);
                assert_eq!(check(&setup, &input), failed(Violation::TextUtf8), "{bad:02X?}");
            }
            let input = frames(setup.role, &[(0x01, b"fine"), (0x80, bad)]);
            assert_eq!(check(&setup, &input), failed(Violation::TextUtf8), "{bad:02X?}");
        }
        // A mark at the front and "non-characters" are text like any other.
        for good in ["\u{FEFF}bom", "\u{FFFF}", "\u{FFFE}", "\u{10FFFF}", "\0"] {
            let input = frame(setup.role, 0x81, good.as_bytes());
            assert_eq!(check(&setup, &input), [text(good)]);
        }
    }
}

#[test]
fn p091_fails_at_the_first_bad_byte() {
    // The frame is far from complete, and so is the code point that cannot become one.
    for setup in Setup::both() {
        for (bad, certain) in BAD {
            let mut input = header(setup.role, 0x01, 1000);
            let payload = [b"text", bad].concat();
            input.extend(&transform(setup.role, &payload)[..4 + certain]);
            let violation = failed(Violation::TextUtf8);
            assert_eq!(check(&setup, &input), violation, "{bad:02X?}");
            let early = &input[..input.len() - 1];
            assert_eq!(check(&setup, early), [], "{bad:02X?}");
        }
    }
}

#[test]
fn p091_what_no_text_can_hold_is_found_before_waiting_for_more() {
    for setup in Setup::both() {
        for (bad, certain) in BAD {
            let mut input = header(setup.role, 0x01, 1000);
            let payload = [b"text", bad].concat();
            input.extend(&transform(setup.role, &payload)[..4 + certain]);
            let (mut incoming, mut inbox) = (setup.incoming(), Inbox::new());
            inbox.space(input.len())[..input.len()].copy_from_slice(&input);
            inbox.received_partly(input.len());
            assert!(inbox.has_more_at_hand());
            let mut receive = |inbox: &mut Inbox| Seen::of(incoming.receive(Duration::ZERO, inbox));
            assert!(matches!(receive(&mut inbox), Seen::NeedMore(_)), "{bad:02X?}");
            inbox.received(0);
            assert!(!inbox.has_more_at_hand());
            assert_eq!(receive(&mut inbox), Seen::Failed(Violation::TextUtf8.into()));
        }
    }
}

#[test]
fn p073_binary_is_untouched() {
    let all: Vec<u8> = (0..=255).collect();
    for setup in Setup::both() {
        let input = frames(setup.role, &[(0x82, &all), (0x02, &all[128..]), (0x80, &all[..128])]);
        let turned = [&all[128..], &all[..128]].concat();
        assert_eq!(check(&setup, &input), [binary(&all), binary(&turned)]);
        for (bad, _) in BAD {
            assert_eq!(check(&setup, &frame(setup.role, 0x82, bad)), [binary(bad)]);
        }
    }
}

#[test]
fn p072_long_texts_of_every_script() {
    let mut dice = Dice::new(72);
    let alphabet: Vec<char> = CODE_POINTS.chars().collect();
    for setup in Setup::both() {
        for round in 0..12 {
            let mut long = String::new();
            let len = dice.below(6000);
            while long.len() < len {
                // Runs of one kind, and of mixed ones.
                let one = dice.pick(&alphabet);
                let mixed = dice.one_in(3);
                for _ in 0..dice.below(150) {
                    long.push(if mixed { dice.pick(&alphabet) } else { one });
                }
            }
            let whole = frame(setup.role, 0x81, long.as_bytes());
            let mut broken = long.clone().into_bytes();
            let at = dice.below(broken.len().max(1));
            if let Some(byte) = broken.get_mut(at) {
                *byte = 0xFF;
            }
            let broken = frame(setup.role, 0x81, &broken);
            let expected =
                if long.is_empty() { vec![text("")] } else { failed(Violation::TextUtf8) };
            for seed in 0..3 {
                let cuts = wirewright_tests::splits::random_cuts(whole.len(), round * 10 + seed);
                let seen = run(&setup, pieces(&whole, &cuts), Feeding::Space);
                assert_eq!(seen, [text(&long)]);
                let seen = run(&setup, pieces(&broken, &cuts), Feeding::Space);
                assert_eq!(seen, expected);
            }
        }
    }
}

/// Text of exactly `len` bytes, whose code points meet the borders of blocks differently by `turn`.
fn text_of(len: usize, turn: usize) -> String {
    let scripts = ["x", "aé", "€", "🦀", "aé\u{7FF}€\u{FFFF}🦀\u{10FFFF}"];
    let mut text = "y".repeat((turn / scripts.len() % 4).min(len));
    for point in scripts[turn % scripts.len()].chars().cycle() {
        if text.len() + point.len_utf8() > len {
            break;
        }
        text.push(point);
    }
    let filled = text.len();
    text + &"z".repeat(len - filled)
}

/// What the standard library says of these bytes.
fn judged(bytes: &[u8]) -> Seen {
    match std::str::from_utf8(bytes) {
        Ok(valid) => text(valid),
        Err(_) => Seen::Failed(Violation::TextUtf8.into()),
    }
}

#[test]
fn s42_text_is_judged_alike_at_every_alignment() {
    let setup = Setup::client().unlimited();
    let mut inbox = Inbox::with_capacity(1024);
    // Behind a message that moves it by a byte each time; plain, as a server sends.
    let mut receive = |align: usize, input: &[u8], expected: Seen| {
        let mut incoming = setup.incoming();
        inbox.extend(&frame(setup.role, 0x82, &[0xFF; 64][..align]));
        inbox.extend(input);
        let before = incoming.receive(NOW, &mut inbox);
        assert_eq!(before, Ok(Event::Message(Message::Binary(&[0xFF; 64][..align]))));
        let seen = Seen::of(incoming.receive(NOW, &mut inbox));
        assert_eq!(seen, expected, "at {align}: {input:02X?}");
        inbox.clear();
    };
    // What cannot stand where it is put, and what may or may not by what is about it.
    let bad = [0xFF, 0x80, 0xC0, 0xED, 0xF4, b'a'];
    // The blocks of SIMD code have 16, 32 or 64 bytes.
    for len in (0..=200).filter(|len| (len + 1) % 16 < 3 || *len == 200) {
        for align in 0..64 {
            let good = text_of(len, len + align).into_bytes();
            for at in 0..=len {
                let mut payload = good.clone();
                if let Some(byte) = payload.get_mut(at) {
                    *byte = bad[(at + align) % bad.len()];
                }
                receive(align, &frame(setup.role, 0x81, &payload), judged(&payload));
                // In fragments, which are looked at one by one, wherever it is cut.
                if (at + align) % 3 == 0 {
                    let (one, other) = payload.split_at((at * 7 + align) % (len + 1));
                    let parts = frames(setup.role, &[(0x01, one), (0x80, other)]);
                    receive(align, &parts, judged(&payload));
                }
            }
        }
    }
}

#[test]
fn message_buf_keeps_a_copy() {
    let mut buf = MessageBuf::new();
    assert_eq!(buf.message(), Message::Binary(b""));
    assert_eq!(buf, MessageBuf::default());
    buf.set(Message::Text("text"));
    assert_eq!(buf.message(), Message::Text("text"));
    assert_eq!(buf.clone().into_text().unwrap(), "text");
    assert_eq!(buf.clone().into_bytes(), b"text");
    buf.set(Message::Binary(b"\xFF"));
    assert_eq!(buf.message(), Message::Binary(b"\xFF"));
    assert_eq!(buf.clone().into_text().unwrap_err(), buf);
    assert_eq!(buf.into_bytes(), b"\xFF");
    let message = Message::from("x");
    assert_eq!((message.len(), message.is_empty(), message.kind()), (1, false, MessageKind::Text));
    let message = Message::from(&b""[..]);
    assert_eq!((message.len(), message.is_empty()), (0, true));
    assert_eq!(MessageBuf::from(message).message(), message);
}
