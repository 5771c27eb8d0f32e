//! Messages into values.

use std::error::Error;
use std::str::FromStr;

use wirewright_core::{Message, MessageBuf};

use super::{BindError, json};

/// What a message can be read as.
///
/// | type | of a text | of a binary message |
/// |---|---|---|
/// | `String` | the text as it is | its bytes, if they are UTF-8 |
/// | `Vec<u8>` | JSON: an array of numbers | the bytes as they are |
/// | [`MessageBuf`] | the message | the message |
/// | [`Json<T>`](super::Json), [`Value`](serde_json::Value) | JSON | JSON in UTF-8 |
/// | `Valid<T>` (feature `validation`) | JSON that keeps to rules | the same in UTF-8 |
/// | [`Parsed<T>`] | by [`FromStr`] | the same in UTF-8 |
/// | [`Either<A, B>`] | `A` if it can be read as that, else `B` | the same |
///
/// ```
/// use wirewright::{BindError, FromMessage, Message, MessageKind};
///
/// struct Price(u32);
///
/// impl FromMessage for Price {
///     fn from_message(message: Message<'_>) -> Result<Self, BindError> {
///         let bytes = message.as_bytes().try_into();
///         let bytes = bytes.map_err(|_| BindError::Other("a price has four bytes".into()))?;
///         Ok(Self(u32::from_be_bytes(bytes)))
///     }
/// }
/// ```
pub trait FromMessage: Sized {
    /// Reads the message.
    ///
    /// # Errors
    /// Why it is none of these.
    fn from_message(message: Message<'_>) -> Result<Self, BindError>;

    /// Whether the value keeps to the rules of its type; not asked where the option `validation`
    /// is off. By default there are none.
    ///
    /// # Errors
    /// [`BindError::Invalid`], with what is broken.
    fn check(&self) -> Result<(), BindError> {
        Ok(())
    }
}

/// Reads the message, and checks the value if that is asked for.
pub(crate) fn bind<T: FromMessage>(message: Message<'_>, validate: bool) -> Result<T, BindError> {
    let value = T::from_message(message)?;
    if validate {
        value.check()?;
    }
    Ok(value)
}

impl FromMessage for String {
    fn from_message(message: Message<'_>) -> Result<Self, BindError> {
        text(message).map(str::to_owned)
    }
}

impl FromMessage for Vec<u8> {
    fn from_message(message: Message<'_>) -> Result<Self, BindError> {
        match message {
            Message::Text(_) => json::parse(message),
            Message::Binary(bytes) => Ok(bytes.to_owned()),
        }
    }
}

impl FromMessage for MessageBuf {
    fn from_message(message: Message<'_>) -> Result<Self, BindError> {
        Ok(message.into())
    }
}

/// The text of a text, or of a binary message that holds one.
pub(super) fn text(message: Message<'_>) -> Result<&str, BindError> {
    match message {
        Message::Text(text) => Ok(text),
        Message::Binary(bytes) => str::from_utf8(bytes).map_err(BindError::Utf8),
    }
}

/// A value that its own [`FromStr`] reads from a text: a number, an address, one of a few names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Parsed<T>(pub T);

impl<T> FromMessage for Parsed<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    fn from_message(message: Message<'_>) -> Result<Self, BindError> {
        let value = text(message)?.parse();
        value.map(Self).map_err(|error| BindError::Other(Box::new(error)))
    }
}

/// One of two types, the first that the message can be read as. More than two are an `Either` in
/// an `Either`. A value that breaks the rules of the first is not tried as the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Either<A, B> {
    /// The first.
    First(A),
    /// The second, as the message is none of the first.
    Second(B),
}

impl<A: FromMessage, B: FromMessage> FromMessage for Either<A, B> {
    fn from_message(message: Message<'_>) -> Result<Self, BindError> {
        A::from_message(message)
            .map(Self::First)
            .or_else(|_| Ok(Self::Second(B::from_message(message)?)))
    }

    fn check(&self) -> Result<(), BindError> {
        match self {
            Self::First(value) => value.check(),
            Self::Second(value) => value.check(),
        }
    }
}
