//! Messages that were received before anybody asked for them.

use std::collections::VecDeque;

use wirewright_core::{Message, MessageBuf};

/// A queue of whole messages: what a blocked sender received so that the peer could go on, and
/// what a read of the other type left.
#[derive(Debug)]
pub(super) struct Ahead {
    queue: VecDeque<MessageBuf>,
    /// Memory that the queue stands for.
    held: usize,
    limit: usize,
}

/// What a message costs beside its payload, so that empty ones are not free.
const OVERHEAD: usize = size_of::<MessageBuf>();

impl Ahead {
    pub(super) fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), held: 0, limit }
    }

    /// Whether with `more` bytes nothing further is to be taken in.
    pub(super) fn is_full(&self, more: usize) -> bool {
        self.held.saturating_add(more) >= self.limit
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn push(&mut self, message: Message<'_>) {
        self.held += message.len() + OVERHEAD;
        self.queue.push_back(message.into());
    }

    /// Puts a message back that was not wanted; it is the next again.
    pub(super) fn put_back(&mut self, message: Message<'_>) {
        self.held += message.len() + OVERHEAD;
        self.queue.push_front(message.into());
    }

    /// Takes all of `other`, behind what is there.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.held += std::mem::take(&mut other.held);
        self.queue.append(&mut other.queue);
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    #[inline]
    pub(super) fn front(&self) -> Option<Message<'_>> {
        self.queue.front().map(MessageBuf::message)
    }

    pub(super) fn pop(&mut self) -> Option<MessageBuf> {
        let message = self.queue.pop_front()?;
        self.held = self.held.saturating_sub(message.message().len() + OVERHEAD);
        if self.queue.is_empty() {
            // The burst is over, and mostly there is none.
            self.queue = VecDeque::new();
        }
        Some(message)
    }
}
