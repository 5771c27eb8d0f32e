//! The opening handshake over a socket (RFC 6455 §4.1).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{
    Client, ClientError, Credentials, CredentialsError, Deadline, HandshakeError, Headers, Uri,
};

use super::peer::{PATIENCE, Peer, Server, TEXT, accept, answer, frame, header, read_head};

/// S-29: what follows the answer in the same segment is the first messages, wherever it is cut.
#[test]
fn s29_head_and_first_frames_in_one_segment_and_at_every_split() {
    let len = 150 + frame(0x81, b"first").len();
    for cut in (0..len).step_by(7).chain([len]) {
        let server = Server::raw(move |mut stream| {
            let request = read_head(&mut stream);
            let mut bytes = answer(&request).into_bytes();
            bytes.extend(frame(0x81, b"first"));
            bytes.extend(frame(0x82, b"second"));
            let (now, later) = bytes.split_at(cut.min(bytes.len()));
            stream.write_all(now).unwrap();
            thread::yield_now();
            stream.write_all(later).unwrap();
            Peer { stream }.expect_close(&[0x03, 0xE9]);
        });
        let client = server.connect();
        assert_eq!(client.read_text().unwrap(), "first");
        assert_eq!(client.read_binary().unwrap(), b"second");
        drop(client);
        server.join();
    }
}

type Check = fn(&HandshakeError) -> bool;

/// S-30: an answer that does not open this connection, and the client ends it.
#[test]
fn s30_answers_that_are_none() {
    let cases: [(&str, Check); 12] = [
        ("Upgrade: websocket\r\nConnection: Upgrade\r\n", |e| {
            matches!(e, HandshakeError::AcceptMissing)
        }),
        ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n", |e| {
            matches!(e, HandshakeError::AcceptWrong)
        }),
        // The answer to the key of RFC 6455 §1.3, which nobody asked with.
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
            |e| matches!(e, HandshakeError::AcceptWrong),
        ),
        ("UP\r\nSec-WebSocket-Accept: {}x\r\n", |e| matches!(e, HandshakeError::AcceptWrong)),
        ("UP\r\nSec-WebSocket-Accept: {}\r\nSec-WebSocket-Accept: {}\r\n", |e| {
            matches!(e, HandshakeError::AcceptRepeated)
        }),
        ("Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n", |e| {
            matches!(e, HandshakeError::Upgrade)
        }),
        ("Upgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n", |e| {
            matches!(e, HandshakeError::Connection)
        }),
        ("UP\r\nSec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: chat\r\n", |e| {
            matches!(e, HandshakeError::SubProtocolNotRequested(_))
        }),
        (
            "UP\r\nSec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: a\r\n\
             Sec-WebSocket-Protocol: b\r\n",
            |e| matches!(e, HandshakeError::SubProtocolRepeated),
        ),
        (
            "UP\r\nSec-WebSocket-Accept: {}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
            |e| matches!(e, HandshakeError::ExtensionNotRequested),
        ),
        ("UP\r\nSec-WebSocket-Accept: {}\r\nContent-Length: 5\r\n", |e| {
            matches!(e, HandshakeError::Body)
        }),
        ("UP\r\nSec-WebSocket-Accept: {}\nX: y\r\n", |e| matches!(e, HandshakeError::Head(_))),
    ];
    for (number, (fields, expected)) in cases.into_iter().enumerate() {
        let server = Server::raw(move |mut stream| {
            let accept = accept(&read_head(&mut stream));
            let upgrade = "Upgrade: websocket\r\nConnection: Upgrade";
            let fields = fields.replace("UP", upgrade).replace("{}", &accept);
            let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            Peer { stream }.expect_end();
        });
        match server.builder().connect() {
            Err(ClientError::Handshake(error)) => assert!(expected(&error), "{number}: {error:?}"),
            other => panic!("{number}: {other:?}"),
        }
        server.join();
    }
}

/// S-31: an answer without end meets the limits, whatever part of it has no end.
#[test]
fn s31_endless_answers() {
    let answers = [
        ("HTTP/1.1 101 Switching Protocols\r\n", "X-Padding: again and again\r\n"),
        ("HTTP/1.1 101 Switching Protocols\r\nX-Long: ", "x"),
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\n\r\n", "body"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nbody\r\n"),
    ];
    for (start, again) in answers {
        let server = Server::raw(move |mut stream| {
            read_head(&mut stream);
            let mut sent = stream.write_all(start.as_bytes());
            let chunk = again.repeat(1000 / again.len());
            while sent.is_ok() {
                sent = stream.write_all(chunk.as_bytes());
            }
        });
        match server.builder().connect() {
            Err(ClientError::Handshake(HandshakeError::Head(_))) => {}
            Err(ClientError::Refused(refused)) => {
                assert_eq!(refused.status(), 200);
                assert_eq!(refused.body().len(), 16 * 1024);
            }
            other => panic!("{start:?}: {other:?}"),
        }
        server.join();
    }
}

#[test]
fn a_refusal_has_status_headers_and_body() {
    let server = Server::raw(|mut stream| {
        read_head(&mut stream);
        let answer = "HTTP/1.1 401 Who are you\r\nWWW-Authenticate: Basic\r\n\
                      Content-Length: 9\r\n\r\nnot known";
        stream.write_all(answer.as_bytes()).unwrap();
        Peer { stream }.expect_end();
    });
    let error = server.builder().connect().unwrap_err();
    assert_eq!(error.to_string(), "server refused the upgrade: 401 Who are you");
    let ClientError::Refused(refused) = error else { panic!("{error:?}") };
    assert_eq!(refused.head().header_str("www-authenticate"), Some("Basic"));
    assert_eq!(refused.body(), b"not known");
    server.join();
}

#[test]
fn a_refusal_whose_body_does_not_come_is_a_refusal() {
    let server = Server::raw(|mut stream| {
        read_head(&mut stream);
        let answer = "HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nhalf";
        stream.write_all(answer.as_bytes()).unwrap();
        Peer { stream }.expect_end();
    });
    let short = Some(Duration::from_millis(50));
    match server.builder().handshake_timeout(short).connect() {
        Err(ClientError::Refused(refused)) => assert_eq!(refused.body(), b"half"),
        other => panic!("{other:?}"),
    }
    server.join();
}

#[test]
fn the_deadline_is_not_moved_by_bytes_that_trickle_in() {
    let timeout = Duration::from_millis(100);
    for trickle in [false, true] {
        let server = Server::raw(move |mut stream| {
            read_head(&mut stream);
            if !trickle {
                return Peer { stream }.expect_end();
            }
            while stream.write_all(b"H").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        let start = Instant::now();
        // A status line may be long: nothing but time ends this.
        let result = server.builder().handshake_timeout(Some(timeout)).connect();
        let error = result.unwrap_err();
        assert!(matches!(error, ClientError::TimedOut(Deadline::Handshake)), "{error:?}");
        assert!(error.to_string().contains("handshake_timeout"));
        assert!((timeout..PATIENCE).contains(&start.elapsed()));
        server.join();
    }
}

#[test]
fn a_connection_that_ends_before_the_answer() {
    for before in ["", "HTTP/1.1 101 Switch"] {
        let server = Server::raw(move |mut stream| {
            read_head(&mut stream);
            stream.write_all(before.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Both).unwrap();
        });
        let error = server.builder().connect().unwrap_err();
        assert!(matches!(error, ClientError::Handshake(HandshakeError::Ended)), "{error:?}");
        server.join();
    }
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    drop(listener);
    match Client::connect(&url) {
        Err(ClientError::Connect { host, source }) => {
            assert_eq!(host, "127.0.0.1");
            assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_sent_is_refused_at_once() {
    assert!(matches!(Client::connect("127.0.0.1:9001"), Err(ClientError::Url(_))));
    assert!(matches!(Client::connect("http://example.com"), Err(ClientError::Url(_))));

    let builder = || Client::builder("ws://127.0.0.1:1");
    for name in ["Host", "upgrade", "CONNECTION", "Sec-WebSocket-Key", "Sec_WebSocket_Foo"] {
        assert!(matches!(builder().header(name, "x"), Err(ClientError::Option(_))), "{name}");
    }
    for value in ["a\r\nX: y", "a\nb", "a\0b", "\u{7f}", "ü"] {
        assert!(matches!(builder().header("X", value), Err(ClientError::Option(_))), "{value:?}");
        assert!(matches!(builder().origin(value), Err(ClientError::Option(_))), "{value:?}");
    }
    for names in [&["a b"][..], &[""], &["a", "a"]] {
        let names = names.iter().copied();
        assert!(matches!(builder().sub_protocols(names), Err(ClientError::Option(_))));
    }
}

struct Token;

impl Credentials for Token {
    fn headers(&self, uri: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        assert_eq!(uri.host(), "127.0.0.1");
        headers.set("Authorization", "Bearer of-token")?;
        Ok(())
    }
}

#[test]
fn options_reach_the_request_and_the_answer_the_client() {
    let server = Server::raw(|mut stream| {
        let request = read_head(&mut stream);
        assert!(request.starts_with("GET / HTTP/1.1\r\n"));
        for (name, value) in [
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Protocol", "v2, v1"),
            ("X-Trace", "7"),
            ("Origin", "https://example.com"),
            ("Host", "inside:81"),
            ("Authorization", "Bearer of-token"),
        ] {
            assert_eq!(header(&request, name), Some(value));
        }
        assert_eq!(header(&request, "Sec-WebSocket-Extensions"), None);
        let answer = answer(&request).replace("Upgrade\r\n", "Upgrade\r\nX-Node: 3\r\n");
        let answer = answer.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: v1\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        Peer { stream }.expect_close(&[0x03, 0xE9]);
    });
    let builder = server.builder().sub_protocols(["v2", "v1"]).unwrap();
    let builder = builder.header("X-Trace", "7").unwrap().header("Authorization", "no").unwrap();
    let builder = builder.origin("https://example.com").unwrap().host("inside:81").unwrap();
    let client = builder.credentials(Token).connect().unwrap();
    assert_eq!(client.sub_protocol().as_deref(), Some("v1"));
    assert_eq!(client.response().status(), 101);
    assert_eq!(client.response().head().header_str("x-node"), Some("3"));
    assert!(client.is_open() && !client.is_secure());
    assert_ne!(client.local_addr().unwrap(), client.peer_addr().unwrap());
    drop(client);
    server.join();
}

#[test]
fn a_server_without_the_sub_protocol_is_refused() {
    let server = Server::raw(|stream| {
        Peer::accept(stream).expect_end();
    });
    let error = server.builder().sub_protocols(["v1"]).unwrap().connect().unwrap_err();
    let missing = HandshakeError::SubProtocolMissing.to_string();
    assert_eq!(error.to_string(), missing);
    server.join();
}

/// Two clients mask with different keys, and no two frames of one with the same.
#[test]
fn every_connection_has_a_nonce_and_keys_of_its_own() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let (sender, receiver) = std::sync::mpsc::channel();
        let server = Server::raw(move |mut stream: TcpStream| {
            let request = read_head(&mut stream);
            sender.send(header(&request, "Sec-WebSocket-Key").unwrap().to_owned()).unwrap();
            stream.write_all(answer(&request).as_bytes()).unwrap();
            let mut frames = [0; 14];
            stream.read_exact(&mut frames).unwrap();
            for frame in frames.chunks(7) {
                assert_eq!(&frame[..2], [0x80 | TEXT, 0x81]);
                sender.send(format!("{:?}", &frame[2..6])).unwrap();
            }
        });
        let client = server.connect();
        client.write_text("a").unwrap();
        client.write_text("b").unwrap();
        server.join();
        for key in receiver {
            assert!(seen.insert(key.clone()), "{key} twice");
        }
    }
    assert_eq!(seen.len(), 9);
}
