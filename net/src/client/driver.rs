//! One connection: its socket, its two halves, and what they owe each other.
//!
//! Nothing here knows who drives: the thread that is inside a call, or the background while none
//! is. Everything goes through `&self`.
//!
//! Lock order: a sender that waits for room *tries* for the reader's turn, a reader with a reply
//! *tries* for the sender's; neither ever waits for one while it has the other.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use wirewright_core::deflate::Agreement;
use wirewright_core::{
    Inbox, Incoming, KeepAlive, KeepAliveOptions, MaskingKeys, Outbox, Outgoing, Role, Sender,
};

use super::ahead::Ahead;
use super::attributes::Attributes;
use super::builder::ClientBuilder;
use super::connect::Connected;
use super::control::{End, Pending};
use super::custody::Custody;
use super::hooks::Hooks;
use super::link::Link;
use super::reach::Secured;
use super::recovery::Recovery;
use super::replies::Replies;
use super::socket::{KernelTimeout, Socket, Until};
use super::turn::Turn;
use crate::secure::broken;

#[derive(Debug)]
pub(super) struct Driver {
    /// The connection as it is at present, for those who have no turn.
    current: Mutex<Arc<Link>>,
    pub(super) pending: Arc<Pending>,
    pub(super) incoming: Turn<Reader>,
    pub(super) outgoing: Turn<Writer>,
    /// What those who wait for a reply look for.
    pub(super) replies: Replies,
    /// Whether values are held to the rules of their type.
    pub(super) validate: bool,
    pub(super) timing: Timing,
    pub(super) custody: Custody,
    pub(super) hooks: Hooks,
    /// Of a client that connects again by itself.
    pub(super) recovery: Option<Arc<Recovery>>,
    pub(super) attributes: Arc<Attributes>,
    /// For what outlives a call.
    pub(super) me: Weak<Self>,
}

/// How long things may take; `None` is for ever.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    pub(super) read: Option<Duration>,
    pub(super) write: Option<Duration>,
    pub(super) close: Option<Duration>,
    /// Since the last call, before the background drives.
    pub(super) custody: Option<Duration>,
    pub(super) keep_alive: KeepAliveOptions,
}

/// What belongs to whoever receives.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) link: Arc<Link>,
    pub(super) incoming: Incoming,
    pub(super) inbox: Inbox,
    /// Over TLS, what was received and is not open yet: less than a record.
    pub(super) wire: Inbox,
    pub(super) ahead: Ahead,
    pub(super) keep_alive: KeepAlive,
    /// The time of the last receive: one reading of the clock for a batch of messages.
    pub(super) now: Duration,
    pub(super) kernel: KernelTimeout,
    /// Bytes sent when the latest Ping of ours was owed.
    pub(super) sent_at_ping: u64,
    /// Over TLS, how the connection ends once what came before that is handled.
    pub(super) over: Option<End>,
    /// The connection has ended and the socket is shut down.
    pub(super) finished: bool,
}

/// What belongs to whoever sends.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) link: Arc<Link>,
    pub(super) outgoing: Outgoing,
    pub(super) outbox: Outbox,
    /// Over TLS, what is sealed and was not sent yet.
    pub(super) wire: Outbox,
    /// Payload of a plain message to take in before it is sent.
    pub(super) part: usize,
    /// Whether messages may be compressed, which is done to a message as a whole.
    pub(super) compresses: bool,
    /// What the socket said when it could take no more, for good.
    pub(super) broken: Option<(io::ErrorKind, Option<i32>)>,
}

/// What came of sending what is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Nothing is left to send, or nothing can be.
    Clean,
    /// The socket is full.
    Blocked,
    /// Somebody else has the sender's turn, and will see to it.
    Busy,
}

/// A connection whose handshake is done.
pub(super) struct Opened {
    pub(super) socket: Socket,
    /// The server's first bytes, if they came with its answer.
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) secured: Option<Secured>,
    pub(super) keys: MaskingKeys,
    pub(super) agreement: Option<Agreement>,
}

/// How long the server may take to end the connection after Closes were exchanged: "the client
/// SHOULD wait for the server to close the connection but MAY close the connection at any time"
/// (RFC 6455 §7.1.1).
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// How long to leave something alone that another thread is doing at the time.
pub(super) const SLICE: Duration = Duration::from_millis(5);

/// How long to leave alone what only the caller can change.
pub(super) const LONG_SLICE: Duration = Duration::from_millis(50);

/// Bytes of replies to gather at most.
const REPLIES: usize = 4096;

/// So much of a message is masked and sent before the next such part: the copy stays in the
/// cache, and the server can begin on it.
const PART: usize = 128 * 1024;

impl Driver {
    /// `pending` is that of the client, for all its connections.
    pub(super) fn new(connected: Connected, plan: &ClientBuilder, pending: Arc<Pending>) -> Self {
        let Connected { opened, response, uri } = connected;
        let Opened { socket, inbox, outbox, secured, keys, agreement } = opened;
        let (config, timing) = (&plan.config, plan.timing.clone());
        let (secure, wire) = secured.map_or_else(Default::default, Secured::into_parts);
        let link = Arc::new(Link::new((socket, secure), response, uri, Arc::clone(&pending)));
        let frame = config.outgoing_frame_size.max(1);
        let reader = Reader {
            link: Arc::clone(&link),
            incoming: Incoming::new(Role::Client, config, agreement),
            inbox,
            wire: wire.0,
            ahead: Ahead::new(plan.read_ahead),
            keep_alive: KeepAlive::new(timing.keep_alive, Duration::ZERO),
            now: Duration::ZERO,
            kernel: KernelTimeout::default(),
            sent_at_ping: 0,
            over: None,
            finished: false,
        };
        let writer = Writer {
            link: Arc::clone(&link),
            outgoing: Outgoing::new(Sender::Client(keys), config, agreement),
            outbox,
            wire: wire.1,
            // Whole frames, so that a message is cut where it would be anyway.
            part: frame.max(PART / frame * frame),
            compresses: agreement.is_some(),
            broken: None,
        };
        Self {
            current: Mutex::new(link),
            pending,
            incoming: Turn::new(reader),
            outgoing: Turn::new(writer),
            replies: Replies::default(),
            validate: plan.validate,
            timing,
            custody: Custody::new(),
            hooks: plan.hooks.clone(),
            recovery: None,
            attributes: Arc::default(),
            me: Weak::new(),
        }
    }

    /// The connection as it is at present.
    pub(super) fn link(&self) -> Arc<Link> {
        // Nothing but this and an assignment is done under it.
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_link(&self, link: Arc<Link>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    /// Sends what is owed without waiting for anything.
    pub(super) fn flush(&self) -> Flushed {
        let mut flushed = Flushed::Clean;
        // Whoever came meanwhile found the turn taken and relies on us.
        while self.pending.is_set_after() && flushed != Flushed::Blocked {
            let Some(mut turn) = self.outgoing.try_acquire() else {
                return Flushed::Busy;
            };
            let writer = &mut *turn;
            writer.take_owed();
            flushed = self.transmit_now(writer);
        }
        flushed
    }

    /// Several Pings in one batch have a Pong each, which leave together, as long as the server
    /// takes them; of one that does not, only the latest is answered (RFC 6455 §5.5.3).
    pub(super) fn stack_owed(&self, link: &Link) {
        if let Some(mut turn) = self.outgoing.try_acquire()
            && turn.outbox.len() < REPLIES
        {
            let writer = &mut *turn;
            writer.take_owed();
            link.control.set_pending();
        }
    }

    pub(super) fn transmit_now(&self, writer: &mut Writer) -> Flushed {
        loop {
            let sent = match writer.leaving() {
                Ok(None) => return Flushed::Clean,
                Ok(Some((bytes, socket))) => socket.try_send(bytes),
                Err(error) => Err(error),
            };
            match sent {
                Ok(n) => writer.transmitted(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    writer.link.control.set_pending();
                    return Flushed::Blocked;
                }
                // The reader finds out for itself, after what is still there to be read.
                Err(error) => {
                    self.break_off(writer, &error);
                    return Flushed::Clean;
                }
            }
        }
    }

    /// The socket takes nothing any more.
    pub(super) fn break_off(&self, writer: &mut Writer, error: &io::Error) {
        writer.broken = Some((error.kind(), error.raw_os_error()));
        (writer.outbox, writer.wire) = (Outbox::new(), Outbox::new());
        writer.link.control.set_closing();
    }

    /// Until when to wait for bytes.
    pub(super) fn until(&self, reader: &Reader, hard: Option<Instant>) -> Until {
        // After our Close no Ping can be sent, and that deadline governs.
        let watch =
            reader.keep_alive.poll_timeout().filter(|_| !reader.link.control.is_closed_by_us());
        let alive = watch.map(|wake| wake.at);
        let timer = [alive, reader.incoming.poll_timeout()].into_iter().flatten().min();
        let soft = timer.and_then(|at| reader.link.epoch.checked_add(at));
        let usual = [self.timing.read, self.timing.keep_alive.interval];
        let usual = usual.into_iter().flatten().min().filter(|usual| !usual.is_zero());
        Until { hard, soft, usual }
    }
}

impl Writer {
    /// Moves what is owed into the outbox, which ends at a frame's end.
    pub(super) fn take_owed(&mut self) {
        let owed = self.link.control.take_owed(&mut self.outgoing, &mut self.outbox);
        let sent = &self.link.counts.sent;
        sent.pings.add(owed.ping.into());
        sent.pongs.add(owed.pong.into());
        sent.closes.add(owed.close.into());
        if owed.ping {
            // Nothing has come for long; if nothing was sent either, little is to be held.
            self.outgoing.release_idle();
        }
    }

    /// What is to leave next, sealed if it is to be, and by which way.
    #[inline]
    pub(super) fn leaving(&mut self) -> io::Result<Option<(&[u8], &Socket)>> {
        let socket = &self.link.socket;
        let Some(secure) = &self.link.secure else {
            return Ok(self.outbox.poll_transmit().map(|bytes| (bytes, socket)));
        };
        secure.seal(&mut self.outbox, &mut self.wire).map_err(broken)?;
        Ok(self.wire.poll_transmit().map(|bytes| (bytes, socket)))
    }

    /// The system has taken so much of that.
    #[inline]
    pub(super) fn transmitted(&mut self, n: usize) {
        self.link.counts.sent.bytes.add(n as u64);
        if self.link.secure.is_some() {
            self.wire.transmitted(n);
        } else {
            self.outbox.transmitted(n);
        }
    }

    /// Bytes that wait.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.outbox.len() + self.wire.len()
    }

    /// Gives memory back that a burst left behind.
    #[inline]
    pub(super) fn settle(&mut self) {
        self.outbox.settle();
        self.wire.settle();
    }
}

/// The moment when something that begins now and may take so long is overdue; `None` for never.
pub(super) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

/// Whether this deadline has passed.
#[inline]
pub(super) fn is_past(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|at| Instant::now() >= at)
}
