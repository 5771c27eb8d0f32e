//! Keys that an issuer publishes: fetched, kept, replaced, and missed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _};
use wirewright_auth::{
    HttpOptions, JwksEndpoint, JwtAlgorithm, JwtError, JwtValidator, JwtValidatorBuilder,
};
use wirewright_core::handshake::Authenticator as _;

use super::http_server::{Server, answer, json};
use super::support;
use super::tokens::{NOW, at, encode, sign};

/// Long enough for a test to be over before it is.
const LONG: Duration = Duration::from_secs(300);

/// A key of an issuer, by name.
struct Key {
    name: &'static str,
    pair: KeyPair,
}

impl Key {
    fn new(name: &'static str) -> Self {
        Self { name, pair: KeyPair::generate_for(&PKCS_ED25519).unwrap() }
    }

    fn jwk(&self) -> String {
        let (name, x) = (self.name, encode(self.pair.der_bytes()));
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{name}","x":"{x}"}}"#)
    }

    fn token(&self) -> String {
        let header = encode(format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.name));
        let claims = encode(format!(r#"{{"exp":{}}}"#, NOW + 100));
        let key = EncodingKey::from_ed_der(&self.pair.serialize_der());
        sign(&format!("{header}.{claims}"), Algorithm::EdDSA, &key)
    }
}

fn set(keys: &[&Key]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| key.jwk()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn aged(seconds: u64, body: &str) -> String {
    answer(200, &format!("Cache-Control: public, max-age={seconds}\r\n"), body)
}

fn endpoint(server: &Server) -> JwksEndpoint {
    JwksEndpoint::new(server.url("/keys?tenant=a"))
}

fn of(endpoint: JwksEndpoint) -> JwtValidatorBuilder {
    JwtValidator::builder().algorithms([JwtAlgorithm::EdDsa]).jwks(endpoint)
}

#[track_caller]
fn check(validator: &JwtValidator, key: &Key) -> Result<(), JwtError> {
    validator.validate(&key.token(), at(NOW)).map(drop)
}

fn is_unavailable(found: &Result<(), JwtError>) -> bool {
    matches!(found, Err(JwtError::Unavailable(_)))
}

#[test]
fn keys_are_fetched_once_and_kept() {
    let (a, b) = (Key::new("a"), Key::new("b"));
    let body = set(&[&a, &b]);
    let server = Server::saying(move |seen, _| {
        assert_eq!(seen.line, "GET /keys?tenant=a HTTP/1.1");
        json(200, &body)
    });
    let validator = of(endpoint(&server)).build().unwrap();
    assert!(validator.may_block());
    assert_eq!(server.count(), 0, "nothing is fetched before it is needed");
    assert_eq!(validator.preload(), Ok(()));
    for _ in 0..10 {
        assert_eq!((check(&validator, &a), check(&validator, &b)), (Ok(()), Ok(())));
    }
    assert_eq!(validator.preload(), Ok(()));
    assert_eq!(server.count(), 1);
}

/// A key that the issuer has begun to use is fetched when a token first names it; that happens at
/// most once in an interval, whatever tokens name.
#[test]
fn keys_that_are_not_known_are_asked_for_at_a_bounded_rate() {
    let (a, b, c) = (Arc::new(Key::new("a")), Arc::new(Key::new("b")), Key::new("c"));
    let script = {
        let (a, b) = (Arc::clone(&a), Arc::clone(&b));
        move |number: usize| match number {
            0 => set(&[&a]),
            1 => set(&[&a, &b]),
            _ => set(&[&b]),
        }
    };
    let copy = script.clone();
    let server = Server::saying(move |_, number| json(200, &copy(number)));
    let bounded = of(endpoint(&server).refresh_interval(LONG)).build().unwrap();
    assert_eq!(check(&bounded, &a), Ok(()));
    for _ in 0..20 {
        assert_eq!(check(&bounded, &b), Err(JwtError::UnknownKey));
    }
    assert_eq!(server.count(), 1, "the interval is not over");

    let server = Server::saying(move |_, number| json(200, &script(number)));
    let eager = of(endpoint(&server).refresh_interval(Duration::ZERO)).build().unwrap();
    assert_eq!(check(&eager, &a), Ok(()));
    assert_eq!(check(&eager, &b), Ok(()), "rotated in");
    assert_eq!(check(&eager, &a), Ok(()));
    assert_eq!(server.count(), 2);
    assert_eq!(check(&eager, &c), Err(JwtError::UnknownKey));
    assert_eq!(server.count(), 3);
    // The third answer is without the first key.
    assert_eq!(check(&eager, &a), Err(JwtError::UnknownKey));
    assert_eq!(check(&eager, &b), Ok(()));
}

#[test]
fn rfc9111_5_2_2_1_keys_are_as_old_as_the_answer_allows() {
    let a = Arc::new(Key::new("a"));
    for (header, interval, requests) in [
        // Not older than that, nor asked for more often than the interval allows.
        ("Cache-Control: max-age=0\r\n", Duration::ZERO, 4),
        ("Cache-Control: max-age=0\r\n", LONG, 1),
        ("Cache-Control: no-store\r\n", Duration::ZERO, 4),
        ("Cache-Control: max-age=1000\r\n", Duration::ZERO, 1),
        ("Cache-Control: max-age=18446744073709551615\r\n", Duration::ZERO, 1),
        ("Cache-Control: max-age=-1\r\n", Duration::ZERO, 1),
        ("", Duration::ZERO, 1),
    ] {
        let body = set(&[&a]);
        let server = Server::saying(move |_, _| answer(200, header, &body));
        let validator = of(endpoint(&server).refresh_interval(interval)).build().unwrap();
        for _ in 0..4 {
            assert_eq!(check(&validator, &a), Ok(()));
        }
        assert_eq!(server.count(), requests, "{header:?} {interval:?}");
    }
    let body = set(&[&a]);
    let server = Server::saying(move |_, _| json(200, &body));
    let short = endpoint(&server).refresh_interval(Duration::ZERO).default_max_age(Duration::ZERO);
    let validator = of(short).build().unwrap();
    assert_eq!((check(&validator, &a), check(&validator, &a)), (Ok(()), Ok(())));
    assert_eq!(server.count(), 2);
}

/// While the endpoint is down, or answers something else, the keys that there are stay in use.
#[test]
fn keys_stay_while_the_endpoint_is_down() {
    let (a, b) = (Arc::new(Key::new("a")), Key::new("b"));
    let good = set(&[&a]);
    let server = Server::saying(move |_, number| match number {
        0 => aged(0, &good),
        1 => json(500, "{}"),
        2 => json(404, &good),
        3 => answer(200, "Content-Type: text/html\r\n", "<html>"),
        4 => json(200, "{}"),
        5 => json(200, &format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(70_000))),
        6 => answer(302, "Location: http://127.0.0.1:1/\r\n", ""),
        7 => "HTTP/1.1 200 OK\r\nContent-Le".into(),
        8 => "garbage\r\n\r\n".into(),
        _ => aged(1000, &good),
    });
    let validator = of(endpoint(&server).refresh_interval(Duration::ZERO)).build().unwrap();
    for number in 0..9 {
        assert_eq!(check(&validator, &a), Ok(()), "answer {number}");
        assert_eq!(server.count(), number + 1);
    }
    // What is not among them may be out of reach, which is not the token's fault.
    let failing = Server::saying(|_, _| json(503, "{}"));
    let down = of(endpoint(&failing).refresh_interval(Duration::ZERO)).build().unwrap();
    let found = check(&down, &b);
    assert!(is_unavailable(&found), "{found:?}");
    assert_eq!(check(&validator, &a), Ok(()));
    assert_eq!(check(&validator, &b), Err(JwtError::UnknownKey), "it is up again");
}

#[test]
fn an_endpoint_that_fails_is_left_alone_for_a_while() {
    let a = Key::new("a");
    let server = Server::saying(|_, _| json(503, "{}"));
    let validator = of(endpoint(&server).refresh_interval(LONG)).build().unwrap();
    for _ in 0..20 {
        assert!(is_unavailable(&check(&validator, &a)));
    }
    assert!(validator.preload().is_err());
    assert_eq!(server.count(), 1);
    // Nor does it decide when to be asked: what it says is not followed below the interval, and
    // counts above it.
    let server = Server::saying(|_, _| answer(503, "Retry-After: 200\r\n", ""));
    let validator = of(endpoint(&server).refresh_interval(Duration::ZERO)).build().unwrap();
    assert!(is_unavailable(&check(&validator, &a)));
    assert!(is_unavailable(&check(&validator, &a)));
    assert_eq!(server.count(), 1);
}

/// Whoever cannot be checked is neither let in nor told that the token is bad.
#[test]
fn without_keys_the_answer_is_503() {
    let a = Key::new("a");
    let server = Server::saying(|_, _| json(500, "{}"));
    let validator = of(endpoint(&server).refresh_interval(Duration::from_secs(7)));
    let validator = validator.build().unwrap();
    let line = format!("Authorization: Bearer {}", a.token());
    let rejection = validator.authenticate(&support::request("/", &[&line])).unwrap_err();
    assert_eq!(rejection.status(), 503);
    assert_eq!(rejection.headers().get("Retry-After"), Some("7"));
    assert!(rejection.content().is_empty());
    // What can be told without keys is.
    for token in ["x", "a.b.c"] {
        let line = format!("Authorization: Bearer {token}");
        let rejection = validator.authenticate(&support::request("/", &[&line])).unwrap_err();
        assert_eq!(rejection.status(), 401);
    }
}

#[test]
fn one_request_for_all_who_wait() {
    const THREADS: usize = 64;
    let a = Arc::new(Key::new("a"));
    let body = set(&[&a]);
    let at_door = Arc::new(AtomicUsize::new(0));
    let entered = Arc::clone(&at_door);
    let server = Server::saying(move |_, _| {
        // Answers when all are on their way.
        while entered.load(Ordering::SeqCst) < THREADS {
            thread::yield_now();
        }
        json(200, &body)
    });
    let endpoint = endpoint(&server).refresh_interval(Duration::ZERO);
    let validator = Arc::new(of(endpoint).build().unwrap());
    let start = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (validator, key) = (Arc::clone(&validator), Arc::clone(&a));
            let (start, at_door) = (Arc::clone(&start), Arc::clone(&at_door));
            thread::spawn(move || {
                start.wait();
                at_door.fetch_add(1, Ordering::SeqCst);
                check(&validator, &key)
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == Ok(())));
    assert_eq!(server.count(), 1);
}

/// Nobody waits longer than the endpoint's deadline, and who has old keys does not wait for an
/// endpoint that was down the last time.
#[test]
fn a_slow_endpoint_is_not_waited_for_for_ever() {
    let a = Key::new("a");
    let server = Server::start(|_, _, out| {
        // A byte now and then, without an end.
        while out.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let options = HttpOptions::new().request_timeout(Duration::from_millis(200));
    let validator = of(endpoint(&server).http(options)).build().unwrap();
    let found = check(&validator, &a);
    assert!(is_unavailable(&found), "{found:?}");
    let said = found.unwrap_err().to_string();
    assert!(said.contains("request_timeout") && !said.contains("tenant"), "{said}");
}

#[test]
fn endpoints_that_are_refused() {
    for url in
        ["", "x", "ftp://example.com/", "http://example.com/keys", "https://u:p@example.com/"]
    {
        assert!(of(JwksEndpoint::new(url)).build().is_err(), "{url}");
    }
    let https = JwksEndpoint::new("https://example.com/keys");
    assert!(of(https.clone()).build().is_ok());
    // A set holds no secrets: what it publishes anybody could sign with.
    let hmac = JwtValidator::builder().algorithms([JwtAlgorithm::Hs256]).jwks(https);
    let said = hmac.build().unwrap_err().to_string();
    assert!(said.contains("HS256"), "{said}");
}

/// While somebody asks an endpoint that was down, nobody waits for keys that there are; and whoever
/// wants others waits, and hears that they are out of reach.
#[test]
fn old_keys_are_not_waited_for_and_others_are() {
    let (a, b) = (Key::new("a"), Key::new("b"));
    let body = set(&[&a]);
    let gate = Arc::new(Barrier::new(2));
    let closed = Arc::clone(&gate);
    let server = Server::saying(move |_, number| match number {
        0 => aged(0, &body),
        2 => {
            // It is reached, and left when the test says so.
            closed.wait();
            closed.wait();
            json(500, "")
        }
        _ => json(500, ""),
    });
    let validator = of(endpoint(&server).refresh_interval(Duration::ZERO)).build().unwrap();
    // Fetched, and kept though the endpoint fails the next time.
    assert_eq!((check(&validator, &a), check(&validator, &a)), (Ok(()), Ok(())));
    thread::scope(|scope| {
        let asking = scope.spawn(|| check(&validator, &a));
        gate.wait();
        assert_eq!(check(&validator, &a), Ok(()));
        let waiting = scope.spawn(|| check(&validator, &b));
        // Whether or not it has begun to wait by now, there is no other answer.
        gate.wait();
        assert_eq!(asking.join().unwrap(), Ok(()));
        assert!(is_unavailable(&waiting.join().unwrap()));
    });
}
