//! Callers in the hands of other threads.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use wirewright::{
    Caller, Client, Close, CloseCode, Compression, Listener, ListenerBuilder, Message, MessageBuf,
    Outcome, Reply, SendError, Service,
};
use wirewright_tests::raw_client::{CLOSE, RawClient, TEXT};
use wirewright_tests::services::{Call, expect_calls, in_own_process, logged, next, plain, until};

/// A listener whose connections hand their callers out and do `call`.
fn with_callers(
    builder: ListenerBuilder,
    call: impl Fn(&Caller, &Call<'_>) -> Outcome + Clone + Send + Sync + 'static,
) -> (Listener, Receiver<Caller>, Receiver<String>) {
    let (callers, open) = mpsc::channel();
    let (log, calls) = mpsc::channel();
    let callers = Arc::new(Mutex::new(callers));
    let upgrade = logged(log, move |caller: &Caller, event: &Call<'_>| {
        if let Call::Open = event {
            let _ = callers.lock().unwrap().send(caller.clone());
        }
        call(caller, event)
    });
    (builder.start("127.0.0.1:0", upgrade).unwrap(), open, calls)
}

#[expect(clippy::unnecessary_wraps, reason = "a service")]
fn ignore(_: &Caller, _: &Call<'_>) -> Outcome {
    Ok(Reply::Nothing)
}

const THREADS: u32 = 8;
const MESSAGES: u32 = 120;

/// Sender, number, and a payload whose length and bytes follow from them.
fn message(sender: u32, number: u32) -> String {
    // Some are small, some are written from where they lie, some are cut into frames.
    let len = [3, 200, 1000, 17_000, 70_000][((sender + number) % 5) as usize];
    format!("{sender} {number} {}", "abcdefghij".repeat(len / 10))
}

/// Sends once the queue is short, so that the loop always finds room.
fn send_in_turn(caller: &Caller, text: &str) {
    while caller.queued() > 200_000 {
        thread::yield_now();
    }
    let _ = caller.write_text(text).unwrap();
}

fn all_send_at_once(compression: Option<Compression>) {
    let builder = plain().compression(compression.clone()).max_queued(16 << 20);
    // The loop itself is the sender beside the threads: it answers each message with one.
    let (listener, open, _calls) = with_callers(builder, |_, call| {
        Ok(match call {
            Call::Text(number) => Reply::Text(message(THREADS, number.parse()?)),
            _ => Reply::Nothing,
        })
    });
    let url = format!("ws://{}/", listener.local_addr());
    let client = Client::builder(&url).compression(compression).connect().unwrap();
    let caller = next(&open);
    thread::scope(|scope| {
        for sender in 0..THREADS {
            let caller = caller.clone();
            scope.spawn(move || {
                (0..MESSAGES).for_each(|number| send_in_turn(&caller, &message(sender, number)));
            });
        }
        scope.spawn(|| {
            for number in 0..MESSAGES {
                client.write_text(&number.to_string()).unwrap();
            }
        });
        let mut expected = HashMap::new();
        let mut read = MessageBuf::new();
        for _ in 0..(THREADS + 1) * MESSAGES {
            assert!(client.read_into(&mut read).unwrap());
            let Message::Text(text) = read.message() else { panic!("not a text") };
            let sender = text.split(' ').next().unwrap().parse().unwrap();
            let number = expected.entry(sender).or_insert(0);
            assert!(text == message(sender, *number), "not {number} of {sender}: {text:.20}");
            *number += 1;
        }
    });
    caller.close(1000, "").unwrap();
    assert!(!client.read_into(&mut MessageBuf::new()).unwrap(), "more than was sent");
}

#[test]
fn many_threads_and_the_loop_send_whole_messages_each_in_its_order() {
    all_send_at_once(None);
}

#[test]
fn many_threads_and_the_loop_send_through_one_compressor() {
    all_send_at_once(Some(Compression::default()));
}

#[test]
fn s17_of_many_closes_at_once_one_is_sent() {
    let (listener, open, calls) = with_callers(plain(), ignore);
    for round in 0..50 {
        let mut client = RawClient::open(listener.local_addr());
        let caller = next(&open);
        let start = Barrier::new(4);
        let sent = thread::scope(|scope| {
            let threads = [4000, 4001, 4002, 4003].map(|code| {
                let (caller, start) = (&caller, &start);
                scope.spawn(move || {
                    start.wait();
                    caller.close(code, "").map(|()| code)
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let code = sent.iter().find_map(|sent| sent.ok()).expect("one that was sent");
        let refused = sent.iter().filter(|sent| **sent == Err(SendError::Closed)).count();
        assert_eq!(refused, 3, "{sent:?}");
        assert!(!caller.is_open());
        client.expect_close(code);
        client.close(code);
        client.expect_end();
        expect_calls(&calls, &["open", &format!("close {code}")]);
        assert_eq!(calls.try_recv().ok(), None, "round {round}");
    }
}

#[test]
fn s17_a_close_in_every_callback_is_sent_once() {
    let (listener, _open, calls) = with_callers(plain(), |caller, call| {
        if let Call::Text("wait") = call {
            return Ok(Reply::Nothing);
        }
        let first = caller.close(4000, "first").is_ok();
        assert_eq!(caller.close(4001, ""), Err(SendError::Closed), "{first}");
        // And once more, as a reply, which is refused and goes to `on_error`.
        Ok(Reply::Close(CloseCode::GOING_AWAY, String::new()))
    });
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, "late");
    client.expect(CLOSE, b"\x0F\xA0first");
    client.close(4000);
    client.expect_end();
    let refused = "error callback failed: connection is closed or closing";
    expect_calls(&calls, &["open", refused, "text late", refused, "close 4000"]);
    assert_eq!(calls.try_recv().ok(), None);
}

#[test]
fn s17_an_answer_to_the_peers_close_races_with_a_close_of_ours() {
    let (listener, open, calls) = with_callers(plain(), ignore);
    for _ in 0..100 {
        let mut client = RawClient::open(listener.local_addr());
        let caller = next(&open);
        let closer = thread::spawn(move || caller.close(4000, ""));
        client.close(1000);
        let (first, body) = client.receive();
        let ours = closer.join().unwrap();
        assert_eq!(first, CLOSE);
        let code = if ours.is_ok() { 4000 } else { 1000 };
        assert_eq!(body, u16::to_be_bytes(code), "{ours:?}");
        client.expect_end();
        expect_calls(&calls, &["open", "close 1000"]);
    }
}

#[test]
fn after_the_end_a_caller_says_closed() {
    let (listener, open, calls) = with_callers(plain(), ignore);
    let client = RawClient::open(listener.local_addr());
    let caller = next(&open);
    assert!(caller.is_open());
    drop(client);
    expect_calls(&calls, &["open", "close 1006"]);
    assert_eq!(caller.write_text("x"), Err(SendError::Closed));
    assert_eq!(caller.write_binary(&[0; 100_000]), Err(SendError::Closed));
    assert_eq!(caller.ping(b""), Err(SendError::Closed));
    assert_eq!(caller.pong(b""), Err(SendError::Closed));
    assert_eq!(caller.close(1000, ""), Err(SendError::Closed));
    assert_eq!((caller.is_open(), caller.queued()), (false, 0));
    drop(listener);
    assert_eq!(caller.write_text("x"), Err(SendError::Closed));
    assert_eq!(caller.close(1000, ""), Err(SendError::Closed));
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
#[cfg(target_os = "linux")]
fn kept_callers_keep_no_descriptor() {
    in_own_process(concat!(module_path!(), "::kept_callers_keep_no_descriptor"), || {
        let (listener, open, calls) = with_callers(plain().threads(2), ignore);
        let before = descriptors();
        let mut kept = Vec::new();
        for number in 0..200 {
            let mut client = RawClient::open(listener.local_addr());
            kept.push(next(&open));
            match number % 3 {
                0 => client.reset(),
                1 => drop(client),
                _ => {
                    client.close(1000);
                    client.rest();
                }
            }
        }
        let closed = calls.iter().filter(|line| line.starts_with("close ")).take(200).count();
        assert_eq!(closed, 200);
        until("all descriptors are closed", || descriptors() <= before);
        assert!(kept.iter().all(|caller| !caller.is_open()));
    });
}

#[test]
fn s39_callers_of_dead_connections_never_reach_those_in_their_places() {
    // Whoever has ended hands its caller to a thread that goes on using it.
    let (listener, open, _calls) = with_callers(plain().threads(2), |_, call| {
        Ok(match call {
            Call::Text(text) => Reply::Text((*text).into()),
            _ => Reply::Nothing,
        })
    });
    let (stop, stopped) = mpsc::channel::<()>();
    let ghost = thread::spawn(move || {
        let mut callers = Vec::new();
        let mut next = 0;
        while stopped.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
            callers.extend(open.try_iter());
            next += 1;
            let Some(caller) = callers.get(next % callers.len().max(1)) else { continue };
            if !caller.is_open() {
                assert_eq!(caller.write_text("ghost"), Err(SendError::Closed));
                assert_eq!(caller.close(4444, "ghost"), Err(SendError::Closed));
            }
        }
        callers.extend(open.try_iter());
        callers.len()
    });
    let addr = listener.local_addr();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                for round in 0..150 {
                    let mut client = RawClient::open(addr);
                    client.barrier();
                    if round % 2 == 0 {
                        client.reset();
                    } else {
                        client.close(1000);
                        client.expect_close(1000);
                        client.expect_end();
                    }
                }
            });
        }
    });
    drop(stop);
    assert_eq!(ghost.join().unwrap(), 600);
}

/// Sends from its destructor, when everything is over.
struct Last(Sender<Result<(), SendError>>, Option<Caller>);

impl Service for Last {
    fn on_open(&mut self, caller: &Caller) -> Outcome {
        self.1 = Some(caller.clone());
        Ok(Reply::Nothing)
    }

    fn on_close(&mut self, caller: &Caller, _: Close<'_>) {
        let _ = self.0.send(caller.close(1000, ""));
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(caller) = &self.1 {
            let _ = self.0.send(caller.write_text("late").map(drop));
        }
    }
}

#[test]
fn s17_a_service_is_dropped_once_and_sends_nothing_then() {
    let (log, calls) = mpsc::channel();
    let log = Mutex::new(log);
    let upgrade = move |_: &wirewright::UpgradeRequest| {
        Ok::<_, wirewright::Rejection>(Last(log.lock().unwrap().clone(), None))
    };
    let listener = plain().start("127.0.0.1:0", upgrade).unwrap();
    let mut client = RawClient::open(listener.local_addr());
    client.close(1000);
    client.expect_close(1000);
    client.expect_end();
    assert_eq!([next(&calls), next(&calls)], [Err(SendError::Closed); 2]);
    drop(listener);
    assert_eq!(calls.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}
