//! Tokens that expire while their connections are open, and those in their place (S-46).

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret as _;
use wirewright::auth::{Bearer, JwtIssuer, JwtValidator};
use wirewright::{
    Client, CloseFrame, Listener, RenewError, Reply, RunOn, ServiceOptions, UpgradeRequest,
    WhenExpired,
};
use wirewright_tests::services::{Call, Every, echo};

use super::{WAYS, Way, client, issuer, validator};

/// Leaves a token two seconds at least, wherever in its second it is issued.
const SHORT: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(3);

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// A service that asks for another token when one has expired, validates what it is sent as such,
/// and says what came of it.
fn renewing(
    validator: Arc<JwtValidator>,
) -> impl Fn(&UpgradeRequest) -> Result<wirewright::Accept, wirewright::Rejection> {
    move |_| {
        let validator = Arc::clone(&validator);
        let call = move |caller: &wirewright::Caller, call: Call<'_>| match call {
            Call::Expired => Ok(Reply::Text("token, please".into())),
            Call::Text(text) if text.starts_with("token ") => {
                let found = validator.validate(&text["token ".len()..], SystemTime::now());
                let found = found.map(|identity| caller.renew(identity));
                Ok(Reply::Text(match found {
                    Ok(Ok(())) => "renewed".into(),
                    Ok(Err(error)) => format!("{error:?}"),
                    Err(_) => "no token".into(),
                }))
            }
            call => echo(caller, &call),
        };
        // Who is renewed is validated on a thread that may be held up.
        Ok(wirewright::Accept::new(Every { call, runs_on: RunOn::Workers, control: false }))
    }
}

fn listen(way: Way) -> Listener {
    let validator = Arc::new(validator().build().unwrap());
    let (asked, close) = (Arc::clone(&validator), CloseFrame::credentials_expired());
    let when = |policy| ServiceOptions::new().when_expired(policy);
    let violation = CloseFrame::policy_violation().with_reason("token expired");
    way.options()
        .authenticator(move |request: &wirewright::Request| {
            wirewright::Authenticator::authenticate(&*asked, request)
        })
        .route("/leave", renewing(Arc::clone(&validator)))
        .route_with("/1008", when(WhenExpired::Close(violation)), renewing(Arc::clone(&validator)))
        .route_with(
            "/3000",
            when(WhenExpired::Close(close.clone())),
            renewing(Arc::clone(&validator)),
        )
        .route_with("/ask", when(WhenExpired::Ask { grace: GRACE, close }), renewing(validator))
        .listen("127.0.0.1:0")
        .unwrap()
}

fn short(subject: &str) -> JwtIssuer {
    issuer().subject(subject).lifetime(SHORT).build().unwrap()
}

/// Sends a token of this user, and says what came of it.
fn send_token(client: &Client, issuer: &JwtIssuer) -> String {
    let token = issuer.issue(SystemTime::now()).unwrap();
    client.write_text(&format!("token {}", token.expose_secret())).unwrap();
    client.read_text().unwrap()
}

#[track_caller]
fn expect_close(client: &Client, code: u16, reason: &str) {
    let error = client.read().unwrap_err();
    let said = format!("connection closed with code {code}: {reason}");
    assert!(error.to_string().starts_with(&said), "{error}");
}

#[track_caller]
fn expect_echo(client: &Client) {
    client.write_text("still there").unwrap();
    assert_eq!(client.read_text().unwrap(), "still there");
}

#[test]
fn s46_a_token_that_expires_is_left_or_closed_or_asked_for_again() {
    thread::scope(|scope| {
        for way in WAYS {
            scope.spawn(move || expiring(way));
        }
    });
}

fn expiring(way: Way) {
    let listener = listen(way);
    let to = |path: &str| client(&way.url(&listener, path));
    let first = unix_now();
    let [leave, violation, expired, renewed, silent] = ["/leave", "/1008", "/3000", "/ask", "/ask"]
        .map(|path| to(path).credentials(short("anna")).connect().unwrap());
    // Whoever is asked has a while: for nonsense, for another user's token, and for a good one.
    assert_eq!(renewed.read_text().unwrap(), "token, please");
    // A token's first second has begun before it is issued.
    assert!(unix_now() > first + SHORT - Duration::from_secs(1), "asked too early");
    assert_eq!(send_token(&renewed, &short("bert")), format!("{:?}", RenewError::OtherName));
    renewed.write_text("token e30.e30.AAAA").unwrap();
    assert_eq!(renewed.read_text().unwrap(), "no token");
    assert_eq!(send_token(&renewed, &issuer().build().unwrap()), "renewed");
    expect_close(&violation, 1008, "token expired");
    expect_close(&expired, 3000, "");
    assert_eq!(silent.read_text().unwrap(), "token, please");
    expect_close(&silent, 3000, "");
    // By now everybody's first token has expired, and its grace is over.
    expect_echo(&leave);
    expect_echo(&renewed);
    // One that has expired is no way in.
    let token = short("anna").issue(SystemTime::now() - SHORT).unwrap();
    let stale = Bearer::new(token).unwrap();
    assert_eq!(super::refused(to("/leave"), stale).0, 401);
}

/// A renewal with a token that is short again ends when that does.
#[test]
fn s46_a_token_that_was_renewed_expires_again() {
    let listeners = WAYS.map(listen);
    let clients = [0, 1].map(|at: usize| {
        let to = client(&WAYS[at].url(&listeners[at], "/ask"));
        to.credentials(short("anna")).connect().unwrap()
    });
    for client in &clients {
        assert_eq!(client.read_text().unwrap(), "token, please");
        assert_eq!(send_token(client, &short("anna")), "renewed");
    }
    for client in &clients {
        assert_eq!(client.read_text().unwrap(), "token, please");
        expect_close(client, 3000, "");
    }
}
