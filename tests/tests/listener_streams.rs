//! Replies that are produced bit by bit.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};

use wirewright::{Caller, CloseCode, Listener, Outcome, Reply, RunOn};
use wirewright_tests::raw_client::{BINARY, CLOSE, RawClient, TEXT};
use wirewright_tests::services::{Call, expect_calls, next, plain, start_every, until};

const KIB: usize = 1024;

/// Tells when it is dropped.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn items<R: Into<Reply> + Send + 'static>(
    items: impl IntoIterator<Item = R, IntoIter: Send + 'static>,
) -> Reply {
    Reply::stream(items.into_iter().map(Ok::<_, Infallible>))
}

/// What a text asks for.
fn serve(text: &str, dropped: &mpsc::Sender<()>) -> Outcome {
    let numbers = |count: usize| (0..count).map(|number| number.to_string());
    Ok(match text {
        "three" => items(["a", "b", "c"]),
        "none" => items(Vec::<String>::new()),
        "bytes" => items([vec![1, 2], Vec::new()]),
        "close" => {
            let close = Reply::Close(CloseCode::GOING_AWAY, "enough".into());
            items([Reply::Text("a".into()), close, Reply::Text("never".into())])
        }
        "nested" => items([Reply::Text("a".into()), items(["b", "c"])]),
        "error" => Reply::stream([Ok("a"), Err("no more of them: ".to_owned() + &"é".repeat(99))]),
        "panic" => items((0..).map(|number| {
            assert!(number < 1, "inside a stream");
            number.to_string()
        })),
        "endless" => {
            let guard = Guard(dropped.clone());
            items((0..).map(move |number: usize| {
                let _ = &guard;
                number.to_string()
            }))
        }
        "two" => items(numbers(2)),
        other => Reply::Text(other.to_owned()),
    })
}

fn start(runs_on: RunOn) -> (Listener, Receiver<String>, Receiver<()>) {
    let (dropped, drops) = mpsc::channel();
    let dropped = Arc::new(std::sync::Mutex::new(dropped));
    let (listener, calls, _) = start_every(plain(), runs_on, move |_, call| match call {
        Call::Text(text) => serve(text, &dropped.lock().unwrap().clone()),
        _ => Ok(Reply::Nothing),
    });
    (listener, calls, drops)
}

const BOTH: [RunOn; 2] = [RunOn::Loop, RunOn::Workers];

#[test]
fn a_stream_is_sent_item_by_item_and_its_end_is_nothing() {
    for runs_on in BOTH {
        let (listener, _calls, _drops) = start(runs_on);
        let mut client = RawClient::open(listener.local_addr());
        for text in ["three", "none", "nested"] {
            client.frame(TEXT, text);
        }
        let mut got: Vec<_> = (0..6).map(|_| client.message()).collect();
        // Streams take turns; each keeps its order.
        got.sort_unstable();
        assert_eq!(got, [b"a", b"a", b"b", b"b", b"c", b"c"]);
        client.frame(TEXT, "bytes");
        client.expect(BINARY, [1, 2]);
        client.expect(BINARY, "");
        client.barrier();
    }
}

#[test]
fn other_messages_are_handled_while_a_stream_goes_on_and_it_ends_with_the_connection() {
    for runs_on in BOTH {
        let (listener, _calls, drops) = start(runs_on);
        let mut client = RawClient::open(listener.local_addr());
        client.frame(TEXT, "endless");
        let mut expected = 0;
        for question in 0..20 {
            let question = format!("question {question}");
            client.frame(TEXT, &question);
            loop {
                let message = client.message();
                if message == question.as_bytes() {
                    break;
                }
                assert_eq!(message, expected.to_string().as_bytes());
                expected += 1;
            }
        }
        // Others have their turns, too.
        let mut other = RawClient::open(listener.local_addr());
        other.barrier();
        assert_eq!(drops.try_recv(), Err(mpsc::TryRecvError::Empty));
        client.reset();
        let () = next(&drops);
        other.barrier();
    }
}

#[test]
fn s35_a_stream_is_produced_as_fast_as_its_peer_reads() {
    for runs_on in BOTH {
        const ITEMS: usize = 2000;
        let produced = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&produced);
        let (listener, _calls, open) = start_every(plain(), runs_on, move |_: &Caller, call| {
            let Call::Text("go") = call else { return Ok(Reply::Nothing) };
            let counter = Arc::clone(&counter);
            Ok(items((0..ITEMS).map(move |number| {
                counter.fetch_add(1, Ordering::SeqCst);
                let mut item = vec![0; 4 * KIB];
                item[..8].copy_from_slice(&(number as u64).to_be_bytes());
                item
            })))
        });
        let mut client = RawClient::narrow(listener.local_addr());
        let caller = next(&open);
        client.frame(TEXT, "go");
        until("the queue is at its low mark", || caller.queued() > 60 * KIB);
        assert!(caller.queued() <= 64 * KIB + 5 * KIB, "{}", caller.queued());
        assert!(produced.load(Ordering::SeqCst) < ITEMS, "the system took all");
        for number in 0..ITEMS {
            assert_eq!(client.message()[..8], (number as u64).to_be_bytes(), "{runs_on:?}");
            assert!(caller.queued() <= 64 * KIB + 5 * KIB, "{}", caller.queued());
        }
    }
}

#[test]
fn a_close_in_a_stream_ends_it_and_the_connection() {
    for runs_on in BOTH {
        let (listener, calls, _drops) = start(runs_on);
        let mut client = RawClient::open(listener.local_addr());
        client.frame(TEXT, "close");
        client.expect(TEXT, "a");
        client.expect(CLOSE, b"\x03\xE9enough");
        client.close(1001);
        client.expect_end();
        expect_calls(&calls, &["open", "text close", "close 1001"]);
    }
}

#[test]
fn an_error_or_a_panic_in_a_stream_is_1011() {
    for runs_on in BOTH {
        for (ask, reason) in [("error", "no more of them: "), ("panic", "unexpected condition")] {
            let (listener, calls, _drops) = start(runs_on);
            let mut client = RawClient::open(listener.local_addr());
            client.frame(TEXT, ask);
            let first = client.message();
            assert!(first == b"a" || first == b"0", "{first:?}");
            let (kind, body) = client.receive();
            assert_eq!((kind, &body[..2]), (CLOSE, &1011_u16.to_be_bytes()[..]));
            let told = str::from_utf8(&body[2..]).expect("cut between characters");
            assert!(told.starts_with(&format!("streaming failed: {reason}")), "{told}");
            client.close(1011);
            client.expect_end();
            expect_calls(&calls, &["open", &format!("text {ask}")]);
            assert!(next(&calls).starts_with("error streaming failed: "));
            expect_calls(&calls, &["close 1011"]);
            // Nothing else has suffered.
            RawClient::open(listener.local_addr()).barrier();
        }
    }
}

#[test]
fn streams_beyond_the_limit_are_refused_one_by_one() {
    for runs_on in BOTH {
        let (dropped, drops) = mpsc::channel();
        let builder = plain().max_streams(3);
        let dropped = Arc::new(std::sync::Mutex::new(dropped));
        let (listener, calls, _) = start_every(builder, runs_on, move |_, call| match call {
            Call::Text(text) => serve(text, &dropped.lock().unwrap().clone()),
            _ => Ok(Reply::Nothing),
        });
        let mut client = RawClient::open(listener.local_addr());
        for _ in 0..4 {
            client.frame(TEXT, "endless");
        }
        let mut reader = client.stream.try_clone().unwrap();
        let reader = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        let refused = "error over 3 streams at once, the limit of `max_streams`";
        assert!(calls.iter().take(6).any(|line| line == refused));
        // The one that was refused is gone, the others end with the connection.
        let () = next(&drops);
        assert!(drops.try_recv().is_err());
        client.close(1000);
        (0..3).for_each(|_| next(&drops));
        let _ = reader.join().unwrap();
    }
}
