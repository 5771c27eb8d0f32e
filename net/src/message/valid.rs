//! Values that keep to the rules of their type.

use garde::Validate;
use serde::de::DeserializeOwned;
use wirewright_core::Message;

use super::{BindError, FromMessage, json};

/// A value that is JSON in a message and keeps to the rules of its type: a
/// [`BindError::Invalid`] says what is broken and where. The option `validation` switches the
/// rules off.
///
/// ```no_run
/// use wirewright::{BindError, Client, ClientError, Valid};
///
/// #[derive(serde::Deserialize, garde::Validate)]
/// struct Order {
///     #[garde(range(min = 1))]
///     pieces: u32,
/// }
///
/// let client = Client::connect("ws://127.0.0.1:9001/orders")?;
/// match client.read_message() {
///     Ok(Valid(Order { pieces })) => println!("{pieces} pieces"),
///     Err(ClientError::Bind(BindError::Invalid(broken))) => println!("{broken}"),
///     Err(error) => return Err(error),
/// }
/// # Ok::<(), ClientError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Valid<T>(pub T);

impl<T> FromMessage for Valid<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
{
    fn from_message(message: Message<'_>) -> Result<Self, BindError> {
        json::parse(message).map(Self)
    }

    fn check(&self) -> Result<(), BindError> {
        self.0.validate().map_err(|report| BindError::Invalid(Box::new(report)))
    }
}
