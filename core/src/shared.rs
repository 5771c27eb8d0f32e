//! One message for many connections: encoded once, and compressed once, for all that can share it.

use crate::deflate::Deflation;
use crate::encoder::{self, FrameKind};
use crate::error::Misuse;
use crate::message::Message;
use crate::outbox::Outbox;
use crate::outgoing::Outgoing;

/// How a message stands on the wire of all connections that answer
/// [`Outgoing::encoding`] with this value: a server masks nothing, so that they may all be sent
/// the same bytes.
///
/// ```
/// use wirewright_core::{Config, Message, Outbox, Outgoing, Sender};
///
/// let mut subscribers = [(); 3].map(|()| Outgoing::new(Sender::Server, &Config::server(), None));
/// let message = Message::Text("to all");
/// let encoding = subscribers[0].encoding(message.len()).expect("a plain connection shares");
/// let mut encoded = Outbox::new();
/// encoding.encode(message, &mut encoded);
/// for subscriber in &mut subscribers {
///     assert_eq!(subscriber.encoding(message.len()), Some(encoding));
///     let mut out = Outbox::new();
///     subscriber.send_encoded(encoded.poll_transmit().unwrap_or_default(), &mut out)?;
///     assert_eq!(out.poll_transmit(), Some(&b"\x81\x06to all"[..]));
/// }
/// # Ok::<(), wirewright_core::Misuse>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    frame_size: usize,
    /// Level and window of a compressor that starts each message anew.
    deflate: Option<(u8, u8)>,
}

impl Encoding {
    /// Appends the message as it is to be sent.
    pub fn encode(self, message: Message<'_>, out: &mut Outbox) {
        let kind = FrameKind::whole(message.kind());
        let Some((level, bits)) = self.deflate else {
            return encoder::frames(kind, message.as_bytes(), self.frame_size, None, out);
        };
        let mut deflation = Deflation::forgetful(level, bits);
        deflation.send(message, self.frame_size, None, out);
    }
}

impl Outgoing {
    /// How a message of `len` bytes looks that this connection can share with others. `None` where
    /// it cannot: what it sends is masked, or compressed with a window that goes from message to
    /// message. Then [`send`](Self::send) it.
    #[must_use]
    pub fn encoding(&self, len: usize) -> Option<Encoding> {
        let frame_size = self.frame_size;
        if self.keys.is_some() {
            return None;
        }
        match self.deflation.as_ref().filter(|deflation| len >= deflation.threshold) {
            None => Some(Encoding { frame_size, deflate: None }),
            Some(deflation) => Some(Encoding { frame_size, deflate: Some(deflation.shareable()?) }),
        }
    }

    /// Sends a message as its [`Encoding`] has encoded it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_encoded(&mut self, frames: &[u8], out: &mut Outbox) -> Result<(), Misuse> {
        self.idle()?;
        out.extend(frames);
        Ok(())
    }
}
