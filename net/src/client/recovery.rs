//! Connecting again: when a connection is lost, another takes its place, and calls that wait go
//! on over it.
//!
//! ```text
//!          lost              delay over           opened, hook done
//!   Up ───────────▶ Down ─────────────▶ attempt ────────────────────▶ Up
//!                    ▲                     │
//!                    └───── transient ─────┤
//!                                          └─ permanent, or no more attempts ─▶ Over
//! ```
//!
//! Whoever notices the loss begins this, and nobody waits for it but those who cannot go on: the
//! background keeps the time, and attempts are made, and users told, on threads for what may
//! block. Each step is begun by the one before, so that users are told in order.

use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wirewright_core::Retry;

use super::Client;
use super::background::{self, Letter};
use super::builder::ClientBuilder;
use super::connect::Connected;
use super::control::End;
use super::driver::{Driver, Reader, Writer};
use super::error::{ClientError, Deadline};
use super::hooks::ClientState;
use super::link::Link;
use crate::workers::Workers;

/// Attempts that are made at once; each may take as long as its time-outs let it.
const ATTEMPTS: usize = 64;

pub(super) static WORKERS: LazyLock<Workers> =
    LazyLock::new(|| Workers::new("wirewright-connect", ATTEMPTS));

/// What a client needs that connects again.
#[derive(Debug)]
pub(super) struct Recovery {
    /// Each attempt is made as the first one was.
    plan: ClientBuilder,
    retry: Retry,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Retries since a connection last held for long enough.
    attempt: u32,
    /// When the connection was opened.
    since: Instant,
}

#[derive(Debug)]
enum Phase {
    Up,
    /// With the connection that is being prepared, once there is one.
    Down(Option<Arc<Link>>),
    Over(Arc<ClientError>),
}

impl Recovery {
    pub(super) fn new(plan: &ClientBuilder, retry: Retry, attempt: u32) -> Self {
        let state = State { phase: Phase::Up, attempt, since: Instant::now() };
        Self { plan: plan.clone(), retry, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a user's runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects no more. Who waits gets `error`.
    pub(super) fn abandon(&self, error: ClientError) {
        let mut state = self.lock();
        if let Phase::Down(Some(link)) = &state.phase {
            Driver::give_up(link, End::Aborted);
        }
        if !matches!(state.phase, Phase::Over(_)) {
            state.phase = Phase::Over(Arc::new(error));
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether an attempt is still wanted.
    fn is_down(&self) -> bool {
        matches!(self.lock().phase, Phase::Down(_))
    }

    /// The delay before the next attempt and its number; `None` when there is to be none.
    fn next(&self, error: &ClientError) -> Option<(u32, Duration)> {
        if !error.is_transient() {
            return None;
        }
        let mut state = self.lock();
        let delay = delay(&self.retry, state.attempt, error)?;
        state.attempt += 1;
        Some((state.attempt, delay))
    }
}

fn delay(retry: &Retry, attempt: u32, error: &ClientError) -> Option<Duration> {
    // Without dice all clients that lost the same server wait as long.
    let random = getrandom::u64().unwrap_or(u64::MAX);
    match error.retry_after() {
        Some(asked) => retry.delay_after(attempt, random, asked),
        None => retry.delay(attempt, random),
    }
}

impl ClientBuilder {
    /// The first connection, with as many attempts as `retry` allows; says how many it took
    /// beside the first.
    fn open_retrying(
        &self,
        mut pause: impl FnMut(Duration) -> bool,
    ) -> Result<(Connected, u32), ClientError> {
        let mut attempt = 0;
        loop {
            let error = match self.open() {
                Ok(fresh) => return Ok((fresh, attempt)),
                Err(error) => error,
            };
            let Some(retry) = self.retry.filter(|_| error.is_transient()) else {
                return Err(error);
            };
            let Some(delay) = delay(&retry, attempt, &error) else {
                self.hooks.state(ClientState::GaveUp { error: &error });
                return Err(error);
            };
            attempt += 1;
            self.hooks.state(ClientState::Retrying { attempt, delay, error: &error });
            if !pause(delay) {
                return Err(ClientError::Aborted);
            }
        }
    }

    /// Connects; `pause` waits between attempts and says whether to go on.
    pub(super) fn connect_patiently(
        &self,
        pause: impl FnMut(Duration) -> bool,
    ) -> Result<Client, ClientError> {
        let (fresh, attempt) = self.open_retrying(pause)?;
        let mut driver = Driver::new(fresh, self, Arc::default());
        driver.recovery = self.retry.map(|retry| Arc::new(Recovery::new(self, retry, attempt)));
        let client = Client::new(driver);
        self.hooks.state(ClientState::Connected);
        Ok(client)
    }
}

impl Driver {
    /// Whether another connection is to take this one's place, or has.
    pub(super) fn is_to_recover(&self, link: &Link) -> bool {
        self.recovery.is_some()
            && !link.control.is_closed_by_us()
            && link.control.how_it_ended().is_some_and(|(end, _)| end.is_lost())
    }

    /// This connection is lost, as [`is_to_recover`](Self::is_to_recover) says. Nothing here
    /// waits.
    pub(super) fn begin_recovery(&self, link: &Link) {
        let Some(recovery) = &self.recovery else { return };
        let mut state = recovery.lock();
        if self.link().id != link.id || !matches!(state.phase, Phase::Up) {
            return;
        }
        state.phase = Phase::Down(None);
        state.attempt = recovery.retry.attempt_after(state.attempt, state.since.elapsed());
        drop(state);
        let Some((end, _)) = link.control.how_it_ended() else { return };
        self.submit(|driver| {
            let error = end.into_error();
            driver.hooks.state(ClientState::Disconnected { error: &error });
            driver.plan_attempt(error);
        });
    }

    /// Has this done where it may block, if the client is then still there and wants it.
    fn submit(&self, job: impl FnOnce(&Self) + Send + 'static) {
        let weak = self.me.clone();
        let submitted = WORKERS.submit(Box::new(move || {
            if let Some(driver) = weak.upgrade()
                && driver.recovery.as_ref().is_some_and(|recovery| recovery.is_down())
            {
                job(&driver);
            }
        }));
        if let Err(error) = submitted {
            self.give_up_recovery(ClientError::Network(error));
        }
    }

    /// Connects no more.
    pub(super) fn abandon(&self, error: ClientError) {
        if let Some(recovery) = &self.recovery {
            recovery.abandon(error);
        }
    }

    /// After `error`: another attempt some time later, or none.
    fn plan_attempt(&self, error: ClientError) {
        let Some(recovery) = &self.recovery else { return };
        let Some((attempt, delay)) = recovery.next(&error) else {
            return self.give_up_recovery(error);
        };
        self.hooks.state(ClientState::Retrying { attempt, delay, error: &error });
        if delay.is_zero() {
            return self.submit_attempt();
        }
        match background::start() {
            // What is too far away to be counted never comes.
            Ok(background) => {
                if let Some(at) = Instant::now().checked_add(delay) {
                    background.tell(Letter::Attempt(at, self.me.clone()));
                }
            }
            Err(error) => self.give_up_recovery(ClientError::Network(error)),
        }
    }

    /// The time for the next attempt has come.
    pub(super) fn submit_attempt(&self) {
        let Some(recovery) = self.recovery.clone() else { return };
        let weak = self.me.clone();
        let submitted = WORKERS.submit(Box::new(move || {
            if recovery.is_down() {
                // Nothing of the client is held meanwhile, which may take long.
                let opened = recovery.plan.open();
                if let Some(driver) = weak.upgrade() {
                    driver.attempted(&recovery, opened);
                }
            }
        }));
        if let Err(error) = submitted {
            self.give_up_recovery(ClientError::Network(error));
        }
    }

    fn give_up_recovery(&self, error: ClientError) {
        // Those who wait are let go before the user is told, who may take long.
        let Some(recovery) = &self.recovery else { return };
        let error = Arc::new(error);
        let mut state = recovery.lock();
        if !matches!(state.phase, Phase::Down(_)) {
            return;
        }
        state.phase = Phase::Over(Arc::clone(&error));
        drop(state);
        recovery.changed.notify_all();
        self.hooks.state(ClientState::GaveUp { error: &error });
    }

    /// One attempt has been made, on a thread that may block.
    fn attempted(&self, recovery: &Recovery, opened: Result<Connected, ClientError>) {
        match opened.and_then(|fresh| self.prepare_link(recovery, fresh)) {
            Ok(prepared) => {
                if self.install(recovery, prepared) {
                    self.hooks.state(ClientState::Connected);
                }
            }
            Err(error) => self.plan_attempt(error),
        }
    }

    /// Runs the user's hook on the new connection, before anybody else knows of it.
    fn prepare_link(&self, recovery: &Recovery, fresh: Connected) -> Result<Self, ClientError> {
        let mut driver = Self::new(fresh, &recovery.plan, Arc::clone(&self.pending));
        driver.attributes = Arc::clone(&self.attributes);
        let link = driver.link();
        {
            let mut state = recovery.lock();
            match &mut state.phase {
                Phase::Down(candidate) => *candidate = Some(Arc::clone(&link)),
                Phase::Up | Phase::Over(_) => return Err(ClientError::Aborted),
            }
        }
        let client = Client::lent(driver);
        if let Err(error) = self.hooks.reconnect(&client) {
            client.driver.go_away();
            return Err(error);
        }
        // The hook may have met the end without saying so.
        match link.control.how_it_ended() {
            Some((end, _)) => Err(end.into_error()),
            // It was given a reference, and nothing else has the driver.
            None => client.into_driver().ok_or(ClientError::Aborted),
        }
    }

    /// Puts the new connection in the place of the lost one; `false` if it is no longer wanted.
    fn install(&self, recovery: &Recovery, prepared: Self) -> bool {
        let (mut reader, writer, link) = prepared.into_parts();
        // Those who have them are on their way out, as their connection has ended.
        let (Some(mut incoming), Some(mut outgoing)) =
            (self.incoming.acquire(None), self.outgoing.acquire(None))
        else {
            return false;
        };
        let mut state = recovery.lock();
        if !matches!(state.phase, Phase::Down(_)) {
            return false;
        }
        // What came before the end is read before what came since.
        self.parse(&mut incoming, true);
        incoming.ahead.append(&mut reader.ahead);
        std::mem::swap(&mut reader.ahead, &mut incoming.ahead);
        *incoming = reader;
        *outgoing = writer;
        incoming.count_ahead();
        self.set_link(link);
        state.phase = Phase::Up;
        state.since = Instant::now();
        if let Some(me) = self.me.upgrade() {
            background::adopt(&me);
        }
        self.replies.lose();
        drop((state, outgoing, incoming));
        recovery.changed.notify_all();
        true
    }

    /// Waits until another connection is in this one's place.
    ///
    /// # Errors
    /// `late` at the deadline, and why there will be none.
    pub(super) fn await_recovery(
        &self,
        link: &Link,
        deadline: Option<Instant>,
        late: ClientError,
    ) -> Result<(), ClientError> {
        let Some(recovery) = &self.recovery else { return Err(late) };
        self.begin_recovery(link);
        let mut state = recovery.lock();
        loop {
            match &state.phase {
                Phase::Over(error) => return Err(ClientError::again(error)),
                Phase::Up if self.link().id != link.id => return Ok(()),
                Phase::Up | Phase::Down(_) => {}
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            state = match left {
                Some(left) if left.is_zero() => return Err(late),
                Some(left) => {
                    let woken = recovery.changed.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => recovery.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// What has become of a lost connection, without waiting.
    ///
    /// # Errors
    /// Why there will be no other.
    pub(super) fn recovery_so_far(&self, link: &Link) -> Result<(), ClientError> {
        let now = Some(Instant::now());
        match self.await_recovery(link, now, ClientError::TimedOut(Deadline::Read)) {
            Err(ClientError::TimedOut(Deadline::Read)) => Ok(()),
            other => other,
        }
    }

    fn into_parts(self) -> (Reader, Writer, Arc<Link>) {
        let link = self.link();
        (self.incoming.into_inner(), self.outgoing.into_inner(), link)
    }
}
