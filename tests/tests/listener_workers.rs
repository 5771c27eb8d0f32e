//! Services whose callbacks block: order, no overlap, back-pressure, and nobody else held up.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wirewright::{Caller, Outcome, Reply, RunOn, UpgradeRequest};
use wirewright_core::Role;
use wirewright_tests::raw::frame;
use wirewright_tests::raw_client::{BINARY, PATIENCE, PING, PONG, RawClient, TEXT};
use wirewright_tests::services::{
    Call, Every, expect_calls, in_own_process, next, plain, start_every, until,
};

/// A door that callbacks wait at.
#[derive(Clone)]
struct Door(Arc<Mutex<Receiver<()>>>);

impl Door {
    fn new() -> (Sender<()>, Self) {
        let (key, lock) = mpsc::channel();
        (key, Self(Arc::new(Mutex::new(lock))))
    }

    fn pass(&self) {
        let _ = self.0.lock().unwrap().recv_timeout(PATIENCE);
    }
}

#[test]
fn callbacks_on_workers_keep_their_order_and_never_overlap() {
    const CONNECTIONS: usize = 8;
    const MESSAGES: usize = 400;
    let most = Arc::new(AtomicUsize::new(0));
    let now = Arc::new(AtomicUsize::new(0));
    let upgrade = move |_: &UpgradeRequest| {
        let (inside, most, now) = (AtomicBool::new(false), Arc::clone(&most), Arc::clone(&now));
        let mut expected = 0_usize;
        let call = move |_: &Caller, call: Call<'_>| -> Outcome {
            assert!(!inside.swap(true, Ordering::SeqCst), "two at once");
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let reply = match call {
                Call::Text(text) => {
                    assert_eq!(text.parse(), Ok(expected));
                    expected += 1;
                    Reply::Text(text.to_owned())
                }
                Call::Binary(b"most") => Reply::Text(most.load(Ordering::SeqCst).to_string()),
                _ => Reply::Nothing,
            };
            thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            inside.store(false, Ordering::SeqCst);
            Ok(reply)
        };
        let runs_on = RunOn::Workers;
        Ok::<_, wirewright::Rejection>(Every { call, runs_on, control: false })
    };
    let listener = plain().workers(4).start("127.0.0.1:0", upgrade).unwrap();
    let addr = listener.local_addr();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(move || {
                let mut client = RawClient::open(addr);
                let mut writer = client.stream.try_clone().unwrap();
                let writer = thread::spawn(move || {
                    for number in 0..MESSAGES {
                        let frame = frame(Role::Server, TEXT, number.to_string().as_bytes());
                        writer.write_all(&frame).unwrap();
                    }
                });
                (0..MESSAGES).for_each(|number| client.expect(TEXT, number.to_string()));
                writer.join().unwrap();
            });
        }
    });
    let mut client = RawClient::open(addr);
    client.frame(BINARY, "most");
    let most: usize = String::from_utf8(client.message()).unwrap().parse().unwrap();
    assert!(most <= 4, "{most} at once, on 4 workers");
}

/// What blocks until the door opens for "block", and answers the rest.
fn blocking(door: Door) -> impl Fn(&Caller, &Call<'_>) -> Outcome + Clone + Send + Sync {
    move |_, call| {
        Ok(match call {
            Call::Text("block") => {
                door.pass();
                Reply::Text("passed".into())
            }
            Call::Text(text) => Reply::Text((*text).to_owned()),
            _ => Reply::Nothing,
        })
    }
}

#[test]
fn while_a_callback_blocks_the_loop_serves_others_and_answers_pings() {
    let (key, door) = Door::new();
    let (listener, calls, _open) = start_every(plain(), RunOn::Workers, blocking(door));
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, "block");
    client.frame(TEXT, "behind");
    client.frame(PING, "alive?");
    client.expect(PONG, "alive?");
    let mut other = RawClient::open(listener.local_addr());
    other.barrier();
    key.send(()).unwrap();
    client.expect(TEXT, "passed");
    client.expect(TEXT, "behind");
    client.close(1000);
    client.expect_close(1000);
    let mut lines: Vec<_> = calls.iter().take(6).collect();
    lines.retain(|line| !line.contains("barrier"));
    assert_eq!(lines, ["open", "text block", "open", "text behind", "close 1000"]);
}

#[test]
fn control_frames_come_in_line_where_a_service_wants_them() {
    let (key, door) = Door::new();
    let call = blocking(door);
    let upgrade = move |_: &UpgradeRequest| {
        let call = call.clone();
        let call = move |caller: &Caller, event: Call<'_>| call(caller, &event);
        Ok::<_, wirewright::Rejection>(Every { call, runs_on: RunOn::Workers, control: true })
    };
    let listener = plain().start("127.0.0.1:0", upgrade).unwrap();
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, "block");
    client.frame(PING, "in line");
    client.frame(TEXT, "behind");
    RawClient::open(listener.local_addr()).barrier();
    key.send(()).unwrap();
    client.expect(TEXT, "passed");
    client.expect(PONG, "in line");
    client.expect(TEXT, "behind");
}

#[test]
fn s35_a_peer_is_not_read_from_while_its_callbacks_have_enough_to_do() {
    const LEN: usize = 8 * 1024;
    let (key, door) = Door::new();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let blocking = blocking(door);
    let call = move |caller: &Caller, call: &Call<'_>| {
        if let Call::Binary(bytes) = call {
            let number = count.fetch_add(1, Ordering::SeqCst);
            assert_eq!(bytes[..8], (number as u64).to_be_bytes());
        }
        blocking(caller, call)
    };
    let builder = plain().max_pending(64 * 1024);
    let (listener, _calls, _open) = start_every(builder, RunOn::Workers, call);
    let mut client = RawClient::narrow(listener.local_addr());
    socket2::SockRef::from(&client.stream).set_send_buffer_size(16 * 1024).unwrap();
    client.frame(TEXT, "block");
    let mut writer = client.stream.try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    // As much as goes: the rest of one message is sent when the door is open.
    let (mut sent, mut rest) = (0_usize, Vec::new());
    while rest.is_empty() {
        let mut message = vec![0; LEN];
        message[..8].copy_from_slice(&(sent as u64).to_be_bytes());
        let mut bytes = frame(Role::Server, BINARY, &message);
        while !bytes.is_empty() {
            match writer.write(&bytes) {
                Ok(n) => drop(bytes.drain(..n)),
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
                    break;
                }
            }
        }
        sent += 1;
        rest = bytes;
        assert!(sent < 10_000, "80 MB were taken in");
    }
    // Nothing was handled, and the loop goes on.
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    key.send(()).unwrap();
    writer.set_write_timeout(Some(PATIENCE)).unwrap();
    writer.write_all(&rest).unwrap();
    client.expect(TEXT, "passed");
    until("all is handled", || seen.load(Ordering::SeqCst) == sent);
    client.barrier();
}

#[test]
fn a_panic_on_a_worker_is_1011_for_its_connection_and_nothing_else() {
    let call = |_: &Caller, call: &Call<'_>| {
        Ok(match call {
            Call::Text("panic") => panic!("inside a callback"),
            Call::Text(text) => Reply::Text((*text).to_owned()),
            _ => Reply::Nothing,
        })
    };
    let (listener, calls, open) = start_every(plain().workers(1), RunOn::Workers, call);
    for _ in 0..3 {
        let mut client = RawClient::open(listener.local_addr());
        let mut other = RawClient::open(listener.local_addr());
        client.frame(TEXT, "panic");
        client.frame(TEXT, "after");
        client.expect_close(1011);
        client.rest();
        other.barrier();
        let callers = [next(&open), next(&open)];
        until("it is over", || callers.iter().any(|caller| !caller.is_open()));
        other.close(1000);
        other.expect_close(1000);
    }
    drop(listener);
    // The service that panicked was not called again.
    assert!(calls.iter().all(|line| line != "text after"));
}

#[test]
fn on_close_is_last_and_shutdown_waits_for_it() {
    for rounds in 0..10 {
        let (listener, calls, _open) = start_every(plain(), RunOn::Workers, |_, call| {
            if let Call::Text(_) | Call::Close(_) = call {
                thread::sleep(Duration::from_millis(5));
            }
            Ok(Reply::Nothing)
        });
        let mut client = RawClient::open(listener.local_addr());
        for _ in 0..3 {
            client.frame(TEXT, "x");
        }
        let stopper = thread::spawn(move || {
            let start = Instant::now();
            listener.shutdown(PATIENCE);
            assert!(start.elapsed() < PATIENCE / 2);
        });
        client.expect_close(1001);
        client.close(1001);
        stopper.join().unwrap();
        let lines: Vec<_> = calls.try_iter().collect();
        assert_eq!(lines.first().map(String::as_str), Some("open"), "round {rounds}");
        assert_eq!(lines.last().map(String::as_str), Some("close 1001"), "round {rounds}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("close")).count(), 1);
    }
}

#[test]
fn errors_and_ends_reach_a_service_on_workers() {
    let (listener, calls, _open) = start_every(plain(), RunOn::Workers, |_, call| match call {
        Call::Text("fail") => Err("no".into()),
        _ => Ok(Reply::Nothing),
    });
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, "fail");
    client.frame(TEXT, "on");
    client.send([0x83, 0x80, 0, 0, 0, 0]);
    client.expect_close(1002);
    let broken = "error peer broke the protocol: reserved opcode 0x3 (RFC 6455 §5.2)";
    let lines = ["open", "text fail", "error callback failed: no", "text on", broken, "close 1006"];
    expect_calls(&calls, &lines);
}

/// Sends on what a listener warns of: fields and all.
struct Warnings(Sender<String>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let _ = self.0.send(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

#[test]
fn a_callback_that_holds_up_its_loop_is_named_in_the_log() {
    let test = "::a_callback_that_holds_up_its_loop_is_named_in_the_log";
    in_own_process(&[module_path!(), test].concat(), || {
        let (warnings, log) = mpsc::channel();
        tracing::subscriber::set_global_default(Warnings(warnings)).unwrap();
        let slow = Duration::from_millis(150);
        for (runs_on, told) in [(RunOn::Workers, false), (RunOn::Loop, true)] {
            let builder = plain().slow_callback(Some(slow));
            let (listener, _calls, _open) = start_every(builder, runs_on, move |_, call| {
                if let Call::Text(_) = call {
                    thread::sleep(2 * slow);
                }
                Ok(Reply::Text("done".into()))
            });
            let mut client = RawClient::open(listener.local_addr());
            client.expect(TEXT, "done");
            client.frame(TEXT, "x");
            client.expect(TEXT, "done");
            drop(listener);
            let lines: Vec<_> = log.try_iter().collect();
            let named = |line: &String| line.contains("Every<") && line.contains("held up");
            assert_eq!(lines.iter().any(named), told, "{lines:?}");
        }
    });
}
