//! Written messages and replies, frame by frame.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wirewright::{ClientError, CloseCode, Compression, Deadline, Json, MessageKind};
use wirewright_tests::alloc::Meter;

use super::peer::{BINARY, CONT, PING, PONG, Server, TEXT, answer, close_body, read_head};
use super::recovery::{lose, quick};

#[test]
fn a_written_message_is_cut_at_the_frame_size() {
    for (size, len) in [(1, 5), (7, 100), (65_536, 65_537), (65_536, 400_000), (1 << 20, 3 << 20)] {
        let server = Server::start(move |mut peer| {
            let mut left = len;
            let mut opcode = BINARY;
            while left > 0 {
                let frame = peer.receive();
                let expected = left.min(size);
                left -= expected;
                assert_eq!((frame.opcode, frame.fin), (opcode, left == 0));
                assert_eq!(frame.payload, vec![7; expected]);
                opcode = CONT;
            }
            assert_eq!(peer.message().payload, b"[1,2]");
        });
        let client = server.builder().outgoing_frame_size(size).connect().unwrap();
        client
            .write_with(MessageKind::Binary, |to| {
                (0..len).for_each(|_| to.extend(&[7]));
                Ok(())
            })
            .unwrap();
        client.write_json(&[1, 2]).unwrap();
        server.join();
    }
}

#[test]
fn a_message_is_compressed_unless_it_opts_out() {
    let server = Server::raw(|mut stream| {
        let extension = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        let answer = answer(&read_head(&mut stream)).replace("\r\n\r\n", extension);
        std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
        let mut peer = super::peer::Peer { stream };
        for compressed in [true, false, false, true] {
            let frame = peer.receive();
            assert_eq!((frame.rsv1, frame.fin), (compressed, true));
            assert_eq!(frame.payload.len() < 500, compressed);
        }
    });
    let client = server.builder().compression(Some(Compression::default())).connect().unwrap();
    let words = "again and ".repeat(50);
    client.write_json(&words).unwrap();
    client.write_uncompressed(&words).unwrap();
    client.write_uncompressed(Json(&words)).unwrap();
    client.write_message(&words).unwrap();
    server.join();
}

/// What is written into a warmed outbox costs no allocation, plain or compressed.
#[test]
fn no_written_message_allocates() {
    #[derive(serde::Serialize)]
    struct Quote<'a> {
        symbol: &'a str,
        bids: [(f64, u32); 20],
    }
    for extension in [None, Some("permessage-deflate")] {
        let server = Server::raw(move |mut stream| {
            let mut answer = answer(&read_head(&mut stream));
            if let Some(extension) = extension {
                let line = format!("\r\nSec-WebSocket-Extensions: {extension}\r\n\r\n");
                answer = answer.replace("\r\n\r\n", &line);
            }
            std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
            let mut peer = super::peer::Peer { stream };
            while peer.receive().opcode != super::peer::CLOSE {}
        });
        let compression = extension.map(|_| Compression::default());
        let client = server.builder().compression(compression).connect().unwrap();
        let quote = Quote { symbol: "WIRE", bids: [(1234.5, 17); 20] };
        let round = || {
            client.write_json(&quote).unwrap();
            client.write_uncompressed(Json(&quote)).unwrap();
            client
                .write_with(MessageKind::Text, |to| {
                    std::io::Write::write_fmt(to, format_args!("{} {}", 7, "words"))?;
                    Ok(())
                })
                .unwrap();
        };
        (0..200).for_each(|_| round());
        let meter = Meter::new();
        (0..200).for_each(|_| round());
        assert_eq!(meter.allocations(), 0, "{extension:?}");
        client.abort();
        let _ = server;
    }
}

fn request(id: u32) -> Value {
    json!({"id": id, "do": "it"})
}

#[test]
fn a_request_has_its_reply_past_a_reader_that_waits() {
    let (go, wait) = mpsc::channel();
    let server = Server::start(move |mut peer| {
        assert_eq!(peer.receive().payload, br#"{"do":"it","id":1}"#);
        wait.recv().unwrap();
        // Whoever receives this, it is the request's.
        peer.frame(PING, b"");
        peer.frame(TEXT, br#"{"id":1,"done":true}"#);
        assert_eq!(peer.receive().opcode, PONG);
        assert_eq!(peer.receive().payload, b"had");
        peer.frame(TEXT, b"for the readers");
        peer.frame(TEXT, b"for the readers");
    });
    let client = server.connect();
    thread::scope(|scope| {
        let readers = [(); 2].map(|()| scope.spawn(|| client.read_text().unwrap()));
        // They are in line before the request.
        thread::sleep(Duration::from_millis(20));
        let request = scope.spawn(|| client.request::<Json<Value>>("id", &request(1)));
        thread::sleep(Duration::from_millis(20));
        go.send(()).unwrap();
        assert_eq!(request.join().unwrap().unwrap().0, json!({"id": 1, "done": true}));
        client.write_text("had").unwrap();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), "for the readers");
        }
    });
    server.join();
}

#[test]
fn a_request_gives_up_at_the_read_timeout() {
    let server = Server::start(|mut peer| {
        assert_eq!(peer.receive().payload, br#"{"do":"it","id":1}"#);
        assert_eq!(peer.receive().payload, b"late");
        peer.frame(TEXT, br#"{"id":1}"#);
        assert_eq!(peer.receive().payload, br#"{"do":"it","id":2}"#);
        peer.frame(TEXT, br#"{"id":2}"#);
    });
    let timeout = Duration::from_millis(50);
    let client = server.builder().read_timeout(Some(timeout)).connect().unwrap();
    let start = Instant::now();
    let error = client.request::<Json<Value>>("id", &request(1)).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(Deadline::Read)), "{error:?}");
    assert!(start.elapsed() >= timeout);
    client.write_text("late").unwrap();
    // The late reply is a message as any other.
    let Json(reply) = client.request::<Json<Value>>("id", &request(2)).unwrap();
    assert_eq!(reply, json!({"id": 2}));
    assert_eq!(client.read_text().unwrap(), r#"{"id":1}"#);
    server.join();
}

#[test]
fn a_request_keeps_no_more_than_may_be_read_ahead() {
    let server = Server::start(|mut peer| {
        peer.receive();
        for _ in 0..100 {
            peer.frame(BINARY, &[7; 1000]);
        }
        peer.frame(TEXT, br#"{"id":1}"#);
        peer.close(1000, "");
        while peer.receive().opcode != super::peer::CLOSE {}
    });
    let client = server.builder().max_read_ahead(20_000).connect().unwrap();
    let error = client.request::<Json<Value>>("id", &request(1)).unwrap_err();
    assert!(matches!(error, ClientError::Unread { max: 20_000 }), "{error:?}");
    assert!(error.to_string().contains("`max_read_ahead`"), "{error}");
    for _ in 0..100 {
        assert_eq!(client.read_binary().unwrap(), [7; 1000]);
    }
    assert_eq!(client.read_text().unwrap(), r#"{"id":1}"#);
    let error = client.request::<Json<Value>>("id", &request(1)).unwrap_err();
    assert!(error.is_normal_close(), "{error:?}");
    server.join();
}

#[test]
fn requests_end_with_the_connection() {
    let server = Server::start(|mut peer| {
        for _ in 0..2 {
            peer.receive();
        }
        peer.close(1001, "");
        while peer.receive().opcode != super::peer::CLOSE {}
    });
    let client = server.connect();
    thread::scope(|scope| {
        let requests = [1, 2].map(|id| {
            let client = &client;
            scope.spawn(move || client.request::<Json<Value>>("id", &request(id)).unwrap_err())
        });
        for request in requests {
            let error = request.join().unwrap();
            assert_eq!(error.close_code().map(CloseCode::value), Some(1001), "{error:?}");
        }
    });
    server.join();
}

#[test]
fn a_request_without_an_id_is_not_sent() {
    let server = Server::start(|mut peer| assert_eq!(peer.receive().payload, b"this"));
    let client = server.connect();
    for request in [json!({"other": 1}), json!([1]), json!("id")] {
        let error = client.request::<Json<Value>>("id", &request).unwrap_err();
        assert!(matches!(error, ClientError::Value(_)), "{error:?}");
        assert!(error.to_string().contains("\"id\""), "{error}");
    }
    client.write_text("this").unwrap();
    server.join();
}

/// What writes it is called again, and the whole message is sent, not what was left of it.
#[test]
fn a_written_message_is_written_again_over_the_new_connection() {
    let server = Server::host(move |host| {
        let mut peer = host.accept();
        let mut some = [0; 10_000];
        std::io::Read::read_exact(&mut peer.stream, &mut some).unwrap();
        lose(peer);
        let mut peer = host.accept();
        assert_eq!(peer.message().payload, vec![7; 4 << 20]);
        peer.expect_close(&close_body(1001, ""));
    });
    let builder = server.builder().retry(Some(quick(None))).send_buffer(Some(16_384));
    let client = builder.connect().unwrap();
    let mut calls = 0;
    client
        .write_with(MessageKind::Binary, |to| {
            calls += 1;
            (0..4 << 10).for_each(|_| to.extend(&[7; 1 << 10]));
            Ok(())
        })
        .unwrap();
    assert_eq!(calls, 2);
    drop(client);
    server.join();
}

/// The new connection's server has never heard of it.
#[test]
fn a_request_ends_with_its_connection_though_another_takes_its_place() {
    // Whoever waits for the reply receives by itself, or stands in line behind a reader.
    for readers in [0, 1] {
        let server = Server::host(move |host| {
            let mut peer = host.accept();
            assert_eq!(peer.receive().payload, br#"{"do":"it","id":1}"#);
            thread::sleep(Duration::from_millis(20));
            lose(peer);
            let mut peer = host.accept();
            assert_eq!(peer.receive().payload, br#"{"do":"it","id":2}"#);
            peer.frame(TEXT, br#"{"id":2}"#);
            for _ in 0..readers {
                peer.frame(TEXT, b"for the reader");
            }
            peer.expect_close(&close_body(1001, ""));
        });
        let client = server.builder().retry(Some(quick(None))).connect().unwrap();
        thread::scope(|scope| {
            let readers: Vec<_> =
                (0..readers).map(|_| scope.spawn(|| client.read_text().unwrap())).collect();
            thread::sleep(Duration::from_millis(5));
            let error = client.request::<Json<Value>>("id", &request(1)).unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL), "{error:?}");
            let Json(reply) = client.request::<Json<Value>>("id", &request(2)).unwrap();
            assert_eq!(reply, json!({"id": 2}));
            for reader in readers {
                assert_eq!(reader.join().unwrap(), "for the reader");
            }
        });
        drop(client);
        server.join();
    }
}

/// The background receives it, while whoever asks has not come to wait yet or waits in line.
#[test]
fn a_reply_that_the_background_receives_is_had() {
    let server = Server::start(|mut peer| {
        for _ in 0..50 {
            let request = peer.receive();
            peer.frame(TEXT, &request.payload);
        }
        peer.expect_close(&close_body(1001, ""));
    });
    let client = server.builder().custody_after(Duration::from_millis(1)).connect().unwrap();
    for id in 0..50 {
        let Json(reply) = client.request::<Json<Value>>("id", &request(id)).unwrap();
        assert_eq!(reply, request(id));
        thread::sleep(Duration::from_millis(u64::from(id % 3)));
    }
    drop(client);
    server.join();
}
