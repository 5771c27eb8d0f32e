//! Plain HTTP on a listener's port.

use wirewright::{HttpRequest, HttpResponse, ListenerBuilder, Rejection, Reply, UpgradeRequest};
use wirewright_tests::http::{ask, ask_all_ways, upgrade};
use wirewright_tests::raw_client::RawClient;
use wirewright_tests::services::{By, Call, plain};

/// A request for no WebSocket.
fn http(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
}

fn page(request: &HttpRequest) -> Result<HttpResponse, Rejection> {
    match request.path() {
        "/page" => {
            let page = HttpResponse::ok().header("Content-Type", "text/html")?;
            Ok(page.body("<p>a page"))
        }
        "/echo" => {
            let body = String::from_utf8_lossy(request.body());
            Ok(HttpResponse::ok().body(format!("{} {body}", request.method())))
        }
        "*" => Ok(HttpResponse::ok().header("Allow", "GET, HEAD")?),
        "/healthz" => Ok(HttpResponse::ok().body("not the helper")),
        "/nothing" => Ok(HttpResponse::new(204)?.body("unsent")),
        "/status" => Ok(HttpResponse::new(101)?),
        "/split" => Ok(HttpResponse::ok().header("X-A", "a\r\nX-Evil: b")?),
        "/panic" => panic!("in the fallback"),
        "/large" => Ok(HttpResponse::ok().body(vec![b'x'; 5001])),
        "/fits" => Ok(HttpResponse::ok().body(vec![b'x'; 5000])),
        _ => Err(Rejection::not_found().body("no page")),
    }
}

fn silent(builder: ListenerBuilder) -> ListenerBuilder {
    builder.route("/feed", |_: &UpgradeRequest| {
        Ok(By(|_: &wirewright::Caller, _: Call<'_>| Ok(Reply::Nothing)))
    })
}

#[test]
fn s25_plain_requests_are_answered_and_end_their_connection() {
    let listener = silent(plain()).health("/healthz").max_queued(5000).fallback(page);
    let listener = listener.listen("127.0.0.1:0").unwrap();
    let addr = listener.local_addr();
    let body = |length: &str, body: &str| format!("Content-Length: {length}\r\n\r\n{body}");
    let post = |more: &str| http("POST", "/echo", more);
    let with_body = |length, text| post(&body(length, text)).trim_end_matches("\r\n").to_owned();
    let fits = "x".repeat(5000);
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (request, status, expected) in [
        (http("GET", "/page", ""), 200, "<p>a page"),
        (http("GET", "/page?query", "Connection: keep-alive\r\n"), 200, "<p>a page"),
        (http("GET", "/page", "").replace("1.1", "1.0"), 200, "<p>a page"),
        (http("GET", "http://localhost/page", ""), 200, "<p>a page"),
        (http("HEAD", "/page", ""), 200, ""),
        (http("OPTIONS", "*", ""), 200, ""),
        (post(""), 200, "POST "),
        (http("DELETE", "/echo", ""), 200, "DELETE "),
        (with_body("5", "hello"), 200, "POST hello"),
        (with_body("5, 5", "hello"), 200, "POST hello"),
        (http("GET", "/nothing", ""), 204, ""),
        (http("GET", "/fits", ""), 200, fits.as_str()),
        (http("GET", "/none", ""), 404, "no page"),
        (http("GET", "/feed", ""), 404, "no page"),
        (http("GET", "/large", ""), 500, ""),
        (http("GET", "/panic", ""), 500, ""),
        (http("GET", "/status", ""), 500, ""),
        (http("GET", "/split", ""), 500, ""),
        (http("GET", "/healthz", ""), 200, "ok\n"),
        (http("HEAD", "/healthz", ""), 200, ""),
        (http("POST", "/healthz", ""), 200, "not the helper"),
        // A body is read to a bound, and none that is framed in two ways or in one unknown.
        (http("PUT", "/echo", "Content-Length: 8193\r\n"), 413, ""),
        (http("PUT", "/echo", "Content-Length: 99999999999999999999\r\n"), 400, ""),
        (post("Content-Length: 5\r\nContent-Length: 6\r\n"), 400, ""),
        (post("Content-Length: -1\r\n"), 400, ""),
        (post("Content-Length: +5\r\n"), 400, ""),
        (post(chunked), 501, ""),
        (post(&[chunked, "Content-Length: 5\r\n"].concat()), 400, ""),
        (post("Content-Length: 5\r\nExpect: 100-continue\r\n"), 417, ""),
        // Requests for a WebSocket are not the fallback's.
        (upgrade("/page", ""), 404, ""),
        (upgrade("/page", "").replacen("GET", "POST", 1), 405, ""),
        (upgrade("/feed", "").replace("Key", "Kex"), 400, ""),
    ] {
        let answer = ask_all_ways(addr, &request);
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        if status < 400 || !expected.is_empty() {
            assert_eq!(answer.body, expected, "{request}");
        }
        assert!(!answer.head.contains("X-Evil"), "{answer:?}");
    }
    let head = ask(addr, http("HEAD", "/page", ""));
    assert_eq!(head.header("Content-Length"), Some("9"));
    assert_eq!(head.header("Content-Type"), Some("text/html"));
    assert_eq!(ask(addr, http("GET", "/nothing", "")).header("Content-Length"), None);
    assert!(listener.stats().answered > 0);
    assert_eq!(ask(addr, upgrade("/feed", "")).status, 101);
}

#[test]
fn a_body_may_come_in_pieces_and_up_to_the_limit() {
    let listener = silent(plain()).max_request_body(100_000).max_queued(1 << 20).fallback(page);
    let listener = listener.listen("127.0.0.1:0").unwrap();
    let body = "y".repeat(100_000);
    let mut client = RawClient::silent(listener.local_addr());
    client.send(http("POST", "/echo", "Content-Length: 100000\r\n"));
    for piece in body.as_bytes().chunks(7777) {
        client.send(piece);
    }
    let answer = wirewright_tests::http::answer(&mut client);
    assert_eq!((answer.status, answer.body), (200, format!("POST {body}")));
    let more = ask(listener.local_addr(), http("POST", "/echo", "Content-Length: 100001\r\n"));
    assert_eq!(more.status, 413);
}

#[test]
fn p030_without_a_fallback_plain_requests_are_refused() {
    for health in [false, true] {
        let builder = silent(plain());
        let builder = if health { builder.health("/healthz") } else { builder };
        let listener = builder.listen("127.0.0.1:0").unwrap();
        for (method, target, status) in [
            ("GET", "/feed", 426),
            ("HEAD", "/feed", 405),
            ("POST", "/feed", 405),
            ("GET", "/none", 404),
            ("GET", "/healthz", if health { 200 } else { 404 }),
            ("POST", "/healthz", 404),
        ] {
            let answer = ask_all_ways(listener.local_addr(), &http(method, target, ""));
            assert_eq!(answer.status, status, "{method} {target}");
            let version = answer.header("Sec-WebSocket-Version");
            assert_eq!(version, (status == 426).then_some("13"), "{method} {target}");
        }
    }
}
