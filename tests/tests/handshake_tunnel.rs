//! A way through an HTTP proxy (RFC 9110 §9.3.6; P-006, P-007, S-26, S-31), and requests that go to
//! another server than the caller named (S-32).

use wirewright_core::handshake::{
    ClientRequest, Fault, HandshakeError, HandshakeLimits, HandshakeMisuse, HeadError,
    TunnelRequest,
};
use wirewright_core::{Inbox, Outbox, Uri};

use crate::cuts::cuts;

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

fn request() -> TunnelRequest {
    TunnelRequest::new(&uri("wss://server.example.com/chat?secret"))
}

fn text(out: &Outbox) -> &str {
    std::str::from_utf8(out.poll_transmit().unwrap()).unwrap()
}

/// What comes of an answer, and what is left of it in the inbox.
fn receive(pieces: &[&[u8]], limits: HandshakeLimits) -> (Result<bool, HandshakeError>, Vec<u8>) {
    let mut tunnelling = request().limits(limits).send(&mut Outbox::new());
    let mut inbox = Inbox::new();
    let mut pieces = pieces.iter();
    let outcome = loop {
        match tunnelling.receive(&mut inbox) {
            Ok(false) => match pieces.next() {
                Some(piece) => inbox.extend(piece),
                None => break Err(tunnelling.receive_end()),
            },
            outcome => break outcome,
        }
    };
    pieces.for_each(|piece| inbox.extend(piece));
    (outcome, inbox.unread().to_vec())
}

#[test]
fn p006_request_for_a_tunnel_as_literal_bytes() {
    let cases = [
        ("ws://a.test/", "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n"),
        ("wss://A.test/x", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"),
        ("ws://me:mine@a.test:81/?q", "CONNECT a.test:81 HTTP/1.1\r\nHost: a.test:81\r\n\r\n"),
        (
            "wss://[2001:db8::1]/",
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n",
        ),
    ];
    for (url, expected) in cases {
        let mut out = Outbox::new();
        let _ = TunnelRequest::new(&uri(url)).send(&mut out);
        assert_eq!(text(&out), expected);
    }
    let mut out = Outbox::new();
    let _ = request().header("Proxy-Authorization", "Basic eDp5").unwrap().send(&mut out);
    assert!(text(&out).ends_with("\r\nProxy-Authorization: Basic eDp5\r\n\r\n"));
}

#[test]
fn s26_nothing_is_sent_to_a_proxy_that_breaks_out_of_its_line() {
    for value in ["a\r\nX: y", "a\nb", "a\0b", "\u{7f}", "\u{e4}"] {
        let error = request().header("Proxy-Authorization", value).unwrap_err();
        assert!(matches!(error, HandshakeMisuse::HeaderValue { .. }), "{value:?}");
    }
    assert!(matches!(request().header("Host", "b"), Err(HandshakeMisuse::ReservedHeader(_))));
}

#[test]
fn p006_any_2xx_opens_the_tunnel_and_what_follows_stays() {
    let heads = [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\nVia: p\r\n\r\n",
        "HTTP/1.1 299 \r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 Yes\r\n\r\n",
    ];
    for head in heads {
        let answer = [head, "\u{16}\u{3}\u{1}server"].concat();
        for pieces in cuts(answer.as_bytes()) {
            let (outcome, rest) = receive(&pieces, HandshakeLimits::default());
            assert!(outcome.unwrap(), "{head}");
            assert_eq!(rest, b"\x16\x03\x01server");
        }
    }
}

#[test]
fn p007_other_answers_of_a_proxy_open_nothing() {
    let whole = "HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno";
    let cut = "HTTP/1.1 502 Bad\r\nContent-Length: 9\r\n\r\nno";
    for (answer, status) in [(whole, 407), (cut, 502), ("HTTP/1.1 302 X\r\n\r\nno", 302)] {
        for pieces in cuts(answer.as_bytes()) {
            let (outcome, _) = receive(&pieces, HandshakeLimits::default());
            let Err(HandshakeError::Refused(refused)) = outcome else { panic!("{outcome:?}") };
            assert_eq!((refused.status(), refused.body()), (status, &b"no"[..]));
        }
    }
    for answer in ["", "HTTP/1.1 200 OK\r\nVia: p\r\n", "HTTP/1.1 101 Switching\r\n\r\n"] {
        for pieces in cuts(answer.as_bytes()) {
            let (outcome, _) = receive(&pieces, HandshakeLimits::default());
            assert!(matches!(outcome, Err(HandshakeError::Ended)), "{outcome:?}");
        }
    }
    let broken = ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/2.0 200 OK\r\n\r\n"];
    for answer in broken {
        for pieces in cuts(answer.as_bytes()) {
            let (outcome, _) = receive(&pieces, HandshakeLimits::default());
            assert_eq!(outcome.unwrap_err().fault(), Fault::Peer, "{answer}");
        }
    }
}

#[test]
fn s31_a_proxys_answer_meets_the_limits() {
    let mut limits = HandshakeLimits::default();
    limits.max_head = 64;
    limits.max_refusal_body = 3;
    let long = ["HTTP/1.1 200 OK\r\nX: ", &"x".repeat(64), "\r\n\r\n"].concat();
    let (outcome, _) = receive(&[long.as_bytes()], limits);
    let expected = HeadError::HeadLength { max: 64 };
    assert!(matches!(outcome, Err(HandshakeError::Head(error)) if error == expected));
    let (outcome, _) = receive(&[b"HTTP/1.1 403 No\r\n\r\nendless"], limits);
    let Err(HandshakeError::Refused(refused)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refused.body(), b"end");
}

#[test]
fn s32_origins_are_scheme_host_and_port() {
    let origins = [
        "ws://a.test/",
        "wss://a.test/",
        "ws://b.test/",
        "ws://a.test:81/",
        "ws://a.test.b/",
        "ws://[::1]/",
    ];
    for (n, one) in origins.iter().enumerate() {
        for (m, other) in origins.iter().enumerate() {
            assert_eq!(uri(one).is_same_origin(&uri(other)), n == m, "{one} {other}");
        }
    }
    assert!(uri("ws://me:mine@A.test:80/x?y").is_same_origin(&uri("ws://a.test/")));
    let moved = uri("ws://b.test/x").with_userinfo_of(&uri("ws://me:mine@a.test/"));
    assert_eq!(moved.userinfo(), Some("me:mine"));
}

#[test]
fn s32_a_request_for_a_stranger_has_none_of_the_callers_secrets() {
    let request = ClientRequest::new(uri("ws://a.test/x")).sub_protocols(["chat"]).unwrap();
    let request = request.header("X-Key", "canary").unwrap().header("User-Agent", "t").unwrap();
    let request = request.host("canary.test").unwrap().set_header("x-key", "canary").unwrap();
    let named = request.clone().with_uri(uri("ws://b.test/y"));
    let mut out = Outbox::new();
    let _ = named.send([0; 16], &mut out);
    assert!(text(&out).starts_with("GET /y HTTP/1.1\r\nHost: canary.test\r\n"));
    assert_eq!(text(&out).matches("canary\r\n").count(), 1, "one header of a name");

    let keep = |name: &str| name.eq_ignore_ascii_case("user-agent");
    let stranger = request.for_stranger(keep).with_uri(uri("ws://b.test/y"));
    let mut out = Outbox::new();
    let _ = stranger.send([0; 16], &mut out);
    let text = text(&out);
    assert!(text.starts_with("GET /y HTTP/1.1\r\nHost: b.test\r\n") && !text.contains("canary"));
    assert!(text.contains("\r\nUser-Agent: t\r\n"));
    assert!(text.contains("\r\nSec-WebSocket-Protocol: chat\r\n"));
}
