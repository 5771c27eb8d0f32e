//! Services that come and go while a listener runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wirewright::{Caller, OriginPolicy, Reply, RouteError, ServiceOptions, UpgradeRequest};
use wirewright_tests::http::{ask, upgrade};
use wirewright_tests::raw_client::{RawClient, TEXT};
use wirewright_tests::services::{By, Call, plain};

/// Answers every text with its name.
fn named(name: &'static str) -> impl wirewright::UpgradeService {
    move |_: &UpgradeRequest| {
        Ok(By(move |_: &Caller, call: Call<'_>| match call {
            Call::Text(_) => Ok(Reply::Text(name.to_owned())),
            _ => Ok(Reply::Nothing),
        }))
    }
}

fn says(client: &mut RawClient, name: &str) {
    client.frame(TEXT, "who");
    client.expect(TEXT, name);
}

#[test]
fn services_are_attached_and_detached_on_all_loops_and_open_connections_stay() {
    let listener =
        plain().threads(3).route("/first", named("first")).listen("127.0.0.1:0").unwrap();
    let addr = listener.local_addr();
    let open = |path: &str| {
        let mut client = RawClient::silent(addr);
        client.send(upgrade(path, ""));
        assert!(client.head().starts_with("HTTP/1.1 101 "), "{path}");
        client
    };
    // More than there are loops, so that each has some.
    let each = || 0..6;
    let mut early = each().map(|_| open("/first")).collect::<Vec<_>>();
    each().for_each(|_| assert_eq!(ask(addr, upgrade("/second", "")).status, 404));
    listener.attach("/second", named("second")).unwrap();
    each().for_each(|_| says(&mut open("/second"), "second"));
    listener.detach("/first").unwrap();
    each().for_each(|_| assert_eq!(ask(addr, upgrade("/first", "")).status, 404));
    early.iter_mut().for_each(|client| says(client, "first"));
    // Another in its place does not change those of before.
    listener.attach("/first", named("other")).unwrap();
    each().for_each(|_| says(&mut open("/first"), "other"));
    early.iter_mut().for_each(|client| says(client, "first"));
}

#[test]
fn a_path_is_attached_once_and_detached_once() {
    let listener = plain().route("/a/{b}", named("")).listen("127.0.0.1:0").unwrap();
    let taken = |route: &str, by: &str| RouteError::Taken { route: route.into(), by: by.into() };
    assert_eq!(listener.attach("/a/{b}", named("")), Err(taken("/a/{b}", "/a/{b}")));
    assert_eq!(listener.attach("/a/{c}/", named("")), Err(taken("/a/{c}/", "/a/{b}")));
    assert_eq!(listener.detach("/a/{c}"), Err(RouteError::Unknown("/a/{c}".into())));
    assert_eq!(listener.detach("/never"), Err(RouteError::Unknown("/never".into())));
    let malformed = listener.attach("a", named("")).unwrap_err();
    assert_eq!(malformed.to_string(), "route \"a\" is malformed: it does not begin with `/`");
    assert_eq!(listener.detach("/a/{b}/"), Ok(()));
    let unknown = listener.detach("/a/{b}").unwrap_err();
    assert_eq!(unknown.to_string(), "route \"/a/{b}\" is not attached");
    assert_eq!(listener.attach("/a/{c}", named("")), Ok(()));
}

#[test]
fn options_come_with_what_is_attached() {
    let origins = OriginPolicy::only(["https://example.com"]).unwrap();
    let listener = plain().origins(origins).listen("127.0.0.1:0").unwrap();
    let addr = listener.local_addr();
    listener.attach("/a", named("")).unwrap();
    let options = ServiceOptions::new().origins(OriginPolicy::any()).sub_protocols(["x"]);
    listener.attach_with("/b", options, named("")).unwrap();
    let headers = "Origin: https://example.org\r\nSec-WebSocket-Protocol: x\r\n";
    assert_eq!(ask(addr, upgrade("/a", headers)).status, 403);
    let answer = ask(addr, upgrade("/b", headers));
    assert_eq!((answer.status, answer.header("Sec-WebSocket-Protocol")), (101, Some("x")));
}

#[test]
fn whoever_connects_while_services_change_gets_one_or_404() {
    let listener =
        plain().threads(2).route("/stays", named("stays")).listen("127.0.0.1:0").unwrap();
    let (addr, done) = (listener.local_addr(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                listener.attach("/changes", named("changes")).unwrap();
                listener.detach("/changes").unwrap();
            }
        });
        for _ in 0..100 {
            assert_eq!(ask(addr, upgrade("/stays", "")).status, 101);
            let answer = ask(addr, upgrade("/changes", ""));
            assert!(matches!(answer.status, 101 | 404), "{answer:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(ask(addr, upgrade("/changes", "")).status, 404);
}
