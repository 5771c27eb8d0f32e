//! Two connections, a virtual clock, and a wire between them with seeded faults.
//!
//! A run draws a [`Plan`], then takes turns at random: the users of both sides send, ping and
//! close; bytes leave, travel and arrive in pieces; time passes. Then the faults stop and the two
//! must come to their end by themselves. All along, each side is held against what the other
//! sent: every item once, in order and unmodified, nothing after a Close, and no more memory or
//! messages than the limits allow.

use std::time::Duration;

use crate::plan::Plan;
use crate::rng::Dice;
use crate::seen::Seen;
use crate::side::{End, Side};
use crate::wire::{Read, Wire};

/// The client and the server, and the wires between them.
#[derive(Debug)]
pub struct Pair {
    plan: Plan,
    /// The client, then the server.
    sides: [Side; 2],
    /// The wire from each side to the other.
    wires: [Wire; 2],
    /// Whether each side has closed its transport.
    gone: [bool; 2],
    hints: [usize; 2],
    now: Duration,
    faulty: bool,
}

/// What a run came to, so that a test can see that its runs are about something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Messages delivered to both sides.
    pub messages: usize,
    /// Sides that received a Close.
    pub closed: usize,
    /// Sides that refused what came.
    pub failed: usize,
    /// Sides whose transport ended before a Close.
    pub dead: usize,
}

/// Steps in which two sides without faults come to their end: far more than any takes.
const PATIENCE: usize = 200_000;

impl Pair {
    /// Runs a pair from beginning to end.
    ///
    /// # Panics
    /// If anything is not as it must be.
    pub fn run(dice: &mut Dice<'_>) -> Outcome {
        let plan = Plan::draw(dice);
        let mut pair = Self::new(plan, dice);
        for _ in 0..pair.plan.turns {
            pair.turn(dice);
        }
        pair.settle(dice);
        pair.check()
    }

    fn new(plan: Plan, dice: &mut Dice<'_>) -> Self {
        let sides = [0, 1].map(|index| {
            let mut side = Side::new(&plan, index, dice);
            if plan.handshake {
                side.begin(&plan, index);
            }
            side
        });
        Self {
            sides,
            wires: plan.faults.map(Wire::new),
            gone: [false; 2],
            hints: [1; 2],
            now: Duration::ZERO,
            faulty: plan.faults.iter().any(Option::is_some),
            plan,
        }
    }

    /// Something happens to somebody.
    fn turn(&mut self, dice: &mut Dice<'_>) {
        let index = dice.below(2);
        match dice.below(10) {
            0..=2 if self.may_act(index) => self.sides[index].act(dice),
            3 => self.sides[index].settle_debts(),
            4 | 5 => {
                let len = dice.pick(&[1, 3, 20, 300, 100_000]);
                self.transmit(index, len, dice);
            }
            6 | 7 => {
                let len = dice.pick(&[1, 2, 15, 400, 100_000]);
                self.deliver(index, len, dice);
            }
            8 => self.house_keeping(index, dice),
            _ => self.pass(dice),
        }
        self.close_transports();
    }

    /// The faults stop: everything leaves and arrives until nothing moves; then who has not done
    /// so closes.
    fn settle(&mut self, dice: &mut Dice<'_>) {
        let closer = dice.below(2);
        let complete = dice.one_in(2);
        let mut idle = 0;
        for step in 0.. {
            assert!(step < PATIENCE, "the two go on for ever");
            idle += 1;
            for index in [0, 1] {
                if complete && self.may_act(index) {
                    self.sides[index].complete();
                }
                self.sides[index].settle_debts();
                self.transmit(index, usize::MAX, dice);
                self.deliver(index, usize::MAX, dice);
            }
            self.close_transports();
            let arrival = self.wires.iter().filter_map(Wire::next_arrival).min();
            if let Some(at) = arrival.filter(|_| self.gone != [true; 2]) {
                self.advance(at.max(self.now));
                idle = 0;
            } else if self.gone == [true; 2] {
                return;
            } else if !self.sides.iter().all(|side| side.outbox.is_empty() && side.is_settled()) {
                idle = 0;
            } else if idle > 2 {
                // Neither a byte, nor an answer, nor an end is under way.
                let side = &mut self.sides[closer];
                assert!(side.opening.is_none(), "never opened: {side:?}");
                assert!(!side.close_sent, "a Close, and then nothing more moves: {side:?}");
                side.close(dice);
                idle = 0;
            }
        }
    }

    fn may_act(&self, index: usize) -> bool {
        !self.gone[index] && self.sides[index].opening.is_none()
    }

    fn transmit(&mut self, index: usize, len: usize, dice: &mut Dice<'_>) {
        let outbox = &mut self.sides[index].outbox;
        let Some(bytes) = outbox.poll_transmit() else { return };
        let len = len.min(bytes.len());
        let broken = self.wires[index].carry(&bytes[..len], self.now, dice);
        outbox.transmitted(len);
        if broken {
            self.wires.iter_mut().for_each(Wire::break_off);
        }
    }

    /// A wake-up: reads what has come, or finds nothing, and takes the events.
    fn deliver(&mut self, index: usize, len: usize, dice: &mut Dice<'_>) {
        if self.gone[index] {
            self.wires[1 - index].lose();
            return;
        }
        match self.wires[1 - index].read(len, self.now) {
            Read::Bytes(bytes) => {
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let read = self.sides[index].read(rest, self.hints[index]);
                    rest = &rest[read..];
                    // Some drivers read on before they have taken every event.
                    if rest.is_empty() || dice.one_in(2) {
                        self.take_events(index);
                    }
                }
            }
            Read::Nothing => self.take_events(index),
            Read::End | Read::Broken => {
                self.take_events(index);
                if self.sides[index].end.is_none() {
                    self.sides[index].end(End::Dead);
                }
                self.leave(index);
            }
        }
    }

    fn take_events(&mut self, index: usize) {
        let [client, server] = &mut self.sides;
        let (side, peer) = if index == 0 { (client, server) } else { (server, client) };
        side.open(&self.plan);
        if side.opening.is_some() {
            return;
        }
        // Each event takes a byte, or is one of the pieces that 64 bytes inflate to.
        for _ in 0..=2 * side.inbox.unread().len() + 4 {
            if let Seen::NeedMore(hint) = side.receive(self.now, peer) {
                self.hints[index] = hint;
                return;
            }
        }
        panic!("more events than bytes");
    }

    /// What a driver does between batches.
    fn house_keeping(&mut self, index: usize, dice: &mut Dice<'_>) {
        let side = &mut self.sides[index];
        match dice.below(4) {
            0 => side.inbox.settle(),
            1 => side.outbox.settle(),
            2 => {
                side.inbox.release();
                side.outbox.release();
            }
            // An event loop has one inbox for all connections, and a cork.
            _ => side.change_buffers(),
        }
    }

    /// Time passes, until something may happen or by chance.
    fn pass(&mut self, dice: &mut Dice<'_>) {
        let next = self.wires.iter().filter_map(Wire::next_arrival).min();
        let at = match next {
            Some(at) if dice.one_in(2) => at.max(self.now),
            _ => self.now + Duration::from_micros(dice.below(20_000) as u64),
        };
        self.advance(at);
    }

    /// Sets the clock; who wished to be woken by then is.
    fn advance(&mut self, to: Duration) {
        self.now = to;
        for index in [0, 1] {
            let [client, server] = &mut self.sides;
            let (side, peer) = if index == 0 { (client, server) } else { (server, client) };
            if !self.gone[index] {
                side.handle_timeout(to, peer);
            }
        }
    }

    /// A server that is done, and whoever failed, closes the transport; a client waits for the
    /// server to do so (RFC 6455 §7.1.1).
    fn close_transports(&mut self) {
        for index in [0, 1] {
            let side = &self.sides[index];
            let failed = matches!(side.end, Some(End::Failed(_)));
            let done = failed || index == 1 && side.is_closed();
            if done && side.outbox.is_empty() && side.is_settled() && !self.gone[index] {
                self.leave(index);
            }
        }
    }

    fn leave(&mut self, index: usize) {
        self.gone[index] = true;
        self.wires[index].end();
        let left = self.sides[index].outbox.len();
        self.sides[index].outbox.transmitted(left);
    }

    /// Both have come to an end, and in the way that what happened asks for.
    fn check(&self) -> Outcome {
        let mut outcome = Outcome::default();
        for index in [0, 1] {
            let (side, peer) = (&self.sides[index], &self.sides[1 - index]);
            side.check_rest(peer);
            outcome.messages += side.messages;
            match &side.end {
                Some(End::Closed(_)) => {
                    outcome.closed += 1;
                    assert!(peer.log.is_empty(), "sent and not delivered: {:?}", peer.log);
                    assert!(peer.tap.is_closed() && peer.close_sent, "a Close from nowhere");
                }
                Some(End::Failed(_)) => outcome.failed += 1,
                Some(End::Dead) => {
                    outcome.dead += 1;
                    assert!(self.faulty, "dead without a fault: {self:?}");
                }
                None => panic!("no end: {self:?}"),
            }
            if !self.faulty {
                assert!(side.is_closed() && side.tap.is_closed(), "no Close: {side:?}");
            }
        }
        outcome
    }
}
