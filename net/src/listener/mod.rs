//! The listener: many connections on a few event loops.
//!
//! Data's way through it: [`event_loop`] waits and gives a [`connection`] its turn; that reads
//! into the loop's inbox and, once [`open`], hands the engine's events to the user's [`service`];
//! what a [`caller`] sends gathers in the loop's outbox and leaves in one write.

mod address;
mod admission;
mod answering;
mod asking;
mod attributes;
mod blame;
mod budget;
mod builder;
mod caller;
mod calls;
mod clockwork;
mod compose;
mod connection;
mod context;
mod delivery;
mod ending;
mod event_loop;
mod expiry;
mod fallback;
mod figures;
mod flow;
mod lingering;
mod mailbox;
mod open;
mod opening;
mod options;
mod origin;
mod pacing;
mod queue;
mod rare;
mod reading;
mod revocation;
mod routes;
mod secured;
mod sending;
mod service;
mod slots;
mod streams;
mod tally;
mod timers;
mod topics;
mod tuning;
mod upgrade;
mod work;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use admission::{ListenerStats, RefusedStats};
pub use budget::Budget;
pub use builder::ListenerBuilder;
pub use caller::{Caller, Sent};
pub use expiry::WhenExpired;
pub use fallback::{HttpRequest, HttpResponse};
pub use figures::{ErrorStats, TrafficStats};
pub use options::ServiceOptions;
pub use origin::{OriginError, OriginPolicy};
pub use routes::RouteError;
pub use service::{Outcome, Reply, RunOn, Service};
pub use streams::Stream;
pub use tally::CallerStats;
pub use topics::Topics;
pub use tuning::{Rate, WhenExceeded, WhenFull};
pub use upgrade::{Accept, UpgradeRequest, UpgradeService};

use socket2::{Domain, Protocol, Socket, Type};

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
pub struct Listener {
    local: SocketAddr,
    settings: Arc<Settings>,
    mailboxes: Vec<Arc<Mailbox>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Disconnected once all loops have ended.
    ended: Mutex<Receiver<()>>,
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

    /// Serves the paths of `route` with `service` from now on; see [`ListenerBuilder::route`].
    ///
    /// # Errors
    /// [`RouteError`] if the route is malformed, or another has paths of it.
    pub fn attach(&self, route: &str, service: impl UpgradeService) -> Result<(), RouteError> {
        self.attach_with(route, ServiceOptions::new(), service)
    }

    /// As [`attach`](Self::attach), with options of the service's own.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn attach_with(
        &self,
        route: &str,
        options: ServiceOptions,
        service: impl UpgradeService,
    ) -> Result<(), RouteError> {
        let service = options.route(route, Arc::new(service), &self.settings.defaults);
        self.settings.routes.attach(route, service)
    }

    /// Serves a route no longer: requests for it get 404 from now on. Connections that are open,
    /// and those on which somebody is deciding, go on.
    ///
    /// # Errors
    /// [`RouteError::Unknown`] if it is not attached, or was attached by another name.
    pub fn detach(&self, route: &str) -> Result<(), RouteError> {
        self.settings.routes.detach(route)
    }

    /// What it has done so far and does now.
    #[must_use]
    pub fn stats(&self) -> ListenerStats {
        let mut stats = self.settings.admission.stats();
        self.settings.figures.add_to(&mut stats);
        stats
    }

    /// The topics of its connections.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.settings.topics
    }

    /// Stops accepting, sends a Close with 1001 on each connection behind what is queued, at once
    /// or over [`shutdown_spread`](ListenerBuilder::shutdown_spread), and returns when all are gone
    /// and callbacks on workers are done, or after `within` when the rest is dropped.
    pub fn shutdown(&self, within: Duration) {
        let start = Instant::now();
        self.stop(Stop::Within(within));
        if self.join() {
            self.settings.workers.finish(within.saturating_sub(start.elapsed()));
        }
    }

    /// Drops all connections without a Close and returns when that is done. Callbacks on workers
    /// are not waited for.
    pub fn abort(&self) {
        self.stop(Stop::Now);
        self.wait();
    }

    /// Returns when the listener has ended, which [`shutdown`](Self::shutdown) or
    /// [`abort`](Self::abort) from another thread makes it do. Within a callback of its own, where
    /// it would wait for itself, it returns at once, and so do those two.
    pub fn wait(&self) {
        self.join();
    }

    /// Waits for the loops to end; `false` on one of them.
    fn join(&self) -> bool {
        let me = thread::current().id();
        if lock(&self.threads).iter().any(|thread| thread.thread().id() == me) {
            return false;
        }
        // Nothing is ever sent: this is the end of the last loop, for everybody who waits.
        let _ = lock(&self.ended).recv();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            if thread.join().is_err() {
                tracing::error!("event loop panicked");
            }
        }
        // The loops have left their last jobs there, which are still done.
        self.settings.workers.stop();
        true
    }

    fn stop(&self, stop: Stop) {
        tracing::debug!(local = %self.local, ?stop, "listener stops");
        self.settings.askers.stop();
        for mailbox in &self.mailboxes {
            drop(mailbox.send(Command::Stop(stop)));
        }
    }

    fn start(address: SocketAddr, threads: usize, settings: Settings) -> io::Result<Self> {
        let socket = bind(address)?;
        let local = socket.local_addr()?;
        let settings = Arc::new(settings);
        let loops = (0..threads.max(1)).map(|_| EventLoop::new(Arc::clone(&settings)));
        let mut loops = loops.collect::<io::Result<Vec<_>>>()?;
        let mailboxes = loops.iter().map(EventLoop::mailbox).collect::<Vec<_>>();
        if let Some(first) = loops.first_mut() {
            first.listen(socket, mailboxes.clone())?;
        }
        let (running, ended) = mpsc::channel();
        let loops = loops.into_iter().map(|each| (each, running.clone())).collect::<Vec<_>>();
        drop(running);
        let (threads, ended) = (Mutex::new(Vec::new()), Mutex::new(ended));
        let listener = Self { local, settings, mailboxes, threads, ended };
        for (number, (event_loop, running)) in loops.into_iter().enumerate() {
            // If one cannot be had, dropping `listener` ends those before it.
            let thread = thread::Builder::new().name(format!("wirewright-{number}"));
            let thread = thread.spawn(move || {
                event_loop.run();
                drop(running);
            })?;
            lock(&listener.threads).push(thread);
        }
        tracing::debug!(%local, "listening");
        Ok(listener)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local", &self.local).finish_non_exhaustive()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Connections that the system keeps until they are accepted; it may have a limit of its own.
const BACKLOG: i32 = 4096;

fn bind(address: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A port whose last connections linger can be bound again. Elsewhere this would let others
    // take a port that is in use.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
