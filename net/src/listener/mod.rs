//! The listener: many connections on a few event loops.
//!
//! Data's way through it: [`event_loop`] waits and gives a [`connection`] its turn; that reads
//! into the loop's inbox and, once [`open`], hands the engine's events to the user's [`service`];
//! what a [`caller`] sends gathers in the loop's outbox and leaves in one write.

mod builder;
mod caller;
mod connection;
mod context;
mod event_loop;
mod mailbox;
mod open;
mod service;
mod slots;
mod timers;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use builder::ListenerBuilder;
pub use caller::{Caller, Sent};
pub use service::{Outcome, Reply, Service, UpgradeService};

use context::Settings;
use event_loop::EventLoop;
use mailbox::{Command, Mailbox};

/// How a loop is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// Drop everything.
    Now,
    /// Say 1001 to everybody, and drop who is still there after this time.
    Within(Duration),
}

/// A running listener. Dropping it is [`abort`](Self::abort).
#[derive(Debug)]
pub struct Listener {
    local: SocketAddr,
    mailboxes: Vec<Arc<Mailbox>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Listener {
    /// Options, and then [`ListenerBuilder::start`].
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::new()
    }

    /// The address it listens at; with the port that the system chose, if that was left to it.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Stops accepting, sends a Close with 1001 on each connection behind what is queued, and
    /// returns when all are gone, or after `within` when the rest is dropped.
    pub fn shutdown(&self, within: Duration) {
        self.stop(Stop::Within(within));
        self.wait();
    }

    /// Drops all connections without a Close and returns when that is done.
    pub fn abort(&self) {
        self.stop(Stop::Now);
        self.wait();
    }

    /// Returns when the listener has ended, which [`shutdown`](Self::shutdown) or
    /// [`abort`](Self::abort) from another thread makes it do.
    pub fn wait(&self) {
        let threads = std::mem::take(&mut *self.lock());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("event loop panicked");
            }
        }
    }

    fn stop(&self, stop: Stop) {
        for mailbox in &self.mailboxes {
            mailbox.send(Command::Stop(stop));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(address: SocketAddr, threads: usize, settings: Settings) -> io::Result<Self> {
        let socket = mio::net::TcpListener::bind(address)?;
        let local = socket.local_addr()?;
        let settings = Arc::new(settings);
        let loops = (0..threads.max(1)).map(|_| EventLoop::new(Arc::clone(&settings)));
        let mut loops = loops.collect::<io::Result<Vec<_>>>()?;
        let mailboxes = loops.iter().map(EventLoop::mailbox).collect::<Vec<_>>();
        if let Some(first) = loops.first_mut() {
            first.listen(socket, mailboxes.clone())?;
        }
        let listener = Self { local, mailboxes, threads: Mutex::new(Vec::new()) };
        for (number, event_loop) in loops.into_iter().enumerate() {
            // If one cannot be had, dropping `listener` ends those before it.
            let thread = std::thread::Builder::new()
                .name(format!("wirewright-{number}"))
                .spawn(move || event_loop.run())?;
            listener.lock().push(thread);
        }
        Ok(listener)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.abort();
    }
}
