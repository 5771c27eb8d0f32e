//! Values that a client carries for its user.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Client;

/// By name; of a client and not of one of its connections.
#[derive(Debug, Default)]
pub(super) struct Attributes(Mutex<BTreeMap<String, Value>>);

type Value = Arc<dyn Any + Send + Sync>;

impl Attributes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        // No code of a user's runs under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Keeps a value under this name as long as the client lives, in the place of one that was
    /// there.
    ///
    /// ```no_run
    /// # fn example(client: &wirewright::Client) {
    /// client.set_attribute("visits", 1_u32);
    /// assert_eq!(client.attribute::<u32>("visits"), Some(1));
    /// assert_eq!(client.attribute::<String>("visits"), None);
    /// assert_eq!(client.remove_attribute::<u32>("visits"), Some(1));
    /// assert_eq!(client.remove_attribute::<u32>("visits"), None);
    /// # }
    /// ```
    pub fn set_attribute<T: Any + Clone + Send + Sync>(&self, name: &str, value: T) {
        let before = self.driver.attributes.lock().insert(name.into(), Arc::new(value));
        // Outside the lock, as it may run any code.
        drop(before);
    }

    /// A copy of the value under this name, if there is one of this type.
    #[must_use]
    pub fn attribute<T: Any + Clone + Send + Sync>(&self, name: &str) -> Option<T> {
        let value = self.driver.attributes.lock().get(name).cloned();
        value?.downcast_ref().cloned()
    }

    /// Takes the value under this name away, if there is one of this type.
    pub fn remove_attribute<T: Any + Clone + Send + Sync>(&self, name: &str) -> Option<T> {
        let mut attributes = self.driver.attributes.lock();
        if !attributes.get(name)?.is::<T>() {
            return None;
        }
        let value = attributes.remove(name)?;
        drop(attributes);
        Some(Arc::unwrap_or_clone(value.downcast().ok()?))
    }
}
