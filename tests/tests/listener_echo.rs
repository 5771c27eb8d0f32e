//! The listener over sockets: what goes in comes out, and the callbacks are called as said.

use std::sync::mpsc;
use std::thread;

use wirewright::{Caller, CloseCode, Outcome, Rejection, Reply, UpgradeRequest};
use wirewright_core::Role;
use wirewright_tests::raw::{frame, frames};
use wirewright_tests::raw_client::{BINARY, CLOSE, PING, PONG, RawClient, TEXT, request};
use wirewright_tests::services::{
    By, Call, echo, expect_calls, logged, next, plain, start, start_echo,
};

#[test]
fn echoes_on_several_connections_and_loops() {
    const CONNECTIONS: usize = 8;
    const SIZES: [usize; 9] = [0, 1, 125, 126, 127, 4096, 65_535, 65_536, 200_000];
    for loops in [1, 4] {
        let (log, calls) = mpsc::channel();
        let builder = plain().threads(loops).max_frame_size(1 << 20);
        let listener = builder.start("127.0.0.1:0", logged(log, ignore)).unwrap();
        let echo = start_echo(plain().threads(loops).max_frame_size(1 << 20));
        thread::scope(|scope| {
            for number in 0..CONNECTIONS {
                let (echo, silent) = (echo.local_addr(), listener.local_addr());
                scope.spawn(move || {
                    let mut client = RawClient::open(echo);
                    for size in SIZES {
                        let payload = vec![b'a' + u8::try_from(number).unwrap(); size];
                        client.frame(TEXT, &payload);
                        client.frame(BINARY, &payload);
                        client.expect(TEXT, &payload);
                        client.expect(BINARY, &payload);
                    }
                    let mut counted = RawClient::open(silent);
                    for client in [&mut client, &mut counted] {
                        client.close(1000);
                        client.expect_close(1000);
                        client.expect_end();
                    }
                });
            }
        });
        listener.abort();
        drop(listener);
        let calls = calls.iter().collect::<Vec<_>>();
        let count = |line: &str| calls.iter().filter(|call| *call == line).count();
        assert_eq!((count("open"), count("close 1000")), (CONNECTIONS, CONNECTIONS), "{loops}");
        assert_eq!(calls.len(), 2 * CONNECTIONS, "one open, one close, nothing else: {calls:?}");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a service")]
fn ignore(_: &Caller, _: &Call<'_>) -> Outcome {
    Ok(Reply::Nothing)
}

/// A whole connection of a client that sends all it has to say at once.
fn exchange() -> Vec<u8> {
    let list: &[(u8, &[u8])] = &[
        (TEXT, b"one"),
        (0x01, "t\u{e9}".as_bytes()),
        (PING, b"p"),
        (0x80, b"wo"),
        (BINARY, &[0, 0xFF]),
        (CLOSE, &[0x03, 0xE8]),
    ];
    [request("").into_bytes(), frames(Role::Server, list)].concat()
}

const EXCHANGE: &[(u8, &[u8])] = &[
    (TEXT, b"one"),
    (PONG, b"p"),
    (TEXT, "t\u{e9}wo".as_bytes()),
    (BINARY, &[0, 0xFF]),
    (CLOSE, &[0x03, 0xE8]),
];

/// After its answer to the Close the server ends the transport, and not the client, which has
/// kept its side open (RFC 6455 §7.1.1).
fn expect_exchange(mut client: RawClient) {
    let answer = client.head();
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "P-042: {answer}");
    for (first, payload) in EXCHANGE {
        client.expect(*first, payload);
    }
    client.expect_end();
}

#[test]
fn s29_p066_p068_p079_every_split_of_an_exchange() {
    let listener = start_echo(plain());
    let addr = listener.local_addr();
    let mut other = RawClient::open(addr);
    let bytes = exchange();
    let clients = (0..=bytes.len()).map(|at| {
        let mut client = RawClient::silent(addr);
        client.send(&bytes[..at]);
        (at, client)
    });
    let clients = clients.collect::<Vec<_>>();
    // One loop, which handles events in their order: it has read all the first halves.
    other.barrier();
    for (at, mut client) in clients {
        client.send(&bytes[at..]);
        expect_exchange(client);
    }
}

#[test]
fn s29_an_exchange_byte_by_byte() {
    let listener = start_echo(plain());
    let mut other = RawClient::open(listener.local_addr());
    let mut client = RawClient::silent(listener.local_addr());
    for byte in exchange() {
        client.send([byte]);
        other.barrier();
    }
    expect_exchange(client);
}

#[test]
fn p066_p068_the_transport_ends_once_the_client_has_answered_our_close() {
    let listener = start(plain(), |_, call| {
        Ok(match call {
            Call::Text(_) => Reply::Close(CloseCode::from_wire(4000).unwrap(), "enough".into()),
            _ => Reply::Nothing,
        })
    });
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, "close me");
    client.expect(CLOSE, b"\x0F\xA0enough");
    client.close(4000);
    client.expect_end();
}

#[test]
fn p078_what_follows_a_close_is_discarded_and_the_answer_arrives() {
    let listener = start_echo(plain());
    let mut client = RawClient::open(listener.local_addr());
    let mut bytes = frame(Role::Server, CLOSE, &1000_u16.to_be_bytes());
    // More than the listener reads at once.
    bytes.resize(600_000, 0x55);
    let mut writer = client.stream.try_clone().unwrap();
    let writer = thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes).is_ok());
    client.expect_close(1000);
    client.rest();
    let _ = writer.join().unwrap();
}

#[test]
fn what_came_before_a_half_close_is_answered() {
    let listener = start_echo(plain());
    for _ in 0..100 {
        let mut client = RawClient::open(listener.local_addr());
        // The end may come with the message or behind it.
        client.frame(TEXT, "last");
        client.half_close();
        client.expect(TEXT, "last");
        client.expect_end();
    }
}

#[test]
fn callbacks_come_in_the_order_of_the_wire() {
    let (log, calls) = mpsc::channel();
    let listener = plain().start("127.0.0.1:0", logged(log, echo)).unwrap();
    let mut client = RawClient::silent(listener.local_addr());
    client.send(exchange());
    expect_exchange(client);
    let text = "text t\u{e9}wo";
    let lines = ["open", "text one", "ping p", text, "binary \\x00\\xff", "close 1000"];
    expect_calls(&calls, &lines);
    let mut client = RawClient::open(listener.local_addr());
    client.frame(PONG, "unasked");
    client.frame(CLOSE, "");
    client.expect(CLOSE, "");
    expect_calls(&calls, &["open", "pong unasked", "close 1005"]);
    drop(client);
    RawClient::open(listener.local_addr()).half_close();
    expect_calls(&calls, &["open", "close 1006"]);
    RawClient::open(listener.local_addr()).reset();
    assert_eq!(next(&calls), "open");
    let error = next(&calls);
    assert!(error.starts_with("error transport failed: "), "{error}");
    expect_calls(&calls, &["close 1006"]);
    listener.abort();
    assert_eq!(calls.try_recv().ok(), None);
}

#[test]
fn replies_are_sent_behind_what_the_callback_sent_itself() {
    let listener = start(plain(), |caller, call| {
        Ok(match call {
            Call::Open => Reply::Text("welcome".into()),
            Call::Text("text") => {
                let _ = caller.write_text("before")?;
                Reply::Text("a text".into())
            }
            Call::Text("binary") => Reply::Binary(vec![1, 2]),
            // Nothing is owed: no ping was received.
            Call::Text("pong") => Reply::Pong,
            Call::Text("close") => Reply::Close(CloseCode::GOING_AWAY, "bye".into()),
            Call::Binary(_) => Reply::Text("a text for bytes".into()),
            Call::Ping(b"text") => Reply::Text("no pong".into()),
            Call::Ping(_) => Reply::Pong,
            Call::Pong(_) => Reply::Text("a pong".into()),
            _ => Reply::Nothing,
        })
    });
    let mut client = RawClient::open(listener.local_addr());
    client.expect(TEXT, "welcome");
    type Frame<'a> = (u8, &'a [u8]);
    let table: &[(u8, &[u8], &[Frame<'_>])] = &[
        (TEXT, b"text", &[(TEXT, b"before"), (TEXT, b"a text")]),
        (TEXT, b"binary", &[(BINARY, &[1, 2])]),
        (TEXT, b"pong", &[]),
        (BINARY, b"", &[(TEXT, b"a text for bytes")]),
        (PING, b"text", &[(TEXT, b"no pong")]),
        (PING, &[7; 125], &[(PONG, &[7; 125])]),
        (PING, b"", &[(PONG, b"")]),
        (PONG, b"", &[(TEXT, b"a pong")]),
        (TEXT, b"close", &[(CLOSE, b"\x03\xE9bye")]),
    ];
    for (first, payload, answers) in table {
        client.frame(*first, payload);
        for (first, payload) in *answers {
            client.expect(*first, payload);
        }
    }
    client.close(1001);
    client.expect_end();
}

#[test]
fn a_callbacks_error_is_reported_and_the_connection_goes_on() {
    let (log, calls) = mpsc::channel();
    let fail = |_: &Caller, call: &Call<'_>| match call {
        Call::Close(_) | Call::Error(_) => Ok(Reply::Nothing),
        Call::Text("close badly") => {
            Ok(Reply::Close(CloseCode::from_wire(1000).unwrap(), "x".repeat(124)))
        }
        call => Err(format!("not {call}").into()),
    };
    let listener = plain().start("127.0.0.1:0", logged(log, fail)).unwrap();
    let mut client = RawClient::open(listener.local_addr());
    expect_calls(&calls, &["open", "error callback failed: not open"]);
    for (first, line) in [(TEXT, "text"), (BINARY, "binary"), (PING, "ping"), (PONG, "pong")] {
        client.frame(first, "x");
        let error = format!("error callback failed: not {line} x");
        expect_calls(&calls, &[&format!("{line} x"), &error]);
    }
    client.frame(TEXT, "close badly");
    expect_calls(&calls, &["text close badly"]);
    let error = next(&calls);
    assert!(error.starts_with("error callback failed: "), "{error}");
    client.close(1000);
    // The ping, too, was answered by an error alone.
    client.expect_close(1000);
    expect_calls(&calls, &["close 1000"]);
}

#[test]
fn a_panic_in_a_callback_closes_that_connection_with_1011() {
    let listener = start(plain(), |caller, call| {
        match call {
            Call::Text("panic") | Call::Binary(b"panic") => panic!("in a message"),
            Call::Ping(b"panic") | Call::Pong(b"panic") => panic!("in a control frame"),
            Call::Text("error") => return Err("for on_error".into()),
            Call::Error(_) => panic!("in on_error"),
            Call::Close(close) if close.code().value() == 4444 => panic!("in on_close"),
            _ => {}
        }
        echo(caller, call)
    });
    let addr = listener.local_addr();
    let mut other = RawClient::open(addr);
    other.barrier();
    for (first, payload) in
        [(TEXT, "panic"), (BINARY, "panic"), (PING, "panic"), (PONG, "panic"), (TEXT, "error")]
    {
        let mut client = RawClient::open(addr);
        client.frame(TEXT, "before");
        client.frame(first, payload);
        client.frame(TEXT, "never heard");
        client.expect(TEXT, "before");
        client.expect_close(1011);
        client.expect_end();
        other.barrier();
    }
    let mut client = RawClient::open(addr);
    client.close(4444);
    client.expect_close(4444);
    client.expect_end();
    other.barrier();
}

#[test]
fn a_panic_in_on_open_closes_that_connection_with_1011() {
    let listener = start(plain(), |_, call| match call {
        Call::Open => panic!("in on_open"),
        _ => Ok(Reply::Nothing),
    });
    let mut client = RawClient::open(listener.local_addr());
    client.expect_close(1011);
    client.expect_end();
}

#[test]
fn a_panic_in_the_upgrade_refuses_that_request_with_500() {
    let upgrade = |request: &UpgradeRequest| match request.path() {
        "/panic" => panic!("in upgrade"),
        _ => Ok::<_, Rejection>(By(|caller: &Caller, call: Call<'_>| echo(caller, &call))),
    };
    let listener = plain().start("127.0.0.1:0", upgrade).unwrap();
    let mut other = RawClient::open(listener.local_addr());
    for _ in 0..3 {
        let mut client = RawClient::silent(listener.local_addr());
        client.send(request("").replace("/echo", "/panic"));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
        client.rest();
        other.barrier();
    }
}
