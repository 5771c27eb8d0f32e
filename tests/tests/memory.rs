//! Memory under attack, and allocations in the steady state, by an allocator that counts.

use std::time::Duration;

use wirewright_core::deflate::Agreement;
use wirewright_core::{
    Event, Inbox, Incoming, Limit, Message, Outbox, Outgoing, ReceiveError, Reply, Role,
};
use wirewright_tests::alloc::Meter;
use wirewright_tests::raw::{LONGEST, frame, header, transform};
use wirewright_tests::rng::Dice;
use wirewright_tests::splits::{FORGETFUL, FULL, Setup};

const NOW: Duration = Duration::ZERO;
const KIB: u64 = 1024;

/// What may be held with so many bytes received of a message (design: × 1.25 + 4 KiB).
fn allowed(received: usize) -> u64 {
    let received = received as u64;
    received + received / 4 + 4 * KIB
}

/// A receiving half with its inbox, read into as from a socket.
struct Reader {
    incoming: Incoming,
    inbox: Inbox,
    hint: usize,
    received: usize,
    messages: usize,
    /// Bytes of the last message.
    len: usize,
    controls: usize,
}

impl Reader {
    fn new(setup: &Setup) -> Self {
        Self {
            incoming: setup.incoming(),
            inbox: Inbox::new(),
            hint: 1,
            received: 0,
            messages: 0,
            len: 0,
            controls: 0,
        }
    }

    /// Reads all of `bytes`, at most `at_once` of them at a time.
    fn read(&mut self, bytes: &[u8], at_once: usize) -> Result<(), ReceiveError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.inbox.space(self.hint);
            let n = room.len().min(at_once).min(rest.len());
            room[..n].copy_from_slice(&rest[..n]);
            self.inbox.received(n);
            self.received += n;
            rest = &rest[n..];
            self.drain()?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), ReceiveError> {
        loop {
            match self.incoming.receive(NOW, &mut self.inbox)? {
                Event::NeedMore { hint } => {
                    self.hint = hint;
                    return Ok(());
                }
                Event::Message(message) => {
                    self.messages += 1;
                    self.len = message.len();
                }
                Event::Ping(_) | Event::Pong(_) => self.controls += 1,
                event => panic!("{event:?}"),
            }
        }
    }
}

#[test]
fn s02_declared_length_costs_nothing() {
    for setup in Setup::both() {
        let setup = setup.unlimited();
        for len in [65_536, 1 << 20, 1 << 30, LONGEST] {
            // A thousand connections, each with a header and a byte.
            let bytes = [header(setup.role, 0x82, len), vec![0]].concat();
            let meter = Meter::new();
            let mut readers = Vec::with_capacity(1000);
            let own = meter.held();
            for _ in 0..1000 {
                let mut reader = Reader::new(&setup);
                reader.read(&bytes, usize::MAX).unwrap();
                readers.push(reader);
            }
            assert!(meter.peak() - own <= 1000 * allowed(bytes.len()), "{}", meter.peak());
        }
    }
}

#[test]
fn s02_dribbled_payload_costs_what_arrived() {
    for setup in Setup::both() {
        for (len, at_once) in [(65_536, 1), (65_536, 7), (65_536, 1460), (65_536, 65_536)] {
            let bytes = frame(setup.role, 0x82, &vec![0; len]);
            let mut reader = Reader::new(&setup);
            let meter = Meter::new();
            for chunk in bytes.chunks(at_once) {
                reader.read(chunk, at_once).unwrap();
                let held = meter.held();
                assert!(held <= allowed(reader.received), "{held} with {}", reader.received);
            }
            assert!(meter.peak() <= allowed(bytes.len()));
            assert_eq!(reader.messages, 1);
            // Growth costs a copy: it is rare, however small the reads.
            assert!(meter.allocations() < 60, "{} allocations", meter.allocations());
        }
    }
}

#[test]
fn s02_over_the_limit_nothing_is_stored() {
    for setup in Setup::both() {
        let max = setup.config.limits.max_frame_size;
        let bytes = header(setup.role, 0x82, max as u64 + 1);
        let mut reader = Reader::new(&setup);
        let meter = Meter::new();
        let error = reader.read(&bytes, 1).unwrap_err();
        assert_eq!(error, Limit::FrameSize { len: max as u64 + 1, max }.into());
        // What is dribbled behind it is discarded.
        for _ in 0..10_000 {
            reader.read(&[0; 100], 100).unwrap();
            assert!(reader.inbox.is_empty());
        }
        assert!(meter.peak() <= allowed(bytes.len()), "{}", meter.peak());
    }
}

#[test]
fn s07_empty_fragments() {
    for setup in Setup::both() {
        // By default they are counted.
        let empty = frame(setup.role, 0x00, b"");
        let mut reader = Reader::new(&setup);
        reader.read(&frame(setup.role, 0x01, b""), 64).unwrap();
        for _ in 1..4096 {
            reader.read(&empty, 64).unwrap();
        }
        let error = reader.read(&empty, 64).unwrap_err();
        assert_eq!(error, Limit::Fragments { max: 4096 }.into());
        assert_eq!(error.close_code().value(), 1008);
        // And if nobody counts, they cost nothing.
        let setup = setup.unlimited();
        let mut reader = Reader::new(&setup);
        let many = empty.repeat(1000);
        let meter = Meter::new();
        reader.read(&frame(setup.role, 0x01, b""), 64).unwrap();
        for _ in 0..300 {
            reader.read(&many, 1460).unwrap();
            assert!(meter.held() <= allowed(0), "{}", meter.held());
        }
        assert!(meter.peak() <= allowed(0));
    }
}

#[test]
fn s07_one_byte_fragments() {
    for setup in Setup::both() {
        let setup = setup.unlimited();
        let one = frame(setup.role, 0x00, b"x");
        for (fragments, at_once) in [(300_000, 1460), (300_000, 16_384), (20_000, 1)] {
            let mut reader = Reader::new(&setup);
            let many = one.repeat(1000);
            let meter = Meter::new();
            reader.read(&frame(setup.role, 0x01, b""), 64).unwrap();
            for _ in 0..fragments / 1000 {
                // Reads end anywhere in a frame.
                reader.read(&many, at_once).unwrap();
            }
            assert!(meter.peak() <= allowed(fragments), "{} of {fragments}", meter.peak());
            reader.read(&frame(setup.role, 0x80, b""), 64).unwrap();
            assert_eq!((reader.messages, reader.len), (1, fragments));
        }
    }
}

#[test]
fn s07_control_frames_between_fragments_cost_nothing() {
    for setup in Setup::both() {
        let setup = setup.unlimited();
        let both = [frame(setup.role, 0x00, &[b'x'; 10]), frame(setup.role, 0x8A, &[1; 125])];
        let many = both.concat().repeat(100);
        let mut reader = Reader::new(&setup);
        let meter = Meter::new();
        reader.read(&frame(setup.role, 0x01, b""), 64).unwrap();
        for round in 1..=100 {
            reader.read(&many, 1460).unwrap();
            let read_ahead = 1460;
            let held = meter.held();
            assert!(held <= allowed(round * 1000 + read_ahead), "{held} after {round}");
        }
        assert_eq!(reader.controls, 10_000);
    }
}

/// A compressed message of one literal and `matches` of the longest matches, at `distance` 1 or
/// 32 768, in one block of fixed codes. It is unfinished, as a bomb may be.
fn bomb(matches: usize, distance: usize) -> Vec<u8> {
    let block = [0, 1, 0];
    let literal = [0, 0, 1, 1, 0, 0, 0, 0];
    // Length 258 is 11000101; distance 1 is 00000, 32 768 is 11101 and thirteen ones.
    let mut pattern = vec![1, 1, 0, 0, 0, 1, 0, 1];
    match distance {
        1 => pattern.extend([0; 5]),
        _ => pattern.extend([1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
    }
    // Eight patterns are whole bytes, so that all further ones repeat the bytes of the first.
    let bits = [&block[..], &literal, &pattern.repeat(16)].concat();
    let byte = |bits: &[u8]| bits.iter().rev().fold(0_u8, |byte, bit| byte << 1 | bit);
    let bytes: Vec<u8> = bits.chunks_exact(8).map(byte).collect();
    let mut bomb = bytes[..2].to_vec();
    let period = &bytes[2..2 + pattern.len()];
    bomb.extend(period.repeat(matches / 8));
    bomb
}

#[test]
fn s09_bombs_stop_at_the_limit() {
    for agreement in [FULL, FORGETFUL] {
        for setup in Setup::both_deflated(agreement) {
            let max = setup.config.limits.max_message_size.min(4 << 20);
            let setup = setup.with(|config| {
                config.limits.max_message_size = max;
                config.limits.max_frame_size = usize::MAX;
            });
            // A gigabyte, or what the limit on the wire lets in of it.
            let gigabyte = bomb((1 << 30) / 258, 1);
            let len = usize::try_from(max).unwrap().min(gigabyte.len());
            let bomb = &gigabyte[..len];
            for pieces in [1, 1000] {
                let mut reader = Reader::new(&setup);
                let chunks: Vec<&[u8]> = bomb.chunks(bomb.len().div_ceil(pieces)).collect();
                let frames: Vec<Vec<u8>> = (0..chunks.len())
                    .map(|i| frame(setup.role, if i == 0 { 0x42 } else { 0x00 }, chunks[i]))
                    .collect();
                let meter = Meter::new();
                let error = frames.iter().find_map(|frame| reader.read(frame, 4096).err());
                let limit = Limit::MessageSize { len: max + 1, max };
                assert_eq!(error, Some(limit.into()));
                assert_eq!(limit.close_code().value(), 1009);
                let over = meter.peak().saturating_sub(max);
                assert!(over <= 64 * KIB, "{over} over the limit, {pieces} pieces");
                assert!(reader.received < 100 * 1024, "{} bytes were read", reader.received);
            }
        }
    }
}

#[test]
fn s09_bomb_by_context_takeover() {
    let mut noise = Dice::new(9).noise(32_768);
    noise[0] = 0;
    for setup in Setup::both_deflated(FULL) {
        let max = 2 << 20;
        let setup = setup.with(|config| config.limits.max_message_size = max);
        let mut reader = Reader::new(&setup);
        // A stored block fills the window; then each three bytes stand for 258 of it.
        let mut history = vec![0, 0, 0x80, 0xFF, 0x7F];
        history.extend(&noise);
        history.push(0);
        let history = frame(setup.role, 0xC2, &history);
        let tiny = frame(setup.role, 0xC2, &bomb(20_000, 32_768)[..60_000]);
        let meter = Meter::new();
        reader.read(&history, 4096).unwrap();
        assert_eq!((reader.messages, reader.len), (1, 32_768));
        let error = reader.read(&tiny, 4096).unwrap_err();
        assert_eq!(error, Limit::MessageSize { len: max + 1, max }.into());
        assert!(meter.peak() <= max + 64 * KIB, "{}", meter.peak());
    }
}

#[test]
fn s09_limit_and_one_more() {
    for setup in Setup::both_deflated(FULL) {
        let setup = setup.with(|config| config.limits.max_message_size = 300_000);
        for (len, fits) in [(299_999, true), (300_000, true), (300_001, false)] {
            let wire = sent(setup.role, FULL, Message::Binary(&vec![0; len]));
            let mut reader = Reader::new(&setup);
            let meter = Meter::new();
            let result = reader.read(&wire, usize::MAX);
            assert!(meter.peak() <= 300_000 + 64 * KIB, "{}", meter.peak());
            if fits {
                assert_eq!((result, reader.len), (Ok(()), len));
            } else {
                let limit = Limit::MessageSize { len: 300_001, max: 300_000 };
                assert_eq!(result, Err(limit.into()));
            }
        }
    }
}

#[test]
fn s09_blocks_without_output() {
    // Work without a result: an empty message out of as many blocks as the limit lets in.
    for setup in Setup::both_deflated(FULL) {
        let setup = setup.with(|config| config.limits.max_message_size = 1 << 20);
        let blocks = [0, 0, 0, 0xFF, 0xFF].repeat(13_000);
        let first = frame(setup.role, 0x42, &blocks);
        let further = frame(setup.role, 0x00, &blocks);
        let last = frame(setup.role, 0x80, &[0]);
        let mut reader = Reader::new(&setup);
        let meter = Meter::new();
        let many = |reader: &mut Reader| {
            reader.read(&first, 4096).unwrap();
            (1..16).for_each(|_| reader.read(&further, 4096).unwrap());
        };
        many(&mut reader);
        reader.read(&last, 4096).unwrap();
        assert_eq!((reader.messages, reader.len), (1, 0));
        // It ends at the limit on the wire.
        many(&mut reader);
        let error = reader.read(&further, 4096).unwrap_err();
        assert_eq!(error.close_code().value(), 1009);
        assert!(meter.peak() <= 64 * KIB, "{}", meter.peak());
    }
}

#[test]
fn s14_ping_flood() {
    for setup in Setup::both() {
        let ping = frame(setup.role, 0x89, &[7; 125]);
        // Past the burst it is refused.
        let mut reader = Reader::new(&setup);
        let error = (0..3000).find_map(|_| reader.read(&ping, 4096).err());
        assert_eq!(error, Some(Limit::ControlFrames { max: 1000 }.into()));
        assert_eq!(error.unwrap().close_code().value(), 1008);
        assert_eq!(reader.controls, 2000);
        // Where nobody counts, what is owed is one Pong, however many Pings there were, to a
        // peer that never reads.
        let setup = setup.unlimited();
        let mut incoming = setup.incoming();
        let mut inbox = Inbox::new();
        let mut owed: Option<Reply> = None;
        let meter = Meter::new();
        for i in 0..200_000_u32 {
            let mut payload = [7; 125];
            payload[..4].copy_from_slice(&i.to_be_bytes());
            inbox.extend(&header(setup.role, 0x89, 125));
            inbox.extend(&transform(setup.role, &payload));
            let Ok(Event::Ping(payload)) = incoming.receive(NOW, &mut inbox) else {
                panic!("no ping");
            };
            owed = Some(Reply::pong(payload));
        }
        assert!(meter.held() <= 4 * KIB, "{}", meter.held());
        let mut out = Outbox::new();
        let mut outgoing = Outgoing::new(setup.sender(), &setup.config, None);
        outgoing.reply(owed.unwrap(), &mut out);
        assert!(out.len() <= 131);
        let pong = wirewright_tests::raw::sent(out.poll_transmit().unwrap());
        assert_eq!(pong[0].first, 0x8A);
        assert_eq!(pong[0].payload[..4], 199_999_u32.to_be_bytes(), "the latest");
    }
}

#[test]
fn s15_unsolicited_pongs() {
    for setup in Setup::both() {
        let setup = setup.unlimited();
        let pongs = [frame(setup.role, 0x8A, b""), frame(setup.role, 0x8A, &[9; 125])].concat();
        let mut connection = setup.connection();
        let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
        let meter = Meter::new();
        for _ in 0..100_000 {
            inbox.extend(&pongs);
            for _ in 0..2 {
                let event = connection.receive(NOW, &mut inbox, &mut out);
                assert!(matches!(event, Ok(Event::Pong(_))));
            }
        }
        assert!(out.is_empty(), "a Pong is not answered");
        assert!(meter.held() <= 4 * KIB, "{}", meter.held());
    }
}

#[test]
fn s41_wishes_beyond_memory() {
    let meter = Meter::new();
    let mut inbox = Inbox::new();
    for wish in [usize::MAX, usize::MAX - 1, usize::MAX / 2, isize::MAX.cast_unsigned(), 0] {
        assert!(!inbox.space(wish).is_empty());
        assert!(inbox.space(wish).len() <= 8192);
        inbox.received(1);
    }
    assert!(meter.peak() <= 16 * KIB);
    // What was not filled cannot be received.
    assert_eq!(inbox.unread().len(), 5);
    inbox.consume(2);
    assert_eq!(inbox.unread().len(), 3);
    for setup in Setup::both() {
        let setup = setup.unlimited();
        let mut incoming = setup.incoming();
        let mut inbox = Inbox::new();
        inbox.extend(&header(setup.role, 0x82, LONGEST));
        let Ok(Event::NeedMore { hint }) = incoming.receive(NOW, &mut inbox) else {
            panic!("a header alone is no event");
        };
        assert!(inbox.space(hint).len() <= 8192);
    }
}

/// A message as the other end sends it.
fn sent(to: Role, agreement: Agreement, message: Message<'_>) -> Vec<u8> {
    let other = if to == Role::Server { Setup::client() } else { Setup::server() };
    let mut outgoing = Outgoing::new(other.sender(), &other.config, Some(agreement));
    let mut out = Outbox::new();
    outgoing.send(message, &mut out).unwrap();
    out.poll_transmit().unwrap().to_vec()
}

/// Messages back and forth, as a client and a server exchange them; how often memory was asked
/// for after the first ones.
fn allocations(agreement: Option<Agreement>, rounds: usize, settle: bool) -> u64 {
    let with = |setup: Setup| Setup { agreement, ..setup };
    let ends = [with(Setup::client()), with(Setup::server())];
    let mut halves = ends
        .map(|setup| (setup.incoming(), Outgoing::new(setup.sender(), &setup.config, agreement)));
    let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
    let noise = Dice::new(1).noise(65_536);
    let words = "Steady as she goes, mixed with größere Zeichen. ".repeat(1400);
    let sizes = [0, 1, 125, 126, 1000, 4096, 16_384, 65_536];
    let mut meter = Meter::new();
    for round in 0..rounds + 2 * sizes.len() {
        if round == 2 * sizes.len() {
            meter = Meter::new();
        }
        let len = sizes[round % sizes.len()];
        let text = words.get(..len).or(words.get(..len + 1)).unwrap();
        let message = match round % 3 {
            0 => Message::Binary(&noise[..len]),
            _ => Message::Text(text),
        };
        for (from, to) in [(0, 1), (1, 0)] {
            halves[from].1.send(message, &mut out).unwrap();
            halves[from].1.send_ping(b"steady", &mut out).unwrap();
            let mut messages = 0;
            let mut hint = 1;
            while let Some(bytes) = out.poll_transmit() {
                let room = inbox.space(hint.max(16_384));
                let n = room.len().min(bytes.len());
                room[..n].copy_from_slice(&bytes[..n]);
                inbox.received(n);
                out.transmitted(n);
                hint = loop {
                    match halves[to].0.receive(NOW, &mut inbox).unwrap() {
                        Event::NeedMore { hint } => break hint,
                        Event::Message(received) => {
                            assert!(received == message);
                            messages += 1;
                        }
                        event => assert_eq!(event, Event::Ping(b"steady")),
                    }
                };
            }
            assert_eq!(messages, 1);
            if settle {
                inbox.settle();
                out.settle();
            }
        }
    }
    meter.allocations()
}

/// The flood limit would end it: time stands still.
#[test]
fn no_allocation_per_message_plain() {
    assert_eq!(allocations(None, 800, false), 0);
}

#[test]
fn no_allocation_per_message_with_takeover() {
    assert_eq!(allocations(Some(FULL), 400, false), 0);
}

#[test]
fn no_allocation_per_message_without_takeover() {
    assert_eq!(allocations(Some(FORGETFUL), 400, false), 0);
}

#[test]
fn no_allocation_per_message_where_buffers_settle() {
    assert_eq!(allocations(None, 800, true), 0);
    assert_eq!(allocations(Some(FULL), 200, true), 0);
}

#[test]
fn idle_connection_holds_little() {
    // Plain: nothing on the heap but a client's source of masks. Compressed without takeover:
    // nothing more, after messages too. The buffers are those of whoever drives it.
    let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
    for agreement in [None, Some(FORGETFUL)] {
        let setup = Setup { agreement, ..Setup::server() };
        let words = "to be forgotten ".repeat(1000);
        let from_client = sent(Role::Server, FORGETFUL, Message::Text(&words));
        let mut turn = |connection: &mut wirewright_core::Connection| {
            connection.send(Message::Text(&words), &mut out).unwrap();
            out.transmitted(out.len());
            if agreement.is_some() {
                inbox.extend(&from_client);
                let event = connection.receive(NOW, &mut inbox, &mut out).unwrap();
                assert_eq!(event, Event::Message(Message::Text(&words)));
                connection.receive(NOW, &mut inbox, &mut out).unwrap();
                assert!(inbox.is_empty());
            }
        };
        turn(&mut setup.connection());
        let meter = Meter::new();
        let mut connections: Vec<_> = (0..10).map(|_| setup.connection()).collect();
        connections.iter_mut().for_each(&mut turn);
        let each = meter.held() / 10;
        assert!(each <= 640, "{each} bytes a connection");
    }
    let meter = Meter::new();
    out.release();
    inbox.release();
    assert_eq!((out.capacity(), inbox.capacity(), meter.held()), (0, 0, 0));
}

/// RFC 7692 §7.1: what a sender keeps of its window is its own affair; the receiver keeps all.
#[test]
fn an_idle_compressor_is_given_back_and_the_receiver_notices_nothing() {
    let (server, client) = (Setup::server(), Setup::client());
    let mut outgoing = Outgoing::new(server.sender(), &server.config, Some(FULL));
    let mut incoming = Incoming::new(Role::Client, &client.config, Some(FULL));
    let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
    let words = "to be remembered ".repeat(100);
    let (first, second) = words.split_at(1000);
    // Sends that text, in one piece or two, and says how long it was on the wire.
    let mut pass = |outgoing: &mut Outgoing, parts: &[&str]| {
        for (number, part) in parts.iter().enumerate() {
            let last = number + 1 == parts.len();
            outgoing.send_part(Message::Text(part), last, &mut out).unwrap();
            if !last {
                outgoing.release_idle();
                outgoing.release_idle();
            }
        }
        let len = out.len();
        inbox.extend(out.poll_transmit().unwrap());
        out.transmitted(len);
        let event = incoming.receive(NOW, &mut inbox).unwrap();
        assert_eq!(event, Event::Message(Message::Text(&words)));
        len
    };
    let meter = Meter::new();
    let fresh = pass(&mut outgoing, &[&words]);
    let remembered = pass(&mut outgoing, &[&words]);
    assert!(remembered < fresh, "{remembered} of {fresh}");
    outgoing.release_idle();
    assert_eq!(pass(&mut outgoing, &[&words]), remembered, "it was used, and stays");
    assert!(pass(&mut outgoing, &[first, second]) < fresh, "nothing goes amid a message");
    outgoing.release_idle();
    let used = meter.held();
    outgoing.release_idle();
    assert!(meter.held() + 60 * KIB < used, "{} of {used}", meter.held());
    assert_eq!(pass(&mut outgoing, &[&words]), fresh, "it begins anew");
}

#[test]
fn memory_is_given_back_after_a_burst() {
    let setup = Setup::server().unlimited();
    let mut reader = Reader::new(&setup);
    let large = frame(setup.role, 0x82, &vec![1; 4 << 20]);
    let small = frame(setup.role, 0x82, &[1; 100]);
    let meter = Meter::new();
    reader.read(&large, usize::MAX).unwrap();
    assert!(meter.held() >= 4 << 20);
    for _ in 0..64 * 12 {
        reader.read(&small, usize::MAX).unwrap();
        reader.inbox.settle();
    }
    assert!(meter.held() <= 32 * KIB, "{}", meter.held());
    reader.inbox.release();
    assert_eq!(meter.held(), 0);
}

#[test]
fn inflated_memory_is_given_back_after_a_burst() {
    for agreement in [FULL, FORGETFUL] {
        let setup = Setup { agreement: Some(agreement), ..Setup::server().unlimited() };
        let mut reader = Reader::new(&setup);
        let large = sent(setup.role, agreement, Message::Binary(&vec![1; 4 << 20]));
        // A sender that has no window yet refers to none, so that it suits any receiver.
        let small = sent(setup.role, agreement, Message::Binary(&[1; 100]));
        let meter = Meter::new();
        reader.read(&large, usize::MAX).unwrap();
        assert_eq!(reader.len, 4 << 20);
        assert!(meter.held() >= 4 << 20);
        for _ in 0..64 * 12 {
            reader.read(&small, usize::MAX).unwrap();
            reader.inbox.settle();
        }
        // The inflater's window, a step of it and its tables stay; the messages' memory does not.
        assert!(meter.held() <= 96 * KIB, "{}", meter.held());
        assert!(reader.inbox.capacity() <= 32 * 1024, "{}", reader.inbox.capacity());
        drop(reader);
        assert_eq!(meter.held(), 0);
    }
}
