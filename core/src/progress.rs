//! How far an inbox's bytes have been decoded.
//!
//! ```text
//! inbox:  |<------ assembled ------>|<-- gap -->|<-- raw, not yet looked at -->|
//!         0                      message       raw                        unread().len()
//! ```
//! The gap is what headers and control frames between fragments leave; it closes whenever the raw
//! bytes run out, so that an inbox never holds more than the message and one incomplete header or
//! control frame.

use crate::error::Violation;
use crate::inbox::Inbox;
use crate::mask::Mask;
use crate::message::MessageKind;
use crate::utf8::Utf8Validator;

/// Invariant: `message <= raw <= unread().len()`. A connection that has no inbox of its own has
/// made no progress, and pays for none.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) frame: Option<Frame>,
    pub(crate) assembly: Option<Assembly>,
    /// Bytes assembled at the front of the inbox.
    pub(crate) message: usize,
    /// Where the raw bytes begin.
    pub(crate) raw: usize,
    /// What was delivered last still lies in the inbox.
    pub(crate) delivered: bool,
}

/// The data frame whose payload is arriving.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) mask: Option<Mask>,
    pub(crate) remaining: usize,
    pub(crate) fin: bool,
}

/// The message under way.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) kind: MessageKind,
    pub(crate) compressed: bool,
    pub(crate) fragments: u32,
    /// Payload bytes on the wire, those that the current header announces included.
    pub(crate) wire: u64,
    /// Bytes already delivered, where the message is streamed.
    pub(crate) streamed: u64,
    /// Bytes of what is held that are known to begin a text.
    validated: usize,
    utf8: Utf8Validator,
}

/// Payload that is ready to be delivered.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) kind: MessageKind,
    /// Whether it lies in the inbox's inflated buffer; else at its front.
    pub(crate) inflated: bool,
    pub(crate) len: usize,
    pub(crate) first: bool,
    pub(crate) last: bool,
}

impl Progress {
    pub(crate) const fn new() -> Self {
        Self { frame: None, assembly: None, message: 0, raw: 0, delivered: false }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// What has arrived and was not yet looked at.
    #[inline]
    pub(crate) fn raw(&self) -> &[u8] {
        &self.buffer.filled()[self.progress.raw..]
    }

    /// Frees what the last event lent.
    #[inline]
    pub(crate) fn forget_delivered(&mut self) {
        let Self { buffer, inflated, progress, .. } = self;
        if progress.delivered {
            progress.delivered = false;
            progress.message = 0;
            inflated.clear();
        }
        if progress.message == 0 && progress.raw > 0 {
            buffer.consume(progress.raw);
            progress.raw = 0;
        }
    }

    /// A header of `size` bytes was read; if no message is assembled, one begins behind it.
    #[inline]
    pub(crate) fn take_header(&mut self, size: usize) {
        self.progress.raw += size;
        if self.progress.message == 0 {
            self.buffer.consume(self.progress.raw);
            self.progress.raw = 0;
        }
    }

    /// A header of `size` bytes and all of the message behind it were read.
    #[inline]
    pub(crate) fn take_whole(&mut self, size: usize, len: usize) {
        self.buffer.skip(size);
        self.progress.message = len;
        self.progress.raw = len;
        self.progress.delivered = true;
    }

    /// Closes the gap before more bytes arrive: only an incomplete header or control frame is
    /// moved.
    pub(crate) fn close_gap(&mut self) {
        let Self { buffer, progress, .. } = self;
        if progress.message == 0 {
            buffer.consume(progress.raw);
            progress.raw = 0;
        } else if progress.raw > progress.message {
            let bytes = buffer.filled_mut();
            let tail = bytes.len() - progress.raw;
            bytes.copy_within(progress.raw.., progress.message);
            buffer.truncate(progress.message + tail);
            progress.raw = progress.message;
        }
    }

    /// "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is
    /// not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_"
    /// (RFC 6455 §8.1): here for what is held of a text that is not complete.
    pub(crate) fn validate_held(&mut self) -> Result<(), Violation> {
        let Self { buffer, inflated, progress, .. } = self;
        let Some(assembly) = &mut progress.assembly else { return Ok(()) };
        if assembly.kind != MessageKind::Text {
            return Ok(());
        }
        let held = if assembly.compressed {
            inflated.bytes.as_slice()
        } else {
            &buffer.filled()[..progress.message]
        };
        let new = &held[assembly.validated..];
        assembly.validated = held.len();
        assembly.utf8.push(new).map_err(|_| Violation::TextUtf8)
    }

    /// The `len` bytes that are held of the message are delivered. All of a text at once is
    /// validated by whoever turns it into `str`; one in pieces here, and it must not end inside a
    /// code point.
    #[inline]
    pub(crate) fn deliver(&mut self, len: usize, last: bool) -> Result<Option<Piece>, Violation> {
        let Some(assembly) = &self.progress.assembly else { return Ok(None) };
        // An empty first fragment is never delivered alone, so that nothing delivered so far does
        // mean that this is the first.
        let (kind, inflated, first) = (assembly.kind, assembly.compressed, assembly.streamed == 0);
        if !(first && last) {
            self.validate_held()?;
        }
        self.progress.delivered = true;
        if let Some(assembly) = &mut self.progress.assembly {
            if last && !first {
                assembly.utf8.finish().map_err(|_| Violation::TextUtf8)?;
            }
            assembly.streamed = assembly.streamed.saturating_add(len as u64);
            assembly.validated = 0;
        }
        if last {
            self.progress.assembly = None;
        }
        Ok(Some(Piece { kind, inflated, len, first, last }))
    }

    /// Forgets everything but capacity: the connection has failed or is over (RFC 6455 §7.1.7),
    /// and nothing of it may reach the one that reads into this inbox next.
    pub fn clear(&mut self) {
        self.buffer.consume(self.buffer.len());
        self.inflated.clear();
        self.progress = Progress::new();
        self.filled = 0;
    }
}

impl Assembly {
    pub(crate) fn new(kind: MessageKind, compressed: bool) -> Self {
        Self {
            kind,
            compressed,
            fragments: 1,
            wire: 0,
            streamed: 0,
            utf8: Utf8Validator::default(),
            validated: 0,
        }
    }
}
