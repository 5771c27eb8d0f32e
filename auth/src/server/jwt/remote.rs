//! Keys that an issuer publishes (RFC 7517 §5), fetched when they are needed.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::JwtError;
use crate::http::Endpoint;
use crate::sync::lock;
use crate::{ConfigError, HttpOptions, JwkSet};

/// The longest that keys are used without asking for them again, whatever `max-age` says.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);
/// How long keys are used beyond their age while the endpoint gives no others.
const MAX_STALE: Duration = Duration::from_secs(24 * 3600);
/// The longest between two attempts, and the most that an endpoint may ask for.
const MAX_INTERVAL: Duration = Duration::from_secs(300);

/// Where an issuer publishes its keys, and how they are kept.
///
/// They are fetched when the first token needs them, when they are older than the answer's
/// `max-age` (at most a day), and when a token names a key that is not among them; by one caller at
/// a time, while others wait for the same answer. While the endpoint is down the keys that there
/// are stay in use, for a day beyond their age.
#[derive(Clone)]
#[must_use]
pub struct JwksEndpoint {
    url: String,
    http: HttpOptions,
    refresh_interval: Duration,
    default_max_age: Duration,
}

impl JwksEndpoint {
    /// The URL of a key set, `https`, or `http` on this machine.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            http: HttpOptions::default(),
            refresh_interval: Duration::from_secs(10),
            default_max_age: Duration::from_secs(600),
        }
    }

    /// How to reach it: deadlines, certificates, headers.
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// The least time between two requests, whatever tokens name for keys and answers for
    /// `max-age`; after failures it is doubled, up to 5 minutes. 10 s by default.
    pub const fn refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = interval;
        self
    }

    /// How long keys are used whose answer has no `max-age` (RFC 9111 §5.2.2.1). 10 minutes by
    /// default.
    pub const fn default_max_age(mut self, age: Duration) -> Self {
        self.default_max_age = age;
        self
    }
}

/// Shows nothing of the URL, whose query may be a secret.
impl fmt::Debug for JwksEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksEndpoint")
            .field("http", &self.http)
            .field("refresh_interval", &self.refresh_interval)
            .field("default_max_age", &self.default_max_age)
            .finish_non_exhaustive()
    }
}

/// The keys of an endpoint, as far as they are known.
#[derive(Debug)]
pub(super) struct Remote {
    endpoint: Endpoint,
    interval: Duration,
    default_max_age: Duration,
    state: Mutex<State>,
    fetched: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    is_fetching: bool,
    /// Before which the endpoint is not asked again.
    next: Option<Instant>,
    /// Attempts that have failed since one succeeded, and what the last one says.
    failures: u32,
    failure: Option<String>,
}

#[derive(Debug)]
struct Held {
    keys: Arc<JwkSet>,
    fetched: Instant,
    max_age: Duration,
}

/// An attempt that failed, and how long the endpoint wants to be left alone.
struct Failed {
    problem: String,
    retry_after: Duration,
}

impl Remote {
    pub(super) fn new(options: &JwksEndpoint) -> Result<Self, ConfigError> {
        Ok(Self {
            endpoint: Endpoint::new(&options.url, &options.http)?,
            interval: options.refresh_interval.min(MAX_INTERVAL),
            default_max_age: options.default_max_age,
            state: Mutex::default(),
            fetched: Condvar::new(),
        })
    }

    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    /// The keys, which were asked for again where they are old or not what `is_wanted`. They need
    /// not be wanted nevertheless.
    pub(super) fn keys(
        &self,
        is_wanted: impl Fn(&JwkSet) -> bool,
    ) -> Result<Arc<JwkSet>, JwtError> {
        let mut state = self.lock();
        let now = Instant::now();
        let will_do = |held: &Held| held.fetched + held.max_age > now && is_wanted(&held.keys);
        if !state.held.as_ref().is_some_and(will_do) {
            if !state.is_fetching {
                state = self.refresh(state);
            } else if state.failure.is_none() || !state.has(&is_wanted) {
                // Whoever has old keys of an endpoint that is down does not wait for it.
                state = self.wait(state);
            }
        }
        state.answer(&is_wanted)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        // Whoever fetches gives up in time; that it says so can be relied upon, but for its
        // credentials.
        let limit = self.endpoint.request_timeout().saturating_mul(2);
        let waited = self.fetched.wait_timeout_while(state, limit, |state| state.is_fetching);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Asks the endpoint, unless that was done a moment ago.
    fn refresh<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.next.is_some_and(|next| next > Instant::now()) {
            return state;
        }
        state.is_fetching = true;
        drop(state);
        let turn = Turn(self);
        let answer = self.fetch();
        self.lock().take(answer, self.interval);
        drop(turn);
        self.lock()
    }

    fn fetch(&self) -> Result<Held, Failed> {
        let fail = |problem, retry_after: Option<Duration>| Failed {
            problem,
            retry_after: retry_after.unwrap_or_default(),
        };
        let answer = self.endpoint.get().map_err(|error| fail(error.to_string(), None))?;
        let url = self.endpoint.url();
        if answer.status != 200 {
            let problem = format!("{url} answers {}", answer.status);
            return Err(fail(problem, answer.retry_after));
        }
        let keys = JwkSet::from_json(&answer.body)
            .map_err(|error| fail(format!("{url} answers something else: {error}"), None))?;
        let max_age = answer.max_age.unwrap_or(self.default_max_age);
        let max_age = max_age.clamp(self.interval, MAX_AGE);
        tracing::debug!(url, keys = keys.len(), ?max_age, "fetched keys");
        Ok(Held { keys: Arc::new(keys), fetched: Instant::now(), max_age })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// The right to fetch, given back in any case.
struct Turn<'a>(&'a Remote);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().is_fetching = false;
        self.0.fetched.notify_all();
    }
}

impl State {
    fn take(&mut self, answer: Result<Held, Failed>, interval: Duration) {
        let wait = match answer {
            Ok(held) => {
                (self.failures, self.failure) = (0, None);
                self.held = Some(held);
                interval
            }
            Err(Failed { problem, retry_after }) => {
                tracing::warn!(problem, "keys not fetched");
                self.failure = Some(problem);
                self.failures = self.failures.saturating_add(1);
                let doubled = interval.saturating_mul(1 << (self.failures - 1).min(8));
                doubled.max(retry_after).min(MAX_INTERVAL)
            }
        };
        self.next = Some(Instant::now() + wait);
    }

    fn has(&self, is_wanted: impl Fn(&JwkSet) -> bool) -> bool {
        self.usable().is_some_and(|keys| is_wanted(keys))
    }

    /// The keys, unless they are too old by far.
    fn usable(&self) -> Option<&Arc<JwkSet>> {
        let is_usable = |held: &&Held| held.fetched.elapsed() < held.max_age + MAX_STALE;
        self.held.as_ref().filter(is_usable).map(|held| &held.keys)
    }

    /// The keys, wanted or not; not those that are not wanted where others may be only out of
    /// reach.
    fn answer(&self, is_wanted: impl Fn(&JwkSet) -> bool) -> Result<Arc<JwkSet>, JwtError> {
        match (self.usable(), &self.failure) {
            (Some(keys), Some(_)) if is_wanted(keys) => Ok(Arc::clone(keys)),
            (_, Some(failure)) => Err(JwtError::Unavailable(failure.clone())),
            (Some(keys), None) => Ok(Arc::clone(keys)),
            (None, None) => Err(JwtError::Unavailable("the endpoint has not answered yet".into())),
        }
    }
}
