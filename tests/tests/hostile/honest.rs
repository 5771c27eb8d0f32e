//! Clients that do what clients do, and measure how long it takes.

use std::fmt;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wirewright::{Client, ClientError, MessageBuf};
use wirewright_tests::raw_client::PATIENCE;

/// Between two messages of a client.
const PAUSE: Duration = Duration::from_millis(25);

/// Round trips, each with the number of the client whose it was.
#[derive(Default)]
pub(super) struct Trips(Vec<(usize, Duration)>);

impl Trips {
    fn per_cent(&self, share: usize) -> Duration {
        let mut trips: Vec<_> = self.0.iter().map(|(_, trip)| *trip).collect();
        trips.sort_unstable();
        trips.get((trips.len() * share / 100).min(trips.len().max(1) - 1)).copied().unwrap()
    }

    pub(super) fn p99(&self) -> Duration {
        self.per_cent(99)
    }

    /// How many clients had any.
    pub(super) fn clients(&self) -> usize {
        let mut clients: Vec<_> = self.0.iter().map(|(client, _)| *client).collect();
        clients.sort_unstable();
        clients.dedup();
        clients.len()
    }
}

impl fmt::Display for Trips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, max) = (self.per_cent(50), self.p99(), self.per_cent(100));
        write!(f, "{} echoes, p50 {p50:.2?}, p99 {p99:.2?}, max {max:.2?}", self.0.len())
    }
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    trips: Mutex<Trips>,
}

pub(super) struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

impl Crowd {
    /// So many clients, each on a thread of its own; returns when all are connected.
    pub(super) fn start(addr: SocketAddr, clients: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = (0..clients).map(|number| {
            let client = Client::builder(&format!("ws://{addr}/"))
                .read_timeout(Some(PATIENCE))
                .write_timeout(Some(PATIENCE))
                .connect()
                .unwrap();
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                echo(number, &client, &shared).map_err(|error| format!("{number}: {error}"))
            })
        });
        let threads = threads.collect();
        Self { shared, threads }
    }

    /// What was measured since the last time.
    pub(super) fn take(&self) -> Trips {
        mem::take(&mut self.shared.trips.lock().unwrap())
    }

    /// Ends them all; what went wrong.
    pub(super) fn end(self) -> Vec<String> {
        self.shared.over.store(true, Ordering::Relaxed);
        let results = self.threads.into_iter().map(|thread| thread.join().unwrap());
        results.filter_map(Result::err).collect()
    }
}

fn echo(number: usize, client: &Client, shared: &Shared) -> Result<(), ClientError> {
    let mut echo = MessageBuf::new();
    for round in number.. {
        if shared.over.load(Ordering::Relaxed) {
            break;
        }
        let message = vec![round.to_le_bytes()[0]; round * 997 % 5_000];
        let start = Instant::now();
        client.write_binary(&message)?;
        assert!(client.read_into(&mut echo)?, "closed by the listener");
        assert!(echo.message().as_bytes() == message, "an echo of something else");
        shared.trips.lock().unwrap().0.push((number, start.elapsed()));
        thread::sleep(PAUSE);
    }
    client.close()
}
