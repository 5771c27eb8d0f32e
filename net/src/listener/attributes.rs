//! What a caller carries for its user: values, and topics.

use std::any::Any;
use std::sync::Arc;

use wirewright_core::Message;

use super::caller::Caller;
use super::mailbox::Command;
use super::rare::Attributes;
use super::sending::Sending;
use crate::error::SendError;

impl Caller {
    /// Keeps a value under this name for as long as the connection lives, in the place of one that
    /// was there. On a connection that is over it is dropped.
    ///
    /// ```
    /// # fn example(caller: &wirewright::Caller) {
    /// caller.set_attribute("visits", 1_u32);
    /// assert_eq!(caller.attribute::<u32>("visits"), Some(1));
    /// assert_eq!(caller.attribute::<String>("visits"), None);
    /// assert_eq!(caller.remove_attribute::<u32>("visits"), Some(1));
    /// assert_eq!(caller.remove_attribute::<u32>("visits"), None);
    /// # }
    /// ```
    pub fn set_attribute<T: Any + Clone + Send + Sync>(&self, name: &str, value: T) {
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        let mut sending = self.lock();
        let before = match sending.stream {
            Some(_) => sending.rare().attributes.insert(name.into(), value),
            None => Some(value),
        };
        drop(sending);
        // Outside the lock, as it may run any code.
        drop(before);
    }

    /// A copy of the value under this name, if there is one of this type.
    #[must_use]
    pub fn attribute<T: Any + Clone + Send + Sync>(&self, name: &str) -> Option<T> {
        let sending = self.lock();
        let value = sending.rare.as_ref()?.attributes.get(name).cloned();
        drop(sending);
        value?.downcast_ref().cloned()
    }

    /// Takes the value under this name away, if there is one of this type.
    pub fn remove_attribute<T: Any + Clone + Send + Sync>(&self, name: &str) -> Option<T> {
        let mut sending = self.lock();
        let attributes = &mut sending.rare.as_mut()?.attributes;
        if !attributes.get(name)?.is::<T>() {
            return None;
        }
        let value = attributes.remove(name)?;
        drop(sending);
        let value = value.downcast().ok()?;
        Some(Arc::unwrap_or_clone(value))
    }

    /// Has this connection sent what is [published](Self::publish) to a topic from now on; `false`
    /// if it was subscribed already. The subscription ends with the connection.
    ///
    /// # Errors
    /// [`SendError::Closed`] once the connection is over.
    pub fn subscribe(&self, topic: &str) -> Result<bool, SendError> {
        let link = &self.0.link;
        let mut sending = self.lock();
        if sending.stream.is_none() {
            return Err(SendError::Closed);
        }
        if sending.rare().topics.contains(topic) {
            return Ok(false);
        }
        let topic = link.topics.add(topic, link.number);
        sending.rare().topics.insert(Arc::clone(&topic));
        // Under the lock, so that the loop hears of it and of its end in this order.
        drop(link.mailbox.send(Command::Subscribe(self.0.token, topic)));
        Ok(true)
    }

    /// Ends a subscription; `false` if there was none.
    pub fn unsubscribe(&self, topic: &str) -> bool {
        let mut sending = self.lock();
        let Some(rare) = &mut sending.rare else { return false };
        let Some(topic) = rare.topics.take(topic) else { return false };
        self.end_subscription(topic);
        true
    }

    /// Sends a message to all other connections that are subscribed to a topic; how many. See
    /// [`Topics`](super::Topics), which publishes to all.
    ///
    /// # Errors
    /// As [`Topics::publish`](super::Topics::publish).
    pub fn publish(&self, topic: &str, message: Message<'_>) -> Result<usize, SendError> {
        let topics = &self.0.link.topics;
        let all = topics.publish_but(Some(self.id()), topic, message)?;
        let own = self.lock().rare.as_ref().is_some_and(|rare| rare.topics.contains(topic));
        Ok(all.saturating_sub(usize::from(own)))
    }

    /// The topics of this connection's listener.
    #[must_use]
    pub fn topics(&self) -> &super::Topics {
        &self.0.link.topics
    }

    fn end_subscription(&self, topic: Arc<str>) {
        let link = &self.0.link;
        link.topics.remove(&topic, link.number);
        drop(link.mailbox.send(Command::Unsubscribe(self.0.token, topic)));
    }

    /// The connection is over, and its subscriptions are.
    pub(crate) fn end_subscriptions(&self, sending: &mut Sending) {
        let Some(rare) = &mut sending.rare else { return };
        for topic in rare.topics.drain() {
            self.end_subscription(topic);
        }
    }

    /// Nobody will be called any more, who might look at an attribute; they may run any code when
    /// they are dropped, and may hold this very caller.
    pub(crate) fn take_attributes(&self) -> Option<Attributes> {
        self.lock().rare.as_mut().map(|rare| std::mem::take(&mut rare.attributes))
    }
}
