//! Identities that expire while their connections are open, and others in their place (S-46).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wirewright::{
    Caller, CloseFrame, Identity, ListenerBuilder, Rejection, RenewError, Reply, Request, RunOn,
    ServiceOptions, UpgradeRequest, WhenExpired,
};
use wirewright_tests::http::{ask, ask_all_ways, upgrade};
use wirewright_tests::raw_client::{CLOSE, RawClient, TEXT, request};
use wirewright_tests::services::{
    By, Call, Every, echo, expect_calls, next, plain, start_every, until,
};

const SHORT: Duration = Duration::from_millis(400);
/// Of connections that are not to expire in a test.
const LONG: Duration = Duration::from_secs(3600);

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn anna(expires: Option<Duration>) -> Identity {
    let mut identity = Identity::new("anna");
    identity.expires = expires;
    identity
}

/// Whoever says when it expires is anna; whoever says nothing is let in as nobody's.
fn timed(builder: ListenerBuilder) -> ListenerBuilder {
    builder.authenticator(|request: &Request| {
        let Some(nanos) = request.head().header_str("X-Expires") else {
            return Err(Rejection::unauthorized("Timed")?);
        };
        let nanos: u128 = nanos.parse().map_err(Rejection::from_error)?;
        let seconds = u64::try_from(nanos / 1_000_000_000).map_err(Rejection::from_error)?;
        let rest = u32::try_from(nanos % 1_000_000_000).map_err(Rejection::from_error)?;
        Ok(anna(Some(Duration::new(seconds, rest))))
    })
}

fn expires(at: Duration) -> String {
    format!("X-Expires: {}\r\n", at.as_nanos())
}

fn expect_frame(client: &mut RawClient, frame: &CloseFrame) {
    let body = [&frame.code().value().to_be_bytes(), frame.reason().as_bytes()].concat();
    client.expect(CLOSE, body);
}

#[test]
fn s46_a_connection_may_end_with_its_identity_and_does_not_by_default() {
    let rude = CloseFrame::policy_violation().with_reason("credentials expired");
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        for frame in [CloseFrame::credentials_expired(), rude.clone()] {
            let service = move |_: &UpgradeRequest| {
                Ok(Every {
                    call: |caller: &_, call: Call<'_>| echo(caller, &call),
                    runs_on,
                    control: false,
                })
            };
            let closes = ServiceOptions::new().when_expired(WhenExpired::Close(frame.clone()));
            let listener = timed(plain())
                .route("/leaves", service)
                .route_with("/closes", closes, service)
                .listen("127.0.0.1:0")
                .unwrap();
            let open = |path: &str, at: Duration| {
                let mut client = RawClient::silent(listener.local_addr());
                client.send(upgrade(path, &expires(at)));
                assert!(client.head().starts_with("HTTP/1.1 101 "));
                client
            };
            let at = unix_now() + SHORT;
            let (mut leaves, mut closes) = (open("/leaves", at), open("/closes", at));
            let mut later = open("/closes", at + LONG);
            closes.barrier();
            expect_frame(&mut closes, &frame);
            assert!(unix_now() >= at, "closed too early");
            closes.close(frame.code().value());
            closes.expect_end();
            // Those whose time has not come, or is of no consequence, are as they were.
            leaves.barrier();
            later.barrier();
        }
    }
}

#[test]
fn s46_an_identity_that_has_expired_is_no_way_in() {
    for policy in [WhenExpired::Leave, WhenExpired::Close(CloseFrame::credentials_expired())] {
        let listener = timed(plain().when_expired(policy));
        let listener = wirewright_tests::services::start_echo(listener);
        for at in [Duration::ZERO, Duration::from_nanos(1), unix_now() - SHORT, unix_now()] {
            let answer = ask_all_ways(listener.local_addr(), &request(&expires(at)));
            assert_eq!(answer.status, 401, "{at:?}");
            let challenge = answer.headers("WWW-Authenticate").collect::<Vec<_>>();
            assert_eq!(challenge, ["Bearer error=\"invalid_token\""]);
        }
        // However far away the end is, there is one, and no arithmetic goes wrong before.
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        for at in [century, 5 * century, 6 * century, 1000 * century, Duration::MAX] {
            let client = RawClient::silent(listener.local_addr());
            client.upgrade(&expires(unix_now().saturating_add(at))).barrier();
        }
        assert_eq!(listener.stats().refused.authentication, 12);
    }
}

/// What has expired for one authenticator may be good for another, as with any 401.
#[test]
fn s46_after_an_expired_identity_the_next_authenticator_is_asked() {
    let known = |request: &Request| match request.head().header_str("X-Known") {
        Some(_) => Ok(Identity::new("bert")),
        None => Err(Rejection::unauthorized("Known")?),
    };
    let listener = timed(plain()).authenticator(known);
    let listener = wirewright_tests::services::start_echo(listener);
    let stale = expires(unix_now() - SHORT);
    let answer = ask(listener.local_addr(), request(&stale));
    let challenges = answer.headers("WWW-Authenticate").collect::<Vec<_>>();
    assert_eq!((answer.status, challenges), (401, vec!["Bearer error=\"invalid_token\"", "Known"]));
    let both = [stale.as_str(), "X-Known: yes\r\n"].concat();
    RawClient::silent(listener.local_addr()).upgrade(&both).barrier();
}

fn asking(grace: Duration) -> ListenerBuilder {
    let close = CloseFrame::credentials_expired();
    timed(plain().when_expired(WhenExpired::Ask { grace, close }))
}

#[test]
fn s46_whoever_is_asked_and_does_not_answer_is_closed_after_the_grace() {
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        let (listener, calls, _open) =
            start_every(asking(SHORT), runs_on, |caller, call| match call {
                Call::Expired => Ok(Reply::Text("token, please".into())),
                call => echo(caller, call),
            });
        let at = unix_now() + SHORT;
        let mut client = RawClient::silent(listener.local_addr()).upgrade(&expires(at));
        client.expect(TEXT, "token, please");
        assert!(unix_now() >= at);
        // What is said meanwhile is heard, and changes nothing.
        client.barrier();
        expect_frame(&mut client, &CloseFrame::credentials_expired());
        assert!(unix_now() >= at + SHORT);
        client.close(3000);
        client.expect_end();
        expect_calls(&calls, &["open", "expired", "text barrier", "close 3000"]);
    }
}

#[test]
fn s46_a_new_identity_takes_the_place_of_one_that_expires() {
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        let renewals = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&renewals);
        // The first time inside the callback, the second when the peer says so, the third never.
        let (listener, calls, open) = start_every(asking(SHORT), runs_on, move |caller, call| {
            let renew = |scope: &str| {
                let mut identity = anna(Some(unix_now() + SHORT));
                identity.scopes = vec![scope.to_owned()];
                caller.renew(identity)
            };
            match call {
                Call::Expired => match counted.fetch_add(1, Ordering::Relaxed) {
                    0 => renew("first")?,
                    1 => return Ok(Reply::Text("token, please".into())),
                    _ => {}
                },
                Call::Text("token") => renew("second")?,
                _ => return echo(caller, call),
            }
            let scopes = caller.identity().map(|identity| identity.scopes.clone());
            Ok(Reply::Text(format!("{scopes:?}")))
        });
        let at = unix_now() + SHORT;
        let mut client = RawClient::silent(listener.local_addr()).upgrade(&expires(at));
        client.expect(TEXT, "Some([\"first\"])");
        client.expect(TEXT, "token, please");
        client.frame(TEXT, "token");
        client.expect(TEXT, "Some([\"second\"])");
        client.expect(TEXT, "Some([\"second\"])");
        expect_frame(&mut client, &CloseFrame::credentials_expired());
        assert!(unix_now() >= at + 3 * SHORT, "each has its time, and the last its grace");
        client.close(3000);
        client.expect_end();
        let expected = ["open", "expired", "expired", "text token", "expired", "close 3000"];
        expect_calls(&calls, &expected);
        // It is known to the end, and beyond.
        assert_eq!(next(&open).identity().unwrap().scopes, ["second"]);
    }
}

/// From another thread, with the next end sooner or later than the last, or none at all.
#[test]
fn s46_a_renewal_moves_the_end_either_way() {
    let close = WhenExpired::Close(CloseFrame::credentials_expired());
    for threads in [1, 2] {
        let builder = timed(plain().threads(threads).when_expired(close.clone()));
        let (listener, _calls, open) = start_every(builder, RunOn::Loop, echo);
        let connect = |at: Duration| {
            let client = RawClient::silent(listener.local_addr()).upgrade(&expires(at));
            (client, next(&open))
        };
        let at = unix_now() + 2 * SHORT;
        let (mut sooner, caller) = connect(at + LONG);
        caller.renew(anna(Some(at))).unwrap();
        let (mut later, caller) = connect(at);
        caller.renew(anna(Some(at + LONG))).unwrap();
        let (mut never, caller) = connect(at);
        caller.renew(anna(None)).unwrap();
        assert_eq!(caller.identity().unwrap().expires, None);
        let (mut last, _) = connect(at + SHORT);
        for client in [&mut sooner, &mut last] {
            expect_frame(client, &CloseFrame::credentials_expired());
        }
        assert!(unix_now() >= at + SHORT);
        later.barrier();
        never.barrier();
    }
}

#[test]
fn s46_what_is_no_renewal_changes_nothing() {
    let (listener, _calls, open) = start_every(asking(SHORT), RunOn::Loop, echo);
    let at = unix_now() + LONG;
    let mut client = RawClient::silent(listener.local_addr()).upgrade(&expires(at));
    let caller = next(&open);
    let past = anna(Some(unix_now() - SHORT));
    let zero = anna(Some(Duration::ZERO));
    for (identity, error) in [
        (past, RenewError::Expired),
        (zero, RenewError::Expired),
        (Identity::new("bert"), RenewError::OtherName),
        (Identity::new(""), RenewError::OtherName),
    ] {
        assert_eq!(caller.renew(identity), Err(error));
        assert_eq!(*caller.identity().unwrap(), anna(Some(at)));
    }
    client.barrier();
    client.close(1000);
    client.expect_close(1000);
    client.expect_end();
    until("it is over", || !caller.is_open());
    assert_eq!(caller.renew(anna(None)), Err(RenewError::Closed));
    assert_eq!(*caller.identity().unwrap(), anna(Some(at)));
}

/// As browsers must, which cannot set `Authorization`: nobody asks before the 101.
#[test]
fn s46_whoever_says_by_a_message_who_it_is_expires_and_is_revoked_too() {
    let close = WhenExpired::Close(CloseFrame::credentials_expired());
    let builder = plain().when_expired(close);
    let (listener, _calls, _open) = start_every(builder, RunOn::Loop, |caller, call| match call {
        Call::Text("token") => {
            assert_eq!(caller.identity(), None);
            caller.renew(anna(Some(unix_now() + SHORT)))?;
            Ok(Reply::Text("welcome".into()))
        }
        Call::Text("for good") => {
            caller.renew(anna(None))?;
            Ok(Reply::Text("welcome".into()))
        }
        call => echo(caller, call),
    });
    let mut nobody = RawClient::open(listener.local_addr());
    let [mut expires, mut revoked] = ["token", "for good"].map(|text| {
        let mut client = RawClient::open(listener.local_addr());
        client.frame(TEXT, text);
        client.expect(TEXT, "welcome");
        client
    });
    expect_frame(&mut expires, &CloseFrame::credentials_expired());
    listener.revoke(|identity| identity.name == "anna", CloseFrame::policy_violation());
    expect_frame(&mut revoked, &CloseFrame::policy_violation());
    nobody.barrier();
}

#[test]
fn a_panic_in_on_expired_is_1011() {
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        let (listener, _calls, _open) = start_every(asking(LONG), runs_on, |_, call| match call {
            Call::Expired => panic!("inside a callback"),
            _ => Ok(Reply::Nothing),
        });
        let client = RawClient::silent(listener.local_addr());
        let mut client = client.upgrade(&expires(unix_now() + SHORT));
        client.expect_close(1011);
        client.expect_end();
    }
}

/// Whoever is somebody only once it is open counts from then on, and whoever is so anew not twice.
#[test]
fn s40_s46_renewals_keep_to_the_limit_for_each_identity() {
    let (callers, opened) = mpsc::channel();
    let callers = Mutex::new(callers);
    let service = move |_: &UpgradeRequest| {
        let callers = callers.lock().unwrap().clone();
        Ok(By(move |caller: &Caller, call: Call<'_>| {
            if let Call::Open = call {
                callers.send(caller.clone()).unwrap();
            }
            echo(caller, &call)
        }))
    };
    let listener = timed(plain().max_connections_per_identity(2))
        .route("/echo", service)
        .route_with("/anybody", ServiceOptions::new().anonymous(), |_: &UpgradeRequest| {
            Ok(By(|caller: &Caller, call: Call<'_>| match call {
                Call::Text(name) => {
                    let renewed = caller.renew(Identity::new(name));
                    let name = caller.identity().map(|identity| identity.name.clone());
                    Ok(Reply::Text(format!("{name:?} {renewed:?}")))
                }
                _ => Ok(Reply::Nothing),
            }))
        })
        .listen("127.0.0.1:0")
        .unwrap();
    let addr = listener.local_addr();
    let good = expires(unix_now() + LONG);
    let anybody = || {
        let mut client = RawClient::silent(addr);
        client.send(upgrade("/anybody", ""));
        client.head();
        client
    };
    let ask_for = |client: &mut RawClient, name: &str, answer: &str| {
        client.frame(TEXT, name);
        client.expect(TEXT, answer);
    };
    let first = RawClient::silent(addr).upgrade(&good);
    let caller = next(&opened);
    for _ in 0..5 {
        caller.renew(anna(None)).unwrap();
    }
    // There is one more place, whoever takes it.
    let (mut second, mut third) = (anybody(), anybody());
    for _ in 0..5 {
        ask_for(&mut second, "anna", "Some(\"anna\") Ok(())");
    }
    ask_for(&mut second, "bert", "Some(\"anna\") Err(OtherName)");
    ask_for(&mut third, "anna", "None Err(Full)");
    assert_eq!(ask(addr, request(&good)).status, 503);
    // One that ends gives its place back, although its caller is still held.
    drop(first);
    until("it is over", || !caller.is_open());
    until("it is forgotten", || listener.stats().open == 2);
    ask_for(&mut third, "anna", "Some(\"anna\") Ok(())");
    assert_eq!(ask(addr, request(&good)).status, 503);
    second.reset();
    until("it is forgotten", || listener.stats().open == 1);
    RawClient::silent(addr).upgrade(&good).barrier();
}
