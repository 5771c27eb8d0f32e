//! Replies that are produced bit by bit.

use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

use wirewright_core::MAX_CLOSE_REASON;

use super::caller::Caller;
use super::service::Reply;
use crate::error::{ConnectionError, SendError};

/// A [`Reply::stream`].
pub struct Stream(Box<dyn FnMut() -> Option<Result<Reply, String>> + Send>);

impl Reply {
    /// A message for each item of an iterator. They leave as they are produced: the next one is
    /// asked for when the queue is below its low mark, and other messages are handled meanwhile.
    /// Several streams take turns.
    ///
    /// An item that is a Close ends the connection and all its streams; an error closes it with
    /// 1011 and "streaming failed: …", a panic likewise. The end of the stream sends nothing. When
    /// the connection ends, the iterator is dropped.
    ///
    /// The iterator runs where the service does: on the event loop it must not block.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use wirewright::{Caller, Outcome, Reply, Service};
    ///
    /// struct Countdown;
    ///
    /// impl Service for Countdown {
    ///     fn on_text(&mut self, _: &Caller, text: &str) -> Outcome {
    ///         let from: u32 = text.parse()?;
    ///         let items = (0..=from).rev().map(|n| Ok::<_, Infallible>(n.to_string()));
    ///         Ok(Reply::stream(items))
    ///     }
    /// }
    /// ```
    pub fn stream<I, R, E>(items: I) -> Self
    where
        I: IntoIterator<Item = Result<R, E>>,
        I::IntoIter: Send + 'static,
        R: Into<Self>,
        E: Display,
    {
        let mut items = items.into_iter();
        Self::Stream(Stream(Box::new(move || {
            Some(items.next()?.map(Into::into).map_err(|error| error.to_string()))
        })))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream(..)")
    }
}

/// A connection's streams.
#[derive(Default)]
pub(crate) struct Streams {
    running: VecDeque<Stream>,
    /// An item that found no room.
    held: Option<Reply>,
}

/// Items sent before others have their turn.
const TURN: usize = 64;

impl Streams {
    /// Another one, unless there are `max`.
    pub(crate) fn push(&mut self, stream: Stream, max: usize) -> Result<(), ConnectionError> {
        if self.running.len() >= max {
            return Err(ConnectionError::Streams { max });
        }
        self.running.push_back(stream);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.held.is_none()
    }

    /// Sends further items while `has_room`: whether there are more, and room for them.
    pub(crate) fn advance(
        &mut self,
        caller: &Caller,
        has_room: impl Fn(&Caller) -> bool,
    ) -> Result<bool, ConnectionError> {
        for _ in 0..TURN {
            if self.is_empty() || !has_room(caller) {
                return Ok(false);
            }
            let item = match self.held.take() {
                Some(item) => Some(item),
                None => self.next(caller)?,
            };
            if let Some(item) = item
                && !self.send(item, caller)
            {
                return Ok(false);
            }
        }
        Ok(!self.is_empty())
    }

    /// The next item of the stream whose turn it is; `None` if that has none.
    fn next(&mut self, caller: &Caller) -> Result<Option<Reply>, ConnectionError> {
        let Some(mut stream) = self.running.pop_front() else { return Ok(None) };
        let next = catch_unwind(AssertUnwindSafe(move || {
            let next = (stream.0)();
            // One that has ended is dropped in here, too, for that may panic.
            next.map(|item| (item, stream))
        }));
        match next {
            Ok(None) => Ok(None),
            Ok(Some((Ok(item), stream))) => {
                self.running.push_back(stream);
                Ok(Some(item))
            }
            Ok(Some((Err(error), _))) => Err(self.fail(caller, error)),
            Err(_) => Err(self.fail(caller, "unexpected condition".to_owned())),
        }
    }

    /// Whether there may be room for another one.
    fn send(&mut self, item: Reply, caller: &Caller) -> bool {
        let sent = match &item {
            Reply::Text(text) => caller.write_text(text).map(drop),
            Reply::Binary(bytes) => caller.write_binary(bytes).map(drop),
            Reply::Close(code, reason) => {
                let closed = caller.close(code.value(), reason);
                self.clear();
                return closed.is_err();
            }
            Reply::Nothing | Reply::Pong => Ok(()),
            Reply::Stream(_) => {
                let Reply::Stream(stream) = item else { return true };
                self.running.push_back(stream);
                return true;
            }
        };
        match sent {
            Ok(()) => true,
            Err(SendError::Full { .. } | SendError::Exhausted { .. }) => {
                self.held = Some(item);
                false
            }
            Err(_) => {
                self.clear();
                false
            }
        }
    }

    fn fail(&mut self, caller: &Caller, error: String) -> ConnectionError {
        self.clear();
        let reason = format!("streaming failed: {error}");
        let end = reason.floor_char_boundary(MAX_CLOSE_REASON);
        // An error is that a Close was sent already.
        let _ = caller.close(1011, &reason[..end]);
        ConnectionError::Stream(error)
    }

    /// Drops all there are.
    pub(crate) fn clear(&mut self) {
        self.held = None;
        for stream in self.running.drain(..) {
            // One that panics must not keep the others.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(stream)));
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.clear();
    }
}
