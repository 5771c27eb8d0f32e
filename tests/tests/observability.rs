//! What can be seen from outside: figures, the log, and what is in neither.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tracing::Level;
use wirewright::{
    Caller, Client, Cookie, ErrorStats, KeepAliveOptions, Listener, ListenerStats, Rate, Reply,
    Sent, TrafficStats, UpgradeRequest, WhenExceeded, WhenFull,
};
use wirewright_tests::http::{answer, upgrade};
use wirewright_tests::observer::{Metrics, Observer};
use wirewright_tests::raw_client::{BINARY, PING, PONG, RawClient, TEXT, request};
use wirewright_tests::services::{
    By, Call, echo, in_own_process, next, plain, start, start_echo, until,
};

/// The figures once nobody is connected any more.
fn settled(listener: &Listener) -> ListenerStats {
    until("all connections are gone", || {
        let stats = listener.stats();
        stats.open + stats.handshaking + stats.leaving == 0
    });
    listener.stats()
}

fn errors(listener: &Listener) -> ErrorStats {
    listener.stats().errors
}

#[test]
fn figures_of_a_listener_add_up_over_its_loops() {
    let listener = start_echo(plain().threads(2));
    let mut head = 0;
    let clients = [(); 4].map(|()| {
        let mut client = RawClient::silent(listener.local_addr());
        client.send(request(""));
        head = client.head().len() as u64;
        client
    });
    for mut client in clients {
        for _ in 0..3 {
            client.frame(TEXT, "abc");
            client.expect(TEXT, "abc");
        }
        client.frame(BINARY, "12345");
        client.expect(BINARY, "12345");
        client.frame(PING, "");
        client.expect(PONG, "");
        client.close(1000);
        client.expect_close(1000);
        client.expect_end();
    }
    let stats = settled(&listener);
    let TrafficStats { messages_in, messages_out, bytes_in, bytes_out, .. } = stats.traffic;
    assert_eq!((messages_in, messages_out), (16, 16));
    // Frames with their headers, which are longer by four bytes on the way in.
    let payloads = 3 * 3 + 5 + 2;
    assert_eq!(bytes_in, 4 * (payloads + 6 * 6));
    assert_eq!(bytes_out, 4 * (head + payloads + 6 * 2));
    assert_eq!((stats.errors.total(), stats.panics, stats.traffic.dropped), (0, 0, 0));
}

#[test]
fn messages_of_other_threads_are_counted_with_the_connection() {
    let (callers, open) = mpsc::channel();
    let callers = Mutex::new(callers);
    let listener = start(plain(), {
        let callers = Arc::new(callers);
        move |caller: &Caller, call: &Call<'_>| {
            if let Call::Open = call {
                let _ = callers.lock().unwrap().send(caller.clone());
            }
            Ok(Reply::Nothing)
        }
    });
    let mut client = RawClient::open(listener.local_addr());
    let caller = next(&open);
    let before = caller.stats().bytes_out;
    for _ in 0..5 {
        assert_eq!(caller.write_text("hello"), Ok(Sent::Written));
        client.expect(TEXT, "hello");
    }
    let stats = caller.stats();
    assert_eq!((stats.messages_out, stats.bytes_out - before), (5, 5 * 7));
    client.reset();
    let traffic = settled(&listener).traffic;
    assert_eq!((traffic.messages_out, traffic.bytes_out), (5, stats.bytes_out));
}

#[test]
fn what_goes_wrong_is_counted_by_kind() {
    let listener = start(plain().max_message_size(100), |_, call| match call {
        Call::Text("panic") => panic!("as the test wants"),
        Call::Text("error") => Err("no".into()),
        _ => Ok(Reply::Nothing),
    });
    let addr = listener.local_addr();
    let mut client = RawClient::open(addr);
    client.frame(TEXT, "error");
    client.send([0x83, 0x80, 0, 0, 0, 0]);
    client.expect_close(1002);
    let mut client = RawClient::open(addr);
    client.frame(TEXT, [b'x'; 101]);
    client.expect_close(1009);
    let mut client = RawClient::open(addr);
    client.frame(TEXT, "panic");
    client.expect_close(1011);
    drop(client);
    let stats = settled(&listener);
    let ErrorStats { violation, limit, callback, .. } = stats.errors;
    assert_eq!((violation, limit, callback, stats.panics), (1, 1, 1, 1));
    assert_eq!(errors(&listener).total(), 3);
}

#[test]
fn what_finds_no_room_and_what_comes_too_fast_is_counted() {
    for policy in [WhenFull::Refuse, WhenFull::DropNew] {
        let listener = start(plain().max_queued(64 * 1024).when_full(policy), |caller, call| {
            let Call::Text(_) = call else { return Ok(Reply::Nothing) };
            // More than the system takes for a peer that does not read.
            for _ in 0..1000 {
                let _ = caller.write_binary(&[0; 16 * 1024]);
            }
            Ok(Reply::Nothing)
        });
        let mut client = RawClient::narrow(listener.local_addr());
        client.frame(TEXT, "go");
        until("a message finds no room", || {
            let traffic = listener.stats().traffic;
            traffic.dropped + traffic.refused_by_queue > 0
        });
        client.reset();
        let traffic = settled(&listener).traffic;
        let expected = if policy == WhenFull::Refuse {
            (traffic.refused_by_queue, traffic.dropped)
        } else {
            (traffic.dropped, traffic.refused_by_queue)
        };
        assert!(expected.0 > 100 && expected.1 == 0, "{policy:?}: {traffic:?}");
        assert_eq!(traffic.messages_out + expected.0, 1000);
    }
    let rate = Rate { per_second: 1, burst: 2 };
    let builder = plain().message_rate(Some(rate)).when_exceeded(WhenExceeded::Close);
    let listener = start_echo(builder);
    let mut client = RawClient::open(listener.local_addr());
    for _ in 0..3 {
        client.frame(TEXT, "x");
    }
    client.drain();
    drop(client);
    let stats = settled(&listener);
    assert_eq!((stats.traffic.rates_exceeded, stats.errors.message_rate), (1, 1));
}

#[test]
fn p084_a_connection_that_fails_is_logged_with_the_problem() {
    let test = "::p084_a_connection_that_fails_is_logged_with_the_problem";
    in_own_process(&[module_path!(), test].concat(), || {
        let log = Observer::install();
        let listener = start_echo(plain());
        let mut client = RawClient::open(listener.local_addr());
        client.send([0x83, 0x80, 0, 0, 0, 0]);
        client.expect_close(1002);
        let lines = log.events("connection failed");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].level <= Level::DEBUG && lines[0].text.contains("code=1002"), "{lines:?}");
        assert!(lines[0].text.contains("reserved opcode 0x3"), "{lines:?}");
        assert!(lines[0].text.contains("Caller("), "{lines:?}");
    });
}

#[test]
fn the_log_tells_a_connections_life_and_callbacks_run_in_its_span() {
    let test = "::the_log_tells_a_connections_life_and_callbacks_run_in_its_span";
    in_own_process(&[module_path!(), test].concat(), || {
        let log = Observer::install();
        let feed = |_: &UpgradeRequest| {
            Ok(By(|caller: &Caller, call: Call<'_>| {
                tracing::info!(target: "wirewright::test", %call, "callback");
                echo(caller, &call)
            }))
        };
        let listener = plain().route("/feed/{room}", feed).listen("127.0.0.1:0").unwrap();
        let addr = listener.local_addr();
        let client = Client::connect(&format!("ws://{addr}/feed/7")).unwrap();
        client.write_text("x").unwrap();
        assert_eq!(client.read_text().unwrap(), "x");
        client.close().unwrap();
        settled(&listener);
        let mut refused = RawClient::silent(addr);
        refused.send(upgrade("/other", ""));
        assert_eq!(answer(&mut refused).status, 404);
        drop(listener);
        for (part, count) in [
            ("listening", 1),
            ("connecting", 1),
            ("connected", 1),
            ("message=open ", 1),
            ("handshake refused", 1),
            ("listener stops", 1),
        ] {
            assert_eq!(log.events(part).len(), count, "{part}: {:#?}", log.lines());
        }
        // Each end says that it is closed, at the two levels.
        let closed = log.events("message=closed");
        let shown = closed.iter().filter(|line| line.level == Level::DEBUG);
        assert_eq!(shown.count(), 2, "{closed:?}");
        assert!(log.events("handshake refused")[0].text.contains("404"));
        let calls = log.events("message=callback");
        assert_eq!(calls.len(), 3, "{calls:?}");
        assert!(calls.iter().all(|line| line.depth > 0), "{calls:?}");
        let spans = log.lines().into_iter().filter(|line| line.span == Some("connection"));
        let spans: Vec<_> = spans.collect();
        assert_eq!(spans.len(), 1, "{spans:?}");
        assert!(spans[0].text.contains("service=\"/feed/{room}\""), "{spans:?}");
    });
}

#[test]
fn s48_no_secret_is_in_the_log_and_no_payload_above_trace() {
    let test = "::s48_no_secret_is_in_the_log_and_no_payload_above_trace";
    in_own_process(&[module_path!(), test].concat(), || {
        let log = Observer::install();
        let listener = start(plain(), |caller, call| match call {
            Call::Text("payload error") => Err("payload in an error".into()),
            Call::Text("payload bye") => {
                caller.close(1000, "payload of a close")?;
                Ok(Reply::Nothing)
            }
            other => echo(caller, other),
        });
        let addr = listener.local_addr();
        let url = format!("ws://canary:canary@{addr}/echo?token=canary");
        let builder = Client::builder(&url);
        let builder = builder.header("Authorization", "Bearer canary").unwrap();
        let builder = builder.header("X-Api-Key", "canary").unwrap();
        let builder = builder.cookies([Cookie::new("session", "canary")]).unwrap();
        let mut shown = format!("{builder:?}");
        let client = builder.connect().unwrap();
        shown += &format!("{client:?}");
        for text in ["payload text", "payload error", "payload bye"] {
            client.write_text(text).unwrap();
        }
        client.ping(b"payload ping").unwrap();
        assert_eq!(client.read_text().unwrap(), "payload text");
        let end = client.read_text().unwrap_err();
        assert!(end.to_string().contains("payload of a close"));
        settled(&listener);
        drop(listener);
        thread::sleep(Duration::from_millis(1));
        let error = builder.connect().unwrap_err();
        shown += &format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
        let lines = log.lines();
        assert!(lines.iter().any(|line| line.text.contains(&format!("ws://***@{addr}/echo?***"))));
        for line in &lines {
            assert!(!line.text.contains("canary"), "{line:?}");
            assert!(!line.text.contains("payload ") || line.level == Level::TRACE, "{line:?}");
        }
        let shown = lines.iter().any(|line| line.text.contains("payload=payload text"));
        assert!(shown, "messages are there for whoever asks: {lines:#?}");
    });
}

/// What the facade is told in the test below, beside bytes; `{}` are the labels that all have.
const SERVER: [&str; 21] = [
    "ws_connections {} 0",
    "ws_errors {} error_type=message_received type=violation 1",
    "ws_messages_received {} type=binary 1",
    "ws_messages_received {} type=close 1",
    "ws_messages_received {} type=ping 1",
    "ws_messages_received {} type=text 3",
    "ws_messages_sent {} type=binary 1",
    "ws_messages_sent {} type=close 2",
    "ws_messages_sent {} type=pong 1",
    "ws_messages_sent {} type=text 3",
    "ws_requests {} 2",
    "ws_resources_invoked {} resource=close 2",
    "ws_resources_invoked {} resource=on_binary 1",
    "ws_resources_invoked {} resource=on_close 2",
    "ws_resources_invoked {} resource=on_error 1",
    "ws_resources_invoked {} resource=on_open 2",
    "ws_resources_invoked {} resource=on_ping 1",
    "ws_resources_invoked {} resource=on_text 3",
    "ws_resources_invoked {} resource=pong 1",
    "ws_resources_invoked {} resource=write_binary 1",
    "ws_resources_invoked {} resource=write_text 3",
];

/// As [`SERVER`].
const CLIENT: [&str; 14] = [
    "ws_connections {} 0",
    "ws_messages_received {} type=binary 1",
    "ws_messages_received {} type=close 1",
    "ws_messages_received {} type=pong 1",
    "ws_messages_received {} type=text 3",
    "ws_messages_sent {} type=binary 1",
    "ws_messages_sent {} type=close 1",
    "ws_messages_sent {} type=ping 1",
    "ws_messages_sent {} type=text 3",
    "ws_requests {} 1",
    "ws_resources_invoked {} resource=close 1",
    "ws_resources_invoked {} resource=ping 1",
    "ws_resources_invoked {} resource=write_binary 1",
    "ws_resources_invoked {} resource=write_text 3",
];

fn lines(side: &str, [bytes_in, bytes_out]: [u64; 2], rows: &[&str]) -> Vec<String> {
    let bytes = [
        format!("ws_bytes_received {side} {bytes_in}"),
        format!("ws_bytes_sent {side} {bytes_out}"),
    ];
    bytes.into_iter().chain(rows.iter().map(|row| row.replace("{}", side))).collect()
}

#[test]
fn metrics_of_both_ends_are_exact_and_gauges_go_back_to_zero() {
    let test = "::metrics_of_both_ends_are_exact_and_gauges_go_back_to_zero";
    in_own_process(&[module_path!(), test].concat(), || {
        let metrics = Metrics::install();
        let feed =
            |_: &UpgradeRequest| Ok(By(|caller: &Caller, call: Call<'_>| echo(caller, &call)));
        let listener = plain().route("/feed/{room}", feed).listen("127.0.0.1:0").unwrap();
        let addr = listener.local_addr();
        let url = format!("ws://me:canary@{addr}/feed/7?token=canary");
        let keep_alive = KeepAliveOptions::off();
        let client = Client::builder(&url).compression(None).keep_alive(keep_alive);
        let client = client.connect().unwrap();
        for _ in 0..3 {
            client.write_text("abc").unwrap();
            assert_eq!(client.read_text().unwrap(), "abc");
        }
        client.write_binary(b"12345").unwrap();
        client.ping(b"").unwrap();
        assert_eq!(client.read_binary().unwrap(), b"12345");
        client.close().unwrap();
        let client_figures = client.stats();
        drop(client);
        let mut broken = RawClient::silent(addr);
        broken.send(upgrade("/feed/8", ""));
        assert!(broken.head().starts_with("HTTP/1.1 101 "));
        broken.send([0x83, 0x80, 0, 0, 0, 0]);
        broken.expect_close(1002);
        drop(broken);
        let figures = settled(&listener).traffic;
        drop(listener);
        let side = "client_or_server=server service=/feed/{room} protocol=ws";
        let bytes = [figures.bytes_in, figures.bytes_out];
        assert_eq!(metrics.of("server"), lines(side, bytes, &SERVER));
        let side = "client_or_server=client service=ws://***@{addr}/feed/7?*** protocol=ws";
        let side = side.replace("{addr}", &addr.to_string());
        let bytes = [client_figures.bytes_received, client_figures.bytes_sent];
        assert_eq!(metrics.of("client"), lines(&side, bytes, &CLIENT));
    });
}

#[test]
fn gauges_go_back_to_zero_after_kills() {
    let test = "::gauges_go_back_to_zero_after_kills";
    in_own_process(&[module_path!(), test].concat(), || {
        let metrics = Metrics::install();
        let listener = start_echo(plain().threads(2));
        let addr = listener.local_addr();
        let gauge = |side: &str| {
            let lines = metrics.of(side).into_iter();
            lines.filter(|line| line.starts_with("ws_connections ")).collect::<Vec<_>>()
        };
        let server = "ws_connections client_or_server=server service=* protocol=ws ";
        let mut raw: Vec<_> = (0..9).map(|_| RawClient::open(addr)).collect();
        let clients = [(); 3].map(|()| Client::connect(&format!("ws://{addr}/")).unwrap());
        until("all are counted", || gauge("server") == [format!("{server}12")]);
        let client =
            format!("ws_connections client_or_server=client service=ws://{addr}/ protocol=ws ");
        assert_eq!(gauge("client"), [format!("{client}3")]);
        for killed in raw.drain(..5) {
            killed.reset();
        }
        until("those are gone", || gauge("server") == [format!("{server}7")]);
        clients[0].abort();
        assert_eq!(gauge("client"), [format!("{client}2")]);
        listener.abort();
        assert_eq!(gauge("server"), [format!("{server}0")]);
        drop(clients);
        assert_eq!(gauge("client"), [format!("{client}0")]);
    });
}
