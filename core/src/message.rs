//! Messages, borrowed and owned.

use alloc::{string::String, vec::Vec};

/// A whole message, borrowed from the buffer it arrived in or is sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Valid UTF-8 (RFC 6455 §5.6).
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The payload's bytes.
    #[inline]
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Whether this is a text or a binary message.
    #[inline]
    #[must_use]
    pub const fn kind(self) -> MessageKind {
        match self {
            Message::Text(_) => MessageKind::Text,
            Message::Binary(_) => MessageKind::Binary,
        }
    }

    /// Bytes of payload.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload has no bytes.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Message::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Message::Binary(bytes)
    }
}

/// The type of a message, without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// A text message.
    Text,
    /// A binary message.
    Binary,
}

/// A message that owns its bytes and can be filled again without allocating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageBuf {
    kind: MessageKind,
    // One of the two is in use and the other keeps its capacity: a `String` says for good that
    // the bytes were validated, so that reading them again costs nothing.
    text: String,
    binary: Vec<u8>,
}

impl Default for MessageBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl MessageBuf {
    /// An empty binary message, without an allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self { kind: MessageKind::Binary, text: String::new(), binary: Vec::new() }
    }

    /// Replaces the content by a copy of `message`; the capacity stays.
    pub fn set(&mut self, message: Message<'_>) {
        self.text.clear();
        self.binary.clear();
        self.kind = message.kind();
        match message {
            Message::Text(text) => self.text.push_str(text),
            Message::Binary(bytes) => self.binary.extend_from_slice(bytes),
        }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        match self.kind {
            MessageKind::Text => Message::Text(&self.text),
            MessageKind::Binary => Message::Binary(&self.binary),
        }
    }

    /// The payload of a binary message, or the text's bytes, without copying.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self.kind {
            MessageKind::Text => self.text.into_bytes(),
            MessageKind::Binary => self.binary,
        }
    }

    /// The text of a text message, without copying; a binary message comes back as it is.
    ///
    /// # Errors
    /// The message itself, if it is not text.
    pub fn into_text(self) -> Result<String, Self> {
        match self.kind {
            MessageKind::Text => Ok(self.text),
            MessageKind::Binary => Err(self),
        }
    }
}

impl From<Message<'_>> for MessageBuf {
    fn from(message: Message<'_>) -> Self {
        let mut buf = Self::new();
        buf.set(message);
        buf
    }
}
