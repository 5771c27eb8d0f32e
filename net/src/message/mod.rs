//! Values into messages and messages into values, for both sides.

mod error;
mod fields;
mod from;
mod into;
mod json;
#[cfg(feature = "validation")]
mod valid;
mod writer;

use std::error::Error;

pub use error::{BindError, WriteError};
pub(crate) use fields::{Fields, Id, string};
pub(crate) use from::bind;
pub use from::{Either, FromMessage, Parsed};
pub use into::{IntoMessage, MessageSink};
pub use json::Json;
#[cfg(feature = "validation")]
pub use valid::Valid;
pub use writer::MessageWriter;

/// Whatever a user's own code fails with.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
