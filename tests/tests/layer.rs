//! A layer between socket and connection, on both sides: what the layer of these tests cannot
//! bear is a record lost, doubled or out of order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use wirewright::{
    Caller, Client, ClientBuilder, ClientError, CloseCode, Deadline, Json, Listener,
    ListenerBuilder, Message, Rejection, Reply, Retry, SendError, Sent, UpgradeRequest, WhenFull,
};
use wirewright_tests::duplex::{both_write, pattern};
use wirewright_tests::scramble::Scrambled;
use wirewright_tests::services::{By, Call, plain};

fn start(builder: ListenerBuilder) -> Listener {
    let service = |_: &UpgradeRequest| {
        Ok(By(|caller: &Caller, call: Call<'_>| {
            let _ = match call {
                Call::Text(text) => caller.write_text(text)?,
                Call::Binary(bytes) => caller.write_binary(bytes)?,
                _ => Sent::Written,
            };
            Ok(Reply::Nothing)
        }))
    };
    builder.tls(Scrambled).route("/", service).listen("127.0.0.1:0").unwrap()
}

fn towards(listener: &Listener) -> ClientBuilder {
    Client::builder(&format!("wss://localhost:{}/", listener.local_addr().port())).tls(Scrambled)
}

#[test]
fn messages_of_all_sizes_come_back() {
    let listener = start(plain().max_message_size(8 << 20).max_queued(16 << 20));
    let client = towards(&listener).connect().unwrap();
    assert!(client.is_secure());
    for len in [0, 1, 125, 126, 999, 1000, 1001, 16_383, 16_384, 65_535, 65_536, 100_000, 5 << 20] {
        let message = pattern(len, 1);
        client.write_binary(&message).unwrap();
        assert!(client.read_binary().unwrap() == message, "{len}");
    }
    client.write_json(&serde_json::json!({ "n": 1 })).unwrap();
    let Json(value) = client.read_message::<Json<serde_json::Value>>().unwrap();
    assert_eq!(value["n"], 1);
    client.close().unwrap();
}

/// One thread writes, one reads, the listener echoes, and a thread of its own sends in between;
/// all of it through buffers that hold little.
#[test]
fn both_sides_write_through_small_buffers_and_nothing_is_lost() {
    let (callers, caller) = mpsc::channel();
    let service = move |_: &UpgradeRequest| {
        let callers = callers.clone();
        Ok(By(move |caller: &Caller, call: Call<'_>| {
            match call {
                Call::Open => callers.send(caller.clone())?,
                Call::Binary(bytes) => {
                    let _ = caller.write_binary(bytes)?;
                }
                _ => {}
            }
            Ok(Reply::Nothing)
        }))
    };
    let listener = plain().tls(Scrambled).max_queued(64 << 20).route("/", service);
    let listener = listener.listen("127.0.0.1:0").unwrap();
    let client = towards(&listener).send_buffer(Some(4096)).receive_buffer(Some(32 << 10));
    let client = client.connect().unwrap();
    let caller = caller.recv().unwrap();
    both_write(&client, &caller, 3000, |text| {
        let _ = caller.write_text(text).unwrap();
    });
    client.close().unwrap();
}

/// What is sealed from where it lies, behind what waits, when the system takes a part of it.
#[test]
fn large_frames_leave_through_small_buffers() {
    let sizes = [65_535, 65_536, 65_537, 16, 200_000, 1 << 20, 81_919, 1];
    let listener = start(plain().max_frame_size(1 << 20).max_queued(64 << 20));
    let client = towards(&listener).max_frame_size(1 << 20);
    let client = client.receive_buffer(Some(4096)).connect().unwrap();
    for round in 0..4 {
        // Several on their way, so that some find others waiting.
        for (size, n) in sizes.into_iter().zip(round..) {
            client.write_binary(&pattern(size, n)).unwrap();
        }
        for (size, n) in sizes.into_iter().zip(round..) {
            assert!(client.read_binary().unwrap() == pattern(size, n), "{size}");
        }
    }
    client.close().unwrap();
}

/// A writer that the socket takes no more from does not hold up a reader, nor a reader that waits
/// a writer.
#[test]
fn a_blocked_writer_does_not_hold_up_a_reader() {
    let (callers, caller) = mpsc::channel();
    let service = move |_: &UpgradeRequest| {
        let callers = callers.clone();
        Ok(By(move |caller: &Caller, call: Call<'_>| {
            if let Call::Open = call {
                caller.pause();
                callers.send(caller.clone())?;
            }
            Ok(Reply::Nothing)
        }))
    };
    let listener = plain().tls(Scrambled).route("/", service).listen("127.0.0.1:0").unwrap();
    let client = towards(&listener).send_buffer(Some(4096)).max_frame_size(1 << 20);
    let client = client.write_timeout(Some(Duration::from_secs(60))).connect().unwrap();
    let caller = caller.recv().unwrap();
    let written = AtomicBool::new(false);
    thread::scope(|scope| {
        // A reader that waits, and a writer beside it that is soon blocked.
        let reader = scope.spawn(|| {
            for n in 0..500 {
                assert_eq!(client.read_text().unwrap(), n.to_string());
            }
            assert!(!written.load(Ordering::SeqCst), "the writer was never blocked");
        });
        scope.spawn(|| {
            client.write_binary(&vec![7; 30 << 20]).unwrap_err();
            written.store(true, Ordering::SeqCst);
        });
        for n in 0..500 {
            let _ = caller.write_text(&n.to_string()).unwrap();
        }
        reader.join().unwrap();
        client.abort();
    });
}

#[test]
fn what_is_published_arrives_in_order_and_what_is_dropped_breaks_nothing() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNew, WhenFull::Refuse] {
        let service = |_: &UpgradeRequest| {
            Ok(By(|caller: &Caller, call: Call<'_>| {
                if let Call::Open = call {
                    let _ = caller.subscribe("news")?;
                }
                Ok(Reply::Nothing)
            }))
        };
        let builder = plain().tls(Scrambled).when_full(when_full).max_queued(100_000);
        let listener = builder.route("/", service).listen("127.0.0.1:0").unwrap();
        let clients: Vec<_> = (0..3).map(|_| towards(&listener).connect().unwrap()).collect();
        let topics = listener.topics();
        while topics.subscribers("news") < 3 {
            thread::yield_now();
        }
        // Nobody reads: queues fill, and some of it is dropped.
        for n in 0..2000_u32 {
            let news = format!("{n:08}{}", "x".repeat(2000));
            topics.publish("news", Message::Text(&news)).unwrap();
            if n % 50 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        for client in &clients {
            let mut last = None;
            let mut count = 0;
            // The end of what was sent is where nothing comes any more.
            let client = Patient(client);
            while let Some(text) = client.read() {
                let n: u32 = text[..8].parse().unwrap();
                assert!(last.is_none_or(|last| last < n), "{last:?} then {n}");
                assert_eq!(text.len(), 2008);
                (last, count) = (Some(n), count + 1);
            }
            assert!(count > 10, "{when_full:?}: {count}");
            client.0.close().unwrap();
        }
    }
}

/// Reads until nothing has come for a while.
struct Patient<'c>(&'c Client);

impl Patient<'_> {
    fn read(&self) -> Option<String> {
        let deadline = std::time::Instant::now() + Duration::from_millis(500);
        loop {
            match self.0.try_read().unwrap() {
                Some(message) => match message.message() {
                    Message::Text(text) => return Some(text.to_owned()),
                    Message::Binary(_) => panic!(),
                },
                None if std::time::Instant::now() > deadline => return None,
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

#[test]
fn a_client_that_nobody_reads_answers_pings() {
    let (rtts, rtt) = mpsc::channel();
    let service = move |_: &UpgradeRequest| {
        let rtts = rtts.clone();
        Ok(By(move |caller: &Caller, call: Call<'_>| {
            match call {
                Call::Open => drop(caller.ping(b"are you there")?),
                Call::Pong(payload) => rtts.send(payload.to_vec())?,
                _ => {}
            }
            Ok(Reply::Nothing)
        }))
    };
    let listener = plain().tls(Scrambled).route("/", service).listen("127.0.0.1:0").unwrap();
    let client = towards(&listener).connect().unwrap();
    assert_eq!(rtt.recv_timeout(Duration::from_secs(20)).unwrap(), b"are you there");
    client.close().unwrap();
}

#[test]
fn a_refusal_arrives_whole() {
    let refuse = |_: &UpgradeRequest| {
        let body = "x".repeat(10_000);
        Err::<By<fn(&Caller, Call<'_>) -> wirewright::Outcome>, _>(
            Rejection::forbidden().body(body),
        )
    };
    let listener = plain().tls(Scrambled).route("/", refuse).listen("127.0.0.1:0").unwrap();
    let Err(ClientError::Refused(refused)) = towards(&listener).connect() else { panic!() };
    assert_eq!((refused.status(), refused.body().len()), (403, 10_000));
}

#[test]
fn closes_are_exchanged_and_the_layer_says_goodbye() {
    let listener = start(plain());
    let client = towards(&listener).connect().unwrap();
    client.close_with(4000, "done", None).unwrap();
    // The listener's Close comes before its layer's goodbye, and counts.
    let client = towards(&listener).connect().unwrap();
    listener.shutdown(Duration::from_secs(5));
    match client.read() {
        Err(ClientError::Closed { code, .. }) => assert_eq!(code, CloseCode::GOING_AWAY),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_layer_is_an_error_that_another_attempt_would_meet_again() {
    let builder = Client::builder("wss://nobody.test:1/").tls(Scrambled);
    let error = builder.retry(Some(Retry::default())).connect().unwrap_err();
    assert!(matches!(error, ClientError::Tls(_)) && !error.is_transient(), "{error:?}");
}

#[test]
fn s20_a_peer_that_does_not_finish_the_layers_handshake_is_gone_by_the_deadline() {
    let timeout = Duration::from_millis(300);
    let listener = start(plain().handshake_timeout(timeout));
    let mut silent = std::net::TcpStream::connect(listener.local_addr()).unwrap();
    let mut slow = std::net::TcpStream::connect(listener.local_addr()).unwrap();
    use std::io::{Read, Write};
    let begun = std::time::Instant::now();
    // A header that announces more than ever comes, a byte at a time.
    for byte in [1, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3] {
        let _ = slow.write_all(&[byte]);
        thread::sleep(Duration::from_millis(20));
    }
    for stream in [&mut silent, &mut slow] {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(begun.elapsed() < Duration::from_secs(9));
    // The client has a deadline of its own.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", deaf.local_addr().unwrap().port());
    let client = Client::builder(&url).tls(Scrambled).tls_timeout(Some(timeout));
    let error = client.connect().unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(Deadline::Tls)), "{error:?}");
}

#[test]
fn s36_what_waits_is_within_the_cap() {
    let (lengths, length) = mpsc::channel();
    let service = move |_: &UpgradeRequest| {
        let lengths = lengths.clone();
        Ok(By(move |caller: &Caller, call: Call<'_>| {
            if let Call::Open = call {
                let mut most = 0;
                let full = loop {
                    match caller.write_binary(&[1; 10_000]) {
                        Ok(Sent::Queued(n)) => most = most.max(n),
                        Ok(_) => {}
                        Err(error) => break error,
                    }
                };
                lengths.send((most, caller.queued(), full))?;
            }
            Ok(Reply::Nothing)
        }))
    };
    let builder = plain().tls(Scrambled).max_queued(200_000);
    let listener = builder.route("/", service).listen("127.0.0.1:0").unwrap();
    let client =
        towards(&listener).receive_buffer(Some(32 << 10)).custody(false).connect().unwrap();
    let (most, queued, full) = length.recv().unwrap();
    assert!(most <= 200_000 + 10_100, "{most}");
    assert!(queued <= 200_000 + 10_100, "{queued}");
    assert!(matches!(full, SendError::Full { .. }), "{full:?}");
    // And all of it arrives.
    let first = client.read_binary().unwrap();
    assert_eq!(first, [1; 10_000]);
    client.abort();
}
