//! One end of a [`Pair`](crate::pair::Pair): an engine, its buffers, and the record against which
//! the other end is checked.

use std::collections::VecDeque;
use std::time::Duration;

use wirewright_core::{
    Close, CloseCode, Config, Connection, Inbox, Incoming, Limit, Limits, MaskingKeys, MessageKind,
    Misuse, Outbox, Outgoing, ReceiveError, Reply, Sender,
};

use crate::opening::Opening;
use crate::plan::Plan;
use crate::rng::Dice;
use crate::seen::Seen;
use crate::tap::{Doom, Tap};

/// Something sent, that the peer must see exactly so, and in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Message(MessageKind, Vec<u8>, Doom),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
}

/// How a connection ended, as its side sees it. It happens once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer's Close came.
    Closed(u16),
    /// The peer broke the protocol or a limit.
    Failed(ReceiveError),
    /// The transport ended without a Close.
    Dead,
}

#[derive(Debug)]
pub(crate) enum Engine {
    /// Both halves in one hand.
    Whole(Connection),
    /// As two threads have them: what one half owes waits until the other's next turn.
    Halves(Incoming, Outgoing, Option<(Reply, Item)>),
}

#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) engine: Engine,
    /// The handshake, until it is done.
    pub(crate) opening: Option<Opening>,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) tap: Tap,
    pub(crate) limits: Limits,
    pub(crate) streaming: bool,
    /// What the peer has still to see.
    pub(crate) log: VecDeque<Item>,
    /// The message that is being sent in parts.
    pub(crate) open: Option<(MessageKind, Vec<u8>)>,
    /// The message that comes in pieces.
    assembled: Option<(MessageKind, Vec<u8>)>,
    pub(crate) close_sent: bool,
    pub(crate) end: Option<End>,
    control_frames: u64,
    most_unread: usize,
    most_unsent: usize,
    /// The longest message or part sent.
    pub(crate) longest: usize,
    /// Messages received.
    pub(crate) messages: usize,
}

impl Side {
    /// The client (0) or the server (1) of a plan.
    pub(crate) fn new(plan: &Plan, index: usize, dice: &mut Dice<'_>) -> Self {
        let (config, peer): (&Config, &Config) = (&plan.configs[index], &plan.configs[1 - index]);
        let sender = if index == 0 {
            let mut seed = [0; 32];
            seed.copy_from_slice(&dice.noise(32));
            Sender::Client(MaskingKeys::from_seed(seed))
        } else {
            Sender::Server
        };
        let connection = Connection::new(sender, config, plan.agreement);
        let engine = if plan.whole[index] {
            Engine::Whole(connection)
        } else {
            let (incoming, outgoing) = connection.split();
            Engine::Halves(incoming, outgoing, None)
        };
        let compression = plan.agreement.is_some() && config.compression.is_some();
        let frame_size = config.outgoing_frame_size;
        Self {
            engine,
            opening: None,
            inbox: Inbox::new(),
            outbox: Outbox::new(),
            tap: Tap::new(index == 0, compression, frame_size, peer.limits.clone()),
            limits: config.limits.clone(),
            streaming: config.streaming,
            log: VecDeque::new(),
            open: None,
            assembled: None,
            close_sent: false,
            end: None,
            control_frames: 0,
            most_unread: 0,
            most_unsent: 0,
            longest: 0,
            messages: 0,
        }
    }

    /// Lets the sending half append, and looks at what it appended.
    pub(crate) fn append(
        &mut self,
        act: impl FnOnce(&mut Outgoing, &mut Outbox) -> Result<(), Misuse>,
    ) -> Result<(), Misuse> {
        let before = self.outbox.len();
        let outgoing = match &mut self.engine {
            Engine::Whole(connection) => connection.outgoing(),
            Engine::Halves(_, outgoing, _) => outgoing,
        };
        let result = act(outgoing, &mut self.outbox);
        assert_eq!(result.is_ok(), self.outbox.len() > before, "{result:?} against its effect");
        self.look(before);
        result
    }

    fn look(&mut self, before: usize) {
        let bytes = self.outbox.poll_transmit().unwrap_or_default();
        self.tap.look(&bytes[before..]);
        self.most_unsent = self.most_unsent.max(bytes.len());
        // A message and its compressed form, and what doubling adds.
        let bound = 4 * self.most_unsent.max(self.longest) + 16 * 1024;
        let held = self.outbox.capacity();
        assert!(held <= bound, "outbox holds {held} of {bound}");
    }

    /// Notes what was sent, until the peer has seen it.
    pub(crate) fn note(&mut self, item: Item) {
        self.close_sent |= matches!(item, Item::Close(..));
        self.log.push_back(item);
    }

    /// Sends what receiving owes.
    pub(crate) fn settle_debts(&mut self) {
        if let Engine::Halves(_, _, owed) = &mut self.engine
            && let Some((reply, item)) = owed.take()
        {
            let sent = !self.close_sent;
            let before = self.outbox.len();
            if let Engine::Halves(_, outgoing, _) = &mut self.engine {
                outgoing.reply(reply, &mut self.outbox);
            }
            assert_eq!(sent, self.outbox.len() > before, "a debt is paid unless a Close was sent");
            self.look(before);
            if sent {
                self.note(item);
            }
        }
    }

    /// Notes that bytes were read, and how many wait.
    pub(crate) fn read(&mut self, bytes: &[u8], hint: usize) -> usize {
        let space = self.inbox.space(hint);
        let n = space.len().min(bytes.len());
        space[..n].copy_from_slice(&bytes[..n]);
        if n < bytes.len() {
            self.inbox.received_partly(n);
        } else {
            self.inbox.received(n);
        }
        self.most_unread = self.most_unread.max(self.inbox.unread().len());
        self.check_memory();
        n
    }

    /// Received bytes × 1.25 + 4 KiB, whatever a header claims, and what a message inflates to.
    fn check_memory(&self) {
        let max = usize::try_from(self.limits.max_message_size).unwrap_or(usize::MAX);
        let inflated = if !self.tap.compression {
            0
        } else if self.streaming {
            max.min(256 * 1024)
        } else {
            max
        };
        let plain = self.most_unread + self.most_unread / 4 + 4096 + 1;
        let held = self.inbox.capacity();
        assert!(held <= plain + inflated, "inbox holds {held}, read {}", self.most_unread);
    }

    /// One call of `receive`, answered as a driver does.
    pub(crate) fn receive(&mut self, now: Duration, peer: &mut Self) -> Seen {
        let before = self.outbox.len();
        let seen = match &mut self.engine {
            Engine::Whole(connection) => {
                Seen::of(connection.receive(now, &mut self.inbox, &mut self.outbox))
            }
            Engine::Halves(incoming, _, _) => Seen::of(incoming.receive(now, &mut self.inbox)),
        };
        if self.end.is_some() {
            assert!(matches!(seen, Seen::NeedMore(_)), "{seen:?} after the end");
            assert!(self.inbox.is_empty(), "bytes kept after the end");
        }
        self.answer(&seen, before);
        self.check(&seen, now, peer);
        self.check_memory();
        seen
    }

    /// Time passes; the engine may find that the peer takes too long.
    pub(crate) fn handle_timeout(&mut self, now: Duration, peer: &mut Self) {
        let due = self.poll_timeout().is_some_and(|at| at <= now);
        let before = self.outbox.len();
        let result = match &mut self.engine {
            Engine::Whole(connection) => connection.handle_timeout(now, &mut self.outbox),
            Engine::Halves(incoming, _, _) => incoming.handle_timeout(now),
        };
        assert_eq!(result.is_err(), due, "a deadline passes when it was said to");
        if let Err(limit) = result {
            let seen = Seen::Failed(limit.into());
            self.answer(&seen, before);
            self.check(&seen, now, peer);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        match &self.engine {
            Engine::Whole(connection) => connection.poll_timeout(),
            Engine::Halves(incoming, _, _) => incoming.poll_timeout(),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        match &self.engine {
            Engine::Whole(connection) => connection.is_closed(),
            Engine::Halves(incoming, outgoing, _) => incoming.is_done() && outgoing.is_close_sent(),
        }
    }

    /// Whether nothing is owed.
    pub(crate) fn is_settled(&self) -> bool {
        !matches!(self.engine, Engine::Halves(_, _, Some(_)))
    }

    /// Moves what the buffers hold to others, as an event loop does that lends its own.
    pub(crate) fn change_buffers(&mut self) {
        let (mut inbox, mut outbox) = (Inbox::with_capacity(16), Outbox::new());
        self.inbox.move_to(&mut inbox);
        self.outbox.move_to(&mut outbox);
        self.inbox = inbox;
        self.outbox = outbox;
    }

    /// What the event is answered with: by the whole connection at once, by halves later.
    fn answer(&mut self, seen: &Seen, before: usize) {
        let (reply, item) = match seen {
            Seen::Ping(payload) => (Reply::pong(payload), Item::Pong(payload.clone())),
            Seen::Closed(code, _) => close(*code),
            Seen::Failed(error) => close(error.close_code().value()),
            _ => {
                assert_eq!(self.outbox.len(), before, "{seen:?} is not to be answered");
                return;
            }
        };
        if let Engine::Halves(_, _, owed) = &mut self.engine {
            // The latest wins (RFC 6455 §5.5.3), and nothing wins over a Close.
            *owed = Some((reply, item));
            return;
        }
        let sent = self.outbox.len() > before;
        assert_eq!(sent, !self.close_sent, "{seen:?} is answered unless a Close was sent");
        self.look(before);
        if sent {
            self.note(item);
        }
    }

    /// Compares an event with what the peer sent.
    fn check(&mut self, seen: &Seen, now: Duration, peer: &mut Self) {
        match seen {
            Seen::NeedMore(hint) => {
                assert!(*hint > 0, "a hint of nothing");
                self.check_unread();
            }
            Seen::Message(kind, payload) => self.check_message(*kind, payload, peer),
            Seen::Fragment { kind, payload, first, last } => {
                assert!(self.streaming, "a piece that nobody asked for");
                assert_eq!(*first, self.assembled.is_none(), "the first piece says so, no other");
                let (begun, bytes) = self.assembled.get_or_insert((*kind, Vec::new()));
                assert_eq!(begun, kind, "the type changed within a message");
                bytes.extend_from_slice(payload);
                assert!(bytes.len() as u64 <= self.limits.max_message_size);
                if *last && let Some((kind, bytes)) = self.assembled.take() {
                    self.check_message(kind, &bytes, peer);
                }
            }
            Seen::Ping(payload) => self.check_control(&Item::Ping(payload.clone()), now, peer),
            Seen::Pong(payload) => self.check_control(&Item::Pong(payload.clone()), now, peer),
            Seen::Closed(code, reason) => {
                self.check_control(&Item::Close(*code, reason.clone()), now, peer);
                self.end(End::Closed(*code));
            }
            Seen::Failed(error) => {
                self.check_failure(*error, now, peer);
                self.end(End::Failed(*error));
            }
        }
    }

    fn check_message(&mut self, kind: MessageKind, payload: &[u8], peer: &mut Self) {
        let Some(Item::Message(sent_kind, sent, doom)) = peer.log.pop_front() else {
            panic!("a message of {} bytes that was not sent now", payload.len());
        };
        assert_eq!(kind, sent_kind, "the type of a message");
        assert!(payload == sent, "a message of {} bytes changed", sent.len());
        assert!(!doom.is_certain(), "a message of {} bytes past {doom:?}", sent.len());
        self.messages += 1;
    }

    fn check_control(&mut self, item: &Item, now: Duration, peer: &mut Self) {
        assert_eq!(Some(item), peer.log.pop_front().as_ref(), "a control frame as it was sent");
        self.control_frames += 1;
        let rate = u64::from(self.limits.max_control_frames);
        let most = 2 * rate + rate * (now.as_secs() + 1);
        assert!(self.control_frames <= most, "more control frames than `max_control_frames`");
    }

    /// A failure must have been asked for.
    fn check_failure(&self, error: ReceiveError, now: Duration, peer: &Self) {
        match error {
            ReceiveError::Limit(Limit::ControlFrames { max }) => {
                assert!(self.control_frames >= 2 * u64::from(max), "a flood of a few");
            }
            ReceiveError::Limit(Limit::AssemblyTime { max }) => assert!(now >= max),
            _ => {
                let doom = peer.log.iter().find_map(|item| match item {
                    Item::Message(_, _, doom) => Some(*doom),
                    _ => None,
                });
                let doom = doom.unwrap_or(peer.tap.doom);
                assert!(doom.explains(error), "{error} for {doom:?}");
            }
        }
    }

    /// Between two reads no more is held than a message and what may stand inside it.
    fn check_unread(&self) {
        let unread = self.inbox.unread().len() as u64;
        let message = if self.streaming { 0 } else { self.limits.max_message_size };
        assert!(unread <= message + 14 + 125, "{unread} bytes unread");
    }

    pub(crate) fn end(&mut self, end: End) {
        assert_eq!(self.end, None, "ended twice, now by {end:?}");
        self.end = Some(end);
    }

    /// What has come of an incomplete message is a beginning of what was sent.
    pub(crate) fn check_rest(&self, peer: &Self) {
        let Some((kind, bytes)) = &self.assembled else { return };
        let whole = peer.log.iter().find_map(|item| match item {
            Item::Message(kind, bytes, _) => Some((kind, bytes)),
            _ => None,
        });
        let open = peer.open.as_ref().map(|(kind, bytes)| (kind, bytes));
        let Some((sent_kind, sent)) = whole.or(open) else {
            panic!("a piece of a message that was not sent");
        };
        assert_eq!(kind, sent_kind, "the type of a piece");
        assert!(sent.starts_with(bytes), "a piece changed");
    }
}

fn close(code: u16) -> (Reply, Item) {
    let code = CloseCode::from_wire(code).unwrap_or(CloseCode::NO_STATUS);
    let item = Item::Close(Close::from_code(code).code().value(), String::new());
    (Reply::close(code), item)
}
