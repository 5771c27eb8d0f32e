//! The client's opening handshake (RFC 6455 §4.1; P-010 to P-026, P-043, P-092, P-093, P-121 to
//! P-124, S-26, S-29 to S-31).

use wirewright_core::deflate::ExtensionError;
use wirewright_core::handshake::{
    Awaiting, ClientRequest, Credentials, CredentialsError, Fault, HandshakeError, HandshakeLimits,
    HandshakeMisuse, HeadError, Headers, Refused, Response,
};
use wirewright_core::{Compression, Inbox, Outbox, Uri};

use crate::cuts::cuts;

/// The key of RFC 6455 §1.2: `dGhlIHNhbXBsZSBub25jZQ==`.
const KEY: [u8; 16] = *b"the sample nonce";

fn request(uri: &str) -> ClientRequest {
    ClientRequest::new(uri.parse().unwrap())
}

fn chat() -> ClientRequest {
    request("ws://server.example.com/chat")
}

/// What the request is as text.
fn sent(request: ClientRequest) -> String {
    let mut out = Outbox::new();
    let _ = request.send(KEY, &mut out);
    String::from_utf8(out.poll_transmit().unwrap().to_vec()).unwrap()
}

/// What comes of an answer, and what is left of it in the inbox.
fn receive(
    request: &ClientRequest,
    pieces: &[&[u8]],
) -> (Result<Option<Response>, HandshakeError>, Vec<u8>) {
    let mut awaiting = request.clone().send(KEY, &mut Outbox::new());
    let mut inbox = Inbox::new();
    let mut pieces = pieces.iter();
    let outcome = loop {
        match awaiting.receive(&mut inbox) {
            Ok(None) => match pieces.next() {
                Some(piece) => inbox.extend(piece),
                None => break Ok(None),
            },
            outcome => break outcome,
        }
    };
    pieces.for_each(|piece| inbox.extend(piece));
    (outcome, inbox.unread().to_vec())
}

/// Over every split, the same refusal to go on.
#[track_caller]
fn fails(request: &ClientRequest, answer: &str) -> HandshakeError {
    let mut first = None;
    for pieces in cuts(answer.as_bytes()) {
        let (outcome, _) = receive(request, &pieces);
        let error = outcome.expect_err(answer);
        let first = first.get_or_insert_with(|| error.to_string());
        assert_eq!(&error.to_string(), first, "{answer}");
    }
    receive(request, &[answer.as_bytes()]).0.unwrap_err()
}

/// Over every split, the connection is open and `rest` is left in the inbox.
#[track_caller]
fn opens(request: &ClientRequest, answer: &str, rest: &[u8]) -> Response {
    let input = [answer.as_bytes(), rest].concat();
    for pieces in cuts(&input) {
        let (outcome, left) = receive(request, &pieces);
        assert!(matches!(outcome, Ok(Some(_))), "{answer}: {outcome:?}");
        assert_eq!(left, rest, "{answer}");
    }
    receive(request, &[&input]).0.unwrap().unwrap()
}

/// The 101 that answers [`KEY`], with further lines.
fn answer(lines: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{lines}\r\n"
    )
}

/// An answer with `from` in it replaced.
fn answer_but(from: &str, to: &str) -> String {
    let text = answer("");
    assert!(text.contains(from));
    text.replace(from, to)
}

fn refused(error: HandshakeError) -> Refused {
    assert_eq!(error.fault(), Fault::Refusal);
    match error {
        HandshakeError::Refused(refused) => *refused,
        other => panic!("{other}"),
    }
}

#[test]
fn p010_p011_p013_p016_request_as_literal_bytes() {
    let expected = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
                    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    Sec-WebSocket-Version: 13\r\n\r\n";
    assert_eq!(sent(chat()), expected);
    assert!(sent(request("ws://h?a=b")).starts_with("GET /?a=b HTTP/1.1\r\n"));
}

#[test]
fn p012_host_header() {
    let rows = [
        ("ws://H:80/", "h"),
        ("ws://h:443/", "h:443"),
        ("wss://user:pw@h:443/", "h"),
        ("wss://[::1]:9001/", "[::1]:9001"),
    ];
    for (uri, host) in rows {
        let text = sent(request(uri));
        assert!(text.contains(&format!("\r\nHost: {host}\r\n")), "{text}");
        assert_eq!(text.matches("Host:").count(), 1);
    }
    let text = sent(request("ws://127.0.0.1/").host("virtual.example:81").unwrap());
    assert!(text.contains("\r\nHost: virtual.example:81\r\n"), "{text}");
}

#[test]
fn p014_key_is_what_the_caller_drew() {
    let mut seen = std::collections::HashSet::new();
    for seed in 0..10_000_u128 {
        let mut out = Outbox::new();
        let _ = chat().send(seed.to_be_bytes(), &mut out);
        let text = String::from_utf8(out.poll_transmit().unwrap().to_vec()).unwrap();
        let (_, key) = text.split_once("Sec-WebSocket-Key: ").unwrap();
        let (key, _) = key.split_once("\r\n").unwrap();
        assert_eq!(key.len(), 24);
        assert!(seen.insert(key.to_owned()));
    }
}

#[test]
fn p015_origin_only_when_set() {
    assert!(!sent(chat()).contains("Origin"));
    let request = chat().origin("https://a.example").unwrap().origin("https://b.example").unwrap();
    let text = sent(request);
    assert!(text.contains("\r\nOrigin: https://b.example\r\n"));
    assert_eq!(text.matches("Origin").count(), 1);
}

#[test]
fn p017_sub_protocols_are_unique_tokens() {
    let separators = "()<>@,;:\\\"/[]?={} \t".chars().map(|c| format!("a{c}b"));
    let others = ["", "a\r\nb", "a\0", "\x7f", "\u{e4}"].map(String::from);
    for name in separators.chain(others) {
        let error = chat().sub_protocols(["ok", &name]).unwrap_err();
        assert_eq!(error, HandshakeMisuse::SubProtocol(name));
    }
    let error = chat().sub_protocols(["a", "b", "a"]).unwrap_err();
    assert_eq!(error, HandshakeMisuse::SubProtocolRepeated("a".into()));
    let text = sent(chat().sub_protocols(["v2.x!#$%&'*+-.^_`|~", "a", "A"]).unwrap());
    assert!(text.contains("\r\nSec-WebSocket-Protocol: v2.x!#$%&'*+-.^_`|~, a, A\r\n"));
    assert!(!sent(chat()).contains("Sec-WebSocket-Protocol"));
    let none: [&str; 0] = [];
    assert!(!sent(chat().sub_protocols(none).unwrap()).contains("Sec-WebSocket-Protocol"));
}

struct Token(&'static str);

impl Credentials for Token {
    fn headers(&self, uri: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        if !uri.is_secure() {
            return Err(CredentialsError::permanent("a token is for `wss` only"));
        }
        Ok(headers.set("Authorization", self.0)?)
    }
}

#[test]
fn p018_extensions_cookies_authorization() {
    let request = request("wss://h/")
        .header("cookie", "a=b; c=d")
        .and_then(|request| request.header("authorization", "Basic old"))
        .unwrap()
        .compression(Some(Compression::default()))
        .credentials(&Token("Bearer new"))
        .unwrap();
    let text = sent(request);
    assert!(text.contains("\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_"));
    assert!(text.ends_with("\r\ncookie: a=b; c=d\r\nAuthorization: Bearer new\r\n\r\n"), "{text}");
    assert!(!sent(chat()).contains("Extensions"));

    let error = chat().credentials(&Token("Bearer canary")).unwrap_err();
    assert!(!error.is_transient());
    let text = "no credentials for the handshake: a token is for `wss` only";
    assert_eq!(error.to_string(), text);
    // CR or LF in a secret is an error too, which does not show it.
    let wss = ClientRequest::new("wss://h".parse().unwrap());
    let error = wss.credentials(&Token("Bearer canary\r\nX: y")).unwrap_err();
    assert!(!error.to_string().contains("canary"));
}

#[test]
fn p018_credentials_say_whether_another_attempt_may_do() {
    let timeout = std::io::Error::from(std::io::ErrorKind::TimedOut);
    let error = CredentialsError::transient(timeout);
    assert!(error.is_transient());
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.downcast_ref::<std::io::Error>().is_some());
    assert_eq!(chat().uri().host(), "server.example.com");
}

#[test]
fn p018_headers_replace_those_of_their_name() {
    let mut headers = Headers::new();
    headers.append("X-A", "1").unwrap();
    headers.append("x-a", "2").unwrap();
    let text = sent(chat().header("x-A", "0").unwrap().headers(&headers));
    assert!(text.ends_with("\r\nX-A: 1\r\nx-a: 2\r\n\r\n"), "{text}");
    headers.set("X-a", " 3\t").unwrap();
    assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-a", "3")]);
    headers.append("Empty", "").unwrap();
    assert_eq!(headers.get("empty"), Some(""));
    assert!(!headers.is_empty());
    headers.remove("X-A");
    headers.remove("X-A");
    assert_eq!(headers.iter().collect::<Vec<_>>(), [("Empty", "")]);
}

#[test]
fn p019_nothing_but_the_request_before_the_answer() {
    let mut out = Outbox::new();
    let mut awaiting: Awaiting = chat().send(KEY, &mut out);
    out.transmitted(out.len());
    assert!(awaiting.receive(&mut Inbox::new()).unwrap().is_none());
    assert!(out.is_empty());
}

#[test]
fn p020_other_statuses_come_with_head_and_body() {
    for status in [200, 204, 301, 304, 401, 403, 404, 426, 429, 503, 599] {
        let text = format!(
            "HTTP/1.1 {status} Why Not\r\nContent-Length: 0\r\nRetry-After: 7\r\n\
             WWW-Authenticate: Basic realm=\"x\"\r\n\r\n"
        );
        let refused = refused(fails(&chat(), &text));
        assert_eq!(refused.status(), status);
        assert_eq!(refused.reason(), "Why Not");
        assert_eq!(refused.head().header_str("retry-after"), Some("7"));
        assert_eq!(refused.head().header("www-authenticate"), Some(&b"Basic realm=\"x\""[..]));
        let expected = format!("server refused the upgrade: {status} Why Not");
        assert_eq!(refused.to_string(), expected);
        assert_eq!(refused.body(), b"");
    }
    // "the reason-phrase [...] can be empty" (RFC 9112 §4), and old servers leave its space out.
    for line in ["HTTP/1.1 404 ", "HTTP/1.1 404", "HTTP/1.0 404 "] {
        let refused = refused(fails(&chat(), &format!("{line}\r\nContent-Length: 0\r\n\r\n")));
        assert_eq!(refused.to_string(), "server refused the upgrade: 404");
    }
}

#[test]
fn p020_bodies_by_length_by_chunks_and_until_the_end() {
    let rows = [
        ("Content-Length: 5\r\n\r\nhelloHTTP/1.1", "hello"),
        ("Content-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "hello"),
        ("Transfer-Encoding: x, Chunked\r\nContent-Length: 1\r\n\r\n5\r\nhello\r\n0\r\n", "hello"),
        // What is malformed ends the body.
        ("Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nxyz\r\n", "he"),
    ];
    for (rest, body) in rows {
        let refused = refused(fails(&chat(), &format!("HTTP/1.1 404 Not Found\r\n{rest}")));
        assert_eq!(refused.body(), body.as_bytes(), "{rest}");
    }
    // Until the end, or until the caller gives up.
    let rows = [
        ("\r\nhello", "hello"),
        ("Content-Length: 9\r\n\r\nhello", "hello"),
        ("Content-Length: 4, 5\r\n\r\nhello", "hello"),
        ("Content-Length: +5\r\n\r\nhello", "hello"),
        ("Transfer-Encoding: gzip\r\n\r\nhello", "hello"),
        ("Transfer-Encoding: chunked\r\n\r\n9\r\nhello", "hello"),
    ];
    for (rest, body) in rows {
        let text = format!("HTTP/1.1 404 Not Found\r\n{rest}");
        for pieces in cuts(text.as_bytes()) {
            let mut awaiting = chat().send(KEY, &mut Outbox::new());
            let mut inbox = Inbox::new();
            for piece in pieces {
                inbox.extend(piece);
                assert!(awaiting.receive(&mut inbox).unwrap().is_none());
            }
            assert!(awaiting.is_refused());
            assert_eq!(refused(awaiting.receive_end()).body(), body.as_bytes(), "{rest}");
        }
    }
}

#[test]
fn p020_connection_that_ends_without_an_answer() {
    let text = answer("");
    for end in 0..text.len() {
        let mut awaiting = chat().send(KEY, &mut Outbox::new());
        let mut inbox = Inbox::new();
        inbox.extend(&text.as_bytes()[..end]);
        assert!(awaiting.receive(&mut inbox).unwrap().is_none());
        assert!(!awaiting.is_refused());
        let error = awaiting.receive_end();
        assert!(matches!(error, HandshakeError::Ended), "{error}");
        assert_eq!(error.fault(), Fault::Network);
    }
}

#[test]
fn p021_upgrade_must_be_websocket() {
    for value in ["WebSocket", "WEBSOCKET", "  websocket\t "] {
        let text = answer_but("Upgrade: websocket\r\n", &format!("uPGRADE: {value}\r\n"));
        opens(&chat(), &text, b"");
    }
    let lines = [
        "",
        "Upgrade:\r\n",
        "Upgrade: websockets\r\n",
        "Upgrade: h2c\r\n",
        "Upgrade: websocket, h2c\r\n",
        "Upgrade: websocket\r\nUpgrade: websocket\r\n",
    ];
    for lines in lines {
        let error = fails(&chat(), &answer_but("Upgrade: websocket\r\n", lines));
        assert!(matches!(error, HandshakeError::Upgrade), "{lines}: {error}");
        assert_eq!(error.fault(), Fault::Peer);
    }
}

#[test]
fn p022_connection_must_have_upgrade() {
    let lines = [
        "Connection: keep-alive, UPGRADE\r\n",
        "Connection: keep-alive\r\nconnection:\tupgrade \r\n",
        "Connection: ,,upgrade,\r\n",
    ];
    for lines in lines {
        opens(&chat(), &answer_but("Connection: Upgrade\r\n", lines), b"");
    }
    for lines in ["", "Connection:\r\n", "Connection: upgraded\r\n", "Connection: keep-alive\r\n"] {
        let error = fails(&chat(), &answer_but("Connection: Upgrade\r\n", lines));
        assert!(matches!(error, HandshakeError::Connection), "{lines}: {error}");
    }
}

#[test]
fn p023_s30_accept_must_answer_the_key() {
    let line = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let spaced = "Sec-WebSocket-Accept:   s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t\r\n";
    opens(&chat(), &answer_but(line, spaced), b"");

    let error = fails(&chat(), &answer_but(line, ""));
    assert!(matches!(error, HandshakeError::AcceptMissing), "{error}");
    let wrong = [
        "",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=x",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo==",
        "S3PPLMBITXAQ9KYGZZHZRBK+XOO=",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        // The key itself, and the answer to another.
        "dGhlIHNhbXBsZSBub25jZQ==",
        "HSmrc0sMlYUkAGmm5OPpG2HaGWk=",
    ];
    for value in wrong {
        let line_of = format!("Sec-WebSocket-Accept: {value}\r\n");
        let error = fails(&chat(), &answer_but(line, &line_of));
        assert!(matches!(error, HandshakeError::AcceptWrong), "{value}: {error}");
    }
}

#[test]
fn p024_unrequested_extension() {
    for value in ["x-foo", "permessage-deflate", ""] {
        let text = answer(&format!("Sec-WebSocket-Extensions: {value}\r\n"));
        let error = fails(&chat(), &text);
        assert!(matches!(error, HandshakeError::ExtensionNotRequested), "{value}: {error}");
    }
    let request = chat().compression(Some(Compression::default()));
    assert_eq!(opens(&request, &answer(""), b"").deflate(), None);
    let text = answer("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let agreement = opens(&request, &text, b"").deflate().unwrap();
    assert_eq!(agreement.server_max_window_bits, 15);
    assert!(!agreement.server_no_context_takeover);
    for value in ["x-foo", "permessage-deflate, x-foo"] {
        let text = answer(&format!("Sec-WebSocket-Extensions: {value}\r\n"));
        let error = fails(&request, &text);
        let extension = HandshakeError::Extension(ExtensionError::NotOffered);
        assert_eq!(error.to_string(), extension.to_string());
    }
}

#[test]
fn p025_unrequested_sub_protocol() {
    let request = chat().sub_protocols(["chat", "superchat"]).unwrap();
    let text = answer("Sec-WebSocket-Protocol:  superchat \r\n");
    assert_eq!(opens(&request, &text, b"").sub_protocol(), Some("superchat"));
    for value in ["Chat", "other", "", "chat, superchat", "chat2", "\u{e4}"] {
        let text = answer(&format!("Sec-WebSocket-Protocol: {value}\r\n"));
        match fails(&request, &text) {
            HandshakeError::SubProtocolNotRequested(name) => assert_eq!(name, value),
            other => panic!("{value}: {other}"),
        }
    }
    let error = fails(&chat(), &text);
    assert!(matches!(error, HandshakeError::SubProtocolNotRequested(_)), "{error}");
    // One who asks means it: `sub_protocols` documents it.
    let error = fails(&request, &answer(""));
    assert!(matches!(error, HandshakeError::SubProtocolMissing), "{error}");
    assert_eq!(error.fault(), Fault::Refusal);
    assert_eq!(opens(&chat(), &answer(""), b"").sub_protocol(), None);
}

#[test]
fn p026_answers_that_are_not_http() {
    use HeadError::{BareCarriageReturn, BareLineFeed, Control, Folded, HeaderName, StartLine};
    let rows = [
        (answer("").replace("\r\n", "\n"), BareLineFeed),
        (answer("X: a\n"), BareLineFeed),
        (answer("X: a\rb\r\n"), BareCarriageReturn),
        (answer("X: a\r\r\n"), BareCarriageReturn),
        (answer("X: a\0\r\n"), Control(0)),
        (answer("X: a\x7f\r\n"), Control(0x7f)),
        (answer("X: a\r\n b\r\n"), Folded),
        (answer("\tb: c\r\n"), Folded),
        (answer("X: a\r\n\tb\r\n"), Folded),
        (answer("X : a\r\n"), HeaderName),
        (answer(": a\r\n"), HeaderName),
        (answer("X\r\n"), HeaderName),
        (answer("X\u{e4}: a\r\n"), HeaderName),
        (format!("\r\n{}", answer("")), StartLine),
        ("HTTP/1.1 1O1 x\r\n\r\n".into(), StartLine),
        ("HTTP/1.1  101 x\r\n\r\n".into(), StartLine),
        ("HTTP/2 101 x\r\n\r\n".into(), StartLine),
        ("HTTP/2.0 101 x\r\n\r\n".into(), HeadError::Version),
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n".into(), StartLine),
        ("SSH-2.0-OpenSSH_9.6\n".into(), BareLineFeed),
        // An alert, from a server that expects TLS.
        ("\x15\x03\x01\x00\x02\x02\x16".into(), Control(0x15)),
    ];
    for (text, expected) in rows {
        match fails(&chat(), &text) {
            HandshakeError::Head(error) => assert_eq!(error, expected, "{text}"),
            other => panic!("{text}: {other}"),
        }
        assert_eq!(fails(&chat(), &text).fault(), Fault::Peer);
    }
    let error = fails(&chat(), &answer_but("HTTP/1.1", "HTTP/1.0"));
    assert!(matches!(error, HandshakeError::HttpVersion), "{error}");
}

#[test]
fn p043_supported_versions_can_be_read() {
    let text = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13, 8\r\n\
                Sec-WebSocket-Version: 7\r\nContent-Length: 0\r\n\r\n";
    let refused = refused(fails(&chat(), text));
    let versions: Vec<_> = refused.head().tokens("sec-websocket-version").collect();
    assert_eq!(versions, ["13", "8", "7"]);
}

#[test]
fn p092_p093_malformed_extensions() {
    let request = chat().compression(Some(Compression::default()));
    let name = "permessage-deflate";
    for value in ["; x=\"", ";;", "; a=", "; =b", "; x=\"a b\"", ",;constructor", "; \u{e4}"] {
        let text = answer(&format!("Sec-WebSocket-Extensions: {name}{value}\r\n"));
        let error = fails(&request, &text);
        let malformed = HandshakeError::Extension(ExtensionError::Malformed);
        assert_eq!(error.to_string(), malformed.to_string(), "{value}");
    }
}

#[test]
fn p121_p122_p123_headers_that_may_stand_once() {
    let request =
        chat().sub_protocols(["a", "b"]).unwrap().compression(Some(Compression::default()));
    let twice = |line: &str| fails(&request, &answer(&format!("{line}\r\n{line}\r\n")));
    let error = twice("Sec-WebSocket-Extensions: permessage-deflate");
    assert!(matches!(error, HandshakeError::ExtensionsRepeated), "{error}");
    let error = twice("Sec-WebSocket-Protocol: a");
    assert!(matches!(error, HandshakeError::SubProtocolRepeated), "{error}");
    let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let error = fails(&request, &answer(accept));
    assert!(matches!(error, HandshakeError::AcceptRepeated), "{error}");
}

#[test]
fn p124_versions_in_an_answer_are_let_pass() {
    let lines = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8, 7\r\n";
    let response = opens(&chat(), &answer(lines), b"");
    assert_eq!(response.status(), 101);
    assert_eq!(response.head().headers("SEC-WEBSOCKET-VERSION").count(), 2);
}

#[test]
fn s26_nothing_is_sent_that_breaks_out_of_its_line() {
    for bad in ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "a\x7fb", "a\u{e4}b", "a\u{2028}b"] {
        let value_error =
            |header: &str| HandshakeMisuse::HeaderValue { name: header.into(), at: 1 };
        let name_error = HandshakeMisuse::HeaderName(bad.into());
        assert_eq!(chat().header("X", bad).unwrap_err(), value_error("X"));
        assert_eq!(chat().header(bad, "x").unwrap_err(), name_error);
        assert_eq!(chat().origin(bad).unwrap_err(), value_error("Origin"));
        assert!(matches!(chat().host(bad), Err(HandshakeMisuse::Host(_))));
        let error = chat().sub_protocols([bad]).unwrap_err();
        assert_eq!(error, HandshakeMisuse::SubProtocol(bad.into()));
        for uri in [format!("ws://{bad}/"), format!("ws://h/{bad}"), format!("ws://h?{bad}")] {
            assert!(uri.parse::<Uri>().is_err());
        }
    }
    for name in ["", "a b", "a:", "(a)"] {
        let error = chat().header(name, "x").unwrap_err();
        assert_eq!(error, HandshakeMisuse::HeaderName(name.into()));
    }
    for host in ["", "a b", "user@h", "h:99999", "[::1", "h/p"] {
        assert!(matches!(chat().host(host), Err(HandshakeMisuse::Host(_))), "{host}");
    }
}

#[test]
fn s26_headers_of_the_handshake_are_not_to_be_set() {
    let names = [
        "Host",
        "CONNECTION",
        "upgrade",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Anything",
        "Sec_WebSocket_Key",
    ];
    for name in names {
        let error = chat().header(name, "x").unwrap_err();
        assert_eq!(error, HandshakeMisuse::ReservedHeader(name.into()));
        assert!(Headers::new().set(name, "x").is_err());
    }
}

#[test]
fn s29_bytes_after_the_head_are_kept() {
    // "Hello", unmasked, from RFC 6455 §5.7, and the beginning of another frame.
    let frames = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x81];
    opens(&chat(), &answer(""), &frames);
    let interim = format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{}", answer(""));
    opens(&chat(), &interim, b"\r\n\r\n");
}

#[test]
fn s31_endless_answers_meet_a_limit() {
    let limit = |error: HandshakeError| {
        assert_eq!(error.fault(), Fault::Limit);
        match error {
            HandshakeError::Head(error) => error,
            other => panic!("{other}"),
        }
    };
    let endless = |head: &str, line: &str| {
        let mut awaiting = chat().send(KEY, &mut Outbox::new());
        let mut inbox = Inbox::new();
        inbox.extend(head.as_bytes());
        let mut received = 0;
        loop {
            inbox.extend(line.as_bytes());
            received += line.len();
            assert!(received <= 32 * 1024);
            if let Err(error) = awaiting.receive(&mut inbox) {
                break limit(error);
            }
        }
    };
    let head = "HTTP/1.1 101 x\r\n";
    let max = 16 * 1024;
    assert_eq!(endless(head, "X: y\r\n"), HeadError::HeaderCount { max: 100 });
    let long = format!("X: {}\r\n", "y".repeat(1000));
    assert_eq!(endless(head, &long), HeadError::HeadLength { max });
    assert_eq!(endless(head, "x"), HeadError::LineLength { max: 8 * 1024 });
    assert_eq!(endless("HTTP/1.1 404 ", "x"), HeadError::StartLineLength { max: 8 * 1024 });
    assert_eq!(endless("", "HTTP/1.1 100 Continue\r\n\r\n"), HeadError::HeadLength { max });
}

#[test]
fn s31_bodies_are_kept_to_a_limit() {
    let heads = [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    ];
    for head in heads {
        for limit in [0, 1, 1000, 16 * 1024] {
            let mut limits = HandshakeLimits::default();
            limits.max_refusal_body = limit;
            let mut awaiting = chat().limits(limits).send(KEY, &mut Outbox::new());
            let mut inbox = Inbox::new();
            inbox.extend(head.as_bytes());
            let error = loop {
                match awaiting.receive(&mut inbox) {
                    Ok(answer) => assert!(answer.is_none()),
                    Err(error) => break error,
                }
                inbox.extend(&[b'x'; 700]);
            };
            assert_eq!(refused(error).body().len(), limit, "{head}");
        }
    }
    // A chunk's line without end is worth no waiting.
    let text = format!("HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "x".repeat(200));
    assert_eq!(refused(fails(&chat(), &text)).body(), b"");
}

#[test]
fn s31_no_body_behind_101() {
    let lines = [
        "Content-Length: 5\r\n",
        "Content-Length: x\r\n",
        "Content-Length: 0\r\nContent-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n",
    ];
    for lines in lines {
        let error = fails(&chat(), &answer(lines));
        assert!(matches!(error, HandshakeError::Body), "{lines}: {error}");
    }
    // Some servers say so; it moves no boundary.
    opens(&chat(), &answer("Content-Length: 0\r\n"), b"");
}

#[test]
fn s48_secrets_do_not_show() {
    let request = request("wss://u:canary@h/?t=canary").header("X-Api-Key", "canary").unwrap();
    assert!(!format!("{request:?}").contains("canary"));
    let response = opens(&chat(), &answer("Set-Cookie: canary\r\n"), b"");
    assert!(!format!("{response:?}").contains("canary"));
    assert!(format!("{response:?}").contains("Set-Cookie"));
}
