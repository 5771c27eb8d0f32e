//! Inboxes that go from one connection to another, as an event loop's do.

use std::time::Duration;

use wirewright_core::deflate::Agreement;
use wirewright_core::{
    Config, Event, Inbox, Incoming, MaskingKeys, Message, Outbox, Outgoing, Role, Sender,
};

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
