//! Services whose callbacks may block: they run on workers, in order and never two at once.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Span;
use wirewright_core::{Close, CloseCode, Reply as Owed};

use super::caller::Caller;
use super::sending::{BUSY, SERVICE};
use super::service::{Outcome, Reply, RunOn, Service};
use super::streams::Streams;
use crate::error::ConnectionError;
use crate::workers::Workers;

/// Stands on the loop in the service's place and copies what it is told for the workers.
pub(crate) struct Remote {
    work: Arc<Work>,
    control: bool,
}

/// One connection's work.
struct Work {
    caller: Caller,
    pool: Workers,
    span: Span,
    queue: Mutex<Queue>,
    /// Only ever locked by the one job there is.
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Queue {
    letters: VecDeque<Letter>,
    bytes: usize,
    /// A job is submitted or runs.
    running: bool,
    /// The peer is not read from.
    full: bool,
    /// Nobody will be called any more.
    dead: bool,
}

struct Desk {
    service: Option<Box<dyn Service>>,
    streams: Streams,
}

/// A callback that is due.
enum Letter {
    Open,
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Idle,
    Expired,
    /// Whether the service is to hear of it, or only its streams.
    Drain(bool),
    Error(ConnectionError),
    Close(CloseCode, String),
}

/// So many callbacks run before other connections have their turn.
const TURN: usize = 32;
/// What a letter counts for beside its bytes.
const OVERHEAD: usize = 64;

impl Remote {
    /// `span` is the connection's.
    pub(crate) fn new(
        service: Box<dyn Service>,
        caller: Caller,
        pool: Workers,
        span: Span,
    ) -> Self {
        let control = service.wants_control_frames();
        let desk = Desk { service: Some(service), streams: Streams::default() };
        let (queue, desk) = (Mutex::default(), Mutex::new(desk));
        Self { work: Arc::new(Work { caller, pool, span, queue, desk }), control }
    }

    fn post(&self, letter: Letter) -> Outcome {
        let work = &self.work;
        let mut queue = work.lock();
        if queue.dead {
            return Ok(Reply::Nothing);
        }
        queue.bytes += letter.len();
        queue.letters.push_back(letter);
        if queue.bytes >= work.caller.max_pending() && !queue.full {
            queue.full = true;
            // Under this lock, so that it is not taken back before.
            work.caller.hold(BUSY);
        }
        if !queue.running {
            queue.running = true;
            drop(queue);
            work.submit();
        }
        Ok(Reply::Nothing)
    }
}

impl Service for Remote {
    fn on_open(&mut self, _: &Caller) -> Outcome {
        self.post(Letter::Open)
    }

    fn on_text(&mut self, _: &Caller, text: &str) -> Outcome {
        self.post(Letter::Text(text.to_owned()))
    }

    fn on_binary(&mut self, _: &Caller, bytes: &[u8]) -> Outcome {
        self.post(Letter::Binary(bytes.to_owned()))
    }

    fn on_ping(&mut self, _: &Caller, payload: &[u8]) -> Outcome {
        if self.control { self.post(Letter::Ping(payload.to_owned())) } else { Ok(Reply::Pong) }
    }

    fn on_pong(&mut self, _: &Caller, payload: &[u8]) -> Outcome {
        if self.control { self.post(Letter::Pong(payload.to_owned())) } else { Ok(Reply::Nothing) }
    }

    fn on_idle_timeout(&mut self, _: &Caller) -> Outcome {
        self.post(Letter::Idle)
    }

    fn on_expired(&mut self, _: &Caller) -> Outcome {
        self.post(Letter::Expired)
    }

    fn on_drain(&mut self, caller: &Caller) -> Outcome {
        let told = caller.lock().drained & SERVICE != 0;
        self.post(Letter::Drain(told))
    }

    fn on_close(&mut self, _: &Caller, close: Close<'_>) {
        // It cannot fail, and nothing is to be sent.
        let _ = self.post(Letter::Close(close.code(), close.reason().to_owned()));
    }

    fn on_error(&mut self, _: &Caller, error: &ConnectionError) {
        // As above.
        let _ = self.post(Letter::Error(copy(error)));
    }

    fn runs_on(&self) -> RunOn {
        RunOn::Workers
    }
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No callback runs under it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>) {
        let work = Arc::clone(self);
        if let Err(error) = self.pool.submit(Box::new(move || work.run())) {
            tracing::error!(caller = ?self.caller, %error, "no worker for a service");
            self.die();
            self.caller.abort();
        }
    }

    /// A job: callbacks, one after another, until there are no more.
    fn run(self: Arc<Self>) {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let _span = self.span.enter();
        loop {
            for _ in 0..TURN {
                let letter = self.next(&desk);
                let Some(letter) = letter else { return };
                let done = catch_unwind(AssertUnwindSafe(|| match letter {
                    Some(letter) => self.call(&mut desk, letter),
                    None => self.stream(&mut desk),
                }));
                if done.is_err() {
                    return self.panicked(&mut desk);
                }
            }
            let work = Arc::clone(&self);
            if self.pool.submit(Box::new(move || work.run())).is_ok() {
                return;
            }
            // The pool ends, but not before what it has.
        }
    }

    /// What is next: a letter, further items of streams, or (`None`) nothing, and the job ends.
    fn next(&self, desk: &Desk) -> Option<Option<Letter>> {
        let mut queue = self.lock();
        if let Some(letter) = queue.letters.pop_front() {
            queue.bytes -= letter.len();
            if queue.full && queue.bytes <= self.caller.max_pending() / 2 {
                queue.full = false;
                self.caller.release(BUSY);
            }
            return Some(Some(letter));
        }
        if !desk.streams.is_empty() && self.caller.is_drained() {
            return Some(None);
        }
        // If streams wait for the queue to drain, a letter will say that it has.
        queue.running = false;
        None
    }

    fn call(&self, desk: &mut Desk, letter: Letter) {
        let Some(service) = &mut desk.service else { return };
        let caller = &self.caller;
        let mut ping = None;
        let outcome = match letter {
            Letter::Open => service.on_open(caller),
            Letter::Text(text) => service.on_text(caller, &text),
            Letter::Binary(bytes) => service.on_binary(caller, &bytes),
            Letter::Ping(payload) => {
                let outcome = service.on_ping(caller, &payload);
                ping = Some(payload);
                outcome
            }
            Letter::Pong(payload) => service.on_pong(caller, &payload),
            Letter::Idle => service.on_idle_timeout(caller),
            Letter::Expired => service.on_expired(caller),
            Letter::Drain(true) => service.on_drain(caller),
            Letter::Drain(false) => Ok(Reply::Nothing),
            Letter::Error(error) => return service.on_error(caller, &error),
            Letter::Close(code, reason) => {
                let close = Close::new(code.value(), &reason);
                let close = close.unwrap_or_else(|_| Close::from_code(code));
                desk.streams.clear();
                if let Some(mut service) = desk.service.take() {
                    service.on_close(caller, close);
                    drop(service);
                    drop(caller.take_attributes());
                }
                return;
            }
        };
        let failed = match outcome {
            Ok(Reply::Stream(stream)) => desk.streams.push(stream, caller.max_streams()).err(),
            Ok(Reply::Pong) => {
                if let Some(payload) = ping {
                    caller.owe(Owed::pong(&payload));
                }
                None
            }
            outcome => caller.reply(outcome).err(),
        };
        if let (Some(error), Some(service)) = (failed, &mut desk.service) {
            caller.count_error(&error);
            service.on_error(caller, &error);
        }
    }

    fn stream(&self, desk: &mut Desk) {
        if let Err(error) = desk.streams.advance(&self.caller, Caller::is_drained)
            && let Some(service) = &mut desk.service
        {
            self.caller.count_error(&error);
            service.on_error(&self.caller, &error);
        }
    }

    #[cold]
    fn panicked(&self, desk: &mut Desk) {
        tracing::error!(caller = ?self.caller, "service panicked on a worker: closing");
        self.caller.figures().panics.add_anywhere(1);
        desk.streams.clear();
        if let Some(service) = desk.service.take() {
            // Its destructor may panic too.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(service)));
        }
        self.die();
        self.caller.fail(CloseCode::INTERNAL_ERROR);
    }

    fn die(&self) {
        let mut queue = self.lock();
        queue.dead = true;
        let letters = std::mem::take(&mut queue.letters);
        queue.bytes = 0;
        drop(queue);
        drop(letters);
    }
}

impl Letter {
    fn len(&self) -> usize {
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            _ => 0,
        };
        bytes + OVERHEAD
    }
}

/// An error for another thread, as it stands.
fn copy(error: &ConnectionError) -> ConnectionError {
    use ConnectionError as E;
    match error {
        E::Violation(violation) => E::Violation(*violation),
        E::Limit(limit) => E::Limit(*limit),
        E::Network(error) => E::Network(match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        }),
        E::Tls(error) => E::Tls(Arc::clone(error)),
        E::Unresponsive => E::Unresponsive,
        E::MessageRate { per_second } => E::MessageRate { per_second: *per_second },
        E::ByteRate { per_second } => E::ByteRate { per_second: *per_second },
        E::Overrun { queued, cap } => E::Overrun { queued: *queued, cap: *cap },
        E::Exhausted { max } => E::Exhausted { max: *max },
        E::Stream(error) => E::Stream(error.clone()),
        E::Streams { max } => E::Streams { max: *max },
        E::Message(error) => E::Callback(error.to_string().into()),
        E::Callback(error) => E::Callback(error.to_string().into()),
    }
}
