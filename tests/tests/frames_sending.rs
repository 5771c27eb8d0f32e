//! What the sending half puts on the wire (RFC 6455 §5.1–§5.6, §6.1).

use std::collections::HashSet;

use wirewright_core::{
    Close, CloseCode, Config, MaskingKeys, Message, Misuse, Outbox, Outgoing, Reply, Role, Sender,
};
use wirewright_tests::raw::{self, Sent};
use wirewright_tests::splits::{FULL, Setup};

fn outgoing(setup: &Setup) -> Outgoing {
    Outgoing::new(setup.sender(), &setup.config, setup.agreement)
}

/// What is in the outbox, frame by frame; it is empty afterwards.
fn taken(out: &mut Outbox) -> Vec<Sent> {
    let frames = raw::sent(out.poll_transmit().unwrap_or_default());
    out.transmitted(out.len());
    assert!(out.is_empty());
    frames
}

fn parts(frames: &[Sent]) -> Vec<(u8, &[u8])> {
    frames.iter().map(|frame| (frame.first, &frame.payload[..])).collect()
}

/// One frame of each kind that there is to send, and a failure at the end.
fn one_of_each(setup: &Setup) -> Vec<Sent> {
    let mut outgoing = outgoing(setup);
    let mut out = Outbox::new();
    outgoing.send(Message::Text("text"), &mut out).unwrap();
    outgoing.send(Message::Binary(b""), &mut out).unwrap();
    outgoing.send_uncompressed(Message::Binary(&[1; 300]), &mut out).unwrap();
    outgoing.send(Message::Binary(&[2; 70_000]), &mut out).unwrap();
    outgoing.send_part(Message::Text("in "), false, &mut out).unwrap();
    outgoing.send_ping(b"ping", &mut out).unwrap();
    outgoing.send_pong(b"", &mut out).unwrap();
    outgoing.reply(Reply::pong(b"pong"), &mut out);
    outgoing.send_part(Message::Text("parts"), true, &mut out).unwrap();
    outgoing.fail(CloseCode::PROTOCOL_ERROR, &mut out);
    taken(&mut out)
}

#[test]
fn p044_client_masks_every_frame() {
    for setup in [Setup::client(), Setup { agreement: Some(FULL), ..Setup::client() }] {
        let frames = one_of_each(&setup);
        assert!(frames.len() >= 10);
        let keys: HashSet<_> = frames.iter().map(|frame| frame.key.expect("a mask")).collect();
        assert_eq!(keys.len(), frames.len(), "each its own key");
    }
}

#[test]
fn p046_server_never_masks() {
    for setup in [Setup::server(), Setup { agreement: Some(FULL), ..Setup::server() }] {
        assert!(one_of_each(&setup).iter().all(|frame| frame.key.is_none()));
        let head = outgoing(&Setup::server()).head(Message::Binary(&[0; 200])).unwrap();
        assert_eq!(&*head.expect("a server's head alone"), [0x82, 126, 0, 200]);
    }
    // A client's payload is masked, so that no head can go without it.
    assert!(outgoing(&Setup::client()).head(Message::Text("x")).unwrap().is_none());
}

#[test]
fn p051_lengths_are_sent_in_their_shortest_form() {
    for setup in Setup::both() {
        let setup = setup.with(|config| config.outgoing_frame_size = usize::MAX);
        let mask = if setup.role == Role::Client { 4 } else { 0 };
        for (len, header) in [
            (0, 2),
            (1, 2),
            (124, 2),
            (125, 2),
            (126, 4),
            (127, 4),
            (65_535, 4),
            (65_536, 10),
            (100_000, 10),
        ] {
            let payload = vec![0x5A; len];
            let mut out = Outbox::new();
            outgoing(&setup).send(Message::Binary(&payload), &mut out).unwrap();
            let frames = taken(&mut out);
            assert_eq!(parts(&frames), [(0x82, &payload[..])]);
            assert_eq!(frames[0].header, header + mask, "{len}");
        }
    }
}

#[test]
fn p051_golden_bytes() {
    let golden = |message: Message<'_>, expected: &[u8]| {
        let mut out = Outbox::new();
        let mut outgoing = outgoing(&Setup::server());
        outgoing.send(message, &mut out).unwrap();
        assert_eq!(out.poll_transmit().unwrap(), expected);
    };
    golden(Message::Text("Hello"), &[0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]);
    golden(Message::Text(""), &[0x81, 0x00]);
    let mut bytes = vec![0x82, 0x7E, 0x01, 0x00];
    bytes.extend([7; 256]);
    golden(Message::Binary(&[7; 256]), &bytes);
    let mut bytes = vec![0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0];
    bytes.extend([7; 65_536]);
    golden(Message::Binary(&[7; 65_536]), &bytes);
}

#[test]
fn p053_fresh_key_for_each_frame() {
    let send = |seed: u8| {
        let keys = MaskingKeys::from_seed([seed; 32]);
        let mut outgoing = Outgoing::new(Sender::Client(keys), &Config::client(), None);
        let mut out = Outbox::new();
        for _ in 0..50 {
            outgoing.send(Message::Text("same"), &mut out).unwrap();
        }
        taken(&mut out).into_iter().map(|frame| frame.key).collect::<Vec<_>>()
    };
    let (one, other) = (send(1), send(2));
    assert_eq!(one.iter().collect::<HashSet<_>>().len(), 50);
    assert!(one.iter().zip(&other).all(|(a, b)| a != b), "a seed, a sequence");
    assert_eq!(one, send(1), "nothing but the seed decides");
}

#[test]
fn s05_masking_keys_are_unpredictable() {
    let keys = |seed: [u8; 32], frames: usize| {
        let keys = MaskingKeys::from_seed(seed);
        let mut outgoing = Outgoing::new(Sender::Client(keys), &Config::client(), None);
        let (mut out, mut list) = (Outbox::new(), Vec::with_capacity(frames));
        while list.len() < frames {
            outgoing.send(Message::Binary(b""), &mut out).unwrap();
            let Some(&[0x82, 0x80, a, b, c, d]) = out.poll_transmit() else {
                panic!("an empty masked frame is six bytes");
            };
            out.transmitted(6);
            list.push([a, b, c, d]);
        }
        list
    };
    let list = keys([5; 32], 1_000_000);
    assert!(list.windows(2).all(|pair| pair[0] != pair[1]), "equal neighbours");
    // χ² with 255 degrees of freedom, for each byte, and for what changes from frame to frame:
    // 99.99 % of random sequences stay below 347.
    for place in 0..4 {
        for step in [0, 1] {
            let mut counts = [0_u32; 256];
            for pair in list.windows(2) {
                counts[usize::from(pair[0][place] ^ (pair[1][place] * step))] += 1;
            }
            let mean = f64::from(counts.iter().sum::<u32>()) / 256.0;
            let chi2: f64 = counts.iter().map(|&n| (f64::from(n) - mean).powi(2) / mean).sum();
            assert!((170.0..347.0).contains(&chi2), "byte {place}, step {step}: {chi2}");
        }
    }
    // First keys of 10 000 connections: of random ones, one pair in a hundred runs is equal.
    let first = |i: u64| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&i.to_le_bytes());
        keys(seed, 1)[0]
    };
    assert_eq!((0..10_000).map(first).collect::<HashSet<_>>().len(), 10_000);
    assert_eq!(format!("{:?}", MaskingKeys::from_seed([5; 32])), "MaskingKeys(***)");
}

#[test]
fn p076_opcode_of_the_first_frame_and_fin_of_the_last() {
    for setup in Setup::both() {
        let setup = setup.with(|config| config.outgoing_frame_size = 4);
        let mut outgoing = outgoing(&setup);
        let mut out = Outbox::new();
        let mut sent = |message: Message<'_>, expected: &[(u8, &[u8])]| {
            outgoing.send(message, &mut out).unwrap();
            assert_eq!(parts(&taken(&mut out)), expected);
        };
        sent(Message::Text("four"), &[(0x81, b"four")]);
        sent(Message::Text("fives"), &[(0x01, b"five"), (0x80, b"s")]);
        sent(Message::Binary(b"12345678"), &[(0x02, b"1234"), (0x80, b"5678")]);
        sent(Message::Binary(b"123456789"), &[(0x02, b"1234"), (0x00, b"5678"), (0x80, b"9")]);
        sent(Message::Text(""), &[(0x81, b"")]);
    }
}

#[test]
fn p076_message_sent_in_parts() {
    for setup in Setup::both() {
        let setup = setup.with(|config| config.outgoing_frame_size = 4);
        let mut outgoing = outgoing(&setup);
        let mut out = Outbox::new();
        outgoing.send_part(Message::Text("first"), false, &mut out).unwrap();
        outgoing.send_part(Message::Text(""), false, &mut out).unwrap();
        outgoing.send_ping(b"", &mut out).unwrap();
        outgoing.send_part(Message::Text("last"), true, &mut out).unwrap();
        outgoing.send_part(Message::Binary(b"one"), true, &mut out).unwrap();
        let expected: [(u8, &[u8]); 6] = [
            (0x01, b"firs"),
            (0x00, b"t"),
            (0x00, b""),
            (0x89, b""),
            (0x80, b"last"),
            (0x82, b"one"),
        ];
        assert_eq!(parts(&taken(&mut out)), expected);
    }
}

#[test]
fn p065_p075_nothing_is_sent_after_a_close() {
    for setup in Setup::both() {
        let close = Close::new(1000, "").unwrap();
        // From both open states.
        for parts in [false, true] {
            let mut outgoing = outgoing(&setup);
            let mut out = Outbox::new();
            if parts {
                outgoing.send_part(Message::Text("open"), false, &mut out).unwrap();
            }
            assert!(!outgoing.is_close_sent());
            outgoing.send_close(close, &mut out).unwrap();
            assert!(outgoing.is_close_sent());
            let sent = out.len();
            let closed = Err(Misuse::CloseSent);
            assert_eq!(outgoing.send(Message::Text("x"), &mut out), closed);
            assert_eq!(outgoing.send_uncompressed(Message::Text("x"), &mut out), closed);
            assert_eq!(outgoing.send_part(Message::Text("x"), true, &mut out), closed);
            assert_eq!(outgoing.head(Message::Text("x")).map(|_| ()), closed);
            assert_eq!(outgoing.send_ping(b"", &mut out), closed);
            assert_eq!(outgoing.send_pong(b"", &mut out), closed);
            assert_eq!(outgoing.send_close(close, &mut out), closed);
            // What is owed is no longer owed.
            outgoing.reply(Reply::pong(b"x"), &mut out);
            outgoing.reply(Reply::close(CloseCode::NORMAL), &mut out);
            outgoing.fail(CloseCode::PROTOCOL_ERROR, &mut out);
            assert_eq!(out.len(), sent);
        }
    }
}

#[test]
fn p058_no_message_inside_another() {
    for setup in Setup::both() {
        let mut outgoing = outgoing(&setup);
        let mut out = Outbox::new();
        outgoing.send_part(Message::Text("a"), false, &mut out).unwrap();
        let sent = out.len();
        let open = Err(Misuse::MessageOpen);
        assert_eq!(outgoing.send(Message::Text("b"), &mut out), open);
        assert_eq!(outgoing.send_uncompressed(Message::Text("b"), &mut out), open);
        assert_eq!(outgoing.head(Message::Text("b")).map(|_| ()), open);
        let other = Message::Binary(b"b");
        assert_eq!(outgoing.send_part(other, true, &mut out), Err(Misuse::PartKind));
        assert_eq!(out.len(), sent, "a misuse sends nothing");
        outgoing.send_part(Message::Text("c"), true, &mut out).unwrap();
        outgoing.send(Message::Text("b"), &mut out).unwrap();
    }
}

#[test]
fn p062_control_payloads_over_125_are_refused() {
    for setup in Setup::both() {
        let mut outgoing = outgoing(&setup);
        let mut out = Outbox::new();
        let long = Err(Misuse::ControlTooLong(126));
        assert_eq!(outgoing.send_ping(&[0; 126], &mut out), long);
        assert_eq!(outgoing.send_pong(&[0; 126], &mut out), long);
        assert!(out.is_empty());
        outgoing.send_ping(&[0; 125], &mut out).unwrap();
        outgoing.send_pong(&[0; 125], &mut out).unwrap();
        assert_eq!(parts(&taken(&mut out)), [(0x89, &[0; 125][..]), (0x8A, &[0; 125])]);
    }
}

#[test]
fn s16_control_frames_pass_a_full_queue() {
    // What waits is the caller's to bound: the engine appends a Pong at the next frame's border,
    // whatever waits before it, also between the parts of a message.
    for setup in Setup::both() {
        let mut outgoing = outgoing(&setup);
        let mut out = Outbox::new();
        for _ in 0..64 {
            outgoing.send(Message::Binary(&[0; 65_536]), &mut out).unwrap();
        }
        outgoing.send_part(Message::Binary(&[0; 65_536]), false, &mut out).unwrap();
        let waiting = out.len();
        outgoing.reply(Reply::pong(b"alive"), &mut out);
        assert!(out.len() - waiting <= 131);
        let frames = taken(&mut out);
        assert_eq!(parts(&frames[65..]), [(0x8A, &b"alive"[..])]);
    }
}
