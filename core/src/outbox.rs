//! What is to be sent and has not yet left.

use alloc::{boxed::Box, vec::Vec};

use crate::buffer::{Buffer, Usage};
use crate::deflate::Compressor;

/// The sending buffer: [`Outgoing`](crate::Outgoing) and the handshakes append to it, the caller
/// writes [`poll_transmit`](Self::poll_transmit) to its transport and says how much went with
/// [`transmitted`](Self::transmitted).
#[derive(Debug, Default)]
pub struct Outbox {
    pub(crate) buffer: Buffer,
    /// A message's compressed bytes, before they are cut into frames; empty between messages.
    pub(crate) deflated: Vec<u8>,
    deflated_usage: Usage,
    /// A compressor that no message uses at present, for connections that start each message
    /// with an empty window: it costs an idle connection nothing.
    pub(crate) spare_compressor: Option<Box<Compressor>>,
}

impl Outbox {
    /// An outbox that holds no memory until something is sent.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: Buffer::new(),
            deflated: Vec::new(),
            deflated_usage: Usage::new(),
            spare_compressor: None,
        }
    }

    /// The bytes to write next; `None` when all is sent.
    #[must_use]
    pub fn poll_transmit(&self) -> Option<&[u8]> {
        if self.buffer.is_empty() { None } else { Some(self.buffer.filled()) }
    }

    /// The transport took the first `n` bytes of [`poll_transmit`](Self::poll_transmit).
    pub fn transmitted(&mut self, n: usize) {
        self.buffer.consume(n);
    }

    /// Copies `bytes` behind what is waiting: the unsent rest of a payload whose head was
    /// written with [`Outgoing::head`](crate::Outgoing::head), or a handshake.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// Room for `n` bytes behind what is waiting, to be written in place; say
    /// [`filled`](Self::filled) for as many as were.
    pub fn space(&mut self, n: usize) -> &mut [u8] {
        &mut self.buffer.reserve(n)[..n]
    }

    /// The first `n` bytes of [`space`](Self::space) are to be sent. More than there was room for
    /// counts as all of it.
    pub fn filled(&mut self, n: usize) {
        self.buffer.advance(n.min(self.buffer.room()));
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity() + self.deflated.capacity()
    }

    /// Moves what waits to `other`, behind what waits there; only capacity is left here.
    pub fn move_to(&mut self, other: &mut Self) {
        other.buffer.extend(self.buffer.filled());
        self.buffer.consume(self.buffer.len());
    }

    /// Gives memory back that a burst left behind; cheap, to be called when a batch is done.
    pub fn settle(&mut self) {
        self.buffer.settle();
        self.deflated_usage.settle_empty(&mut self.deflated);
    }

    /// Lends what a message is compressed into; empty.
    pub(crate) fn take_deflated(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.deflated)
    }

    /// Takes it back.
    pub(crate) fn return_deflated(&mut self, mut bytes: Vec<u8>) {
        self.deflated_usage.reached(bytes.len());
        bytes.clear();
        self.deflated = bytes;
    }

    /// Gives all memory back, if nothing waits.
    pub fn release(&mut self) {
        if self.buffer.is_empty() {
            *self = Self::new();
        }
    }
}
