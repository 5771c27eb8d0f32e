//! Registering handlers.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::name::{derived_name, is_derived};
use super::{Dispatcher, ErrorHandler, Handler, Route, Table};
use crate::listener::Caller;
use crate::message::BindError;
use crate::reply::IntoReply;

/// Handlers for a [`Dispatcher`], with the mistakes that were made registering them.
#[must_use]
pub struct DispatcherBuilder<S> {
    key: String,
    stream_id: Option<String>,
    validate: bool,
    exact: HashMap<String, Route<S>>,
    derived: HashMap<String, Route<S>>,
    /// Error handlers wait for their handlers, which may come later.
    exact_errors: HashMap<String, ErrorHandler<S>>,
    derived_errors: HashMap<String, ErrorHandler<S>>,
    mistake: Option<DispatchError>,
}

/// Why there is no such [`Dispatcher`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// Two handlers, or two error handlers, for one value.
    #[error("value {0:?} registered twice")]
    Value(String),
    /// Two handlers, or two error handlers, for one derived name.
    #[error("derived name {0:?} registered twice")]
    Name(String),
    /// A value and its own derived name: how a message is spelt would decide which handler it
    /// reaches.
    #[error("value {value:?} registered, and its derived name {name:?} too")]
    Ambiguous {
        /// The value.
        value: String,
        /// Its derived name.
        name: String,
    },
    /// No value has this derived name: it begins with "on", then a capital letter or a digit, and
    /// is of letters and digits alone.
    #[error("no value has the derived name {0:?}")]
    NotDerived(String),
    /// An error handler for what has no handler.
    #[error("error handler for {0:?}, which has no handler")]
    NoHandler(String),
}

impl<S> DispatcherBuilder<S> {
    pub(super) fn new(key: String) -> Self {
        Self {
            key,
            stream_id: None,
            validate: true,
            exact: HashMap::new(),
            derived: HashMap::new(),
            exact_errors: HashMap::new(),
            derived_errors: HashMap::new(),
            mistake: None,
        }
    }

    /// The handler for messages with exactly this value. What it gives back is sent.
    pub fn on<T, R>(
        self,
        value: impl Into<String>,
        handler: impl Fn(&mut S, &Caller, T) -> R + Send + Sync + 'static,
    ) -> Self
    where
        T: DeserializeOwned,
        R: IntoReply,
    {
        self.exact(value.into(), read(handler))
    }

    /// The handler for messages whose value has this [derived name](derived_name), if there is
    /// none for the value itself: `onUnSubscribe` for `un_subscribe`, `un-subscribe` and
    /// `Un Subscribe`.
    pub fn on_derived<T, R>(
        self,
        name: impl Into<String>,
        handler: impl Fn(&mut S, &Caller, T) -> R + Send + Sync + 'static,
    ) -> Self
    where
        T: DeserializeOwned,
        R: IntoReply,
    {
        self.derived(name.into(), read(handler))
    }

    /// As [`on`](Self::on), for values that keep to the rules of their type; one that does not is
    /// an error for [`Service::on_error`](crate::Service::on_error).
    #[cfg(feature = "validation")]
    pub fn on_valid<T, R>(
        self,
        value: impl Into<String>,
        handler: impl Fn(&mut S, &Caller, T) -> R + Send + Sync + 'static,
    ) -> Self
    where
        T: DeserializeOwned + garde::Validate<Context: Default>,
        R: IntoReply,
    {
        self.exact(value.into(), read_valid(handler))
    }

    /// As [`on_derived`](Self::on_derived), for values that keep to the rules of their type.
    #[cfg(feature = "validation")]
    pub fn on_derived_valid<T, R>(
        self,
        name: impl Into<String>,
        handler: impl Fn(&mut S, &Caller, T) -> R + Send + Sync + 'static,
    ) -> Self
    where
        T: DeserializeOwned + garde::Validate<Context: Default>,
        R: IntoReply,
    {
        self.derived(name.into(), read_valid(handler))
    }

    /// What to do with a message that has this value and is not what its handler takes. Without,
    /// it is [`Service::on_bind_error`](crate::Service::on_bind_error) of the state, which closes
    /// with 1003.
    pub fn on_error<R: IntoReply>(
        mut self,
        value: impl Into<String>,
        handler: impl Fn(&mut S, &Caller, &BindError) -> R + Send + Sync + 'static,
    ) -> Self {
        let value = value.into();
        if self.exact_errors.insert(value.clone(), tell(handler)).is_some() {
            self.mistake.get_or_insert(DispatchError::Value(value));
        }
        self
    }

    /// As [`on_error`](Self::on_error), for a handler of a derived name.
    pub fn on_derived_error<R: IntoReply>(
        mut self,
        name: impl Into<String>,
        handler: impl Fn(&mut S, &Caller, &BindError) -> R + Send + Sync + 'static,
    ) -> Self {
        let name = name.into();
        if self.derived_errors.insert(name.clone(), tell(handler)).is_some() {
            self.mistake.get_or_insert(DispatchError::Name(name));
        }
        self
    }

    /// The field that says which request a reply belongs to: what a handler gives back as a JSON
    /// object without it has it as the request had.
    pub fn stream_id(mut self, field: impl Into<String>) -> Self {
        self.stream_id = Some(field.into());
        self
    }

    /// Whether the rules of types are asked for; on by default.
    pub fn validation(mut self, validate: bool) -> Self {
        self.validate = validate;
        self
    }

    /// The dispatcher, for all connections.
    ///
    /// # Errors
    /// The first mistake in what was registered.
    pub fn build(mut self) -> Result<Dispatcher<S>, DispatchError> {
        for (value, handler) in self.exact_errors {
            let Some(route) = self.exact.get_mut(&value) else {
                return Err(DispatchError::NoHandler(value));
            };
            route.on_error = Some(handler);
        }
        for (name, handler) in self.derived_errors {
            let Some(route) = self.derived.get_mut(&name) else {
                return Err(DispatchError::NoHandler(name));
            };
            route.on_error = Some(handler);
        }
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        for value in self.exact.keys() {
            let name = derived_name(value);
            if self.derived.contains_key(&name) {
                return Err(DispatchError::Ambiguous { value: value.clone(), name });
            }
        }
        let Self { key, stream_id, validate, exact, derived, .. } = self;
        Ok(Dispatcher(Arc::new(Table { key, stream_id, validate, exact, derived })))
    }

    fn exact(mut self, value: String, handler: Handler<S>) -> Self {
        let route = Route { handler, on_error: None };
        if self.exact.insert(value.clone(), route).is_some() {
            self.mistake.get_or_insert(DispatchError::Value(value));
        }
        self
    }

    fn derived(mut self, name: String, handler: Handler<S>) -> Self {
        let route = Route { handler, on_error: None };
        if !is_derived(&name) {
            self.mistake.get_or_insert(DispatchError::NotDerived(name));
        } else if self.derived.insert(name.clone(), route).is_some() {
            self.mistake.get_or_insert(DispatchError::Name(name));
        }
        self
    }
}

fn read<S, T: DeserializeOwned, R: IntoReply>(
    handler: impl Fn(&mut S, &Caller, T) -> R + Send + Sync + 'static,
) -> Handler<S> {
    Box::new(move |state, caller, text, _| {
        let value = serde_json::from_str(text).map_err(BindError::Json)?;
        Ok(handler(state, caller, value).into_reply())
    })
}

#[cfg(feature = "validation")]
fn read_valid<S, T, R>(
    handler: impl Fn(&mut S, &Caller, T) -> R + Send + Sync + 'static,
) -> Handler<S>
where
    T: DeserializeOwned + garde::Validate<Context: Default>,
    R: IntoReply,
{
    use crate::message::{FromMessage, Valid};

    Box::new(move |state, caller, text, validate| {
        let value = Valid(serde_json::from_str(text).map_err(BindError::Json)?);
        if validate {
            value.check()?;
        }
        Ok(handler(state, caller, value.0).into_reply())
    })
}

fn tell<S, R: IntoReply>(
    handler: impl Fn(&mut S, &Caller, &BindError) -> R + Send + Sync + 'static,
) -> ErrorHandler<S> {
    Box::new(move |state, caller, error| handler(state, caller, error).into_reply())
}

impl<S> std::fmt::Debug for DispatcherBuilder<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DispatcherBuilder")
            .field("key", &self.key)
            .field("values", &self.exact.keys())
            .field("derived", &self.derived.keys())
            .field("mistake", &self.mistake)
            .finish_non_exhaustive()
    }
}
