//! A service out of handlers, each for the messages that say in a field that they are its.

mod builder;
mod name;
mod stream_id;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;
use wirewright_core::Close;

pub use builder::{DispatchError, DispatcherBuilder};
pub use name::derived_name;

use crate::error::ConnectionError;
use crate::listener::{Caller, Outcome, RunOn, Service};
use crate::message::{BindError, Fields, string};
use crate::typed::{pass_on_to_state, unbound};

/// Handlers by the value of a field at the top of each message, for any number of connections.
///
/// A text that is a JSON object is looked at for that field; if there is a handler for its value,
/// the whole message is read as the handler's type, and what the handler gives back is sent. All
/// else (other values, texts that are no objects, binary messages, everything beside messages)
/// goes to the callbacks of the state, which is a [`Service`] itself, a value of its own for each
/// connection; `()` is one that does nothing. A value reaches the handler that was registered for
/// it, and never a callback: a message of the type "close" or "error" calls nothing of that name.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use wirewright::{Caller, Dispatcher, Json, Listener, Service, UpgradeRequest};
///
/// #[derive(Default)]
/// struct Feed {
///     symbols: Vec<String>,
/// }
///
/// impl Service for Feed {}
///
/// #[derive(Deserialize)]
/// struct Subscribe {
///     symbol: String,
/// }
///
/// #[derive(Serialize)]
/// struct Subscribed {
///     count: usize,
/// }
///
/// impl Feed {
///     fn subscribe(&mut self, _: &Caller, message: Subscribe) -> Json<Subscribed> {
///         self.symbols.push(message.symbol);
///         Json(Subscribed { count: self.symbols.len() })
///     }
/// }
///
/// let dispatcher = Dispatcher::builder("event")
///     .on("subscribe", Feed::subscribe)
///     .on("ping", |_: &mut Feed, _, _: serde::de::IgnoredAny| "{\"event\": \"pong\"}")
///     .stream_id("id")
///     .build()?;
/// let feed = move |_: &UpgradeRequest| Ok(dispatcher.service(Feed::default()));
/// let listener = Listener::builder().route("/feed", feed).listen("127.0.0.1:0")?;
/// # drop(listener);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dispatcher<S>(Arc<Table<S>>);

/// What [`Dispatcher`]s and their services share.
struct Table<S> {
    key: String,
    stream_id: Option<String>,
    validate: bool,
    /// By the value itself,
    exact: HashMap<String, Route<S>>,
    /// and by its derived name.
    derived: HashMap<String, Route<S>>,
}

/// Reads a message and hands it on.
type Handler<S> =
    Box<dyn Fn(&mut S, &Caller, &str, bool) -> Result<Outcome, BindError> + Send + Sync>;
/// Is told that a message could not be read.
type ErrorHandler<S> = Box<dyn Fn(&mut S, &Caller, &BindError) -> Outcome + Send + Sync>;

struct Route<S> {
    handler: Handler<S>,
    on_error: Option<ErrorHandler<S>>,
}

impl<S> Dispatcher<S> {
    /// Handlers for messages whose field `key` says what they are.
    pub fn builder(key: impl Into<String>) -> DispatcherBuilder<S> {
        DispatcherBuilder::new(key.into())
    }
}

impl<S: Service> Dispatcher<S> {
    /// The service of one connection, with its state.
    pub fn service(&self, state: S) -> Dispatched<S> {
        Dispatched { table: Arc::clone(&self.0), state }
    }
}

impl<S> Clone for Dispatcher<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for Dispatcher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S> fmt::Debug for Table<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("key", &self.key)
            .field("stream_id", &self.stream_id)
            .field("values", &self.exact.keys())
            .field("derived", &self.derived.keys())
            .finish_non_exhaustive()
    }
}

/// A [`Dispatcher`]'s service for one connection.
pub struct Dispatched<S> {
    table: Arc<Table<S>>,
    state: S,
}

impl<S> Table<S> {
    /// The handler for this message, and the id that its reply is to have.
    fn find<'t>(&self, text: &'t str) -> Option<(&Route<S>, Option<&'t str>)> {
        let fields = Fields::of(text, &self.key, self.stream_id.as_deref())?;
        let value = string(fields.first?)?;
        let route = self.exact.get(&*value).or_else(|| {
            // Nobody pays for names that nobody uses.
            let name = (!self.derived.is_empty()).then(|| derived_name(&value))?;
            self.derived.get(&name)
        })?;
        Some((route, fields.second.map(RawValue::get)))
    }
}

impl<S: Service> Dispatched<S> {
    /// The state.
    pub const fn state(&self) -> &S {
        &self.state
    }
}

impl<S: Service> Service for Dispatched<S> {
    fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
        let Self { table, state } = self;
        let Some((route, id)) = table.find(text) else { return state.on_text(caller, text) };
        let reply = match (route.handler)(state, caller, text, table.validate) {
            Ok(outcome) => outcome?,
            Err(error) => match &route.on_error {
                Some(on_error) if !error.is_invalid() => on_error(state, caller, &error)?,
                _ => return unbound(state, caller, error),
            },
        };
        match (&table.stream_id, id) {
            (Some(name), Some(id)) => Ok(stream_id::add(reply, name, id)),
            _ => Ok(reply),
        }
    }

    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        self.state.on_binary(caller, bytes)
    }

    pass_on_to_state!();
}

impl<S: fmt::Debug> fmt::Debug for Dispatched<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, state } = self;
        f.debug_struct("Dispatched").field("table", table).field("state", state).finish()
    }
}
