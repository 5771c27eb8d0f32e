//! One thread of the process that drives the clients whose users are elsewhere.
//!
//! It starts with the first client and knows clients by weak references only. It waits for
//! events, for letters, and for the earliest time at which it is to look at a client; with all
//! clients in its custody, or with a thread inside, there is no such time but theirs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::custody::{Look, Party};
use super::driver::{Driver, Flushed, Reader, SLICE};
use super::events;
use super::serve::Served;
use super::socket::Socket;
use super::turn::Taken;

/// What other threads use of it.
#[derive(Debug)]
pub(super) struct Background {
    registry: Registry,
    waker: Waker,
    letters: Mutex<Vec<Letter>>,
}

/// What it is told.
#[derive(Debug)]
pub(super) enum Letter {
    /// A client was opened.
    Adopt(usize, Weak<Driver>),
    /// A thread drives this client: look whether it still does.
    Watch(usize),
    /// Somebody left something to be sent.
    Flush(usize),
    /// This client is gone.
    Forget(usize),
    /// A client's next attempt to connect again is due at this time.
    Attempt(Instant, Weak<Driver>),
}

const WAKER: Token = Token(0);

/// What a client is known by; none is used twice.
pub(super) fn next_key() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(WAKER.0 + 1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Later than now, so that others come first.
const SOON: Duration = Duration::from_nanos(1);

static RUNNING: OnceLock<Background> = OnceLock::new();

/// The background, if a client has started it.
pub(super) fn running() -> Option<&'static Background> {
    RUNNING.get()
}

/// The background, which the first client starts.
pub(super) fn start() -> io::Result<&'static Background> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = RUNNING.get() {
        return Ok(running);
    }
    let poll = Poll::new()?;
    let background = Background {
        registry: poll.registry().try_clone()?,
        waker: Waker::new(poll.registry(), WAKER)?,
        letters: Mutex::default(),
    };
    thread::Builder::new().name("wirewright-client".into()).spawn(move || Loop::new(poll).run())?;
    Ok(RUNNING.get_or_init(|| background))
}

/// Has the background drive this client while nobody does, if that is wanted.
pub(super) fn adopt(driver: &Arc<Driver>) {
    if driver.timing.custody.is_none() || cfg!(not(unix)) {
        return;
    }
    match start() {
        Ok(background) => {
            driver.custody.set(Party::Driven);
            background.tell(Letter::Adopt(driver.custody.key, Arc::downgrade(driver)));
        }
        Err(error) => tracing::warn!(%error, "no thread to drive clients in the background"),
    }
}

/// This client is dropped.
pub(super) fn forget(driver: &Driver) {
    let party = driver.custody.party();
    if let Some(background) = running() {
        if party == Party::Background {
            background.deregister(&driver.link().socket);
        }
        if driver.timing.custody.is_some() {
            background.tell(Letter::Forget(driver.custody.key));
        }
    }
}

impl Background {
    pub(super) fn tell(&self, letter: Letter) {
        self.letters().push(letter);
        if let Err(error) = self.waker.wake() {
            // It reads its letters at the next event or timer too.
            tracing::error!(%error, "the background of clients could not be woken");
        }
    }

    fn letters(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for events of a socket, instead of those that were asked for before.
    fn register(&self, socket: &Socket, key: usize, ways: Interest) -> io::Result<()> {
        events::ask(&self.registry, socket, Token(key), ways)
    }

    /// Wants no more events of a socket.
    pub(super) fn deregister(&self, socket: &Socket) {
        events::stop(&self.registry, socket);
    }
}

/// What the thread has to itself.
#[derive(Debug)]
struct Loop {
    poll: Poll,
    clients: HashMap<usize, Entry>,
    /// When to look at whom. An entry that is not its client's [`Entry::scheduled`] is outdated.
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    /// When who is to connect again; numbered, as two may be due at the same time.
    attempts: BTreeMap<(Instant, u64), Weak<Driver>>,
    next_attempt: u64,
    now: Instant,
}

#[derive(Debug)]
struct Entry {
    driver: Weak<Driver>,
    scheduled: Option<Instant>,
    /// How often in a row a thread was inside a read.
    inside: u32,
    /// Events are asked for to send what somebody left.
    flushing: bool,
}

impl Loop {
    fn new(poll: Poll) -> Self {
        Self {
            poll,
            clients: HashMap::new(),
            timers: BinaryHeap::new(),
            attempts: BTreeMap::new(),
            next_attempt: 0,
            now: Instant::now(),
        }
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut letters = Vec::new();
        loop {
            let look = self.timers.peek().map(|Reverse((at, _))| *at);
            let attempt = self.attempts.first_key_value().map(|((at, _), _)| *at);
            let next = [look, attempt].into_iter().flatten().min();
            let wait = next.map(|at| at.saturating_duration_since(Instant::now()));
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the background of clients could not wait for events");
                thread::sleep(SLICE);
            }
            self.now = Instant::now();
            // Set before this thread's first letter or client is there.
            let Some(background) = running() else { continue };
            // Both keep their memory, so that a letter mostly needs none.
            std::mem::swap(&mut letters, &mut *background.letters());
            for letter in letters.drain(..) {
                self.read(background, letter);
            }
            for event in &events {
                if event.token() != WAKER {
                    self.event(background, event.token().0);
                }
            }
            while let Some(entry) = self.attempts.first_entry()
                && entry.key().0 <= self.now
            {
                if let Some(driver) = entry.remove().upgrade() {
                    driver.submit_attempt();
                }
            }
            while let Some(&Reverse((at, key))) = self.timers.peek()
                && at <= self.now
            {
                self.timers.pop();
                if let Some(entry) = self.clients.get_mut(&key)
                    && entry.scheduled == Some(at)
                {
                    entry.scheduled = None;
                    self.look(background, key);
                }
            }
        }
    }

    fn read(&mut self, background: &Background, letter: Letter) {
        match letter {
            Letter::Adopt(key, driver) => {
                self.clients
                    .insert(key, Entry { driver, scheduled: None, inside: 0, flushing: false });
                self.look(background, key);
            }
            Letter::Watch(key) => {
                self.look(background, key);
                self.flush(background, key);
            }
            Letter::Flush(key) => self.flush(background, key),
            Letter::Forget(key) => drop(self.clients.remove(&key)),
            Letter::Attempt(at, driver) => {
                self.attempts.insert((at, self.next_attempt), driver);
                self.next_attempt += 1;
            }
        }
    }

    /// The client, if it is still there.
    fn client(&mut self, key: usize) -> Option<Arc<Driver>> {
        let driver = self.clients.get(&key)?.driver.upgrade();
        if driver.is_none() {
            self.clients.remove(&key);
        }
        driver
    }

    /// Looks at this client at `at`, if not before.
    fn schedule(&mut self, key: usize, at: Instant) {
        if let Some(entry) = self.clients.get_mut(&key)
            && entry.scheduled.is_none_or(|before| at < before)
        {
            entry.scheduled = Some(at);
            self.timers.push(Reverse((at, key)));
        }
    }

    /// Something has happened on a client's socket.
    fn event(&mut self, background: &Background, key: usize) {
        let Some(driver) = self.client(key) else { return };
        if driver.custody.party() == Party::Background {
            self.serve(background, key, &driver);
        } else {
            self.flush(background, key);
        }
    }

    /// The time has come to look at a client.
    fn look(&mut self, background: &Background, key: usize) {
        let Some(driver) = self.client(key) else { return };
        if driver.custody.party() == Party::Background {
            return self.serve(background, key, &driver);
        }
        let Some(entry) = self.clients.get_mut(&key) else { return };
        match driver.custody.look(&driver.incoming, &mut entry.inside) {
            Look::Told => {}
            Look::Mine(turn) => self.take_over(background, key, &driver, turn),
            Look::Later => {
                // The last call was one to two pauses ago when custody is taken: on average as long
                // as it is to wait.
                let pause = driver.timing.custody.unwrap_or_default() * 2 / 3;
                self.schedule(key, self.now + pause.max(SOON));
            }
        }
    }

    fn take_over(
        &mut self,
        background: &Background,
        key: usize,
        driver: &Driver,
        turn: Taken<'_, Reader>,
    ) {
        if let Some(entry) = self.clients.get_mut(&key) {
            entry.flushing = false;
        }
        let ways = Interest::READABLE | Interest::WRITABLE;
        match background.register(&turn.link.socket, key, ways) {
            Ok(()) => self.serve_with(background, key, driver, turn),
            Err(error) => {
                tracing::warn!(%error, "a client is not driven in the background");
                driver.custody.set(Party::Off);
            }
        }
    }

    fn serve(&mut self, background: &Background, key: usize, driver: &Driver) {
        match driver.incoming.try_acquire() {
            // Somebody reads ahead, or has come back.
            None => self.schedule(key, self.now + SLICE),
            Some(turn) if driver.custody.party() == Party::Background => {
                self.serve_with(background, key, driver, turn);
            }
            Some(_) => {}
        }
    }

    fn serve_with(
        &mut self,
        background: &Background,
        key: usize,
        driver: &Driver,
        mut turn: Taken<'_, Reader>,
    ) {
        match driver.serve(&mut turn) {
            Served::Until(None) => {}
            Served::Until(Some(at)) => self.schedule(key, at),
            Served::Again => self.schedule(key, self.now + SOON),
            Served::Over => {
                background.deregister(&turn.link.socket);
                driver.custody.set(Party::Off);
            }
        }
    }

    /// Sends what somebody left while a thread is inside a read, which cannot know of it.
    fn flush(&mut self, background: &Background, key: usize) {
        let Some(driver) = self.client(key) else { return };
        if driver.custody.party() == Party::Background {
            return self.serve(background, key, &driver);
        }
        let link = driver.link();
        let Some(entry) = self.clients.get_mut(&key) else { return };
        if link.control.is_pending() && driver.flush() == Flushed::Blocked {
            entry.flushing = true;
            if let Err(error) = background.register(&link.socket, key, Interest::WRITABLE) {
                tracing::warn!(%error, "the rest of a message waits for the next call");
            }
        } else if std::mem::take(&mut entry.flushing) {
            background.deregister(&link.socket);
        }
    }
}
