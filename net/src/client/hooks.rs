//! What a user of a client wants to be asked and told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use wirewright_core::{Misuse, Reply};

use super::{Client, ClientBuilder, ClientError};
use crate::trace::Plain;

/// What is sent for a Ping of the server's, as a handler decides
/// ([`ClientBuilder::on_ping`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PongReply(Answer);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Echo,
    Nothing,
    Other(Reply),
}

impl PongReply {
    /// A Pong with the Ping's payload, as RFC 6455 §5.5.3 asks for.
    #[must_use]
    pub const fn echo() -> Self {
        Self(Answer::Echo)
    }

    /// No Pong: a server that waits for one may give the connection up.
    #[must_use]
    pub const fn nothing() -> Self {
        Self(Answer::Nothing)
    }

    /// A Pong with this payload.
    ///
    /// # Errors
    /// [`Misuse::ControlTooLong`] over 125 bytes.
    pub fn with(payload: &[u8]) -> Result<Self, Misuse> {
        if payload.len() > 125 {
            return Err(Misuse::ControlTooLong(payload.len()));
        }
        Ok(Self(Answer::Other(Reply::pong(payload))))
    }
}

/// What has become of a client's connection ([`ClientBuilder::on_state`]).
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientState<'a> {
    /// A connection was opened, and `on_reconnect` is done.
    Connected,
    /// The connection was lost, and another is to take its place.
    Disconnected {
        /// How it was lost.
        error: &'a ClientError,
    },
    /// The next attempt follows.
    Retrying {
        /// Its number in this outage, from 1.
        attempt: u32,
        /// How long until it begins.
        delay: Duration,
        /// Why the last one failed, or the connection was lost.
        error: &'a ClientError,
    },
    /// There will be no further attempt.
    GaveUp {
        /// What the last one met.
        error: &'a ClientError,
    },
}

impl ClientState<'_> {
    /// Tells the log.
    fn log(&self) {
        match self {
            // The attempt was logged where it was made.
            Self::Connected => {}
            Self::Disconnected { error } => {
                tracing::info!(error = %Plain(error), "connection lost, to be opened again");
            }
            Self::Retrying { attempt, delay, error } => {
                tracing::info!(attempt, ?delay, error = %Plain(error), "connecting again");
            }
            Self::GaveUp { error } => {
                tracing::warn!(error = %Plain(error), "connecting no more");
            }
        }
    }
}

type OnPing = dyn Fn(&[u8]) -> PongReply + Send + Sync;
type OnPong = dyn Fn(&[u8]) + Send + Sync;
type OnState = dyn Fn(ClientState<'_>) + Send + Sync;
type OnReconnect = dyn Fn(&Client) -> Result<(), ClientError> + Send + Sync;

/// A user's functions. None of them is called under the lock `control` or under the sender's
/// turn; those for Pings and Pongs are called under the reader's.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    on_ping: Option<Arc<OnPing>>,
    on_pong: Option<Arc<OnPong>>,
    on_state: Option<Arc<OnState>>,
    on_reconnect: Option<Arc<OnReconnect>>,
}

impl Hooks {
    /// What is owed for a Ping.
    pub(super) fn ping(&self, payload: &[u8]) -> Option<Reply> {
        let answer = match &self.on_ping {
            None => Answer::Echo,
            // Whoever drives may be any thread, which must not end of this.
            Some(handler) => match guarded("on_ping", || handler(payload)) {
                Some(PongReply(answer)) => answer,
                None => Answer::Echo,
            },
        };
        match answer {
            Answer::Echo => Some(Reply::pong(payload)),
            Answer::Nothing => None,
            Answer::Other(reply) => Some(reply),
        }
    }

    pub(super) fn pong(&self, payload: &[u8]) {
        if let Some(handler) = &self.on_pong {
            guarded("on_pong", || handler(payload));
        }
    }

    pub(super) fn state(&self, state: ClientState<'_>) {
        state.log();
        if let Some(handler) = &self.on_state {
            guarded("on_state", || handler(state));
        }
    }

    /// Whether the new connection may be used.
    pub(super) fn reconnect(&self, client: &Client) -> Result<(), ClientError> {
        let Some(handler) = &self.on_reconnect else { return Ok(()) };
        guarded("on_reconnect", || handler(client)).unwrap_or(Err(ClientError::Aborted))
    }
}

fn guarded<T>(name: &str, call: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(call));
    if result.is_err() {
        tracing::error!(handler = name, "a client's handler panicked");
    }
    result.ok()
}

impl ClientBuilder {
    /// Decides what is sent for each Ping of the server's. Without it, each is answered as
    /// RFC 6455 §5.5.3 asks for.
    ///
    /// It is called by whoever drives the connection: a thread inside a call, or the one that all
    /// clients of the process share. It must not block, and must not call the client, whose
    /// reader's turn it is called under. If it panics, the Ping is answered as usual.
    pub fn on_ping(mut self, handler: impl Fn(&[u8]) -> PongReply + Send + Sync + 'static) -> Self {
        self.hooks.on_ping = Some(Arc::new(handler));
        self
    }

    /// Is told the payload of each Pong, those included that answer `keep_alive`'s Pings. Called
    /// as [`on_ping`](Self::on_ping) is.
    pub fn on_pong(mut self, handler: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        self.hooks.on_pong = Some(Arc::new(handler));
        self
    }

    /// Is told what becomes of the connection, in order and one at a time: with
    /// [`retry`](Self::retry), losses, attempts and how they end; without it, that it was opened.
    /// Called on a thread of its own, or on the one that connects.
    pub fn on_state(mut self, handler: impl Fn(ClientState<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.on_state = Some(Arc::new(handler));
        self
    }

    /// Prepares each connection that takes the place of another, say by subscribing again, before
    /// anybody else uses it. The client that it is given is the new connection alone, which it may
    /// write to and read from; what it leaves unread is read by others. An error is the
    /// attempt's: if it may pass ([`ClientError::is_transient`]) another follows, else that was
    /// the last, as after a panic.
    pub fn on_reconnect(
        mut self,
        handler: impl Fn(&Client) -> Result<(), ClientError> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_reconnect = Some(Arc::new(handler));
        self
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_ping", &self.on_ping.is_some())
            .field("on_pong", &self.on_pong.is_some())
            .field("on_state", &self.on_state.is_some())
            .field("on_reconnect", &self.on_reconnect.is_some())
            .finish()
    }
}
