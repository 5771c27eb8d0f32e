//! Why a value is no message, or a message no value.

use std::str::Utf8Error;

use wirewright_core::{CloseCode, MessageKind, Misuse};

use super::BoxError;
use crate::close_frame::CloseFrame;
use crate::error::SendError;

/// Why a message is not the value that it was to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The value is made of messages of the other type alone.
    #[error("data binding failed: message is {found:?}, not {expected:?}")]
    Kind {
        /// What is needed.
        expected: MessageKind,
        /// What came.
        found: MessageKind,
    },
    /// A binary message that was to be read as text is not UTF-8.
    #[error("data binding failed: {0}")]
    Utf8(#[source] Utf8Error),
    /// The text is not JSON, or JSON of another shape.
    #[error("data binding failed: {0}")]
    Json(#[source] serde_json::Error),
    /// What a [`FromMessage`](super::FromMessage) of the user's says.
    #[error("data binding failed: {0}")]
    Other(#[source] BoxError),
    /// The value breaks the rules of its type.
    #[error("data validation failed: {0}")]
    Invalid(#[source] BoxError),
}

/// A cause of more characters than this is cut for a Close,
const LONG: usize = 100;
/// to so many.
const CUT: usize = 80;

impl BindError {
    /// Whether the message could be read, and the value breaks the rules of its type.
    #[must_use]
    pub const fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid(_))
    }

    /// As what a peer hears of it that is to send something else: 1003, with the cause.
    #[must_use]
    pub fn close_frame(&self) -> CloseFrame {
        let said = self.to_string();
        let (what, cause) = said.split_once(": ").unwrap_or((&said, ""));
        // The rules of several fields stand on a line each.
        let cause = cause.trim_end().replace('\n', ", ");
        let reason = match cause.char_indices().nth(LONG) {
            Some(_) => {
                let cut = cause.char_indices().nth(CUT).map_or(cause.len(), |(at, _)| at);
                format!("{what}: {}...", &cause[..cut])
            }
            None => format!("{what}: {cause}"),
        };
        CloseFrame::cut(CloseCode::UNSUPPORTED_DATA, reason)
    }
}

/// Why a listener's message was not sent. The connection is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// As any message would not have been.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The value could not be written as a message.
    #[error("message could not be written: {0}")]
    Value(#[source] BoxError),
}

impl From<Misuse> for WriteError {
    fn from(misuse: Misuse) -> Self {
        Self::Send(misuse.into())
    }
}
