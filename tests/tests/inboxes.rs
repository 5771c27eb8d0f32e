//! Inboxes and outboxes that go from one connection to another, as an event loop's do.

use std::collections::BTreeSet;
use std::time::Duration;

use wirewright_core::deflate::Agreement;
use wirewright_core::{
    Config, Event, Inbox, Incoming, MaskingKeys, Message, Outbox, Outgoing, Role, Sender, Violation,
};
use wirewright_tests::raw::{HELLO_DEFLATED, frame};
use wirewright_tests::rng::Dice;
use wirewright_tests::seen::Seen;
use wirewright_tests::splits::{FORGETFUL, FULL, Setup, binary};

const NOW: Duration = Duration::ZERO;

fn agreement() -> Option<Agreement> {
    Some(Agreement {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    })
}

fn from_client(message: Message<'_>, agreement: Option<Agreement>) -> Vec<u8> {
    let mut out = Outbox::new();
    let sender = Sender::Client(MaskingKeys::from_seed([1; 32]));
    Outgoing::new(sender, &Config::client(), agreement).send(message, &mut out).unwrap();
    out.poll_transmit().unwrap().to_vec()
}

fn server(agreement: Option<Agreement>) -> Incoming {
    Incoming::new(Role::Server, &Config::server(), agreement)
}

#[test]
fn an_inbox_hands_on_nothing_of_the_connection_before() {
    let theirs = [b"a secret ".repeat(20), b"\xFF not text".repeat(20)];
    for (payload, agreement) in theirs.iter().flat_map(|each| [(each, agreement()), (each, None)]) {
        // Text or not: what is no text ends in an error, with its bytes inflated.
        let text = std::str::from_utf8(payload).is_ok();
        let mut first = from_client(Message::Binary(payload), agreement);
        first[0] = if text { first[0] } else { first[0] & 0xF0 | 0x1 };
        let second = from_client(Message::Binary(b"mine, and mine alone"), agreement);
        for cut in 1..second.len() {
            // The first connection's last event is delivered, and it asks for nothing more.
            let mut own = Inbox::new();
            own.extend(&first);
            let event = server(agreement).receive(NOW, &mut own);
            assert_eq!(event.is_ok(), text, "{event:?}");
            if !own.is_empty() {
                own.clear();
            }
            let mut scratch = Inbox::new();
            let mut incoming = server(agreement);
            scratch.extend(&second[..cut]);
            let event = incoming.receive(NOW, &mut scratch).unwrap();
            assert!(matches!(event, Event::NeedMore { .. }), "{event:?}");
            scratch.move_to(&mut own);
            own.extend(&second[cut..]);
            let event = incoming.receive(NOW, &mut own).unwrap();
            assert_eq!(event, Event::Message(Message::Binary(b"mine, and mine alone")));
        }
    }
}

#[test]
fn an_inbox_settles_behind_an_empty_message() {
    let mut inbox = Inbox::with_capacity(256 * 1024);
    for _ in 0..63 {
        inbox.settle();
    }
    let mut incoming = Incoming::new(Role::Client, &Config::client(), None);
    let frame = [&[0x82, 126, 0x75, 0x30][..], &[7; 30_000]].concat();
    inbox.extend(&frame.repeat(8));
    inbox.extend(&[0x82, 0x00]);
    for _ in 0..8 {
        let event = incoming.receive(NOW, &mut inbox).unwrap();
        assert_eq!(event, Event::Message(Message::Binary(&[7; 30_000])));
    }
    assert_eq!(incoming.receive(NOW, &mut inbox), Ok(Event::Message(Message::Binary(b""))));
    for _ in 0..200 {
        inbox.settle();
    }
    assert!(!inbox.space(10).is_empty());
    inbox.extend(&[0x82, 0x01, 0x09]);
    assert_eq!(incoming.receive(NOW, &mut inbox), Ok(Event::Message(Message::Binary(&[9]))));
}

/// Options and agreements that differ in one thing that a compressor or an inflater is made for.
fn kinds(setup: &Setup) -> [Setup; 4] {
    let kind = |agreement, level| {
        Setup { agreement: Some(agreement), ..setup.clone() }
            .with(|config| config.compression.as_mut().unwrap().level = level)
    };
    let narrow = Agreement { client_max_window_bits: 9, server_max_window_bits: 9, ..FORGETFUL };
    [kind(FORGETFUL, 9), kind(FORGETFUL, 1), kind(narrow, 9), kind(FULL, 9)]
}

/// Few words in any order, of which each level finds other repeats, and repeats that are far.
fn messages() -> Vec<Vec<u8>> {
    let mut dice = Dice::new(23);
    let words = [&b"tick"[..], b"price", b"tricky", b"ice", b"0.25", b"\"id\":"];
    let mut text = |n| (0..n).flat_map(|_| dice.pick(&words)).copied().collect::<Vec<u8>>();
    vec![text(400), Dice::new(24).noise(700).repeat(2), text(20), text(2000)]
}

fn outgoing(setup: &Setup) -> Outgoing {
    Outgoing::new(setup.sender(), &setup.config, setup.agreement)
}

fn sent(outgoing: &mut Outgoing, message: &[u8], out: &mut Outbox) -> Vec<u8> {
    outgoing.send(Message::Binary(message), out).unwrap();
    let bytes = out.poll_transmit().unwrap().to_vec();
    out.transmitted(bytes.len());
    bytes
}

/// The frames of each of [`messages`], sent with nothing shared.
fn alone(setup: &Setup) -> Vec<Vec<u8>> {
    let (mut outgoing, mut out) = (outgoing(setup), Outbox::new());
    messages().iter().map(|message| sent(&mut outgoing, message, &mut out)).collect()
}

#[test]
fn d22_d23_an_outbox_lends_a_compressor_to_whom_it_fits() {
    let (kinds, messages) = (kinds(&Setup::server()), messages());
    let expected = kinds.each_ref().map(alone);
    let different: BTreeSet<_> = expected.iter().collect();
    assert_eq!(different.len(), kinds.len(), "a wrong compressor would show");
    for before in &kinds {
        for (kind, expected) in kinds.iter().zip(&expected) {
            let (mut first, mut second) = (outgoing(before), outgoing(kind));
            let mut out = Outbox::new();
            for (message, expected) in messages.iter().zip(expected) {
                sent(&mut first, message, &mut out);
                assert!(sent(&mut second, message, &mut out) == *expected, "{before:?} {kind:?}");
            }
        }
    }
}

#[test]
fn d23_d26_an_inbox_lends_an_inflater_to_whom_it_fits() {
    let (kinds, messages) = (kinds(&Setup::server()), messages());
    let sent = self::kinds(&Setup::client()).each_ref().map(alone);
    let [wide, _, narrow, _] = &sent;
    let refused = Seen::Failed(Violation::Deflate.into());
    for (before, before_sent) in kinds.iter().zip(&sent) {
        for (kind, kind_sent) in kinds.iter().zip(&sent) {
            let mut inbox = Inbox::new();
            let mut receive = |incoming: &mut Incoming, bytes: &[u8]| {
                inbox.extend(bytes);
                let seen = Seen::of(incoming.receive(NOW, &mut inbox));
                if seen == refused {
                    inbox.clear();
                }
                seen
            };
            let (mut first, mut second) = (before.incoming(), kind.incoming());
            for (at, message) in messages.iter().enumerate() {
                assert!(receive(&mut first, &before_sent[at]) == binary(message));
                assert!(receive(&mut second, &kind_sent[at]) == binary(message));
            }
            // Repeats that are further away than a narrow window are refused, whoever had the
            // inflater before.
            let far = receive(&mut kind.incoming(), &wide[1]);
            let is_narrow = kind.agreement.unwrap().client_max_window_bits == 9;
            assert!(far == if is_narrow { refused.clone() } else { binary(&messages[1]) });
            let near = receive(&mut kind.incoming(), &narrow[1]);
            assert!(near == binary(&messages[1]));
            // No reference reaches what another connection received.
            let hello = frame(kind.role, 0xC2, HELLO_DEFLATED);
            assert_eq!(receive(&mut before.incoming(), &hello), binary(b"Hello"));
            let reference = frame(kind.role, 0xC2, &[0xF2, 0x00, 0x11, 0x00, 0x00]);
            assert_eq!(receive(&mut kind.incoming(), &reference), refused);
        }
    }
}

#[test]
fn what_was_received_is_no_more_than_there_was_room_for() {
    for partly in [false, true] {
        let mut inbox = Inbox::with_capacity(100);
        let room = inbox.space(1).len();
        if partly {
            inbox.received_partly(usize::MAX);
        } else {
            inbox.received(usize::MAX);
        }
        assert_eq!(inbox.unread().len(), room);
        assert!(!inbox.space(1).is_empty());
    }
}
