//! Peers that do not read, or read slowly: what waits is bounded, and nothing is lost.

use std::io::Write;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Caller, KeepAliveOptions, Listener, ListenerBuilder, Outcome, Reply, SendError};
use wirewright_core::Role;
use wirewright_tests::raw::frame;
use wirewright_tests::raw_client::{BINARY, CLOSE, PING, PONG, RawClient, TEXT};
use wirewright_tests::services::{
    Call, echo, expect_calls, limits, logged, next, plain, start, start_echo, until,
};

const KIB: usize = 1024;

/// A listener that does what it is told, with the callers of its connections.
fn with_callers(
    builder: ListenerBuilder,
    call: impl Fn(&Caller, &Call<'_>) -> Outcome + Clone + Send + Sync + 'static,
) -> (Listener, Receiver<Caller>) {
    let (callers, open) = mpsc::channel();
    let callers = Arc::new(Mutex::new(callers));
    let listener = start(builder, move |caller, event| {
        if let Call::Open = event {
            let _ = callers.lock().unwrap().send(caller.clone());
        }
        call(caller, event)
    });
    (listener, open)
}

/// Sends until the queue is full; how many messages it took.
fn fill(caller: &Caller, message: &[u8]) -> usize {
    let mut count = 0;
    loop {
        match caller.write_binary(message) {
            Ok(_) => count += 1,
            Err(SendError::Full { queued, cap }) => {
                assert!(queued >= cap, "{queued} of {cap}");
                return count;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The control frames of a flood need no limit where their answers are in question.
fn unlimited() -> ListenerBuilder {
    plain().config(limits(|limits| limits.max_control_frames = u32::MAX))
}

#[test]
fn s14_a_ping_flood_of_a_peer_that_does_not_read_keeps_one_pong_beyond_4_kib() {
    let (listener, open) = with_callers(unlimited(), echo);
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    let flood = frame(Role::Server, PING, &[b'p'; 125]).repeat(200);
    let mut most = 0;
    // Answers of 6 MB, of which the system takes some, and the queue 4 KiB and a Pong.
    for _ in 0..250 {
        client.send(&flood);
        most = most.max(caller.queued());
    }
    client.frame(PING, "last");
    client.frame(TEXT, "end");
    assert!(most <= 4 * KIB + 2 * 127, "{most} bytes were queued");
    // All pongs before the text are the flood's or the last ping's, which has its answer.
    let mut pongs = Vec::new();
    loop {
        match client.receive() {
            (PONG, payload) => pongs.push(payload),
            other => {
                assert_eq!(other, (TEXT, b"end".to_vec()));
                break;
            }
        }
    }
    if pongs.last().is_none_or(|last| last != b"last") {
        // The owed Pong is sent once the queue is empty, which may be behind the text.
        client.expect(PONG, "last");
    }
    assert!(pongs.len() < 50_000, "it did read");
}

#[test]
fn s14_more_control_frames_than_the_rate_allows_are_1008() {
    let listener = start_echo(plain().config(limits(|limits| limits.max_control_frames = 100)));
    for (first, answered) in [(PING, true), (PONG, false)] {
        let mut client = RawClient::open(listener.local_addr());
        // Written by a thread: the listener stops reading.
        let mut writer = client.stream.try_clone().unwrap();
        let flood = frame(Role::Server, first, b"f").repeat(5000);
        let writer = thread::spawn(move || writer.write_all(&flood).is_ok());
        let mut pongs = 0;
        let code = loop {
            match client.receive() {
                (PONG, _) => pongs += 1,
                (CLOSE, code) => break code,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(code, 1008_u16.to_be_bytes());
        assert!(pongs <= 500, "{pongs}");
        assert_eq!(pongs > 0, answered);
        client.rest();
        writer.join().unwrap();
    }
}

#[test]
fn s16_a_pong_passes_while_the_queue_is_at_its_cap() {
    for (cap, name) in [(64 * KIB, "below the mark for pausing"), (1 << 20, "above it")] {
        let (listener, open) = with_callers(plain().max_queued(cap), echo);
        let mut client = RawClient::narrow(listener.local_addr());
        let caller = next(&open);
        let sent = fill(&caller, &[1; 10 * KIB]);
        client.frame(PING, "alive?");
        // It reads, and whenever there is room the queue is filled anew: never is it empty.
        let mut before = 0;
        loop {
            match client.receive() {
                (PONG, payload) => break assert_eq!(payload, b"alive?"),
                (BINARY, _) => before += 1,
                other => panic!("{name}: {other:?}"),
            }
            let _ = caller.write_binary(&[1; 10 * KIB]);
            // What was sent before must go before; as much again may.
            assert!(before < 3 * sent + 100, "{name}: no Pong after {before} of {sent} messages");
        }
    }
}

#[test]
fn s35_a_slow_reader_is_bounded_disturbs_nobody_and_loses_nothing() {
    let (listener, open) = with_callers(plain(), echo);
    let mut slow = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    let mut other = RawClient::open(listener.local_addr());
    let mut number = 0_u32;
    let mut send = || {
        let mut message = vec![7; 1000];
        message[..4].copy_from_slice(&number.to_be_bytes());
        let sent = caller.write_binary(&message);
        number += u32::from(sent.is_ok());
        sent
    };
    while send().is_ok() {}
    assert!(matches!(send(), Err(SendError::Full { cap: 0x10_0000, .. })));
    assert!(caller.queued() < (1 << 20) + 1004, "{}", caller.queued());
    other.barrier();
    // It reads half, there is room again, and all comes in its order.
    let mut expected = 0_u32;
    let mut expect = |client: &mut RawClient| {
        let message = client.message();
        assert_eq!(message[..4], expected.to_be_bytes());
        assert_eq!(message.len(), 1000);
        expected += 1;
        expected
    };
    while caller.queued() >= 1 << 20 {
        expect(&mut slow);
    }
    while send().is_ok() {}
    caller.close(1000, "").unwrap();
    while expect(&mut slow) < number {}
    slow.expect_close(1000);
    slow.close(1000);
    slow.expect_end();
}

/// Sends numbered messages that nobody reads, and then reads their echoes.
fn echo_unread(listener: &Listener, open: &Receiver<Caller>, most: usize) {
    const MESSAGES: u32 = 1500;
    let message = |number: u32| {
        let mut payload = vec![3; 4 * KIB];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        payload
    };
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(open);
    let mut writer = client.stream.try_clone().unwrap();
    let writer = thread::spawn(move || {
        for number in 0..MESSAGES {
            writer.write_all(&frame(Role::Server, BINARY, &message(number))).unwrap();
        }
    });
    until("the queue is long", || caller.queued() >= most / 4);
    let mut other = RawClient::open(listener.local_addr());
    let mut longest = 0;
    for _ in 0..200 {
        other.barrier();
        longest = longest.max(caller.queued());
    }
    assert!(longest <= most + 8 * KIB, "{longest} bytes are queued");
    let _ = next(open);
    for number in 0..MESSAGES {
        assert_eq!(client.message(), message(number), "message {number}");
        longest = longest.max(caller.queued());
    }
    assert!(longest <= most + 8 * KIB, "{longest} bytes were queued");
    writer.join().unwrap();
    client.close(1000);
    client.expect_close(1000);
}

#[test]
fn s35_an_echo_whose_peer_does_not_read_is_not_read_either() {
    let (listener, open) = with_callers(plain(), echo);
    echo_unread(&listener, &open, 256 * KIB);
}

#[test]
fn s35_a_cap_below_the_mark_for_pausing_loses_no_echo() {
    let (listener, open) = with_callers(plain().max_queued(32 * KIB), echo);
    echo_unread(&listener, &open, 32 * KIB);
}

#[test]
fn s35_a_paused_connection_hears_its_peer_while_others_fill_the_queue() {
    // The peer's own messages have stopped it from being read; then a thread keeps the queue at
    // its cap. What the peer sends next is still heard once what was queued before has left.
    let (log, calls) = mpsc::channel();
    let (callers, open) = mpsc::channel();
    let callers = Arc::new(Mutex::new(callers));
    let upgrade = logged(log, move |caller: &Caller, call: &Call<'_>| {
        match call {
            Call::Open => callers.lock().unwrap().send(caller.clone()).unwrap(),
            Call::Text("grow") => return Ok(Reply::Binary(vec![0; 8 << 20])),
            _ => {}
        }
        Ok(Reply::Nothing)
    });
    let listener = plain().max_queued(9 << 20).start("127.0.0.1:0", upgrade).unwrap();
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    client.frame(TEXT, "grow");
    expect_calls(&calls, &["open", "text grow"]);
    // The turn is over, and with it the reading.
    let mut other = RawClient::open(listener.local_addr());
    other.half_close();
    expect_calls(&calls, &["open", "close 1006"]);
    assert!(caller.queued() >= 256 * KIB, "{}", caller.queued());
    client.frame(TEXT, "heard");
    let sent = fill(&caller, &[1; 10 * KIB]);
    let mut messages = 0;
    while calls.try_recv().is_err() {
        client.message();
        messages += 1;
        let _ = caller.write_binary(&[1; 10 * KIB]);
        assert!(messages < 3 * sent + 100, "not heard after {messages} messages");
    }
}

#[test]
fn s35_a_peer_that_reads_slowly_is_not_taken_for_dead() {
    const MESSAGES: usize = 1000;
    let mut options = KeepAliveOptions::default();
    // The system itself may pause for some 200 ms where buffers are so small, and more often than
    // once where others keep the machine busy.
    options.interval = Some(Duration::from_secs(2));
    options.timeout = Some(Duration::from_secs(2));
    let (log, calls) = mpsc::channel();
    let listener = plain().keep_alive(options).start("127.0.0.1:0", logged(log, echo)).unwrap();
    let mut client = RawClient::narrow(listener.local_addr());
    let mut writer = client.stream.try_clone().unwrap();
    let flood = frame(Role::Server, BINARY, &[5; 8 * KIB]).repeat(MESSAGES);
    // Its pongs would stand behind what it cannot send: so there are none.
    let writer = thread::spawn(move || writer.write_all(&flood).unwrap());
    let start = Instant::now();
    for _ in 0..MESSAGES {
        assert_eq!(client.message(), [5; 8 * KIB]);
        if start.elapsed() < Duration::from_millis(5500) {
            // Longer than both together; meanwhile the queue does not run empty.
            thread::sleep(Duration::from_millis(8));
        }
    }
    writer.join().unwrap();
    client.close(1000);
    let mut lines = calls.iter().filter(|line| !line.starts_with("binary"));
    assert_eq!(lines.by_ref().take(2).collect::<Vec<_>>(), ["open", "close 1000"]);
}
