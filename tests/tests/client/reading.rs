//! Reading: deadlines, types, turns, and what is answered meanwhile.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{ClientError, Deadline, KeepAliveOptions, Message, MessageBuf, MessageKind};

use super::peer::{
    BINARY, CLOSE, CONT, PATIENCE, PING, PONG, Peer, Server, TEXT, close_body, frame,
};

const SHORT: Duration = Duration::from_millis(3);

/// A message of three fragments with a Ping between them, and a message behind it.
fn stream() -> Vec<u8> {
    [
        frame(TEXT, "grüße, ".as_bytes()),
        frame(0x80 | PING, b"still there?"),
        frame(CONT, &[b'x'; 200]),
        frame(0x80 | CONT, "ü".as_bytes()),
        frame(0x80 | BINARY, &[7; 130]),
    ]
    .concat()
}

/// A read that times out inside a frame, wherever that is, leaves it for the next.
#[test]
fn a_read_goes_on_where_the_last_one_timed_out() {
    let len = stream().len();
    let whole = format!("grüße, {}ü", "x".repeat(200));
    for cut in 0..len {
        let (go, wait) = mpsc::channel();
        let server = Server::start(move |mut peer| {
            let bytes = stream();
            peer.send(&bytes[..cut]);
            wait.recv().unwrap();
            peer.send(&bytes[cut..]);
            assert_eq!(peer.receive().payload, b"still there?");
            peer.expect_close(&[0x03, 0xE9]);
        });
        let client = server.builder().read_timeout(Some(SHORT)).connect().unwrap();
        let mut text = None;
        let late = loop {
            match client.read_text() {
                Ok(arrived) => text = Some(arrived),
                Err(error) => break error,
            }
        };
        assert!(matches!(late, ClientError::TimedOut(Deadline::Read)), "{cut}: {late:?}");
        assert!(client.is_open());
        go.send(()).unwrap();
        let message = until_some(|| client.read());
        if let Some(text) = text {
            assert_eq!(text, whole);
        } else {
            assert_eq!(message.message(), Message::Text(&whole));
            assert_eq!(until_some(|| client.read_binary()), [7; 130]);
        }
        drop(client);
        server.join();
    }
}

/// Asks again after each timeout.
fn until_some<T>(mut read: impl FnMut() -> Result<T, ClientError>) -> T {
    let start = Instant::now();
    loop {
        match read() {
            Ok(value) => return value,
            Err(error) if error.is_timeout() && start.elapsed() < PATIENCE => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_deadline_is_not_moved_by_bytes_that_are_no_message() {
    for pause in [2, 0] {
        let server = Server::start(move |mut peer| {
            while peer.stream.write_all(&frame(0x80 | PONG, b"unasked")).is_ok() {
                thread::sleep(Duration::from_millis(pause));
            }
        });
        let mut limits = wirewright::Limits::default();
        limits.max_control_frames = u32::MAX;
        let timeout = Duration::from_millis(50);
        let builder = server.builder().limits(limits).read_timeout(Some(timeout));
        let client = builder.connect().unwrap();
        for _ in 0..3 {
            let start = Instant::now();
            let error = client.read().unwrap_err();
            assert_eq!(error.to_string(), "no message within `read_timeout`");
            assert!((timeout..PATIENCE).contains(&start.elapsed()), "{:?}", start.elapsed());
        }
        client.abort();
        server.join();
    }
}

#[test]
fn a_read_without_patience_takes_what_is_there() {
    let server = Server::start(|mut peer| {
        peer.frame(TEXT, b"there");
        peer.expect_close(&[0x03, 0xE9]);
    });
    let client = server.builder().read_timeout(Some(Duration::ZERO)).connect().unwrap();
    assert_eq!(until_some(|| client.read_text()), "there");
    drop(client);
    server.join();
}

#[test]
fn a_message_of_the_other_type_stays_readable() {
    let server = Server::start(|mut peer| {
        peer.send(&[frame(0x81, b"text"), frame(0x82, b"binary"), frame(0x81, b"")].concat());
        peer.expect_close(&[0x03, 0xE9]);
    });
    let client = server.connect();
    for _ in 0..2 {
        match client.read_binary() {
            Err(ClientError::WrongType { expected, found }) => {
                assert_eq!((expected, found), (MessageKind::Binary, MessageKind::Text));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(client.read_text().unwrap(), "text");
    assert!(matches!(client.read_text(), Err(ClientError::WrongType { .. })));
    assert_eq!(client.read_with(|message| message.as_bytes().to_vec()).unwrap(), b"binary");
    assert!(client.read_binary().is_err());
    let mut message = MessageBuf::new();
    assert!(client.read_into(&mut message).unwrap());
    assert_eq!(message.message(), Message::Text(""));
    drop(client);
    server.join();
}

#[test]
fn messages_of_all_sizes_and_many_in_one_segment() {
    let sizes = [0, 1, 125, 126, 16_384, 65_535, 65_536, 100_000, 1_000_000, 3];
    let server = Server::start(move |mut peer| {
        for size in sizes {
            let payload: Vec<u8> = (0..size).map(|at: usize| at.to_le_bytes()[1]).collect();
            peer.send(&frame(0x82, &payload));
        }
        peer.send(&frame(0x82, b"!").repeat(50_000));
        peer.close(1000, "");
        peer.expect_close(&[0x03, 0xE8]);
    });
    let client = server.builder().max_frame_size(1 << 20).connect().unwrap();
    let mut message = MessageBuf::new();
    for size in sizes {
        assert!(client.read_into(&mut message).unwrap());
        let Message::Binary(payload) = message.message() else { panic!("text") };
        assert_eq!(payload.len(), size);
        assert!(payload.iter().enumerate().all(|(at, byte)| *byte == at.to_le_bytes()[1]));
    }
    let mut count = 0;
    while client.read_into(&mut message).unwrap() {
        count += 1;
    }
    assert_eq!(count, 50_000);
    server.join();
}

/// Threads that read take turns: each message is had by one, and none waits for ever.
#[test]
fn parallel_readers_take_turns() {
    const MESSAGES: u32 = 4_000;
    let server = Server::start(|mut peer| {
        for number in 0..MESSAGES {
            peer.frame(BINARY, &number.to_be_bytes());
        }
        peer.close(1000, "");
        peer.expect_close(&[0x03, 0xE8]);
    });
    let client = server.connect();
    let mut seen: Vec<u32> = thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    let mut message = MessageBuf::new();
                    while client.read_into(&mut message).unwrap() {
                        let bytes = message.message().as_bytes().try_into().unwrap();
                        mine.push(u32::from_be_bytes(bytes));
                    }
                    assert!(mine.is_sorted());
                    mine
                })
            })
            .collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..MESSAGES));
    server.join();
}

#[test]
fn a_reader_in_line_has_its_own_deadline() {
    let (done, wait) = mpsc::channel();
    let server = Server::start(move |mut peer| {
        wait.recv().unwrap();
        peer.frame(TEXT, b"at last");
        peer.expect_close(&[0x03, 0xE9]);
    });
    let client = server.builder().read_timeout(Some(Duration::from_millis(50))).connect().unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(client.read().unwrap_err().is_timeout()));
        }
    });
    done.send(()).unwrap();
    until_some(|| client.read());
    drop(client);
    server.join();
}

/// RFC 6455 §5.5.2, §5.5.3: Pings are answered in order while a thread reads, and no message is
/// needed for that.
#[test]
fn pings_are_answered_while_a_thread_reads() {
    let server = Server::start(|mut peer| {
        for payload in [&b""[..], b"x", &[0; 125]] {
            peer.frame(PING, payload);
            let pong = peer.receive();
            assert_eq!((pong.opcode, pong.fin, &*pong.payload), (PONG, true, payload));
        }
        peer.frame(TEXT, b"done");
        peer.expect_close(&[0x03, 0xE9]);
    });
    let client = server.connect();
    assert_eq!(client.read_text().unwrap(), "done");
    drop(client);
    server.join();
}

/// S-14: a flood of Pings over the limit ends the connection with 1008.
#[test]
fn s14_a_flood_of_pings_ends_at_the_limit() {
    let server = Server::start(|mut peer| {
        peer.send(&frame(0x80 | PING, b"flood").repeat(10_000));
        let mut pongs = 0;
        let last = loop {
            let frame = peer.receive();
            if frame.opcode == CLOSE {
                break frame;
            }
            assert_eq!(frame.opcode, PONG);
            pongs += 1;
        };
        assert_eq!(last.payload, close_body(1008, ""));
        assert!(pongs <= 2_100, "{pongs}");
    });
    let client = server.connect();
    let error = client.read().unwrap_err();
    assert!(error.to_string().contains("max_control_frames"), "{error}");
    server.join();
}

/// S-14: of a peer that floods and does not read, only the latest Ping is remembered.
#[test]
fn s14_a_flood_of_pings_from_a_peer_that_does_not_read_is_read_on() {
    const PINGS: u32 = 200_000;
    let server = Server::narrow(|mut peer| {
        let burst: Vec<u8> =
            (0..PINGS).flat_map(|number| frame(0x80 | PING, &number.to_be_bytes())).collect();
        peer.send(&burst);
        peer.frame(TEXT, b"behind it");
        let mut last = None;
        let mut pongs = 0_u32;
        while last != Some(PINGS - 1) {
            let pong = peer.receive();
            assert_eq!(pong.opcode, PONG);
            let number = u32::from_be_bytes(pong.payload.try_into().unwrap());
            assert!(last.is_none_or(|last| last < number));
            last = Some(number);
            pongs += 1;
        }
        assert!(pongs < PINGS, "all of them");
        peer.frame(TEXT, b"answered");
        peer.expect_close(&[0x03, 0xE9]);
    });
    let mut limits = wirewright::Limits::default();
    limits.max_control_frames = u32::MAX;
    let client = server.builder().limits(limits).send_buffer(Some(4096)).connect().unwrap();
    assert_eq!(client.read_text().unwrap(), "behind it");
    // The rest of the Pongs leaves while a thread waits for this.
    assert_eq!(client.read_text().unwrap(), "answered");
    drop(client);
    server.join();
}

#[test]
fn keep_alive_pings_a_silent_server_and_gives_a_dead_one_up() {
    let server = Server::start(|mut peer: Peer| {
        for _ in 0..3 {
            let ping = peer.receive();
            assert_eq!(ping.opcode, PING);
            peer.frame(PONG, &ping.payload);
        }
        assert_eq!(peer.receive().opcode, PING);
        peer.expect_end();
    });
    let mut keep_alive = KeepAliveOptions::default();
    keep_alive.interval = Some(Duration::from_millis(20));
    keep_alive.timeout = Some(Duration::from_secs(1));
    let client = server.builder().keep_alive(keep_alive).connect().unwrap();
    for _ in 0..2 {
        let error = client.read().unwrap_err();
        assert!(matches!(error, ClientError::TimedOut(Deadline::KeepAlive)), "{error:?}");
        assert!(error.to_string().contains("keep_alive"));
        assert!(!client.is_open());
    }
    assert!(matches!(client.write_text("x"), Err(ClientError::TimedOut(Deadline::KeepAlive))));
    server.join();
}

#[test]
fn a_panic_in_a_closure_leaves_the_client_as_it_was() {
    let server = Server::start(|mut peer| {
        peer.send(&[frame(0x81, b"one"), frame(0x81, b"two")].concat());
        peer.expect_close(&[0x03, 0xE9]);
    });
    let client = server.connect();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        client.read_with(|_| std::panic::resume_unwind(Box::new("closure")))
    }));
    assert!(caught.is_err());
    assert_eq!(client.read_text().unwrap(), "two");
    drop(client);
    server.join();
}
