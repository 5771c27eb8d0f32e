//! The token that is held, and who may ask for the next one: a single thread at a time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use wirewright_core::Retry;

use super::error::OAuth2Error;
use crate::sync::lock;

/// An access token. Its times are of a clock that nobody can set.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) value: SecretString,
    /// Until then nobody asks for another.
    fresh_until: Instant,
    /// Until then it is used where there is no other.
    valid_until: Instant,
}

impl Token {
    /// A token that was asked for at `asked`: another is asked for a minute before its end, or a
    /// tenth of its lifetime where that is less; `skew` comes off both.
    pub(super) fn new(
        value: SecretString,
        asked: Instant,
        lifetime: Duration,
        skew: Duration,
    ) -> Self {
        // What is longer may be no `Instant`.
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let lifetime = lifetime.min(YEAR);
        let early = (lifetime / 10).min(Duration::from_secs(60));
        let valid = lifetime.saturating_sub(skew);
        Self { value, fresh_until: asked + valid.saturating_sub(early), valid_until: asked + valid }
    }
}

/// What came of asking.
pub(super) struct Outcome {
    pub(super) result: Result<Token, Failure>,
    /// With what the next is to be asked for.
    pub(super) refresh_token: Option<SecretString>,
}

/// Why no token came of it.
pub(super) struct Failure {
    pub(super) error: OAuth2Error,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

pub(super) struct Store {
    state: Mutex<State>,
    landed: Condvar,
}

struct State {
    token: Option<Arc<Token>>,
    refresh_token: Option<SecretString>,
    /// Whether a thread is asking.
    is_fetching: bool,
    /// How often one has asked.
    round: u64,
    /// What came of the last time, for those who waited.
    last: Option<Result<Arc<Token>, OAuth2Error>>,
    /// Times in a row that nothing came of it.
    failures: u32,
    /// Until when nobody asks again.
    not_before: Option<Instant>,
}

impl Store {
    pub(super) const fn new() -> Self {
        let state = State {
            token: None,
            refresh_token: None,
            is_fetching: false,
            round: 0,
            last: None,
            failures: 0,
            not_before: None,
        };
        Self { state: Mutex::new(state), landed: Condvar::new() }
    }

    /// The token that is held, or else what comes of `fetch`, which a single thread runs while
    /// the others wait for it, no longer than `patience`. It is given the refresh token, if any.
    pub(super) fn token(
        &self,
        patience: Duration,
        fetch: impl FnOnce(Option<SecretString>) -> Outcome,
        waited: impl FnOnce() -> OAuth2Error,
    ) -> Result<Arc<Token>, OAuth2Error> {
        let mut state = lock(&self.state);
        if let Some(answer) = state.at_once(Instant::now()) {
            return answer;
        }
        if state.is_fetching {
            return self.wait(state, patience).unwrap_or_else(|| Err(waited()));
        }
        state.is_fetching = true;
        let refresh_token = state.refresh_token.clone();
        drop(state);
        let landing = Landing { store: self, is_done: false };
        let outcome = fetch(refresh_token);
        landing.land(outcome)
    }

    /// Forgets the token if it is this one.
    pub(super) fn forget(&self, value: &str) {
        lock(&self.state).token.take_if(|token| token.value.expose_secret() == value);
    }

    fn wait(
        &self,
        state: MutexGuard<'_, State>,
        patience: Duration,
    ) -> Option<Result<Arc<Token>, OAuth2Error>> {
        let round = state.round;
        let waiting = |state: &mut State| state.round == round;
        let waited = self.landed.wait_timeout_while(state, patience, waiting);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() { None } else { state.last.clone() }
    }
}

impl State {
    /// What can be said without asking.
    fn at_once(&self, now: Instant) -> Option<Result<Arc<Token>, OAuth2Error>> {
        let token = self.token.as_ref();
        if let Some(token) = token.filter(|token| now < token.fresh_until) {
            return Some(Ok(Arc::clone(token)));
        }
        let is_backing_off = self.not_before.is_some_and(|until| now < until);
        if !is_backing_off && !self.is_fetching {
            return None;
        }
        // Somebody sees to the next one already, or nobody may.
        match token.filter(|token| now < token.valid_until) {
            Some(token) => Some(Ok(Arc::clone(token))),
            None if is_backing_off => self.last.clone(),
            None => None,
        }
    }

    fn land(&mut self, outcome: Outcome, now: Instant) -> Result<Arc<Token>, OAuth2Error> {
        self.is_fetching = false;
        self.round += 1;
        self.refresh_token = outcome.refresh_token;
        let answer = match outcome.result {
            Ok(token) => {
                let token = Arc::new(token);
                self.token = Some(Arc::clone(&token));
                self.failures = 0;
                self.not_before = None;
                Ok(token)
            }
            Err(Failure { error, retry_after }) => {
                self.not_before = Some(now + back_off(self.failures, retry_after));
                self.failures = self.failures.saturating_add(1);
                Err(error)
            }
        };
        self.last = Some(answer.clone());
        // A token that is about to expire is better than none.
        answer.or_else(|error| match &self.token {
            Some(token) if now < token.valid_until => Ok(Arc::clone(token)),
            _ => Err(error),
        })
    }
}

/// From 1 s doubling to 30 s, on top of what the server asks for, of which five minutes count.
fn back_off(failures: u32, retry_after: Option<Duration>) -> Duration {
    // Without jitter: whoever connects again has some.
    let mut retry = Retry::default();
    retry.jitter = false;
    let delay = retry.delay_after(failures, 0, retry_after.unwrap_or_default());
    // There is no end of attempts.
    delay.unwrap_or(retry.max_interval)
}

/// Tells those who wait, also where the fetch panics.
struct Landing<'a> {
    store: &'a Store,
    is_done: bool,
}

impl Landing<'_> {
    fn land(mut self, outcome: Outcome) -> Result<Arc<Token>, OAuth2Error> {
        self.is_done = true;
        let answer = lock(&self.store.state).land(outcome, Instant::now());
        self.store.landed.notify_all();
        answer
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut state = lock(&self.store.state);
        let refresh_token = state.refresh_token.clone();
        let failure = Failure { error: OAuth2Error::Abandoned, retry_after: None };
        // The panic goes on, and there is nobody to give the error to but those who wait.
        let _ = state.land(Outcome { result: Err(failure), refresh_token }, Instant::now());
        drop(state);
        self.store.landed.notify_all();
    }
}

#[cfg(test)]
mod tests;
