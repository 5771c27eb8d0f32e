//! JSON in messages.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wirewright_core::{Message, MessageKind};

use super::{BindError, FromMessage, IntoMessage, MessageSink};

/// A value that is JSON in a message: text when it is sent; read from text, and from binary that
/// holds the same in UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoMessage for Json<T> {
    #[inline]
    fn put_into<S: MessageSink>(&self, sink: S) -> Result<S::Done, S::Error> {
        put(&self.0, sink)
    }
}

impl IntoMessage for Value {
    fn put_into<S: MessageSink>(&self, sink: S) -> Result<S::Done, S::Error> {
        put(self, sink)
    }
}

#[inline]
fn put<T: Serialize + ?Sized, S: MessageSink>(value: &T, sink: S) -> Result<S::Done, S::Error> {
    sink.write(MessageKind::Text, |to| Ok(serde_json::to_writer(to, value)?))
}

impl<T: DeserializeOwned> FromMessage for Json<T> {
    fn from_message(message: Message<'_>) -> Result<Self, BindError> {
        parse(message).map(Self)
    }
}

impl FromMessage for Value {
    fn from_message(message: Message<'_>) -> Result<Self, BindError> {
        parse(message)
    }
}

pub(super) fn parse<T: DeserializeOwned>(message: Message<'_>) -> Result<T, BindError> {
    serde_json::from_str(super::from::text(message)?).map_err(BindError::Json)
}
