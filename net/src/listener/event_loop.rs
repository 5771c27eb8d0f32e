//! One thread of a listener: waits for events and gives each connection its turn.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use wirewright_core::Inbox;

use super::Stop;
use super::admission::{Held, Rate};
use super::connection::{Connection, Next};
use super::context::{Context, Settings};
use super::mailbox::{Command, Mailbox, Newcomer};
use super::opening::discard;
use super::slots::Slots;
use super::timers::Timers;
use super::topics::Subscribers;
use crate::clock;

/// The listening socket. Connections have tokens of at least a generation, which is larger.
const LISTENER: Token = Token(0);
/// Letters from other threads.
const MAILBOX: Token = Token(1);
/// Another try at accepting, after the system refused.
const ACCEPT_AGAIN: Token = Token(2);

/// Bytes read at once, by whichever connection has its turn.
const SCRATCH: usize = 256 * 1024;
/// Events taken from the system at once.
const EVENTS: usize = 1024;
/// Connections accepted in a row: in a storm of them, those that came first get their turn before
/// there are so many that the later ones are refused.
const ACCEPTS: usize = 64;
/// How long accepting rests when the system is out of descriptors or memory: a socket that stays
/// ready would make the loop spin, an edge that is not repeated would make it deaf.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct EventLoop {
    poll: Poll,
    /// On the first loop only: it accepts for all.
    listener: Option<TcpListener>,
    /// All loops, to deal connections out to, on the loop that accepts.
    peers: Vec<Arc<Mailbox>>,
    next_peer: usize,
    /// Connections accepted a second, where those are limited.
    rate: Option<Rate>,
    /// Accepting rests: the system has nothing to accept with, and a timer is set.
    resting: bool,
    /// There are more to accept, when others had their turn.
    accept_more: bool,
    pub(super) slots: Slots<Connection>,
    timers: Timers,
    /// Connections with more to read than fitted into their turn.
    again: VecDeque<Token>,
    scratch: Inbox,
    pub(super) ctx: Context,
    pub(super) subscribers: Subscribers,
    /// Connections that something was published to in this turn.
    pub(super) published: Vec<Token>,
    /// Connections that are to be told to go, and when.
    pub(super) leaving: VecDeque<(Duration, Token)>,
    /// Set once the loop is to end, when everybody has gone or this time has come.
    stop_by: Option<Duration>,
}

impl EventLoop {
    pub(crate) fn new(settings: Arc<Settings>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mailbox = Arc::new(Mailbox::new(Waker::new(poll.registry(), MAILBOX)?));
        let rate = settings.admission.limits().rate;
        Ok(Self {
            poll,
            listener: None,
            peers: Vec::new(),
            next_peer: 0,
            rate: rate.map(|(per_second, burst)| Rate::new(per_second, burst)),
            resting: false,
            accept_more: false,
            slots: Slots::new(),
            timers: Timers::new(),
            again: VecDeque::new(),
            scratch: Inbox::with_capacity(SCRATCH),
            ctx: Context::new(settings, mailbox),
            subscribers: Subscribers::default(),
            published: Vec::new(),
            leaving: VecDeque::new(),
            stop_by: None,
        })
    }

    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.ctx.mailbox)
    }

    /// Makes this the loop that accepts, for itself and `peers`.
    pub(crate) fn listen(
        &mut self,
        mut listener: TcpListener,
        peers: Vec<Arc<Mailbox>>,
    ) -> io::Result<()> {
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        self.listener = Some(listener);
        self.peers = peers;
        Ok(())
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut letters = Vec::new();
        let mut due = Vec::new();
        let _ = self.ctx.thread.set(thread::current().id());
        while !self.is_over() {
            let wait = self.wait();
            // Those that are accepted in this round have their turn before the next.
            let accept_more = std::mem::take(&mut self.accept_more);
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "event loop could not wait for events");
            }
            self.ctx.now = clock::now();
            self.ctx.looked = self.ctx.now;
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    MAILBOX => self.read_mail(&mut letters),
                    token => self.drive(token, event.is_read_closed() || event.is_error()),
                }
            }
            for _ in 0..self.again.len() {
                let Some(token) = self.again.pop_front() else { break };
                if let Some(connection) = self.slots.get_mut(token) {
                    connection.in_line = false;
                    self.drive(token, true);
                }
            }
            if accept_more && !self.accept_more {
                self.accept();
            }
            self.timers.expire(self.ctx.now, &mut due);
            for token in due.drain(..) {
                if token == ACCEPT_AGAIN {
                    self.resting = false;
                    self.accept();
                } else {
                    self.timeout(token);
                }
            }
            self.dismiss();
            if self.ctx.exceeded {
                self.shed();
            }
            self.end_turn();
        }
        for letter in self.ctx.mailbox.close() {
            self.lost(letter);
        }
        self.ctx.settings.topics.leave(self.ctx.number);
        for token in self.slots.tokens() {
            if let Some(connection) = self.slots.get_mut(token) {
                connection.abort();
            }
            self.forget(token);
        }
        self.ctx.report();
    }

    /// What is done before the loop waits again.
    fn end_turn(&mut self) {
        self.ctx.report();
        self.scratch.settle();
        if let Some(lent) = &mut self.ctx.lent {
            lent.settle();
        }
    }

    fn is_over(&self) -> bool {
        self.stop_by.is_some_and(|by| self.slots.len() == 0 || by <= self.ctx.now)
    }

    fn wait(&self) -> Option<Duration> {
        if !self.again.is_empty() || self.accept_more {
            return Some(Duration::ZERO);
        }
        let now = self.ctx.now;
        let stop = self.stop_by.map(|by| by.saturating_sub(now));
        let leave = self.leaving.front().map(|(at, _)| at.saturating_sub(now));
        [self.timers.wait(now), stop, leave].into_iter().flatten().min()
    }

    /// Gives a connection its turn. An event for one that is gone finds nothing.
    #[inline]
    fn drive(&mut self, token: Token, to_end: bool) {
        let Some(connection) = self.slots.get_mut(token) else { return };
        let next = connection.drive(to_end, &mut self.scratch, &mut self.ctx);
        self.after(token, next);
    }

    fn timeout(&mut self, token: Token) {
        let Some(connection) = self.slots.get_mut(token) else { return };
        let next = connection.timeout(&mut self.ctx);
        self.after(token, next);
    }

    #[inline]
    pub(super) fn after(&mut self, token: Token, next: Next) {
        if next == Next::Gone {
            self.forget(token);
            return;
        }
        let Some(connection) = self.slots.get_mut(token) else { return };
        // Once in line at a time: an event while it stands there earns no second turn.
        if next == Next::Again && !connection.in_line {
            connection.in_line = true;
            self.again.push_back(token);
        }
        let sooner = std::mem::take(&mut self.ctx.sooner);
        if (sooner || !connection.is_scheduled())
            && let Some(deadline) = connection.deadline()
            && let at = clock::nanos(deadline)
            && at < connection.scheduled
        {
            connection.scheduled = at;
            self.timers.insert(self.ctx.now, deadline, token);
        }
    }

    fn forget(&mut self, token: Token) {
        // Closing the descriptor, which the last handle does, takes it off the poll.
        if let Some(connection) = self.slots.remove(token) {
            self.ctx.settings.admission.leave(connection.held);
        }
    }

    /// Accepts those that wait. No error of one connection, and no want of the system's, ends it.
    fn accept(&mut self) {
        if self.resting {
            // Each further connection is an event. It must not become a timer as well.
            return;
        }
        for _ in 0..ACCEPTS {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    // The peer was gone before we came (accept(2)).
                    io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::Interrupted
                    | io::ErrorKind::PermissionDenied => {}
                    _ => {
                        tracing::warn!(%error, "accepting rests");
                        self.resting = true;
                        let at = self.ctx.now.saturating_add(ACCEPT_PAUSE);
                        self.timers.insert(self.ctx.now, at, ACCEPT_AGAIN);
                        return;
                    }
                },
            }
        }
        self.accept_more = true;
    }

    /// Gives a new connection to the loop whose turn it is, or refuses it: unread, with an answer
    /// that this very loop sees off, or by closing it where many such are waiting already.
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let admission = &self.ctx.settings.admission;
        match admission.admit(peer.ip(), self.rate.as_mut(), self.ctx.now) {
            Ok(place) => match self.ctx.settings.tls.as_ref().map(|tls| tls.layer()).transpose() {
                Ok(layer) => {
                    self.deal(Newcomer { stream, peer, held: Held::Handshaking, place, layer });
                }
                Err(error) => {
                    tracing::error!(%error, "no TLS for a connection, which is dropped");
                    admission.leave(Held::Handshaking);
                }
            },
            Err(reason) => {
                tracing::debug!(?reason, %peer, "connection refused");
                if admission.may_linger() {
                    admission.enter(Held::Leaving);
                    let (held, place, layer) = (Held::Leaving, None, None);
                    self.adopt(Newcomer { stream, peer, held, place, layer });
                }
            }
        }
    }

    fn deal(&mut self, newcomer: Newcomer) {
        let to = self.next_peer % self.peers.len().max(1);
        self.next_peer = to + 1;
        match self.peers.get(to) {
            Some(mailbox) if !Arc::ptr_eq(mailbox, &self.ctx.mailbox) => {
                if let Some(letter) = mailbox.send(Command::Adopt(newcomer)) {
                    self.lost(letter);
                }
            }
            _ => self.adopt(newcomer),
        }
    }

    /// A letter that no loop reads any more.
    fn lost(&self, letter: Command) {
        if let Command::Adopt(newcomer) = &letter {
            self.ctx.settings.admission.leave(newcomer.held);
        }
        discard(letter);
    }

    fn adopt(&mut self, newcomer: Newcomer) {
        let held = newcomer.held;
        if self.stop_by.is_some() {
            self.ctx.settings.admission.leave(held);
            return;
        }
        // Small messages must not wait for the acknowledgement of earlier ones.
        let nodelay = newcomer.stream.set_nodelay(true);
        let token = self.slots.next_token();
        let mut connection = Connection::new(token, newcomer, &self.ctx);
        // Both directions for good: an edge costs nothing while nothing waits, and registering
        // anew would cost a system call each time.
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = connection
            .stream_mut()
            .map_or(Ok(()), |stream| self.poll.registry().register(stream, token, both));
        if let Err(error) = nodelay.and(registered) {
            tracing::debug!(%error, "connection lost before its first byte");
            self.ctx.settings.admission.leave(held);
            return;
        }
        self.slots.insert(connection);
        self.after(token, Next::Wait);
    }

    fn read_mail(&mut self, letters: &mut Vec<Command>) {
        self.ctx.mailbox.take(letters);
        // Of several that a connection gets, one write is enough.
        let publications = letters.iter().filter(|it| matches!(it, Command::Publish(_)));
        let alone = publications.take(2).count() == 1;
        for letter in letters.drain(..) {
            match letter {
                Command::Adopt(newcomer) => self.adopt(newcomer),
                Command::Decided(token, decision) => match self.slots.get_mut(token) {
                    Some(connection) => {
                        connection.decided(decision);
                        // What came meanwhile is an event that was seen.
                        self.drive(token, true);
                    }
                    None => discard(decision),
                },
                Command::Look(token) => self.drive(token, false),
                Command::Subscribe(token, topic) => self.subscribers.add(topic, token),
                Command::Unsubscribe(token, topic) => self.subscribers.remove(&topic, token),
                Command::Publish(publication) => self.publish(&publication, alone),
                Command::Revoke(revocation) => self.revoke(&revocation),
                Command::Stop(stop) => self.stop(stop),
            }
        }
        self.send_published();
    }

    fn stop(&mut self, stop: Stop) {
        if let Some(mut listener) = self.listener.take() {
            // Dropping it closes it; this only spares the poll a stale entry.
            let _ = self.poll.registry().deregister(&mut listener);
        }
        let by = match stop {
            Stop::Now => self.ctx.now,
            Stop::Within(time) => self.ctx.now.saturating_add(time),
        };
        self.stop_by = Some(self.stop_by.map_or(by, |earlier| earlier.min(by)));
        if matches!(stop, Stop::Now) {
            // The loop ends with this turn, and drops all without a Close.
            return;
        }
        self.spread(by);
    }
}
