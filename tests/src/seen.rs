//! Events that own what they say, to be kept and compared.

use wirewright_core::{Event, Message, MessageKind, ReceiveError};

/// What [`Incoming::receive`](wirewright_core::Incoming::receive) answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing further, with the hint.
    NeedMore(usize),
    /// A whole message.
    Message(MessageKind, Vec<u8>),
    /// A piece of a message.
    Fragment {
        /// The message's type.
        kind: MessageKind,
        /// The piece.
        payload: Vec<u8>,
        /// Whether it is the first piece.
        first: bool,
        /// Whether it is the last one.
        last: bool,
    },
    /// A Ping.
    Ping(Vec<u8>),
    /// A Pong.
    Pong(Vec<u8>),
    /// A Close, with code and reason.
    Closed(u16, String),
    /// An error.
    Failed(ReceiveError),
}

impl Seen {
    /// Copies an event.
    #[must_use]
    pub fn of(event: Result<Event<'_>, ReceiveError>) -> Self {
        match event {
            Ok(Event::NeedMore { hint }) => Self::NeedMore(hint),
            Ok(Event::Message(message)) => message.into(),
            Ok(Event::Fragment(fragment)) => Self::Fragment {
                kind: fragment.kind,
                payload: fragment.payload.to_vec(),
                first: fragment.first,
                last: fragment.last,
            },
            Ok(Event::Ping(payload)) => Self::Ping(payload.to_vec()),
            Ok(Event::Pong(payload)) => Self::Pong(payload.to_vec()),
            Ok(Event::Closed(close)) => {
                Self::Closed(close.code().value(), close.reason().to_owned())
            }
            Err(error) => Self::Failed(error),
        }
    }
}

impl From<Message<'_>> for Seen {
    fn from(message: Message<'_>) -> Self {
        Self::Message(message.kind(), message.as_bytes().to_vec())
    }
}
