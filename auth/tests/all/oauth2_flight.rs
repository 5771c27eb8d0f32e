//! Who asks for a token, and when: one for all, anew after a refusal, with refresh tokens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use wirewright_auth::{HttpOptions, OAuth2Credentials, OAuth2Error, OAuth2Grant, RefreshOptions};
use wirewright_core::handshake::{Credentials, CredentialsError, Headers};

use super::http_server::{Server, json, token};
use super::oauth2_requests::{client_credentials, granting, header, uri};

/// Lets those pass who come once it is open.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap();
        let waited = self.opened.wait_timeout_while(is_open, Duration::from_secs(60), |it| !*it);
        assert!(*waited.unwrap().0, "the gate was never opened");
    }
}

/// A thousand threads ask at once; the server answers when all have begun.
fn thousand(answer: &'static str) -> (Vec<Result<String, bool>>, usize) {
    let gate = Arc::new(Gate::default());
    let waits = Arc::clone(&gate);
    let server = Server::saying(move |_, _| {
        waits.pass();
        answer.to_owned()
    });
    let credentials = client_credentials(&server).build().unwrap();
    let begun = AtomicUsize::new(0);
    let answers = thread::scope(|scope| {
        let ask = || {
            begun.fetch_add(1, Ordering::SeqCst);
            header(&credentials).map_err(|error| error.is_transient())
        };
        let threads: Vec<_> = (0..1_000)
            .map(|_| thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, ask).unwrap())
            .collect();
        while begun.load(Ordering::SeqCst) < 1_000 {
            thread::yield_now();
        }
        gate.open();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    (answers, server.count())
}

#[test]
fn s47_a_thousand_threads_ask_once() {
    let granted = "HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"one\",\"expires_in\":3600}";
    let (answers, requests) = thousand(granted);
    assert_eq!((answers.len(), requests), (1_000, 1));
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok("Bearer one")));
}

#[test]
fn s47_a_thousand_threads_fail_at_once() {
    let (answers, requests) = thousand("HTTP/1.1 503 Busy\r\nRetry-After: 60\r\n\r\n");
    assert_eq!((answers.len(), requests), (1_000, 1));
    assert!(answers.iter().all(|answer| *answer == Err(true)));
}

#[test]
fn s47_who_waits_waits_no_longer_than_a_request_may_take() {
    let gate = Arc::new(Gate::default());
    let (asked, waits) = (Arc::new(Gate::default()), Arc::clone(&gate));
    let told = Arc::clone(&asked);
    // The one who asks is held up before the request even begins.
    let assertion = move || {
        told.open();
        waits.pass();
        Ok("a.b.c".into())
    };
    let server = granting();
    let timeout = Duration::from_millis(100);
    let credentials = OAuth2Grant::jwt_bearer_with(server.url("/"), assertion)
        .http(HttpOptions::new().request_timeout(timeout))
        .build()
        .unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| header(&credentials));
        asked.pass();
        let begun = Instant::now();
        let error = credentials.access_token().unwrap_err();
        assert!(matches!(error, OAuth2Error::Waited { limit, .. } if limit == timeout));
        assert!(error.is_transient() && begun.elapsed() >= timeout);
        gate.open();
        assert_eq!(first.join().unwrap().unwrap(), "Bearer token-0");
    });
}

#[test]
fn panic_of_who_asks_is_an_error_to_who_waits() {
    let server = granting();
    let times = AtomicUsize::new(0);
    let asked = Arc::new(Gate::default());
    let (told, gate) = (Arc::clone(&asked), Arc::new(Gate::default()));
    let waits = Arc::clone(&gate);
    let assertion = move || {
        if times.fetch_add(1, Ordering::SeqCst) == 0 {
            told.open();
            waits.pass();
            panic!("on purpose");
        }
        Ok("a.b.c".into())
    };
    let credentials = OAuth2Grant::jwt_bearer_with(server.url("/"), assertion).build().unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| header(&credentials));
        asked.pass();
        let second = scope.spawn(|| credentials.access_token());
        gate.open();
        assert!(first.join().is_err());
        assert!(matches!(second.join().unwrap(), Err(OAuth2Error::Abandoned)));
    });
    // The rest after a failure is a second.
    let deadline = Instant::now() + Duration::from_secs(30);
    while header(&credentials).is_err() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
}

fn refuse(credentials: &OAuth2Credentials, header: &str) -> bool {
    let mut sent = Headers::new();
    sent.append("Authorization", header).unwrap();
    credentials.refused(&uri("wss://example.com/"), &sent)
}

#[test]
fn s47_refused_token_is_replaced_once() {
    let server = granting();
    let credentials = client_credentials(&server).build().unwrap();
    assert_eq!(header(&credentials).unwrap(), "Bearer token-0");
    // Many connections were refused with the same token: one request replaces it.
    for _ in 0..10 {
        assert!(refuse(&credentials, "Bearer token-0"));
        assert_eq!(header(&credentials).unwrap(), "Bearer token-1");
    }
    assert_eq!(server.count(), 2);
    // What these credentials never sent changes nothing.
    assert!(!refuse(&credentials, "Basic token-1"));
    assert!(!credentials.refused(&uri("wss://example.com/"), &Headers::new()));
    assert_eq!(header(&credentials).unwrap(), "Bearer token-1");
    assert_eq!(server.count(), 2);
}

/// Grants tokens that are to be replaced at once, with a refresh token where `refresh` says so;
/// refuses the refresh tokens that begin with "bad".
fn refreshing(refresh: fn(usize) -> &'static str) -> Server {
    Server::saying(move |seen, number| {
        if seen.parameter("refresh_token").is_some_and(|token| token.starts_with("bad")) {
            return json(400, r#"{"error":"invalid_grant"}"#);
        }
        let refresh = refresh(number);
        json(200, &format!(r#"{{"access_token":"token-{number}","expires_in":0{refresh}}}"#))
    })
}

/// The grants that were asked for, with the refresh token of each.
fn grants(server: &Server) -> Vec<String> {
    let describe = |seen: &super::http_server::Seen| {
        let refresh = seen.parameter("refresh_token").unwrap_or_default();
        format!("{} {refresh}", seen.parameter("grant_type").unwrap()).trim().to_owned()
    };
    server.seen().iter().map(describe).collect()
}

fn password(server: &Server) -> OAuth2Grant {
    OAuth2Grant::password(server.url("/token"), "user", "word").client("id", "secret")
}

#[test]
fn rfc6749_6_refresh_tokens_are_used_and_replaced() {
    let server = refreshing(|number| match number {
        0 => r#","refresh_token":"r0""#,
        2 => r#","refresh_token":"r2""#,
        _ => "",
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    let keep = move |token: &SecretString| {
        kept.lock().unwrap().push(token.expose_secret().to_owned());
    };
    let grant = password(&server).scopes(["a"]).on_refresh_token(keep);
    let credentials = grant.build().unwrap();
    for number in 0..5 {
        assert_eq!(header(&credentials).unwrap(), format!("Bearer token-{number}"));
    }
    assert_eq!(*told.lock().unwrap(), ["r0", "r2"], "each once");
    let expected = [
        "password",
        "refresh_token r0",
        "refresh_token r0",
        "refresh_token r2",
        "refresh_token r2",
    ];
    assert_eq!(grants(&server), expected);
    let seen = server.seen();
    assert_eq!(seen[0].parameter("scope").as_deref(), Some("a"));
    assert_eq!(seen[1].parameter("scope"), None, "what was granted is asked for again");
    assert_eq!(seen[1].header("authorization"), seen[0].header("authorization"));
}

#[test]
fn rfc6749_6_refused_refresh_token_gives_way_to_the_grant() {
    let server = refreshing(|number| match number {
        0 => r#","refresh_token":"bad""#,
        _ => "",
    });
    let credentials = password(&server).build().unwrap();
    for number in [0, 2, 3] {
        assert_eq!(header(&credentials).unwrap(), format!("Bearer token-{number}"));
    }
    assert_eq!(grants(&server), ["password", "refresh_token bad", "password", "password"]);
}

#[test]
fn refresh_token_outlives_an_outage() {
    let server = Server::saying(|seen, number| match number {
        0 => json(200, r#"{"access_token":"a","expires_in":0,"refresh_token":"r"}"#),
        1 => json(503, ""),
        _ => token(&seen.parameter("refresh_token").unwrap()),
    });
    let credentials = password(&server).build().unwrap();
    header(&credentials).unwrap();
    assert!(header(&credentials).unwrap_err().is_transient());
    let deadline = Instant::now() + Duration::from_secs(30);
    while header(&credentials).is_err() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(header(&credentials).unwrap(), "Bearer r");
    assert_eq!(server.count(), 3, "the grant was not needed");
}

#[test]
fn refresh_can_have_an_endpoint_of_its_own_or_none() {
    let server = refreshing(|_| r#","refresh_token":"r""#);
    let elsewhere = refreshing(|_| "");
    let options = RefreshOptions::new(elsewhere.url("/refresh")).scopes(["b"]).parameter("p", "q");
    let credentials = password(&server).refresh(options).build().unwrap();
    let never = password(&server).without_refresh().build().unwrap();
    for _ in 0..2 {
        header(&credentials).unwrap();
        header(&never).unwrap();
    }
    assert_eq!(grants(&server), ["password"; 3]);
    let form = "grant_type=refresh_token&refresh_token=r&scope=b&p=q";
    assert_eq!(elsewhere.seen()[0].body, form);
    assert_eq!(elsewhere.count(), 1);
}

#[test]
fn rfc6749_6_replaced_refresh_token_is_not_used_again() {
    let server = refreshing(|number| if number == 0 { r#","refresh_token":"bad1""# } else { "" });
    let grant = OAuth2Grant::refresh_token(server.url("/"), "r0").client("id", "secret");
    let credentials = grant.build().unwrap();
    header(&credentials).unwrap();
    assert!(!header(&credentials).unwrap_err().is_transient());
    assert_eq!(grants(&server), ["refresh_token r0", "refresh_token bad1"]);
}

#[test]
fn rfc7523_2_1_assertion_is_made_for_each_request() {
    let server = Server::saying(|_, number| {
        json(200, &format!(r#"{{"access_token":"t{number}","expires_in":0}}"#))
    });
    let times = AtomicUsize::new(0);
    let assertion = move || match times.fetch_add(1, Ordering::SeqCst) {
        2 => Err(CredentialsError::permanent("the key is gone")),
        number => Ok(format!("jwt-{number}").into()),
    };
    let credentials = OAuth2Grant::jwt_bearer_with(server.url("/"), assertion).build().unwrap();
    for _ in 0..2 {
        header(&credentials).unwrap();
    }
    let error = header(&credentials).unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("the key is gone"), "{error}");
    let assertions = server.seen().into_iter().map(|seen| seen.parameter("assertion").unwrap());
    assert_eq!(assertions.collect::<Vec<_>>(), ["jwt-0", "jwt-1"]);
}

#[test]
fn clones_share_the_token() {
    let server = granting();
    let credentials = client_credentials(&server).build().unwrap();
    let clone = credentials.clone();
    assert_eq!(header(&credentials).unwrap(), header(&clone).unwrap());
    assert_eq!(clone.access_token().unwrap().expose_secret(), "token-0");
    assert_eq!(server.count(), 1);
}

#[test]
fn answer_in_many_pieces_is_one() {
    let server = Server::start(|_, _, out| {
        for byte in token("cut").bytes() {
            out.write_all(&[byte]).unwrap();
        }
    });
    assert_eq!(header(&client_credentials(&server).build().unwrap()).unwrap(), "Bearer cut");
}
