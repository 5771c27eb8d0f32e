//! One direction of a transport that does all that TCP may do: it cuts, joins and delays what it
//! carries, ends early or breaks; it never reorders, repeats or changes a byte.

use std::collections::VecDeque;
use std::time::Duration;

use crate::rng::Dice;

/// What is wrong with a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Behind so many bytes it ends, as if the sender had shut it down.
    End(u64),
    /// Behind so many bytes the connection breaks: what is under way in both directions is lost.
    Break(u64),
}

/// What a read finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Nothing at this time.
    Nothing,
    /// The orderly end: nothing will ever come.
    End,
    /// The connection is gone.
    Broken,
}

/// One direction of a transport.
#[derive(Debug, Default)]
pub struct Wire {
    /// Bytes under way, with the time at which they are there.
    under_way: VecDeque<(Duration, u8)>,
    carried: u64,
    fault: Option<Fault>,
    ended: bool,
    broken: bool,
}

impl Wire {
    /// A wire with a fault, or none.
    #[must_use]
    pub fn new(fault: Option<Fault>) -> Self {
        Self { fault, ..Self::default() }
    }

    /// Takes bytes in. They arrive, in order, after a delay. Whether the connection broke over
    /// them is the answer.
    pub fn carry(&mut self, bytes: &[u8], now: Duration, dice: &mut Dice<'_>) -> bool {
        let delay = match dice.below(4) {
            0 => Duration::from_micros(dice.below(100_000) as u64),
            _ => Duration::ZERO,
        };
        let last = self.under_way.back().map_or(now, |(at, _)| *at);
        let at = last.max(now + delay);
        for byte in bytes {
            match self.fault {
                _ if self.ended || self.broken => return false,
                Some(Fault::End(n)) if self.carried == n => self.end(),
                Some(Fault::Break(n)) if self.carried == n => return true,
                _ => {
                    self.carried += 1;
                    self.under_way.push_back((at, *byte));
                }
            }
        }
        false
    }

    /// Reads at most `max` bytes of what is there by `now`.
    pub fn read(&mut self, max: usize, now: Duration) -> Read {
        if self.broken {
            return Read::Broken;
        }
        let ready = self.under_way.iter().take(max).take_while(|(at, _)| *at <= now).count();
        if ready > 0 {
            return Read::Bytes(self.under_way.drain(..ready).map(|(_, byte)| byte).collect());
        }
        if self.ended && self.under_way.is_empty() { Read::End } else { Read::Nothing }
    }

    /// When the next byte is there.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Duration> {
        self.under_way.front().map(|(at, _)| *at)
    }

    /// No byte will follow.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Loses what is under way: nobody reads it.
    pub fn lose(&mut self) {
        self.under_way.clear();
    }

    /// Loses what is under way, and all that comes.
    pub fn break_off(&mut self) {
        self.broken = true;
        self.lose();
    }
}
