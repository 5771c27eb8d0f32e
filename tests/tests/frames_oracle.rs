//! The engine against a decoder too simple to be wrong, over seeded streams, good and broken.

use wirewright_core::deflate::Agreement;
use wirewright_core::{Message, Outbox, Outgoing, Role, Sender};
use wirewright_tests::naive;
use wirewright_tests::raw::{frame, header};
use wirewright_tests::rng::Dice;
use wirewright_tests::seen::Seen;
use wirewright_tests::splits::{FORGETFUL, FULL, Feeding, Setup, pieces, random_cuts, run};

/// A stream of frames by hand: most good, some not.
fn stream(setup: &Setup, dice: &mut Dice<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut open = false;
    for _ in 0..1 + dice.below(12) {
        let len = dice.pick(&[0, 1, 5, 60, 125, 126, 127, 300, 1500]);
        let text = dice.one_in(2);
        let payload = if text { words(dice, len) } else { dice.noise(len) };
        if dice.one_in(4) {
            let payload = &payload[..payload.len().min(125)];
            let opcode = dice.pick(&[0x89, 0x8A, 0x89, 0x8A, 0x89, 0x8A, 0x88]);
            let close = [&1000_u16.to_be_bytes(), &payload[..payload.len().min(100)]].concat();
            let body = if opcode == 0x88 { &close[..] } else { payload };
            bytes.extend(frame(setup.role, opcode, body));
            continue;
        }
        let fin = dice.one_in(2);
        let opcode = match (open, text) {
            _ if dice.one_in(40) => dice.below(16).to_le_bytes()[0],
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        open = !fin;
        bytes.extend(frame(setup.role, opcode | if fin { 0x80 } else { 0 }, &payload));
    }
    bytes
}

/// A text of such a length, nearly.
fn words(dice: &mut Dice<'_>, len: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < len {
        text.push_str(dice.pick(&["a", "Hello", "é", "€uro", "🦀", " ", "aaaaaaaaaaaaaaaaaaaa"]));
    }
    text.into_bytes()
}

/// A stream that our own sending half makes, compressed.
fn compressed(setup: &Setup, agreement: Agreement, dice: &mut Dice<'_>) -> Vec<u8> {
    let other = if setup.role == Role::Server { Setup::client() } else { Setup::server() };
    let mut other =
        other.with(|config| config.outgoing_frame_size = dice.pick(&[100, 500, 65_536]));
    if let Some(compression) = &mut other.config.compression {
        compression.level = dice.pick(&[0, 1, 6, 9]);
    }
    let sender: Sender = other.sender();
    let mut outgoing = Outgoing::new(sender, &other.config, Some(agreement));
    let mut out = Outbox::new();
    for _ in 0..1 + dice.below(5) {
        let len = dice.pick(&[0, 1, 5, 60, 300, 1500]);
        let words = String::from_utf8(words(dice, len)).unwrap();
        let noise = dice.noise(len);
        let message = if dice.one_in(4) { Message::Binary(&noise) } else { Message::Text(&words) };
        match dice.below(4) {
            0 => outgoing.send_uncompressed(message, &mut out).unwrap(),
            1 => {
                outgoing.send_part(message, false, &mut out).unwrap();
                outgoing.send_ping(b"between", &mut out).unwrap();
                outgoing.send_part(message, true, &mut out).unwrap();
            }
            _ => outgoing.send(message, &mut out).unwrap(),
        }
    }
    out.poll_transmit().unwrap().to_vec()
}

/// Changes some bits, most of them near the front of something.
fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice<'_>) {
    for _ in 0..1 + dice.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = dice.below(bytes.len());
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, dice.noise(1)[0]),
            2 => drop(bytes.remove(at)),
            3 => bytes[at] = dice.noise(1)[0],
            _ => bytes[at] ^= 1 << dice.below(8),
        }
    }
}

/// Whole, in random pieces and byte by byte.
#[track_caller]
fn compare(setup: &Setup, input: &[u8], seed: u64) -> Vec<Seen> {
    let expected = naive::decode(setup, input);
    let cuts = random_cuts(input.len(), seed);
    let bytes: Vec<usize> = (1..input.len()).collect();
    for (cuts, feeding) in [
        (&[][..], Feeding::Extend),
        (&cuts, Feeding::Extend),
        (&cuts, Feeding::Scratch),
        (&bytes, Feeding::Space),
    ] {
        let seen = run(setup, pieces(input, cuts), feeding);
        assert_eq!(seen, expected, "seed {seed}, {:?}, {feeding:?}, {cuts:?}", setup.role);
    }
    expected
}

#[test]
fn engine_and_oracle_agree_on_plain_streams() {
    let (mut messages, mut failures) = (0, 0);
    for seed in 0..1000 {
        for setup in Setup::both() {
            let setup = setup.with(|config| {
                config.limits.max_frame_size = 1400 + 100 * (seed % 3) as usize;
                config.limits.max_message_size = 2500;
                config.limits.max_fragments = 6;
                config.limits.max_control_frames = 4;
            });
            let mut dice = Dice::new(seed);
            let mut input = stream(&setup, &mut dice);
            let seen = compare(&setup, &input, seed);
            messages += seen.iter().filter(|seen| matches!(seen, Seen::Message(..))).count();
            mutate(&mut input, &mut dice);
            let seen = compare(&setup, &input, seed);
            failures += usize::from(matches!(seen.last(), Some(Seen::Failed(_))));
        }
    }
    assert!(messages > 1000 && failures > 1000, "{messages} messages, {failures} failures");
}

#[test]
fn engine_and_oracle_agree_on_compressed_streams() {
    let (mut messages, mut failures) = (0, 0);
    for seed in 0..200 {
        let small = Agreement { server_max_window_bits: 9, client_max_window_bits: 10, ..FULL };
        let agreement = [FULL, FORGETFUL, small][(seed % 3) as usize];
        for setup in Setup::both_deflated(agreement) {
            let mut dice = Dice::new(seed);
            let mut input = compressed(&setup, agreement, &mut dice);
            let seen = compare(&setup, &input, seed);
            assert!(!matches!(seen.last(), Some(Seen::Failed(_))), "seed {seed}: {seen:?}");
            messages += seen.iter().filter(|seen| matches!(seen, Seen::Message(..))).count();
            mutate(&mut input, &mut dice);
            let setup = setup.with(|config| config.limits.max_message_size = 2000);
            let seen = compare(&setup, &input, seed);
            failures += usize::from(matches!(seen.last(), Some(Seen::Failed(_))));
        }
    }
    assert!(messages > 800 && failures > 100, "{messages} messages, {failures} failures");
}

#[test]
fn engine_and_oracle_agree_on_mutated_deflate() {
    // One message whose compressed bytes are broken, not its frames.
    let mut outcomes = [0; 4];
    for seed in 0..1500 {
        let mut dice = Dice::new(seed);
        for setup in Setup::both_deflated(FULL) {
            let setup = setup.with(|config| config.limits.max_message_size = 400);
            let len = dice.pick(&[5, 60, 300]);
            let text = words(&mut dice, len);
            let sender = Setup::server();
            let mut outgoing = Outgoing::new(sender.sender(), &sender.config, Some(FULL));
            let mut out = Outbox::new();
            outgoing.send(Message::Binary(&text), &mut out).unwrap();
            let sent = wirewright_tests::raw::sent(out.poll_transmit().unwrap());
            let mut payload = sent.into_iter().flat_map(|frame| frame.payload).collect();
            mutate(&mut payload, &mut dice);
            let input = frame(setup.role, dice.pick(&[0xC1, 0xC2]), &payload);
            let seen = compare(&setup, &input, seed);
            let code = match seen.last() {
                Some(Seen::Failed(error)) => error.close_code().value(),
                _ => 1000,
            };
            outcomes[match code {
                1007 => 0,
                1009 => 1,
                1000 => 2,
                _ => 3,
            }] += 1;
        }
    }
    assert!(outcomes[..3].iter().all(|&n| n > 5) && outcomes[3] == 0, "{outcomes:?}");
}

#[test]
fn engine_and_oracle_agree_on_headers() {
    // Headers of every kind with lengths about the limits, at the end of the input or not.
    let mut dice = Dice::new(9);
    for setup in Setup::both() {
        let setup = setup.with(|config| config.limits.max_frame_size = 70_000);
        for seed in 0..3000 {
            let first = dice.pick(&[0x81, 0x82, 0x01, 0x02, 0x80, 0x89, 0x88]);
            let len = dice.pick(&[0, 125, 126, 65_535, 65_536, 70_000, 70_001, 1 << 40, 1 << 63]);
            let mut input = header(setup.role, first, len);
            if dice.one_in(2) {
                mutate(&mut input, &mut dice);
            }
            let len = dice.below(20);
            input.extend(dice.noise(len));
            compare(&setup, &input, seed);
        }
    }
}
