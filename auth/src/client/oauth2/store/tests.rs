use std::time::{Duration, Instant};

use super::{Failure, OAuth2Error, Outcome, State, Store, Token, back_off};

const SECOND: Duration = Duration::from_secs(1);

fn token(asked: Instant, lifetime: Duration, skew: Duration) -> Token {
    Token::new("token".into(), asked, lifetime, skew)
}

fn state() -> State {
    Store::new().state.into_inner().unwrap()
}

fn failed(retry_after: Option<Duration>) -> Outcome {
    let failure = Failure { error: OAuth2Error::Abandoned, retry_after };
    Outcome { result: Err(failure), refresh_token: None }
}

fn granted(token: Token) -> Outcome {
    Outcome { result: Ok(token), refresh_token: None }
}

#[test]
fn s47_next_token_is_asked_for_early() {
    // Lifetime and skew, until when it is fresh, until when it is valid; in milliseconds.
    let table = [
        (3_600_000, 0, 3_540_000, 3_600_000),
        (600_000, 0, 540_000, 600_000),
        (599_990, 0, 539_991, 599_990),
        (100_000, 0, 90_000, 100_000),
        (1_000, 0, 900, 1_000),
        (0, 0, 0, 0),
        (3_600_000, 300_000, 3_240_000, 3_300_000),
        (100_000, 95_000, 0, 5_000),
        (100_000, 100_000, 0, 0),
        (100_000, u64::MAX, 0, 0),
        // What no `Instant` could hold.
        (u64::MAX, 0, 31_535_940_000, 31_536_000_000),
    ];
    let asked = Instant::now();
    for (lifetime, skew, fresh, valid) in table {
        let [lifetime, skew, fresh, valid] =
            [lifetime, skew, fresh, valid].map(Duration::from_millis);
        let token = token(asked, lifetime, skew);
        assert_eq!(token.fresh_until - asked, fresh, "{lifetime:?} {skew:?}");
        assert_eq!(token.valid_until - asked, valid, "{lifetime:?} {skew:?}");
    }
    let longest = token(asked, Duration::MAX, Duration::ZERO);
    assert_eq!(longest.valid_until - asked, 365 * 24 * 3600 * SECOND);
}

#[test]
fn s47_token_that_is_about_to_expire_is_used_while_there_is_no_other() {
    let asked = Instant::now();
    let at = |seconds| asked + seconds * SECOND;
    let mut state = state();
    assert!(state.at_once(asked).is_none(), "there is no token");
    assert!(state.land(granted(token(asked, 100 * SECOND, Duration::ZERO)), asked).is_ok());
    assert!(matches!(state.at_once(at(89)), Some(Ok(_))));
    assert!(state.at_once(at(90)).is_none(), "one asks for the next");
    state.is_fetching = true;
    assert!(matches!(state.at_once(at(91)), Some(Ok(_))), "the others need not wait");
    assert!(state.at_once(at(100)).is_none(), "now they must");
    assert!(state.land(failed(None), at(95)).is_ok(), "who asked has the old one");
    assert!(matches!(state.at_once(at(95)), Some(Ok(_))), "it is backing off");
    assert!(state.at_once(at(96)).is_none(), "a second later one asks again");
    assert!(state.land(failed(None), at(101)).is_err(), "it has expired");
    assert!(matches!(state.at_once(at(102)), Some(Err(_))));
    assert!(state.at_once(at(103)).is_none());
}

#[test]
fn s47_failures_are_followed_by_rest() {
    // Failures before, what the server asks for, and the rest that follows; in seconds.
    let table = [
        (0, None, 1),
        (1, None, 2),
        (2, None, 4),
        (4, None, 16),
        (5, None, 30),
        (u32::MAX, None, 30),
        (0, Some(7), 8),
        (5, Some(7), 37),
        (0, Some(0), 1),
        (0, Some(86_400), 301),
        (0, Some(u64::MAX), 301),
    ];
    for (failures, asked, rest) in table {
        let rest = Duration::from_secs(rest);
        assert_eq!(
            back_off(failures, asked.map(Duration::from_secs)),
            rest,
            "{failures} {asked:?}"
        );
    }
    // A success begins anew.
    let now = Instant::now();
    let mut state = state();
    for _ in 0..5 {
        assert!(state.land(failed(None), now).is_err());
    }
    assert!(matches!(state.at_once(now + 15 * SECOND), Some(Err(_))));
    assert!(state.land(granted(token(now, Duration::ZERO, Duration::ZERO)), now).is_ok());
    assert!(state.at_once(now).is_none());
    assert!(state.land(failed(None), now).is_err());
    assert!(state.at_once(now + SECOND).is_none());
}
