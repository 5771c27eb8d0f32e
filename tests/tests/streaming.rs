//! Messages larger than memory: received piece by piece, sent in parts.

use std::time::Duration;

use wirewright_core::deflate::Agreement;
use wirewright_core::{
    Event, Fragment, Inbox, Incoming, Limit, Message, MessageKind, Outbox, Outgoing, Violation,
};
use wirewright_tests::alloc::Meter;
use wirewright_tests::raw::{HELLO_DEFLATED, frame, frames, header, transform};
use wirewright_tests::rng::Dice;
use wirewright_tests::seen::Seen;
use wirewright_tests::splits::{FORGETFUL, FULL, Feeding, Setup, binary, check, joined, run, text};

const NOW: Duration = Duration::ZERO;
/// The memory that any amount passes through, on each side, beside a compressor.
const MEMORY: u64 = 256 * 1024;
const MIB: usize = 1 << 20;

fn streaming(setup: Setup) -> Setup {
    setup.unlimited().with(|config| config.streaming = true)
}

/// What a message consists of: a pattern whose period is prime, so that each place of it and its
/// neighbours tell where they belong.
struct Pattern(Vec<u8>);

const PERIOD: usize = 65_537;

impl Pattern {
    fn new(compressible: bool) -> Self {
        let mut dice = Dice::new(256);
        let mut bytes = Vec::new();
        while bytes.len() < PERIOD {
            match compressible {
                true => bytes.extend(dice.pick(&[&b"tick"[..], b"price", b"0.25", b"\"id\":"])),
                false => bytes.extend(dice.noise(1024)),
            }
        }
        bytes.truncate(PERIOD);
        bytes.extend_from_within(..);
        Self(bytes)
    }

    /// The `len` bytes at `at`.
    fn at(&self, at: usize, len: usize) -> &[u8] {
        &self.0[at % PERIOD..][..len]
    }
}

/// The end that receives.
struct Sink {
    incoming: Incoming,
    inbox: Inbox,
    received: usize,
    ended: bool,
}

impl Sink {
    fn take(&mut self, mut bytes: &[u8], pattern: &Pattern) {
        while !bytes.is_empty() {
            let room = self.inbox.space(64 * 1024);
            let n = room.len().min(bytes.len()).min(64 * 1024);
            room[..n].copy_from_slice(&bytes[..n]);
            self.inbox.received(n);
            bytes = &bytes[n..];
            loop {
                match self.incoming.receive(NOW, &mut self.inbox).unwrap() {
                    Event::NeedMore { .. } => break,
                    Event::Fragment(Fragment { kind, payload, first, last }) => {
                        assert_eq!(kind, MessageKind::Binary);
                        assert_eq!(first, self.received == 0);
                        for piece in payload.chunks(PERIOD) {
                            assert!(piece == pattern.at(self.received, piece.len()));
                            self.received += piece.len();
                        }
                        self.ended = last;
                    }
                    Event::Ping(_) => {}
                    event => panic!("{event:?}"),
                }
            }
        }
    }
}

/// Sends one message of `len` bytes from an end to the other; gives the most memory that sender
/// and receiver held together.
fn pass(from: &Setup, to: &Setup, len: usize, compressible: bool) -> u64 {
    let pattern = Pattern::new(compressible);
    let mut outgoing = Outgoing::new(from.sender(), &from.config, from.agreement);
    let mut out = Outbox::new();
    let meter = Meter::new();
    let incoming = streaming(to.clone()).incoming();
    let mut sink = Sink { incoming, inbox: Inbox::new(), received: 0, ended: false };
    let mut sent = 0;
    while sent < len {
        let part = (len - sent).min(65_000);
        let last = sent + part == len;
        outgoing.send_part(Message::Binary(pattern.at(sent, part)), last, &mut out).unwrap();
        outgoing.send_ping(b"", &mut out).unwrap();
        sent += part;
        if let Some(bytes) = out.poll_transmit() {
            sink.take(bytes, &pattern);
        }
        out.transmitted(out.len());
        assert!(!sink.ended || last);
    }
    assert_eq!((sink.received, sink.ended), (len, true));
    meter.peak()
}

fn ends(agreement: Option<Agreement>) -> [[Setup; 2]; 2] {
    let with = |setup: Setup| Setup { agreement, ..setup };
    let (client, server) = (with(Setup::client()), with(Setup::server()));
    [[client.clone(), server.clone()], [server, client]]
}

#[test]
fn p097_any_amount_passes_through_little_memory() {
    let len = if cfg!(debug_assertions) { 256 * MIB } else { 2048 * MIB };
    for [from, to] in ends(None) {
        let peak = pass(&from, &to, len + 12_345, false);
        assert!(peak <= MEMORY, "{peak} from {:?}", from.role);
    }
}

#[test]
fn p097_any_amount_passes_through_little_memory_compressed() {
    let len = if cfg!(debug_assertions) { 6 * MIB } else { 512 * MIB };
    for agreement in [FULL, FORGETFUL] {
        for [from, to] in ends(Some(agreement)) {
            let compressor = compressor(&from);
            let peak = pass(&from, &to, len + 12_345, true);
            let buffers = peak - compressor;
            assert!(buffers <= MEMORY, "{buffers} and {compressor} from {:?}", from.role);
        }
    }
}

/// What a compressor holds after its first byte.
fn compressor(setup: &Setup) -> u64 {
    let mut out = Outbox::new();
    let mut outgoing = Outgoing::new(setup.sender(), &setup.config, setup.agreement);
    let meter = Meter::new();
    outgoing.send(Message::Binary(b"x"), &mut out).unwrap();
    meter.held()
}

#[test]
fn p055_streamed_messages_are_the_same_messages() {
    let euro = "€".as_bytes();
    let lists: [&[(u8, &[u8])]; 6] = [
        &[(0x81, b"whole"), (0x82, b""), (0x81, b"")],
        &[(0x01, b"Hel"), (0x89, b"p"), (0x80, b"lo"), (0x82, &[0xFF; 300])],
        &[(0x01, b""), (0x00, b""), (0x80, b"late"), (0x02, b"x"), (0x80, b"")],
        &[(0x01, &euro[..1]), (0x00, &euro[1..2]), (0x8A, b""), (0x80, &euro[2..])],
        &[(0x81, b"ok"), (0x01, b"no"), (0x00, b"\xFF"), (0x80, b"")],
        &[(0x01, b"open"), (0x81, b"again")],
    ];
    for setup in Setup::both() {
        for list in lists {
            let input = frames(setup.role, list);
            let whole = joined(&check(&setup, &input));
            assert_eq!(check(&streaming(setup.clone()), &input), whole);
        }
    }
    let lists: [&[(u8, &[u8])]; 3] = [
        &[(0xC1, HELLO_DEFLATED), (0x81, b"plain"), (0xC2, &[0xF2, 0x00, 0x11, 0x00, 0x00])],
        &[(0x41, &HELLO_DEFLATED[..3]), (0x89, b""), (0x80, &HELLO_DEFLATED[3..]), (0xC1, &[0])],
        &[(0xC1, HELLO_DEFLATED), (0xC1, &[7]), (0xC1, HELLO_DEFLATED)],
    ];
    for setup in Setup::both_deflated(FULL) {
        for list in lists {
            let input = frames(setup.role, list);
            let whole = joined(&check(&setup, &input));
            assert_eq!(check(&streaming(setup.clone()), &input), whole);
        }
    }
}

#[test]
fn pieces_are_delivered_as_they_arrive() {
    for setup in Setup::both() {
        let setup = streaming(setup);
        let piece = |payload: &[u8], first, last| Seen::Fragment {
            kind: MessageKind::Text,
            payload: payload.to_vec(),
            first,
            last,
        };
        // One frame in three reads, the second of which ends inside a code point.
        let payload = "un café".as_bytes();
        let head = header(setup.role, 0x81, payload.len() as u64);
        let body = transform(setup.role, payload);
        let chunks = [&[&head, &body[..2]].concat()[..], &body[2..7], &body[7..]];
        let seen = run(&setup, chunks, Feeding::Extend);
        let expected = [
            piece(b"un", true, false),
            piece(&payload[2..7], false, false),
            piece(&payload[7..], false, true),
        ];
        assert_eq!(seen, expected);
        // A message that is there whole is a message.
        let seen = run(&setup, [&frame(setup.role, 0x81, b"whole")[..]], Feeding::Extend);
        assert_eq!(seen, [text("whole")]);
        // Control frames come in their place; an end without bytes is an end.
        let list: [(u8, &[u8]); 4] = [(0x01, b"a"), (0x8A, b"1"), (0x00, b"b"), (0x80, b"")];
        let seen = run(&setup, [&frames(setup.role, &list)[..]], Feeding::Extend);
        let expected = [
            piece(b"a", true, false),
            Seen::Pong(b"1".to_vec()),
            piece(b"b", false, false),
            piece(b"", false, true),
        ];
        assert_eq!(seen, expected);
    }
}

#[test]
fn limits_hold_for_streamed_messages() {
    for setup in Setup::both() {
        let setup = streaming(setup).with(|config| config.limits.max_message_size = 1000);
        let mut fits = frames(setup.role, &[(0x02, &[1; 600]), (0x80, &[1; 400])]);
        assert_eq!(check(&setup, &fits), [binary(&[1; 1000])]);
        fits.extend(frames(setup.role, &[(0x02, &[1; 600]), (0x80, &[1; 401])]));
        let limit = Limit::MessageSize { len: 1001, max: 1000 };
        assert_eq!(check(&setup, &fits), [binary(&[1; 1000]), Seen::Failed(limit.into())]);
    }
    // What was inflated and delivered counts, once.
    for setup in Setup::both_deflated(FULL) {
        let other = ends(Some(FULL)).map(|[from, _]| from);
        let other = other.into_iter().find(|other| other.role != setup.role).unwrap();
        for (len, fits) in [(100_000, true), (100_001, false)] {
            let setup =
                streaming(setup.clone()).with(|config| config.limits.max_message_size = 100_000);
            let mut outgoing = Outgoing::new(other.sender(), &other.config, other.agreement);
            let mut out = Outbox::new();
            let payload = Pattern::new(true).0[..len].to_vec();
            outgoing.send(Message::Binary(&payload), &mut out).unwrap();
            let bytes = out.poll_transmit().unwrap();
            for at_once in [64, 1000, 100_000] {
                let seen = joined(&run(&setup, bytes.chunks(at_once), Feeding::Space));
                if fits {
                    assert!(seen == [binary(&payload)]);
                } else {
                    let limit = Limit::MessageSize { len: 100_001, max: 100_000 };
                    assert_eq!(seen, [Seen::Failed(limit.into())]);
                }
            }
        }
    }
}

#[test]
fn s09_bomb_streams_through_little_memory() {
    // Streamed without a limit, a gigabyte of zeros takes time, and no memory.
    let len = if cfg!(debug_assertions) { 8 * MIB } else { 1024 * MIB };
    let zeros = vec![0; MIB];
    for [from, to] in ends(Some(FULL)) {
        let mut outgoing = Outgoing::new(from.sender(), &from.config, from.agreement);
        let mut out = Outbox::new();
        outgoing.send_part(Message::Binary(&zeros), false, &mut out).unwrap();
        let mut incoming = streaming(to).incoming();
        let mut inbox = Inbox::new();
        let meter = Meter::new();
        inbox.extend(out.poll_transmit().unwrap());
        let mut received = 0;
        let mut sent = MIB;
        while received < len {
            match incoming.receive(NOW, &mut inbox).unwrap() {
                Event::Fragment(fragment) => {
                    received += fragment.payload.len();
                    assert!(fragment.payload.iter().all(|&byte| byte == 0));
                }
                Event::NeedMore { .. } => {
                    // What the sender holds is not what is measured.
                    out.transmitted(out.len());
                    outgoing.send_part(Message::Binary(&zeros), false, &mut out).unwrap();
                    sent += MIB;
                    inbox.extend(out.poll_transmit().unwrap());
                }
                event => panic!("{event:?}"),
            }
        }
        assert!(received <= sent);
        assert!(meter.peak() <= MEMORY, "{}", meter.peak());
    }
}

#[test]
fn d06_streamed_text_is_validated() {
    for setup in Setup::both_deflated(FULL) {
        let setup = streaming(setup);
        let bad = [0, 4, 0, 0xFB, 0xFF, b'o', b'k', 0xFF, b'!', 0];
        let input = frame(setup.role, 0xC1, &bad);
        assert_eq!(check(&setup, &input), [Seen::Failed(Violation::TextUtf8.into())]);
    }
}
