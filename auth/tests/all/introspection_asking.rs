//! What is asked of an introspection endpoint, how often, and for how long it is believed.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use wirewright_auth::{ClientAuthentication, HttpOptions, OAuth2Introspection};
use wirewright_core::handshake::Rejection;

use super::http_server::{Server, answer, json};
use super::introspection::{builder, now, show};
use super::oauth2_requests::{client_credentials, granting};
use super::oauth2_secrets::Log;

const YES: &str = r#"{"active":true,"sub":"me"}"#;

fn saying_yes() -> Server {
    Server::saying(|_, _| json(200, YES))
}

fn retry_after(rejection: &Rejection) -> u64 {
    assert_eq!(rejection.status(), 503);
    rejection.headers().get("Retry-After").unwrap().parse().unwrap()
}

#[test]
fn rfc7662_2_1_requests_are_as_written() {
    let server = saying_yes();
    let at = || OAuth2Introspection::builder(server.url("/introspect?tenant=1"));
    // base64("rs:p%3A")
    let basic = Some("Basic cnM6cCUzQQ==");
    let table = [
        (at(), None, "token=a%2Fb"),
        (at().client("rs", "p:"), basic, "token=a%2Fb"),
        (
            at().client("rs", "p:").token_type_hint("access_token").parameter("x", "y z"),
            basic,
            "token=a%2Fb&token_type_hint=access_token&x=y+z",
        ),
        (
            at().client("rs", "p:")
                .client_authentication(ClientAuthentication::Body)
                .payload("p=%20q"),
            None,
            "token=a%2Fb&client_id=rs&client_secret=p%3A&p=%20q",
        ),
    ];
    for (number, (tokens, authorization, form)) in table.into_iter().enumerate() {
        let tokens = tokens.build().unwrap();
        assert_eq!(show(&tokens, "a/b").unwrap().name, "me");
        let seen = &server.seen()[number];
        assert_eq!(seen.line, "POST /introspect?tenant=1 HTTP/1.1");
        assert_eq!(seen.header("authorization"), authorization);
        assert_eq!(seen.body, form);
    }
    // "or a separate OAuth 2.0 access token such as the bearer token" (RFC 7662 §2.1).
    let issuer = granting();
    let own = client_credentials(&issuer).build().unwrap();
    let tokens = at().http(HttpOptions::new().credentials(own)).build().unwrap();
    show(&tokens, "c").unwrap();
    let last = server.seen().pop().unwrap();
    assert_eq!(last.header("authorization"), Some("Bearer token-0"));
}

#[test]
fn rfc7662_4_active_tokens_are_remembered_until_they_expire() {
    let server = Server::saying(|seen, _| {
        let lifetime = seen.parameter("token").unwrap().parse::<u64>().unwrap();
        json(200, &format!(r#"{{"active":true,"exp":{}}}"#, now() + lifetime))
    });
    let tokens = builder(&server).build().unwrap();
    for _ in 0..3 {
        show(&tokens, "100").unwrap();
    }
    assert_eq!(server.count(), 1);
    // One that is about to expire is let in until then, and then asked for again.
    let begun = Instant::now();
    show(&tokens, "2").unwrap();
    thread::sleep((begun + Duration::from_secs(3)).saturating_duration_since(Instant::now()));
    show(&tokens, "2").unwrap();
    assert_eq!(server.count(), 3);
}

#[test]
fn rfc7662_4_memory_of_tokens_is_bounded() {
    let server = saying_yes();
    let asked = |tokens: &OAuth2Introspection, list: &[&str]| {
        let before = server.count();
        list.iter().for_each(|token| drop(show(tokens, token).unwrap()));
        server.count() - before
    };
    let two = builder(&server).cache_capacity(2).build().unwrap();
    assert_eq!(asked(&two, &["a", "b", "a", "c", "a"]), 3, "`b` has made room");
    assert_eq!(asked(&two, &["c", "b"]), 1);
    let none = builder(&server).cache_capacity(0).build().unwrap();
    assert_eq!(asked(&none, &["a", "a"]), 2);
    let brief = builder(&server).cache_lifetime(Duration::ZERO).build().unwrap();
    assert_eq!(asked(&brief, &["a", "a"]), 2);
    let ended = builder(&server).default_token_lifetime(Duration::ZERO).build().unwrap();
    assert_eq!(asked(&ended, &["a", "a"]), 2);
    let long = builder(&server).default_token_lifetime(Duration::MAX).build().unwrap();
    assert_eq!(asked(&long, &["a", "a"]), 1);
    // What is revoked can be forgotten.
    long.forget(&SecretString::from("a"));
    assert_eq!(asked(&long, &["a", "a", "b"]), 2);
    long.forget_all();
    assert_eq!(asked(&long, &["a", "b"]), 2);
}

#[test]
fn tokens_that_are_not_active_take_no_room() {
    let server = Server::saying(|seen, _| match seen.parameter("token").unwrap().as_str() {
        "good" => json(200, YES),
        _ => json(200, r#"{"active":false}"#),
    });
    let tokens = builder(&server).cache_capacity(1).build().unwrap();
    show(&tokens, "good").unwrap();
    for number in 0..20 {
        assert_eq!(show(&tokens, &format!("bad-{number}")).unwrap_err().status(), 401);
    }
    show(&tokens, "good").unwrap();
    assert_eq!(server.count(), 21);
}

#[test]
fn s47_the_same_token_is_asked_for_once_at_a_time() {
    let server = saying_yes();
    let tokens = builder(&server).build().unwrap();
    let barrier = Barrier::new(500);
    thread::scope(|scope| {
        for number in 0..500 {
            let (tokens, barrier) = (&tokens, &barrier);
            let thread = thread::Builder::new().stack_size(256 << 10);
            let run = move || {
                barrier.wait();
                show(tokens, if number % 2 == 0 { "even" } else { "odd" }).unwrap();
            };
            thread.spawn_scoped(scope, run).unwrap();
        }
    });
    assert_eq!(server.count(), 2);
}

#[test]
fn s47_endpoint_that_asks_for_rest_is_left_alone() {
    let server = Server::saying(|_, _| answer(429, "Retry-After: 100\r\n", ""));
    let tokens = builder(&server).build().unwrap();
    let first = retry_after(&show(&tokens, "a").unwrap_err());
    assert_eq!(first, 100);
    for number in 0..100 {
        let rest = retry_after(&show(&tokens, &format!("b{number}")).unwrap_err());
        assert!((1..=100).contains(&rest), "{rest}");
    }
    assert_eq!(server.count(), 1);
    let forever = Server::saying(|_, _| answer(503, "Retry-After: 99999999\r\n", ""));
    let tokens = builder(&forever).build().unwrap();
    assert_eq!(retry_after(&show(&tokens, "a").unwrap_err()), 300);
}

#[test]
fn s47_one_bad_token_is_nobody_elses_trouble() {
    let server = Server::saying(|seen, _| match seen.parameter("token").unwrap().as_str() {
        "crash" => json(500, ""),
        "huge" => json(200, &"x".repeat(70_000)),
        _ => json(200, YES),
    });
    let tokens = builder(&server).build().unwrap();
    for token in ["crash", "huge"] {
        assert_eq!(retry_after(&show(&tokens, token).unwrap_err()), 1);
        assert_eq!(show(&tokens, &format!("after-{token}")).unwrap().name, "me");
    }
}

#[test]
fn s47_slow_or_absent_endpoint_is_503_in_time() {
    let timeout = Duration::from_millis(100);
    let slow = Server::start(|_, _, out| {
        while out.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let options = HttpOptions::new().request_timeout(timeout);
    let tokens = builder(&slow).http(options).build().unwrap();
    let begun = Instant::now();
    assert_eq!(retry_after(&show(&tokens, "a").unwrap_err()), 1);
    assert!(begun.elapsed() >= timeout && begun.elapsed() < 50 * timeout);
    // Nobody listens there.
    let absent = OAuth2Introspection::builder("http://127.0.0.1:1/").build().unwrap();
    for _ in 0..10 {
        assert_eq!(retry_after(&show(&absent, "a").unwrap_err()), 1);
    }
}

#[test]
fn s48_tokens_and_secrets_show_nowhere() {
    let canary = "canary-5e21";
    let said = [
        json(200, &format!(r#"{{"active":true,"sub":["{canary}"]}}"#)),
        json(200, canary),
        json(401, &format!(r#"{{"error":"{canary}"}}"#)),
        answer(302, &format!("Location: https://example.com/{canary}\r\n"), ""),
        format!("{canary}\r\n\r\n"),
    ];
    for said in said {
        let server = Server::saying(move |_, _| said.clone());
        let log = Log::default();
        let rejection = tracing::subscriber::with_default(log.clone(), || {
            let tokens = OAuth2Introspection::builder(server.url(&format!("/?key={canary}")))
                .client("rs", canary)
                .parameter("key", canary)
                .http(HttpOptions::new().header("X-Api-Key", canary))
                .build()
                .unwrap();
            show(&tokens, canary).unwrap_err()
        });
        assert!(log.text().contains("introspection failed"));
        let body = String::from_utf8_lossy(rejection.content());
        let shown = format!("{} {rejection} {rejection:?} {body}", log.text());
        assert!(!shown.contains(canary), "{shown}");
    }
}
