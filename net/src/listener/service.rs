//! What a listener's user writes: what to do with an upgrade request, and with a connection.

use std::error::Error;

use wirewright_core::{Close, CloseCode};

use super::caller::Caller;
use super::streams::Stream;
use crate::error::ConnectionError;
use crate::message::BindError;

/// What a callback gives back: a reply, or an error, which goes to [`Service::on_error`] while
/// the connection goes on.
pub type Outcome = Result<Reply, Box<dyn Error + Send + Sync>>;

/// What a callback wants sent once it has returned.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Reply {
    /// Nothing, or nothing more than the callback sent itself.
    #[default]
    Nothing,
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// From [`Service::on_ping`]: the Pong that is owed (RFC 6455 §5.5.2). Elsewhere nothing.
    Pong,
    /// A Close, with a code that may be sent and a reason of at most 123 bytes; a code or reason
    /// that may not is an error of the callback's.
    Close(CloseCode, String),
    /// One message after another, as an iterator produces them: see [`Reply::stream`].
    Stream(Stream),
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Reply {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

/// Where a service's callbacks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunOn {
    /// On the connection's event loop: nothing is faster, and what blocks holds up all connections
    /// of that loop.
    #[default]
    Loop,
    /// On threads beside the loops, where they may block. Messages are copied for them and wait in
    /// a queue of [`max_pending`](crate::ListenerBuilder::max_pending) bytes; while that is full,
    /// the peer is not read from.
    Workers,
}

/// One connection's callbacks. Calls never overlap and come in the order of the wire: `on_open`,
/// then messages and control frames, then `on_close`, once, however the connection ended.
///
/// They run on the connection's event loop, so that nothing is faster, and a callback that blocks
/// holds up all connections of that loop; or, where [`runs_on`](Self::runs_on) says so, on workers,
/// with the same order and as little overlap. A panic ends this connection with code 1011, and
/// nothing else; the service may be in any state then, and is dropped without `on_close`.
pub trait Service: Send + 'static {
    /// The handshake is done; nothing has been received.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_open(&mut self, caller: &Caller) -> Outcome {
        Ok(Reply::Nothing)
    }

    /// A text message.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
        Ok(Reply::Nothing)
    }

    /// A binary message.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        Ok(Reply::Nothing)
    }

    /// A Ping; unless this is implemented, it is answered.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_ping(&mut self, caller: &Caller, payload: &[u8]) -> Outcome {
        Ok(Reply::Pong)
    }

    /// A Pong, perhaps unasked.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_pong(&mut self, caller: &Caller, payload: &[u8]) -> Outcome {
        Ok(Reply::Nothing)
    }

    /// The connection is over: with the Close that the peer sent, or, without one, as
    /// [`CloseCode::ABNORMAL`] (RFC 6455 §7.1.5). What is sent now is lost.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_close(&mut self, caller: &Caller, close: Close<'_>) {}

    /// A message is not what a [`Dispatcher`](crate::Dispatcher) or a [`Typed`](crate::Typed)
    /// needs; of one that was told of that by a handler of its own, not even this. Unless this is
    /// implemented, the connection is closed with 1003 and the cause.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_bind_error(&mut self, caller: &Caller, error: &BindError) -> Outcome {
        Ok(error.close_frame().into())
    }

    /// No message came or went for [`idle_timeout`](crate::ListenerBuilder::idle_timeout); called
    /// again after each further such time. The connection stays open, unless this closes it.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_idle_timeout(&mut self, caller: &Caller) -> Outcome {
        Ok(Reply::Nothing)
    }

    /// The queue, which was above its high mark or had refused a message, has fallen to its low
    /// mark ([`queue_marks`](crate::ListenerBuilder::queue_marks)): whoever stopped sending may go
    /// on. Whichever thread had filled it.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_drain(&mut self, caller: &Caller) -> Outcome {
        Ok(Reply::Nothing)
    }

    /// The peer's identity has ceased to be valid, under
    /// [`WhenExpired::Ask`](crate::WhenExpired::Ask) alone: the connection is closed unless
    /// [`Caller::renew`] is called in time, here or later, such as when the peer has answered with
    /// a new token. Called once for each identity that expires.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_expired(&mut self, caller: &Caller) -> Outcome {
        Ok(Reply::Nothing)
    }

    /// Where the callbacks run; asked once, before `on_open`.
    fn runs_on(&self) -> RunOn {
        RunOn::Loop
    }

    /// Whether `on_ping` and `on_pong` are to be called on workers, too, in line with the messages.
    /// If not, which is the default, the loop answers Pings however long a callback takes. On the
    /// loop they are always called.
    fn wants_control_frames(&self) -> bool {
        false
    }

    /// What it is called in the log.
    fn name(&self) -> &str {
        std::any::type_name::<Self>()
    }

    /// Something went wrong: a callback's own error, after which the connection goes on, or the
    /// peer's violation, a limit, the network, after which `on_close` follows.
    #[expect(unused_variables, reason = "named for whoever implements it")]
    fn on_error(&mut self, caller: &Caller, error: &ConnectionError) {}
}

/// Does nothing; for services that need no state.
impl Service for () {}
