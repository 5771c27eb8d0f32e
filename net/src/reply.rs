//! What a callback gives back, from whatever it has.

use serde::Serialize;
use wirewright_core::{Message, MessageKind, Misuse};

use crate::close_frame::CloseFrame;
use crate::listener::{Outcome, Reply};
use crate::message::{BoxError, IntoMessage, MessageSink, MessageWriter};

impl Reply {
    /// A text message that is this value in JSON.
    ///
    /// # Errors
    /// When the value has no form in JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        serde_json::to_string(value).map(Self::Text)
    }
}

impl From<CloseFrame> for Reply {
    fn from(frame: CloseFrame) -> Self {
        Self::Close(frame.code(), frame.reason().to_owned())
    }
}

/// What a typed handler may give back: any [message](IntoMessage), a [`Reply`], a [`CloseFrame`],
/// `()` for nothing, an [`Option`] or a [`Result`] of these.
pub trait IntoReply {
    /// The same as a callback gives it.
    ///
    /// # Errors
    /// The handler's own, or that its value is no message.
    fn into_reply(self) -> Outcome;
}

impl<T: IntoMessage> IntoReply for T {
    fn into_reply(self) -> Outcome {
        self.put_into(ToReply)
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Outcome {
        Ok(self)
    }
}

impl IntoReply for CloseFrame {
    fn into_reply(self) -> Outcome {
        Ok(self.into())
    }
}

impl IntoReply for () {
    fn into_reply(self) -> Outcome {
        Ok(Reply::Nothing)
    }
}

impl<T: IntoReply> IntoReply for Option<T> {
    fn into_reply(self) -> Outcome {
        self.map_or(Ok(Reply::Nothing), T::into_reply)
    }
}

impl<T: IntoReply, E: Into<BoxError>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Outcome {
        self.map_err(Into::into)?.into_reply()
    }
}

struct ToReply;

impl MessageSink for ToReply {
    type Done = Reply;
    type Error = BoxError;

    fn send(self, message: Message<'_>) -> Outcome {
        Ok(match message {
            Message::Text(text) => Reply::Text(text.to_owned()),
            Message::Binary(bytes) => Reply::Binary(bytes.to_owned()),
        })
    }

    fn write(
        self,
        kind: MessageKind,
        mut write: impl FnMut(&mut MessageWriter<'_>) -> Result<(), BoxError>,
    ) -> Outcome {
        let mut bytes = Vec::new();
        write(&mut MessageWriter::to_bytes(&mut bytes))?;
        Ok(match kind {
            MessageKind::Text => {
                Reply::Text(String::from_utf8(bytes).map_err(|_| Misuse::TextUtf8)?)
            }
            MessageKind::Binary => Reply::Binary(bytes),
        })
    }
}
