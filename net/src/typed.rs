//! A service whose messages are values of one type.

use std::fmt;
use std::marker::PhantomData;

use wirewright_core::{Close, Message};

use crate::error::ConnectionError;
use crate::listener::{Caller, Outcome, RunOn, Service};
use crate::message::{self, BindError, FromMessage};
use crate::reply::IntoReply;

/// All callbacks of a service around another, its `state`, but those that take messages.
macro_rules! pass_on_to_state {
    () => {
        fn on_open(&mut self, caller: &Caller) -> Outcome {
            self.state.on_open(caller)
        }

        fn on_ping(&mut self, caller: &Caller, payload: &[u8]) -> Outcome {
            self.state.on_ping(caller, payload)
        }

        fn on_pong(&mut self, caller: &Caller, payload: &[u8]) -> Outcome {
            self.state.on_pong(caller, payload)
        }

        fn on_close(&mut self, caller: &Caller, close: Close<'_>) {
            self.state.on_close(caller, close);
        }

        fn on_error(&mut self, caller: &Caller, error: &ConnectionError) {
            self.state.on_error(caller, error);
        }

        fn on_bind_error(&mut self, caller: &Caller, error: &BindError) -> Outcome {
            self.state.on_bind_error(caller, error)
        }

        fn on_idle_timeout(&mut self, caller: &Caller) -> Outcome {
            self.state.on_idle_timeout(caller)
        }

        fn on_drain(&mut self, caller: &Caller) -> Outcome {
            self.state.on_drain(caller)
        }

        fn on_expired(&mut self, caller: &Caller) -> Outcome {
            self.state.on_expired(caller)
        }

        fn runs_on(&self) -> RunOn {
            self.state.runs_on()
        }

        fn wants_control_frames(&self) -> bool {
            self.state.wants_control_frames()
        }

        fn name(&self) -> &str {
            self.state.name()
        }
    };
}
pub(crate) use pass_on_to_state;

/// A service that reads each message, text or binary, as a `T` for one handler; what that gives
/// back is sent. Everything beside messages goes to the state, a [`Service`] itself; `()` is one
/// that does nothing.
///
/// A message that is no `T` goes to [`Service::on_bind_error`] of the state, which closes with
/// 1003 unless it says otherwise; one that breaks the rules of its type to [`Service::on_error`].
///
/// ```
/// use wirewright::{Json, Listener, Typed, UpgradeRequest};
///
/// let sums = |_: &UpgradeRequest| {
///     Ok(Typed::new((), |(), _caller, Json(numbers): Json<Vec<i64>>| {
///         Json(numbers.iter().sum::<i64>())
///     }))
/// };
/// let listener = Listener::builder().route("/sums", sums).listen("127.0.0.1:0")?;
/// # drop(listener);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Typed<S, T, F> {
    state: S,
    handler: F,
    validate: bool,
    takes: PhantomData<fn(T)>,
}

impl<S, T, R, F> Typed<S, T, F>
where
    S: Service,
    T: FromMessage + 'static,
    R: IntoReply,
    F: FnMut(&mut S, &Caller, T) -> R + Send + 'static,
{
    /// A service of one connection, with its state.
    pub const fn new(state: S, handler: F) -> Self {
        Self { state, handler, validate: true, takes: PhantomData }
    }

    /// Whether the rules of `T` are asked for; on by default.
    #[must_use]
    pub fn validation(mut self, validate: bool) -> Self {
        self.validate = validate;
        self
    }

    fn take(&mut self, caller: &Caller, message: Message<'_>) -> Outcome {
        match message::bind(message, self.validate) {
            Ok(value) => (self.handler)(&mut self.state, caller, value).into_reply(),
            Err(error) => unbound(&mut self.state, caller, error),
        }
    }
}

impl<S, T, R, F> Service for Typed<S, T, F>
where
    S: Service,
    T: FromMessage + 'static,
    R: IntoReply,
    F: FnMut(&mut S, &Caller, T) -> R + Send + 'static,
{
    fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
        self.take(caller, Message::Text(text))
    }

    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        self.take(caller, Message::Binary(bytes))
    }

    pass_on_to_state!();
}

/// A message could not be read, and nobody in particular is told of that.
pub(crate) fn unbound<S: Service>(state: &mut S, caller: &Caller, error: BindError) -> Outcome {
    if error.is_invalid() {
        return Err(Box::new(error));
    }
    state.on_bind_error(caller, &error)
}

impl<S: fmt::Debug, T, F> fmt::Debug for Typed<S, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("state", &self.state).finish_non_exhaustive()
    }
}
