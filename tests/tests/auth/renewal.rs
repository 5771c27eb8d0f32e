//! Tokens and connections that are lost: which token the next handshake has (S-34, S-47).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use wirewright::auth::{Basic, OAuth2Credentials, OAuth2Grant};
use wirewright::{
    Accept, Caller, Client, ClientError, Identity, Listener, Rejection, Reply, Request,
    UpgradeRequest,
};
use wirewright_tests::endpoint::{Endpoint, json, token};
use wirewright_tests::raw_client::PATIENCE;
use wirewright_tests::services::{By, Call, echo, until};

use super::oauth2::Opaque;
use super::{WAYS, Way, eager, refusal, secret};

/// What a listener was shown, in order.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<String>>>);

impl Shown {
    fn note(&self, request: &Request) {
        let header = request.head().header_str("Authorization").unwrap_or("nothing");
        self.0.lock().unwrap().push(header.to_owned());
    }

    fn so_far(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A listener that lets in whoever shows one of these, notes what it is shown, and loses a
/// connection that says so.
fn losing(way: Way, good: &[String], shown: &Shown) -> Listener {
    let (good, shown) = (good.to_vec(), shown.clone());
    let authenticator = move |request: &Request| {
        shown.note(request);
        match request.head().header_str("Authorization") {
            Some(header) if good.iter().any(|token| header == format!("Bearer {token}")) => {
                Ok(Identity::new("anna"))
            }
            _ => Err(Rejection::unauthorized("Bearer error=\"invalid_token\"")?),
        }
    };
    way.options().authenticator(authenticator).start("127.0.0.1:0", lossy).unwrap()
}

/// An echo, but that `lose me` ends the connection without a word.
fn lossy(_: &UpgradeRequest) -> Result<Accept, Rejection> {
    Ok(Accept::new(By(|caller: &Caller, call: Call<'_>| match call {
        Call::Text("lose me") => {
            caller.abort();
            Ok(Reply::Nothing)
        }
        _ => echo(caller, &call),
    })))
}

/// Loses the connection and has another.
fn reconnect(client: &Client) {
    let id = client.id();
    client.write_text("lose me").unwrap();
    // Whichever connection it leaves on, the echo comes over one that is open.
    until("another connection", || client.id() != id && client.is_open());
    client.write_text("there?").unwrap();
    assert_eq!(client.read_text().unwrap(), "there?");
}

fn credentials(server: &Endpoint) -> OAuth2Credentials {
    let url = server.url("/token");
    OAuth2Grant::client_credentials(url, "feed", secret("client")).build().unwrap()
}

/// Before a connection is opened again, a token that has expired is replaced by its refresh token.
#[test]
fn rfc6749_6_an_expired_token_is_refreshed_before_a_reconnect() {
    for way in WAYS {
        let server = Endpoint::start(|asked, number| {
            let refresh = asked.parameter("refresh_token");
            let expected = (number > 0).then(|| secret(&format!("refresh{}", number - 1)));
            if refresh != expected.as_deref() {
                return json(400, r#"{"error":"invalid_grant"}"#);
            }
            // It lives for no time, so that it serves one handshake.
            let next = secret(&format!("refresh{number}"));
            let more = format!(r#","expires_in":0,"refresh_token":"{next}""#);
            token(&secret(&format!("token{number}")), &more)
        });
        let tokens = [0, 1, 2].map(|number| secret(&format!("token{number}")));
        let shown = Shown::default();
        let listener = losing(way, &tokens, &shown);
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        let grant = OAuth2Grant::password(server.url("/token"), "anna", secret("password"));
        let grant = grant.on_refresh_token(move |token| {
            kept.lock().unwrap().push(token.expose_secret().to_owned());
        });
        let builder = way.towards(&listener).credentials(grant.build().unwrap());
        let client = builder.retry(Some(eager(20))).connect().unwrap();
        reconnect(&client);
        reconnect(&client);
        assert_eq!(shown.so_far(), tokens.map(|token| format!("Bearer {token}")));
        let kinds: Vec<_> = server.asked();
        let kinds: Vec<_> = kinds.iter().map(|asked| asked.parameter("grant_type")).collect();
        assert_eq!(kinds, ["password", "refresh_token", "refresh_token"].map(Some));
        let refreshed = [0, 1, 2].map(|number| secret(&format!("refresh{number}")));
        assert_eq!(*told.lock().unwrap(), refreshed);
    }
}

/// A token that is good for its time is shown again.
#[test]
fn a_token_that_is_held_serves_all_handshakes() {
    for way in WAYS {
        let server = Endpoint::start(|_, _| token(&secret("good"), r#","expires_in":3600"#));
        let shown = Shown::default();
        let listener = losing(way, &[secret("good")], &shown);
        let builder = way.towards(&listener).credentials(credentials(&server));
        let client = builder.retry(Some(eager(20))).connect().unwrap();
        reconnect(&client);
        reconnect(&client);
        assert_eq!((shown.so_far().len(), server.count()), (3, 1));
    }
}

/// A token that was revoked is asked for anew after the 401, once, on the same attempt.
#[test]
fn rfc9110_15_5_2_a_token_that_is_refused_is_fetched_anew_exactly_once() {
    for way in WAYS {
        let server = Endpoint::start(|_, number| {
            token(&secret(&format!("token{number}")), r#","expires_in":3600"#)
        });
        let known = Opaque::new(&[secret("token0"), secret("token1")]);
        let authenticator = known.authenticator();
        let listener = way.options().authenticator(authenticator.clone());
        let listener = listener.start("127.0.0.1:0", lossy).unwrap();
        let builder = way.towards(&listener).credentials(credentials(&server));
        let client = builder.retry(Some(eager(20))).connect().unwrap();
        known.revoke(&secret("token0"));
        authenticator.forget_all();
        reconnect(&client);
        // The first, the one that was refused, and its successor.
        assert_eq!((server.count(), listener.stats().accepted), (2, 3));
        assert_eq!(listener.stats().refused.authentication, 1);
        // Where the next is refused too, that is the answer: no third one is asked for.
        known.revoke(&secret("token1"));
        authenticator.forget_all();
        client.write_text("lose me").unwrap();
        let error = client.read().unwrap_err();
        let ClientError::GaveUp(last) = error else { panic!("{error:?}") };
        assert!(matches!(&*last, ClientError::Refused(refused) if refused.status() == 401));
        assert_eq!((server.count(), listener.stats().accepted), (3, 5));
    }
}

/// What always shows the same does not try again with it.
#[test]
fn credentials_that_are_refused_and_have_no_others_end_the_retries() {
    for way in WAYS {
        let shown = Shown::default();
        let listener = losing(way, &[], &shown);
        let basic = Basic::new("anna", secret("anna")).unwrap();
        let builder = way.towards(&listener).credentials(basic).retry(Some(eager(20)));
        assert_eq!(refusal(builder.connect().unwrap_err()).0, 401);
        assert_eq!(shown.so_far().len(), 1);
    }
}

/// An endpoint that is down is no end: it is asked again, but not at every attempt to connect.
#[test]
fn s47_an_endpoint_that_is_down_is_asked_again_after_a_while() {
    for way in WAYS {
        let server = Endpoint::start(|_, number| match number {
            0 => json(503, "{}"),
            _ => token(&secret("good"), ""),
        });
        let shown = Shown::default();
        let listener = losing(way, &[secret("good")], &shown);
        let begin = Instant::now();
        let builder = way.towards(&listener).credentials(credentials(&server));
        let client = builder.retry(Some(eager(1000))).connect().unwrap();
        assert!(client.is_open());
        // Attempts come every few milliseconds, and the endpoint is left alone for a second.
        assert_eq!((server.count(), shown.so_far().len()), (2, 1));
        assert!((Duration::from_secs(1)..PATIENCE).contains(&begin.elapsed()));
    }
}

#[test]
fn s47_an_endpoint_that_is_out_of_reach_is_transient() {
    for way in WAYS {
        let shown = Shown::default();
        let listener = losing(way, &[secret("good")], &shown);
        let server = Endpoint::start(|_, _| token(&secret("good"), ""));
        let gone = credentials(&server);
        drop(server);
        let to = || way.towards(&listener).credentials(gone.clone());
        let error = to().connect().unwrap_err();
        assert!(matches!(error, ClientError::Credentials(_)) && error.is_transient(), "{error:?}");
        let error = to().retry(Some(eager(3))).connect().unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!(shown.so_far().len(), 0, "nobody connects without a token");
        // With one that is there again, it goes on.
        let server = Endpoint::start(|_, _| token(&secret("good"), ""));
        let client = way.towards(&listener).credentials(credentials(&server)).connect().unwrap();
        client.close().unwrap();
    }
}
