//! Deadlines that no byte extends, and who is gone when they pass.

use std::io::Write;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Caller, KeepAliveOptions, Listener, ListenerBuilder, Reply};
use wirewright_tests::raw_client::{BINARY, CLOSE, PING, PONG, RawClient, TEXT, request};
use wirewright_tests::services::{
    Call, echo, expect_calls, limits, logged, next, plain, start_echo,
};

/// The deadline that is set, and what a busy machine may add to it.
const SHORT: Duration = Duration::from_millis(300);
/// What a busy machine may add; less than the deadlines that are there by default.
const SLACK: Duration = Duration::from_secs(5);

fn expect_between(what: &str, elapsed: Duration, at_least: Duration) {
    assert!(elapsed >= at_least, "{what}: too early, after {elapsed:?}");
    assert!(elapsed < at_least + SLACK, "{what}: too late, after {elapsed:?}");
}

#[test]
fn s20_no_byte_extends_the_handshakes_deadline() {
    let listener = start_echo(plain().handshake_timeout(SHORT));
    let start = Instant::now();
    let mut silent = RawClient::silent(listener.local_addr());
    let mut slow = RawClient::silent(listener.local_addr());
    // One byte after another, never the empty line; until the connection ends.
    let sent = request(&"X-Slow: y\r\n".repeat(80));
    let bytes = sent.as_bytes()[..sent.len() - 2].iter();
    let cut_off = bytes.into_iter().any(|byte| {
        thread::sleep(Duration::from_millis(10));
        slow.stream.write_all(&[*byte]).is_err()
    });
    assert!(cut_off, "all bytes were taken");
    expect_between("a slow head", start.elapsed(), SHORT);
    assert_eq!(silent.rest(), b"");
    expect_between("silence", start.elapsed(), SHORT);
    // A connection that is open has no such deadline.
    let mut open = RawClient::open(listener.local_addr());
    thread::sleep(2 * SHORT);
    open.barrier();
}

/// A listener that says Close first, to whoever sends a text, and its log.
fn closing() -> (Listener, Receiver<String>) {
    let (log, calls) = mpsc::channel();
    let close = |caller: &Caller, call: &Call<'_>| {
        if let Call::Text(_) = call {
            caller.close(1000, "")?;
        }
        Ok(Reply::Nothing)
    };
    let builder = plain().close_timeout(SHORT);
    (builder.start("127.0.0.1:0", logged(log, close)).unwrap(), calls)
}

/// What a peer does after our Close instead of answering it.
#[derive(Clone, Copy, Debug)]
enum After {
    Data,
    Nothing,
    Dribble,
    HalfClose,
    Reset,
}

fn misbehave(mut client: RawClient, after: After) {
    let message = wirewright_tests::raw::frame(wirewright_core::Role::Server, BINARY, b"x");
    match after {
        After::Data => while client.stream.write_all(&message).is_ok() {},
        After::Nothing => {
            client.rest();
        }
        After::Dribble => {
            let header = wirewright_tests::raw::header(wirewright_core::Role::Server, BINARY, 999);
            client.send(header);
            while client.stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        }
        After::HalfClose => {
            client.half_close();
            client.rest();
        }
        After::Reset => client.reset(),
    }
}

#[test]
fn s17_a_peer_that_does_not_answer_our_close_is_gone_at_the_deadline() {
    for after in [After::Data, After::Nothing, After::Dribble, After::HalfClose, After::Reset] {
        let (listener, calls) = closing();
        let mut client = RawClient::open(listener.local_addr());
        let start = Instant::now();
        client.frame(TEXT, "close");
        client.expect_close(1000);
        misbehave(client, after);
        if !matches!(after, After::HalfClose | After::Reset) {
            expect_between(&format!("{after:?}"), start.elapsed(), SHORT);
        }
        assert!(start.elapsed() < SLACK, "{after:?}");
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.starts_with("close")) {
            lines.push(next(&calls));
        }
        lines.retain(|line| !line.starts_with("binary") && !line.starts_with("error transport"));
        assert_eq!(lines, ["open", "text close", "close 1006"], "{after:?}");
        listener.abort();
        assert_eq!(calls.try_recv().ok(), None, "{after:?}: called after on_close");
    }
}

#[test]
fn s17_a_close_from_another_thread_has_its_deadline_too() {
    let (callers, open) = mpsc::channel();
    let (log, calls) = mpsc::channel();
    let callers = std::sync::Mutex::new(callers);
    let callers = std::sync::Arc::new(callers);
    let open_only = move |caller: &Caller, call: &Call<'_>| {
        if let Call::Open = call {
            callers.lock().unwrap().send(caller.clone()).unwrap();
        }
        Ok(Reply::Nothing)
    };
    let builder = plain().close_timeout(SHORT);
    let listener = builder.start("127.0.0.1:0", logged(log, open_only)).unwrap();
    let mut client = RawClient::open(listener.local_addr());
    let caller = next(&open);
    let start = Instant::now();
    caller.close(1001, "bye").unwrap();
    client.expect(CLOSE, b"\x03\xE9bye");
    client.rest();
    expect_between("nothing", start.elapsed(), SHORT);
    expect_calls(&calls, &["open", "close 1006"]);
    assert_eq!(caller.write_text("late"), Err(wirewright::SendError::Closed));
}

#[test]
fn s07_a_message_has_a_deadline_from_its_first_frame_on() {
    let builder = plain().config(limits(|limits| limits.max_assembly_time = SHORT));
    let listener = start_echo(builder);
    let mut client = RawClient::open(listener.local_addr());
    let start = Instant::now();
    client.frame(0x01, "a");
    // Fragments that go on arriving do not extend it.
    let mut writer = client.stream.try_clone().unwrap();
    let fragment = wirewright_tests::raw::frame(wirewright_core::Role::Server, 0x00, b"b");
    let writer = thread::spawn(move || {
        while writer.write_all(&fragment).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    client.expect_close(1008);
    expect_between("assembly", start.elapsed(), SHORT);
    drop(client);
    writer.join().unwrap();
}

fn keep_alive(interval: u64, timeout: u64) -> ListenerBuilder {
    let mut options = KeepAliveOptions::default();
    options.interval = Some(Duration::from_millis(interval));
    options.timeout = Some(Duration::from_millis(timeout));
    plain().keep_alive(options)
}

#[test]
fn a_peer_that_answers_no_ping_is_gone_after_interval_and_timeout() {
    let (log, calls) = mpsc::channel();
    let builder = keep_alive(150, 250);
    let listener = builder.start("127.0.0.1:0", logged(log, echo)).unwrap();
    let start = Instant::now();
    let mut client = RawClient::open(listener.local_addr());
    let (first, _) = client.receive();
    assert_eq!(first, PING);
    expect_between("the ping", start.elapsed(), Duration::from_millis(150));
    assert_eq!(client.try_receive().unwrap(), None, "neither a second ping nor a Close");
    expect_between("the end", start.elapsed(), Duration::from_millis(400));
    let error = "error peer answered no ping within the timeout of `keep_alive`";
    expect_calls(&calls, &["open", error, "close 1006"]);
}

#[test]
fn the_next_ping_follows_the_last_pong_however_long_a_pong_may_take() {
    let listener = start_echo(keep_alive(100, 60_000));
    let mut client = RawClient::open(listener.local_addr());
    let start = Instant::now();
    for number in 1..=5 {
        let (first, payload) = client.receive();
        assert_eq!(first, PING);
        expect_between("a ping", start.elapsed(), number * Duration::from_millis(100));
        client.frame(PONG, payload);
    }
}

#[test]
fn s15_a_peer_that_answers_stays_whatever_pongs_come_beside_it() {
    let (log, calls) = mpsc::channel();
    let builder = keep_alive(50, 10_000);
    let listener = builder.start("127.0.0.1:0", logged(log, echo)).unwrap();
    let mut client = RawClient::open(listener.local_addr());
    expect_calls(&calls, &["open"]);
    for round in 0..8_u8 {
        let (first, payload) = client.receive();
        assert_eq!(first, PING);
        // Unasked, the answer, the answer again, one to the ping that is yet to come.
        client.frame(PONG, [round]);
        client.frame(PONG, &payload);
        client.frame(PONG, &payload);
        client.frame(PONG, b"ping\0\0\0\x63");
        for _ in 0..4 {
            let line = next(&calls);
            assert!(line.starts_with("pong "), "{line}");
        }
    }
    client.barrier();
}

#[test]
fn s20_a_deadline_is_kept_while_the_loop_is_busy() {
    let listener = start_echo(plain().handshake_timeout(SHORT));
    let mut busy = RawClient::open(listener.local_addr());
    let mut silent = RawClient::silent(listener.local_addr());
    let start = Instant::now();
    let waiter = thread::spawn(move || silent.lifetime());
    while !waiter.is_finished() {
        assert!(start.elapsed() < SHORT + SLACK, "the other connection's bytes extend it");
        busy.barrier();
    }
    expect_between("silence", waiter.join().unwrap() + SHORT / 10, SHORT);
}
