//! What is made of the answers of token endpoints (S-47).

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use wirewright_auth::{EndpointError, HttpOptions, OAuth2Error, OAuth2Grant, TokenResponse};

use super::http_server::{Server, answer, json};
use super::oauth2_requests::{client_credentials, header};

/// What a client makes of an answer: its header, or whether the error may pass and what it says.
#[track_caller]
fn outcome(answer: &str) -> Result<String, (bool, String)> {
    let answer = answer.to_owned();
    let server = Server::saying(move |_, _| answer.clone());
    let credentials = client_credentials(&server).build().unwrap();
    let outcome = header(&credentials).map_err(|error| {
        assert!(error.source().unwrap().is::<OAuth2Error>());
        (error.is_transient(), error.to_string())
    });
    assert_eq!(server.count(), 1);
    outcome
}

#[test]
fn s47_answers_that_grant() {
    let table = [
        r#"{"access_token":"abc","token_type":"Bearer","expires_in":3600}"#,
        r#"{"access_token":"abc","token_type":"BEARER"}"#,
        // RFC 6749 §5.1 wants it, and some servers forget it.
        r#"{"access_token":"abc"}"#,
        r#"{"access_token":"abc","expires_in":"3600","refresh_token":"","scope":"a b"}"#,
        r#"{"access_token":"abc","expires_in":null,"error":null,"id_token":{"deep":[[[1]]]}}"#,
    ];
    for body in table {
        assert_eq!(outcome(&json(200, body)), Ok("Bearer abc".into()), "{body}");
    }
    // The media type says nothing that the body does not.
    let body = r#"{"access_token":"abc"}"#;
    let lines = "Content-Type: text/html\r\n";
    assert_eq!(outcome(&answer(201, lines, body)), Ok("Bearer abc".into()));
}

#[test]
fn s47_answers_that_do_not_grant() {
    let html = "<!doctype html><title>Sorry</title>";
    let error = |code: &str| format!(r#"{{"error":"{code}","error_description":"so it is"}}"#);
    let table = [
        (json(200, &error("invalid_client")), false, "200: invalid_client: so it is"),
        (json(401, &error("invalid_client")), false, "401: invalid_client: so it is"),
        (json(400, &error("invalid_grant")), false, "400: invalid_grant: so it is"),
        (json(400, r#"{"error":"x"}"#), false, "400: x"),
        (json(400, r#"{"error":{"code":1}}"#), false, "400: an error without a code"),
        (json(400, &error("temporarily_unavailable")), true, "temporarily_unavailable"),
        (json(503, &error("invalid_client")), true, "503: invalid_client"),
        (json(401, "{}"), false, "answers 401"),
        (answer(401, "WWW-Authenticate: Basic\r\n", ""), false, "answers 401"),
        (answer(403, "", html), false, "answers 403"),
        (answer(404, "", html), false, "answers 404"),
        (answer(429, "Retry-After: 1\r\n", ""), true, "answers 429"),
        (answer(500, "", html), true, "answers 500"),
        (answer(503, "Retry-After: 1\r\n", ""), true, "answers 503"),
        (answer(200, "Content-Type: text/html\r\n", html), true, "not the JSON object"),
        (answer(204, "", ""), true, "not the JSON object"),
        (json(200, ""), true, "not the JSON object"),
        (json(200, "[]"), true, "not the JSON object"),
        (json(200, r#"["a","Bearer",60,null,null,null,null]"#), true, "not the JSON object"),
        (json(200, &"[".repeat(60_000)), true, "not the JSON object"),
        (json(200, r#"{"access_token":"a","access_token":"b"}"#), true, "not the JSON object"),
        (json(200, r#"{"access_token":7}"#), true, "not the JSON object"),
        (json(200, r#"{"access_token":"a","expires_in":1e400}"#), true, "not the JSON object"),
        (json(200, "{}"), false, "no `access_token`"),
        (json(200, r#"{"access_token":null}"#), false, "no `access_token`"),
        (json(200, r#"{"access_token":""}"#), false, "is empty or holds"),
        (json(200, r#"{"access_token":"a\r\nX: y"}"#), false, "is empty or holds"),
        (json(200, r#"{"access_token":"a b"}"#), false, "is empty or holds"),
        (json(200, r#"{"access_token":"ä"}"#), false, "is empty or holds"),
        (json(200, r#"{"access_token":"a","token_type":"mac"}"#), false, r#"type "mac""#),
        (json(200, r#"{"access_token":"a","token_type":""}"#), false, r#"type """#),
        (json(200, r#"{"access_token":"a","token_type":"DPoP"}"#), false, r#"type "DPoP""#),
        (json(200, r#"{"access_token":"a","expires_in":"soon"}"#), false, "`expires_in`"),
        (json(200, r#"{"access_token":"a","expires_in":"NaN"}"#), false, "`expires_in`"),
        (json(200, r#"{"access_token":"a","expires_in":[1]}"#), false, "`expires_in`"),
        (json(200, r#"{"access_token":"a","expires_in":true}"#), false, "`expires_in`"),
        (answer(200, "", &"x".repeat(5_000_000)), false, "with over 65536 bytes"),
        (answer(502, "", &"x".repeat(5_000_000)), true, "502 with over 65536 bytes"),
        ("\0\0\x07\x04HTTP/9\r\n\r\n".into(), true, "does not speak HTTP/1.1"),
        (String::new(), true, "is out of reach"),
    ];
    for (answer, transient, problem) in table {
        let shown = &answer[..answer.len().min(300)];
        let (may_pass, text) = outcome(&answer).unwrap_err();
        assert!(text.contains(problem), "{text} for {shown}");
        assert_eq!(may_pass, transient, "{text} for {shown}");
    }
}

#[test]
fn s47_redirects_are_not_followed() {
    let elsewhere = Server::saying(|_, _| json(200, r#"{"access_token":"stolen"}"#));
    for status in [300, 301, 302, 303, 307, 308, 399] {
        let lines = format!("Location: {}\r\n", elsewhere.url("/token"));
        let (may_pass, text) = outcome(&answer(status, &lines, "")).unwrap_err();
        assert!(!may_pass && text.contains(&format!("redirects ({status})")), "{text}");
    }
    assert_eq!(elsewhere.count(), 0);
}

#[test]
fn s47_what_the_server_says_is_bounded_and_printable() {
    let long = format!(r"\u001b[31m\r\nforged line\u202e ä {}", "x".repeat(10_000));
    let body = format!(r#"{{"error":"bad\u0000","error_description":"{long}"}}"#);
    let (_, text) = outcome(&json(400, &body)).unwrap_err();
    assert!(text.contains(r"bad\u{0}: \u{1b}[31m\u{d}\u{a}forged line\u{202e} \u{e4} xxx"));
    assert!(text.len() < 600 && text.ends_with("x..."), "{text}");
}

#[test]
fn s47_lifetimes_in_every_way_they_are_written() {
    // What the server says, and whether the token is held for the next handshake.
    let table = [
        ("3600", true),
        (r#""3600""#, true),
        (r#"" 3600.5 ""#, true),
        ("3599.99", true),
        ("18446744073709551615", true),
        ("99999999999999999999999999", true),
        ("1e300", true),
        (r#""99999999999999999999999999""#, true),
        ("null", true),
        ("0", false),
        (r#""0""#, false),
        ("-1", false),
        (r#""-1""#, false),
        ("-9223372036854775808", false),
        ("-1e300", false),
        // Over by the time that it is asked for again.
        ("0.000001", false),
    ];
    for (expires_in, held) in table {
        let body = format!(r#"{{"access_token":"a","expires_in":{expires_in}}}"#);
        let server = Server::saying(move |_, _| json(200, &body));
        let credentials = client_credentials(&server).build().unwrap();
        assert_eq!(header(&credentials).unwrap(), "Bearer a");
        assert_eq!(header(&credentials).unwrap(), "Bearer a");
        assert_eq!(server.count(), if held { 1 } else { 2 }, "{expires_in}");
    }
}

type Configure = fn(OAuth2Grant) -> OAuth2Grant;

#[test]
fn lifetime_is_the_default_less_the_skew_where_none_is_told() {
    let server = Server::saying(|_, _| json(200, r#"{"access_token":"a"}"#));
    let second = Duration::from_secs(1);
    let table: [(Configure, usize); 4] = [
        (|grant| grant, 1),
        (|grant| grant.default_lifetime(Duration::ZERO), 2),
        (|grant| grant.default_lifetime(Duration::MAX).clock_skew(Duration::from_secs(60)), 1),
        (|grant| grant.clock_skew(Duration::from_secs(3600)), 2),
    ];
    for (configure, requests) in table {
        let before = server.count();
        let credentials = configure(client_credentials(&server)).build().unwrap();
        for _ in 0..2 {
            header(&credentials).unwrap();
        }
        assert_eq!(server.count() - before, requests);
    }
    // A token that really expires is not used again.
    let body = r#"{"access_token":"a","expires_in":1}"#;
    let server = Server::saying(move |_, _| json(200, body));
    let credentials = client_credentials(&server).build().unwrap();
    let asked = Instant::now();
    header(&credentials).unwrap();
    thread::sleep((asked + 2 * second).saturating_duration_since(Instant::now()));
    header(&credentials).unwrap();
    assert_eq!(server.count(), 2);
}

#[test]
fn s47_slow_answers_end_with_the_deadline() {
    // A byte now and then, for ever: at any place of the answer.
    let beginnings = [
        "",
        "HTTP/1.1 200 OK\r\nA: ",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
    ];
    for beginning in beginnings {
        let server = Server::start(move |_, _, out| {
            let mut said = out.write_all(beginning.as_bytes());
            while said.is_ok() {
                thread::sleep(Duration::from_millis(5));
                said = out.write_all(b" ");
            }
        });
        let timeout = Duration::from_millis(150);
        let options = HttpOptions::new().request_timeout(timeout);
        let credentials = client_credentials(&server).http(options).build().unwrap();
        let begun = Instant::now();
        let error = credentials.access_token().unwrap_err();
        let took = begun.elapsed();
        assert!(took >= timeout && took < 20 * timeout, "{took:?} for {beginning:?}");
        assert!(error.is_transient());
        let OAuth2Error::Endpoint(EndpointError::Timeout { limit, option, .. }) = error else {
            panic!("{error:?} for {beginning:?}");
        };
        assert_eq!((limit, option), (timeout, "request_timeout"));
    }
}

#[test]
fn s47_endpoint_that_rests_is_left_alone() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = Server::saying(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        answer(503, "Retry-After: 120\r\n", "")
    });
    let credentials = client_credentials(&server).build().unwrap();
    let first = header(&credentials).unwrap_err();
    let begun = Instant::now();
    for _ in 0..1_000 {
        let error = header(&credentials).unwrap_err();
        assert!(error.is_transient());
        assert_eq!(error.to_string(), first.to_string());
    }
    assert!(begun.elapsed() < Duration::from_secs(100));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn out_of_reach_is_transient() {
    // Nobody listens there.
    let nobody = OAuth2Grant::client_credentials("http://127.0.0.1:1/", "id", "secret");
    let error = nobody.build().unwrap().access_token().unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("is out of reach"), "{error}");
    let nowhere = OAuth2Grant::client_credentials("https://nowhere.invalid/", "id", "secret");
    let error = nowhere.build().unwrap().access_token().unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("nowhere.invalid"), "{error}");
}

#[test]
fn token_response_is_read_from_bytes() {
    let body = br#"{"access_token":"a.b","expires_in":"60","refresh_token":"r","scope":"x y"}"#;
    let response = TokenResponse::parse(body).unwrap();
    assert_eq!(response.access_token.expose_secret(), "a.b");
    assert_eq!(response.expires_in, Some(Duration::from_secs(60)));
    assert_eq!(response.refresh_token.unwrap().expose_secret(), "r");
    assert_eq!(response.scope.as_deref(), Some("x y"));
}
