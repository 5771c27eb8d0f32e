//! Where records end says nothing: requests that smuggle (S-25), and bytes behind the head (S-29).

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};
use wirewright_core::Role;
use wirewright_tests::raw;
use wirewright_tests::raw_client::{RawClient, TEXT, request};
use wirewright_tests::services::{echo as echoes, plain, start};
use wirewright_tests::tls_peer::{TlsServer, ToListener, client_config, dialled, server_config};

use super::{VERSIONS, client_of, echo, secured};
use crate::client::peer::{answer, frame, read_head};

/// Sends each part in a record of its own, all in one segment.
fn send_records(client: &mut RawClient<ToListener>, parts: &[&[u8]]) {
    let mut bytes = Vec::new();
    for part in parts {
        client.stream.conn.writer().write_all(part).unwrap();
        client.stream.conn.write_tls(&mut bytes).unwrap();
    }
    client.stream.sock.write_all(&bytes).unwrap();
}

/// Row, a request that is refused, the status.
fn bad_requests() -> Vec<(&'static str, String, u16)> {
    let good = request("");
    let body = |more: &str| request(more) + "hello";
    vec![
        ("Content-Length", body("Content-Length: 5\r\n"), 400),
        ("chunked", body("Transfer-Encoding: chunked\r\n"), 400),
        ("both", body("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
        ("two lengths", body("Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
        ("length -1", body("Content-Length: -1\r\n"), 400),
        ("length +5", body("Content-Length: +5\r\n"), 400),
        ("space before the colon", request("X-Odd : a\r\n"), 400),
        ("obs-fold", request("X-Folded: a\r\n b\r\n"), 400),
        ("bare LF", good.replace("localhost\r\n", "localhost\n"), 400),
        ("bare CR", request("X-Odd: a\rb\r\n"), 400),
        ("NUL", request("X-Odd: a\0b\r\n"), 400),
        ("no token", request("X(Odd): a\r\n"), 400),
        ("underscores", good.replace("Sec-WebSocket-Key", "Sec_WebSocket_Key"), 400),
        ("version 8", good.replace("Version: 13", "Version: 8"), 426),
        ("POST", good.replace("GET", "POST"), 405),
    ]
}

/// In one record, cut in two, a byte a record: the same answer, whole, behind which the connection
/// ends as TLS ends it. What follows is never a second request.
#[test]
fn s25_a_refused_request_is_the_last_however_it_comes() {
    for version in VERSIONS {
        let listener = start(secured(plain(), version), echoes);
        let config = client_config(version);
        for (row, bad, status) in bad_requests() {
            let bad = bad.as_bytes();
            let good = request("").repeat(20);
            let half = bad.len() / 2;
            let bytes: Vec<&[u8]> = bad.chunks(1).collect();
            let ways: [&[&[u8]]; 4] = [
                &[bad],
                &[&bad[..half], &bad[half..], good.as_bytes()],
                &[&[bad, good.as_bytes()].concat()],
                &bytes,
            ];
            for (way, parts) in ways.into_iter().enumerate() {
                let mut client = dialled(listener.local_addr(), config.clone());
                send_records(&mut client, parts);
                let head = client.head();
                assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{row}, {way}: {head}");
                assert!(head.contains("Connection: close\r\n"), "{row}: {head}");
                // The end is an error where `close_notify` is missing.
                let mut rest = Vec::new();
                client.stream.read_to_end(&mut rest).unwrap();
                assert!(!rest.windows(8).any(|bytes| bytes == b"HTTP/1.1"), "{row}: {rest:?}");
            }
        }
        assert_eq!(listener.stats().upgraded, 0);
    }
}

/// A request and its first frames, and what comes of them.
fn head_and_frames() -> Vec<u8> {
    let frames = [(TEXT, &b"one"[..]), (0x01, b"tw"), (0x80, b"o"), (TEXT, &[b'x'; 300])];
    let frames = frames.iter().flat_map(|(first, text)| raw::frame(Role::Server, *first, text));
    request("").into_bytes().into_iter().chain(frames).collect()
}

fn expect_echoes(client: &mut RawClient<ToListener>) {
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for text in ["one", "two", &"x".repeat(300)] {
        client.expect(TEXT, text);
    }
}

#[test]
fn s29_records_may_end_at_every_byte_of_the_head_and_the_frames() {
    let whole = head_and_frames();
    for version in VERSIONS {
        let listener = echo(plain(), version);
        let config = client_config(version);
        for cut in 0..=whole.len() {
            let mut client = dialled(listener.local_addr(), config.clone());
            let (first, second) = whole.split_at(cut);
            send_records(&mut client, &[first, second]);
            expect_echoes(&mut client);
        }
        let mut client = dialled(listener.local_addr(), config);
        send_records(&mut client, &whole.chunks(1).collect::<Vec<_>>());
        expect_echoes(&mut client);
    }
}

/// The request and frames in one segment with the client's last flight (RFC 8446 §2).
#[test]
fn s29_what_comes_with_the_end_of_the_handshake_is_kept() {
    let listener = echo(plain(), "TLSv1.3");
    let whole = head_and_frames();
    for pieces in [1, 2, 7, whole.len()] {
        let mut client = unfinished(&listener, client_config("TLSv1.3"));
        let tls = &mut client.stream.conn;
        let mut bytes = Vec::new();
        for part in whole.chunks(whole.len().div_ceil(pieces)) {
            tls.writer().write_all(part).unwrap();
        }
        while tls.wants_write() {
            tls.write_tls(&mut bytes).unwrap();
        }
        client.stream.sock.write_all(&bytes).unwrap();
        expect_echoes(&mut client);
    }
}

/// All of the handshake, but for sending the client's last flight.
fn unfinished(listener: &wirewright::Listener, config: ClientConfig) -> RawClient<ToListener> {
    let socket = RawClient::silent(listener.local_addr()).stream;
    let name = "localhost".try_into().unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(tls, socket);
    stream.conn.write_tls(&mut stream.sock).unwrap();
    while stream.conn.is_handshaking() {
        stream.conn.read_tls(&mut stream.sock).unwrap();
        stream.conn.process_new_packets().unwrap();
    }
    RawClient::over_any(stream)
}

/// The same for a client: its server's answer and first frames, cut at every byte.
#[test]
fn s29_a_client_takes_an_answer_with_records_that_end_anywhere() {
    let frames = || [frame(0x81, b"one"), frame(0x01, b"tw"), frame(0x80, b"o")].concat();
    // As long as an answer is, whatever its key.
    let len = 129 + frames().len();
    for version in VERSIONS {
        let cuts = std::sync::atomic::AtomicUsize::new(0);
        let server = TlsServer::start(server_config(version), len + 1, move |mut stream| {
            let whole = [answer(&read_head(&mut stream)).as_bytes(), &frames()].concat();
            let cut = cuts.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let (first, second) = whole.split_at(cut.min(whole.len()));
            let mut bytes = Vec::new();
            for part in [first, second] {
                stream.conn.writer().write_all(part).unwrap();
                stream.conn.write_tls(&mut bytes).unwrap();
            }
            stream.sock.write_all(&bytes).unwrap();
            // Until the client leaves.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let builder = client_of(&server.url());
        for cut in 0..=len {
            let client = builder.connect().unwrap();
            assert_eq!(client.read_text().unwrap(), "one", "{version}: {cut}");
            assert_eq!(client.read_text().unwrap(), "two", "{version}: {cut}");
            client.abort();
        }
        server.join();
    }
}
