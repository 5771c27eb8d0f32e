//! What waits for a peer that does not read, and other things that few connections have.

use std::any::Any;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar};
use std::time::Duration;

use wirewright_core::handshake::Identity;
use wirewright_core::{MessageBuf, MessageKind, Reply};

use super::admission::Place;
use super::budget::Charge;
use super::secured::Sealing;
use super::tally::Totals;
use super::topics::Encoded;

/// One word on connections that have nothing of it.
#[derive(Default)]
pub(crate) struct Rare {
    /// Messages behind those that are encoded; none of which a part has left.
    pub(super) waiting: VecDeque<Waiting>,
    /// Their bytes, and those of them that are this connection's alone.
    pub(super) waiting_bytes: usize,
    pub(super) waiting_own: usize,
    /// The latest reply that found the queue too long to join it: control frames are exempt from
    /// the cap, but of several Pongs one is enough (RFC 6455 §5.5.3).
    pub(super) owed: Option<Box<Reply>>,
    pub(super) charge: Option<Charge>,
    /// Over TLS: how the queue leaves.
    pub(super) sealing: Option<Sealing>,
    pub(super) totals: Totals,
    /// Where threads wait for the queue to drain.
    pub(super) drained: Option<Arc<Condvar>>,
    /// When a message was last sent outside the loop's turns, where anybody asks.
    pub(super) wrote: Option<Duration>,
    /// How long the peer may take to answer a Close, if whoever sent it said so.
    pub(super) close_timeout: Option<Duration>,
    /// The queue was full under a policy that ends the connection; its length then.
    pub(super) overrun: Option<usize>,
    /// The peer is read from again when so many bytes in all have left, but for multiples of 4 GiB.
    pub(super) paused_to: Option<u32>,
    pub(super) attributes: Attributes,
    pub(super) topics: HashSet<Arc<str>>,
    /// Who the peer is, if that was said anew after the 101.
    pub(super) identity: Option<Arc<Identity>>,
    /// The loop has not heard of that yet.
    pub(super) is_renewed: bool,
    /// The connection's place among those of that identity, where it had none before.
    pub(super) place: Option<Box<Place>>,
}

/// A connection's values by name.
pub(super) type Attributes = HashMap<Box<str>, Arc<dyn Any + Send + Sync>>;

pub(super) enum Waiting {
    /// One that other connections are sent too.
    Shared(Arc<Encoded>),
    /// One that is to be encoded when its turn comes, as a compressor's window must not hold what
    /// is dropped.
    Own { message: MessageBuf, compress: bool },
}

impl Rare {
    /// Bytes that wait beside those that are encoded.
    #[inline]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes + self.sealed()
    }

    /// Bytes that are sealed and wait.
    pub(super) fn sealed(&self) -> usize {
        self.sealing.as_ref().map_or(0, Sealing::waiting)
    }

    /// Bytes in the budget.
    pub(super) fn charged(&self) -> u64 {
        self.charge.as_ref().map_or(0, Charge::bytes)
    }

    pub(super) fn push(&mut self, message: Waiting) {
        self.waiting_bytes += message.len();
        self.waiting_own += message.own();
        self.waiting.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let message = self.waiting.pop_front()?;
        self.waiting_bytes -= message.len();
        self.waiting_own -= message.own();
        Some(message)
    }

    /// Whether anything must be looked at before a message can be sent the usual way.
    pub(super) fn is_in_the_way(&self) -> bool {
        !self.waiting.is_empty()
            || self.sealed() > 0
            || self.owed.is_some()
            || self.charge.as_ref().is_some_and(|charge| charge.bytes() > 0 && charge.is_exceeded())
    }

    /// Whether there is nothing here that must be kept.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.owed.is_none()
            && self.sealing.is_none()
            && self.totals.is_empty()
            && self.drained.is_none()
            && self.close_timeout.is_none()
            && self.wrote.is_none()
            && self.overrun.is_none()
            && self.paused_to.is_none()
            && self.attributes.is_empty()
            && self.topics.is_empty()
            && self.identity.is_none()
    }
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Shared(encoded) => encoded.len(),
            Self::Own { message, .. } => message.message().len(),
        }
    }

    pub(super) fn kind(&self) -> MessageKind {
        match self {
            Self::Shared(encoded) => encoded.kind(),
            Self::Own { message, .. } => message.message().kind(),
        }
    }

    /// Bytes that nobody else holds.
    fn own(&self) -> usize {
        match self {
            Self::Shared(_) => 0,
            Self::Own { message, .. } => message.message().len(),
        }
    }
}
