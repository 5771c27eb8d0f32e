//! Values into messages.

use std::borrow::Cow;

use wirewright_core::{Message, MessageBuf, MessageKind};

use super::{BoxError, MessageWriter};

/// What can be sent as a message: strings as text, bytes as binary, [`Json`](super::Json) and
/// [`serde_json::Value`] as JSON in a text.
///
/// A value either lends a message that is there already, or writes one where it will leave from,
/// so that in neither case there is a copy for its own sake.
///
/// ```
/// use wirewright::{IntoMessage, MessageSink};
///
/// struct Price(u32);
///
/// impl IntoMessage for Price {
///     fn put_into<S: MessageSink>(&self, sink: S) -> Result<S::Done, S::Error> {
///         sink.send((&self.0.to_be_bytes()[..]).into())
///     }
/// }
/// ```
pub trait IntoMessage {
    /// Gives the message to `sink`, by one call of one of its methods.
    ///
    /// # Errors
    /// What `sink` says.
    fn put_into<S: MessageSink>(&self, sink: S) -> Result<S::Done, S::Error>;
}

/// Where a message goes.
pub trait MessageSink: Sized {
    /// What comes of it.
    type Done;
    /// What may go wrong.
    type Error;

    /// Takes a message that is there already.
    ///
    /// # Errors
    /// When it is not taken.
    fn send(self, message: Message<'_>) -> Result<Self::Done, Self::Error>;

    /// Takes a message of this kind that `write` writes; on a client that connects again, it may
    /// have to do so once more.
    ///
    /// # Errors
    /// When it is not taken, or when `write` fails.
    fn write(
        self,
        kind: MessageKind,
        write: impl FnMut(&mut MessageWriter<'_>) -> Result<(), BoxError>,
    ) -> Result<Self::Done, Self::Error>;
}

impl<T: IntoMessage + ?Sized> IntoMessage for &T {
    #[inline]
    fn put_into<S: MessageSink>(&self, sink: S) -> Result<S::Done, S::Error> {
        (**self).put_into(sink)
    }
}

/// Values that are messages as they stand.
macro_rules! lend {
    ($($type:ty: $self:ident => $message:expr;)*) => {$(
        impl IntoMessage for $type {
            #[inline]
            fn put_into<S: MessageSink>(&$self, sink: S) -> Result<S::Done, S::Error> {
                sink.send($message)
            }
        }
    )*};
}

lend! {
    Message<'_>: self => *self;
    MessageBuf: self => self.message();
    str: self => Message::Text(self);
    String: self => Message::Text(self);
    Cow<'_, str>: self => Message::Text(self);
    [u8]: self => Message::Binary(self);
    Vec<u8>: self => Message::Binary(self);
    Cow<'_, [u8]>: self => Message::Binary(self);
}

impl<const N: usize> IntoMessage for [u8; N] {
    #[inline]
    fn put_into<S: MessageSink>(&self, sink: S) -> Result<S::Done, S::Error> {
        sink.send(Message::Binary(self))
    }
}
