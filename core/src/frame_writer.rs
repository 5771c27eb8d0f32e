//! A message that is written straight into the outbox, behind room for its header.

use core::fmt;

use crate::buffer::Buffer;
use crate::encoder::{self, FrameKind};
use crate::error::Misuse;
use crate::header::MAX_HEADER;
use crate::mask::Mask;
use crate::masking_keys::MaskingKeys;
use crate::message::MessageKind;

/// Takes a message's payload piece by piece, from
/// [`Outgoing::send_with`](crate::Outgoing::send_with).
pub struct FrameWriter<'a> {
    buffer: &'a mut Buffer,
    /// Where the payload begins.
    from: usize,
}

impl FrameWriter<'_> {
    /// Appends `bytes` to the payload.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.push(bytes);
    }

    /// The payload so far.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.buffer.filled()[self.from..]
    }
}

impl fmt::Write for FrameWriter<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for FrameWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its length only: the bytes may be anybody's secret.
        write!(f, "FrameWriter({} bytes)", self.written().len())
    }
}

/// A payload that is being written. If it is dropped half-way, by an error or a panic, what it
/// took is gone and the buffer is as before.
pub(crate) struct Begun<'a> {
    buffer: &'a mut Buffer,
    /// What waited before.
    before: usize,
    kept: bool,
}

impl<'a> Begun<'a> {
    pub(crate) fn new(buffer: &'a mut Buffer) -> Self {
        let before = buffer.len();
        buffer.push(&[0; MAX_HEADER]);
        Self { buffer, before, kept: false }
    }

    pub(crate) fn writer(&mut self) -> FrameWriter<'_> {
        FrameWriter { buffer: self.buffer, from: self.before + MAX_HEADER }
    }

    /// The payload is whole.
    pub(crate) fn keep(mut self, kind: MessageKind) -> Result<Written, Misuse> {
        let written = Written { before: self.before };
        let payload = written.payload(self.buffer);
        // "the whole message MUST contain valid UTF-8" (RFC 6455 §5.6).
        if kind == MessageKind::Text && simdutf8::basic::from_utf8(payload).is_err() {
            return Err(Misuse::TextUtf8);
        }
        self.kept = true;
        Ok(written)
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.buffer.truncate(self.before);
        }
    }
}

/// A whole payload at the end of a buffer, behind room for a header.
#[derive(Clone, Copy)]
pub(crate) struct Written {
    before: usize,
}

impl Written {
    pub(crate) fn payload(self, buffer: &Buffer) -> &[u8] {
        &buffer.filled()[self.before + MAX_HEADER..]
    }

    /// Makes a frame of it where it lies.
    pub(crate) fn seal(self, kind: FrameKind, keys: Option<&mut MaskingKeys>, out: &mut Buffer) {
        let key = keys.map(MaskingKeys::next_key);
        let bytes = out.filled_mut();
        let (before, rest) = bytes.split_at_mut(self.before);
        // `Begun` made the room: the `else` has no case.
        let Some((room, payload)) = rest.split_first_chunk_mut::<MAX_HEADER>() else { return };
        let size = encoder::header(kind, payload.len(), key).encode(room);
        if let Some(key) = key {
            Mask::new(key).xor(payload);
        }
        // The room was for the longest header. What is shorter moves over the rest of it, which
        // is nothing where nothing waited.
        let gap = MAX_HEADER - size;
        room.copy_within(..size, gap);
        if before.len() <= payload.len() {
            bytes.copy_within(..self.before, gap);
            out.skip(gap);
        } else {
            bytes.copy_within(self.before + gap.., self.before);
            out.truncate(out.len() - gap);
        }
    }

    /// Takes it out again.
    pub(crate) fn remove(self, buffer: &mut Buffer) {
        buffer.truncate(self.before);
    }
}
