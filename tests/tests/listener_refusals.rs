//! What a listener refuses, before and after the 101, as the peer sees it.

use std::sync::mpsc;

use wirewright::{Caller, Compression, Rejection, Reply, UpgradeRequest};
use wirewright_core::Role;
use wirewright_tests::raw::{HELLO, HELLO_DEFLATED, frame, frames, header, transform};
use wirewright_tests::raw_client::{BINARY, CLOSE, PATIENCE, PING, RawClient, TEXT, request};
use wirewright_tests::services::{By, Call, echo, logged, next, plain, start_echo};

/// Row, what is sent instead of a good request, the status of the answer.
fn bad_requests() -> Vec<(&'static str, Vec<u8>, u16)> {
    let good = request("");
    let long = |n: usize| format!("X-Long: {}\r\n", "x".repeat(n));
    let many = "X-Many: yes\r\n".repeat(100);
    let table = [
        ("P-027 no HTTP at all", "\x16\x03\x01\x02\x00\r\n\r\n".into(), 400),
        ("P-028 HTTP/1.0", good.replace("1.1", "1.0"), 400),
        ("P-028 HTTP/2.0", good.replace("1.1", "2.0"), 505),
        ("P-028 POST", good.replace("GET", "POST"), 405),
        ("P-029 no Host", good.replace("Host", "Hosts"), 400),
        ("P-030 no upgrade asked for", good.replace("websocket", "h2c"), 426),
        ("P-031 a short key", good.replace("Q==", "="), 400),
        ("P-032 version 8", good.replace("Version: 13", "Version: 8"), 426),
        ("P-039 unknown path", good.replace("/echo", "/other"), 404),
        ("P-092 a malformed extension", request("Sec-WebSocket-Extensions: a;;b\r\n"), 400),
        ("P-120 two keys", request("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400),
        ("S-20 a long head", request(&long(5000).repeat(4)), 431),
        ("S-20 a long line", request(&long(9000)), 431),
        ("S-21 too many headers", request(&many), 431),
        ("S-25 a body", request("Content-Length: 5\r\n") + "hello", 400),
        ("S-25 a bare LF", good.replace("localhost\r\n", "localhost\n"), 400),
        ("S-25 obs-fold", request("X-Folded: a\r\n b\r\n"), 400),
    ];
    table.into_iter().map(|(row, text, status)| (row, text.into_bytes(), status)).collect()
}

fn only_echo(request: &UpgradeRequest) -> Result<impl wirewright::Service + use<>, Rejection> {
    match request.path() {
        "/echo" => Ok(By(|caller: &Caller, call: Call<'_>| echo(caller, &call))),
        "/forbidden" => Err(Rejection::forbidden().body("not you")),
        _ => Err(Rejection::not_found()),
    }
}

#[test]
fn p100_s25_a_refusal_has_its_status_and_ends_the_connection() {
    let listener = plain().start("127.0.0.1:0", only_echo).unwrap();
    let mut other = RawClient::open(listener.local_addr());
    for (row, bad, status) in bad_requests() {
        // What follows a refused request is a good one that must never be answered.
        for pipelined in [String::new(), request("").repeat(200)] {
            let mut client = RawClient::silent(listener.local_addr());
            client.send([&bad, pipelined.as_bytes()].concat());
            let answer = String::from_utf8(client.rest()).unwrap();
            let (head, _) = answer.split_once("\r\n\r\n").expect(row);
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{row}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{row}: {answer}");
            let closes = |line: &str| {
                let line = line.to_ascii_lowercase();
                line.starts_with("connection:") && line.contains("close")
            };
            assert!(head.lines().any(closes), "{row}: {answer}");
        }
        other.barrier();
    }
}

/// As many bytes as a read may have room for, of which the last is wrong, and nothing behind it.
#[test]
fn p091_text_is_refused_at_its_first_bad_byte_wherever_reads_end() {
    let listener = plain().max_frame_size(1 << 20).start("127.0.0.1:0", only_echo).unwrap();
    for size in [4096, 16_384, 65_536, 131_072, 262_144] {
        let mut client = RawClient::open(listener.local_addr());
        let mut bytes = header(Role::Server, TEXT, 1 << 20);
        let payload = size - bytes.len();
        let text = [vec![b'x'; payload - 1], vec![0xFF]].concat();
        bytes.extend(transform(Role::Server, &text));
        client.send(bytes);
        client.expect_close(1007);
    }
}

#[test]
fn a_rejection_of_the_service_is_sent_as_it_is() {
    let listener = plain().start("127.0.0.1:0", only_echo).unwrap();
    let mut client = RawClient::silent(listener.local_addr());
    client.send(request("").replace("/echo", "/forbidden"));
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nnot you"), "{answer}");
}

#[test]
fn p040_a_sub_protocol_is_the_clients_first_that_is_served_or_none() {
    let upgrade = |_: &UpgradeRequest| {
        Ok::<_, Rejection>(By(|caller: &Caller, call: Call<'_>| {
            Ok(match call {
                Call::Open => Reply::Text(format!("{:?}", caller.sub_protocol())),
                _ => Reply::Nothing,
            })
        }))
    };
    let listener = plain().sub_protocols(["b", "a"]).start("127.0.0.1:0", upgrade).unwrap();
    for (asked, chosen) in [
        ("Sec-WebSocket-Protocol: a, b\r\n", Some("a")),
        ("Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: b, a\r\n", Some("b")),
        ("Sec-WebSocket-Protocol: A, x\r\n", None),
        ("", None),
    ] {
        let mut client = RawClient::silent(listener.local_addr());
        client.send(request(asked));
        let head = client.head();
        let answered = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(answered, chosen, "{asked}");
        client.expect(TEXT, format!("{chosen:?}"));
    }
}

#[test]
fn compression_is_answered_and_used() {
    let listener = start_echo(plain().compression(Some(Compression::default())));
    let mut client = RawClient::silent(listener.local_addr());
    client.send(request("Sec-WebSocket-Extensions: permessage-deflate\r\n"));
    let head = client.head();
    assert!(head.contains("Sec-WebSocket-Extensions: permessage-deflate"), "{head}");
    client.frame(TEXT | 0x40, HELLO_DEFLATED);
    client.expect(TEXT | 0x40, HELLO_DEFLATED);
    // Uncompressed is allowed at any time; the second answer refers to the first.
    client.frame(TEXT, HELLO);
    let (first, payload) = client.receive();
    assert_eq!(first, TEXT | 0x40);
    assert!(payload.len() < HELLO_DEFLATED.len(), "{payload:?}");
    // Not asked for, not answered, not used.
    let mut client = RawClient::silent(listener.local_addr());
    client.send(request(""));
    assert!(!client.head().contains("Extensions"));
    client.frame(TEXT, HELLO);
    client.expect(TEXT, HELLO);
    client.frame(TEXT | 0x40, HELLO_DEFLATED);
    client.expect_close(1002);
}

/// Row, bytes after the handshake, the code that the peer is told.
fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    let bytes = |first, payload: &[u8]| frame(Role::Server, first, payload);
    let list = |list: &[(u8, &[u8])]| frames(Role::Server, list);
    vec![
        ("P-045 unmasked", b"\x81\x05Hello".to_vec(), 1002),
        ("P-048 RSV2", bytes(TEXT | 0x20, b"x"), 1002),
        ("P-049 opcode 3", bytes(0x83, b"x"), 1002),
        ("P-049 opcode B", bytes(0x8B, b""), 1002),
        ("P-057 a fragmented ping", bytes(0x09, b""), 1002),
        ("P-058 interleaved", list(&[(0x01, b"a"), (TEXT, b"b")]), 1002),
        ("P-060 continuation without start", bytes(0x80, b"x"), 1002),
        ("P-062 a long ping", bytes(PING, &[0; 126]), 1002),
        ("P-063 a close of one byte", bytes(CLOSE, &[3]), 1002),
        ("P-088 code 1006", bytes(CLOSE, &1006_u16.to_be_bytes()), 1002),
        ("P-091 a bad close reason", bytes(CLOSE, b"\x03\xE8\xFF"), 1007),
        ("P-072 bad text", bytes(TEXT, b"\xC0\x80"), 1007),
        ("S-01 a length of 64 bits", header(Role::Server, BINARY, u64::MAX), 1002),
        ("S-03 an overlong length", b"\x82\xFE\x00\x05\x00\x00\x00\x00".to_vec(), 1002),
        // At header time: no byte of the payload is sent.
        ("S-01 a frame above the limit", header(Role::Server, BINARY, 1001), 1009),
        ("S-02 a frame far above it", header(Role::Server, BINARY, 1 << 40), 1009),
        (
            "S-06 a message above the limit",
            [list(&[(0x02, &[0; 1000]), (0, &[0; 1000])]), header(Role::Server, 0x80, 501)]
                .concat(),
            1009,
        ),
    ]
}

#[test]
fn p082_p083_p100_a_violation_is_told_by_its_code_and_nothing_after_it_is_heard() {
    let (log, calls) = mpsc::channel();
    let builder = plain().max_frame_size(1000).max_message_size(2500);
    let listener = builder.start("127.0.0.1:0", logged(log, echo)).unwrap();
    for (row, bad, code) in violations() {
        // In the same segment, and in one of its own.
        for together in [true, false] {
            let mut client = RawClient::open(listener.local_addr());
            client.frame(TEXT, "before");
            client.expect(TEXT, "before");
            let after = frame(Role::Server, TEXT, b"after");
            if together {
                client.send([bad.clone(), after].concat());
            } else {
                client.send(&bad);
            }
            let told = client.receive();
            assert_eq!(told, (CLOSE, u16::to_be_bytes(code).to_vec()), "{row}");
            if !together {
                // May fail: the transport is about to end.
                let _ = std::io::Write::write_all(&mut client.stream, b"\x81\x80\0\0\0\0");
            }
            client.expect_end();
            drop(client);
            assert_eq!([next(&calls), next(&calls)], ["open", "text before"], "{row}");
            let error = next(&calls);
            assert!(error.starts_with("error peer "), "{row}: {error}");
            assert_eq!(next(&calls), "close 1006", "{row}");
        }
    }
    listener.abort();
    drop(listener);
    let rest = calls.recv_timeout(PATIENCE);
    assert_eq!(rest, Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn p097_messages_at_the_limits_pass() {
    let listener = start_echo(plain().max_frame_size(1000).max_message_size(2500));
    let mut client = RawClient::open(listener.local_addr());
    let parts: [(u8, &[u8]); 3] = [(0x02, &[1; 1000]), (0, &[2; 1000]), (0x80, &[3; 500])];
    client.send(frames(Role::Server, &parts));
    let whole = parts.map(|(_, part)| part).concat();
    // What is sent is cut into frames of the same size.
    for (first, part) in [0x02, 0, 0x80].into_iter().zip(whole.chunks(1000)) {
        client.expect(first, part);
    }
}
