//! What has been received and not yet consumed.

use crate::buffer::Buffer;
use crate::deflate::Inflated;
use crate::header::MAX_HEADER;
use crate::progress::Progress;

/// The receiving buffer: the caller reads from its transport into [`space`](Self::space), says
/// [`received`](Self::received), and hands the inbox to
/// [`Incoming::receive`](crate::Incoming::receive), whose messages borrow it.
///
/// It belongs to whoever reads, not to a connection: an event loop has one for all connections
/// and [moves](Self::move_to) the rest of an incomplete frame aside.
#[derive(Debug, Default)]
pub struct Inbox {
    pub(crate) buffer: Buffer,
    pub(crate) inflated: Inflated,
    pub(crate) progress: Progress,
    /// How much was unread when the transport last had more than there was room for; zero once
    /// it has no more.
    pub(crate) filled: usize,
}

/// Where so many bytes of a payload are missing, no more is read with it than the next header:
/// what is behind it would have to be moved to the front.
const EXACT: usize = 16 * 1024;
/// A transport that has more than there is room for widens an inbox up to here, as a read should
/// fetch what there is. More would leave the processor's nearer caches before it is handled.
const WIDE: usize = 128 * 1024;

impl Inbox {
    /// An inbox that holds no memory until bytes arrive.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: Buffer::new(),
            inflated: Inflated::new(),
            progress: Progress::new(),
            filled: 0,
        }
    }

    /// An inbox with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { buffer: Buffer::with_capacity(capacity), ..Self::new() }
    }

    /// Room to read into, at least one byte. `hint` is how many are wanted
    /// ([`Event::NeedMore`](crate::Event::NeedMore)); the inbox grows towards it from what has
    /// arrived, by a quarter and 4 KiB, whatever a header claims.
    pub fn space(&mut self, hint: usize) -> &mut [u8] {
        if self.filled > 0 {
            self.buffer.widen(self.filled, WIDE);
        }
        let room = self.buffer.space(hint);
        let wanted = if hint < EXACT { room.len() } else { hint.saturating_add(MAX_HEADER) };
        let size = room.len().min(wanted);
        &mut room[..size]
    }

    /// The first `n` bytes of [`space`](Self::space) have been filled, and the transport has no
    /// more at hand, as far as is known. More than there was room for counts as all of it.
    pub fn received(&mut self, n: usize) {
        self.buffer.advance(n.min(self.buffer.room()));
        self.filled = 0;
    }

    /// As [`received`](Self::received), where the transport filled the room that it was given and
    /// will be read again at once. A text that was cut there is validated with what comes next,
    /// so that it is read once. If nothing comes, say `received(0)` and call
    /// [`receive`](crate::Incoming::receive) before waiting: then a byte that no text can have
    /// there is found.
    pub fn received_partly(&mut self, n: usize) {
        self.buffer.advance(n.min(self.buffer.room()));
        self.filled = self.buffer.len();
    }

    /// Whether the transport had more when it was last read.
    #[must_use]
    pub fn has_more_at_hand(&self) -> bool {
        self.filled > 0
    }

    /// Copies `bytes` in, for callers that have them elsewhere.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
        self.filled = 0;
    }

    /// What was received and not yet consumed. In the middle of a message this includes what is
    /// assembled of it.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.buffer.filled()
    }

    /// The same, to be changed in place, as a [`Layer`](crate::Layer) does; only of an inbox that
    /// no connection reads.
    pub fn unread_mut(&mut self) -> &mut [u8] {
        self.buffer.filled_mut()
    }

    /// Removes `n` bytes from the front, which a handshake has read.
    pub fn consume(&mut self, n: usize) {
        self.buffer.consume(n);
    }

    /// Whether nothing is held: no bytes, and no message under way.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.progress.assembly.is_none()
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity() + self.inflated.bytes.capacity()
    }

    /// Moves what is unread to `other`, which must be empty; nothing is left here but capacity.
    /// What was delivered last is not moved, here or there: it may be another connection's.
    pub fn move_to(&mut self, other: &mut Self) {
        debug_assert!(other.is_empty());
        self.forget_delivered();
        other.clear();
        other.buffer.extend(self.buffer.filled());
        self.buffer.consume(self.buffer.len());
        other.progress = core::mem::take(&mut self.progress);
        self.inflated.move_to(&mut other.inflated);
    }

    /// Gives memory back that a burst left behind; cheap, to be called when a batch is done.
    pub fn settle(&mut self) {
        self.buffer.settle();
        self.inflated.settle();
    }

    /// Gives all memory back, if no bytes are held.
    pub fn release(&mut self) {
        self.buffer.release();
        if self.inflated.bytes.is_empty() {
            self.inflated = Inflated::new();
        }
    }
}
