//! One message to all who subscribed to its topic.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Token;
use wirewright_core::{Encoding, Message, MessageBuf, MessageKind, Outbox};

use super::budget::{Budget, Charge};
use super::mailbox::{Command, Mailbox};
use crate::error::SendError;

/// The topics of a listener's connections, for whoever publishes: from any thread, for as long as
/// one likes.
///
/// A message is encoded once and compressed once for all subscribers whose connections agreed on
/// the same; only those whose compression carries a window from message to message
/// ([`Compression::send_takeover`](crate::Compression::send_takeover)) compress it for themselves.
/// Each event loop hands it to its own connections. All subscribers of a topic get its messages in
/// the same order, and each publisher's in the order in which it published them. A subscriber that
/// does not read is treated as [`when_full`](crate::ListenerBuilder::when_full) says, for itself
/// alone.
///
/// ```
/// use wirewright::{Caller, Listener, Message, Outcome, Rejection, Reply, UpgradeRequest, Service};
///
/// struct Feed;
///
/// impl Service for Feed {
///     fn on_open(&mut self, caller: &Caller) -> Outcome {
///         caller.subscribe("news")?;
///         Ok(Reply::Nothing)
///     }
/// }
///
/// let upgrade = |_: &UpgradeRequest| Ok::<_, Rejection>(Feed);
/// let listener = Listener::builder().start("127.0.0.1:0", upgrade)?;
/// let topics = listener.topics();
/// assert_eq!(topics.publish("news", Message::Text("nobody is there yet")), Ok(0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Topics(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Bytes that were published and that some loop has not handed on yet.
    pending: AtomicUsize,
}

#[derive(Default)]
struct State {
    loops: Vec<Option<Arc<Mailbox>>>,
    topics: HashMap<Arc<str>, Topic>,
}

/// Subscribers of a topic that has some, by loop.
#[derive(Default)]
struct Topic(Vec<usize>);

/// Bytes that may be published before the loops have handed them on.
const MAX_PENDING: usize = 16 << 20;

impl Topics {
    /// None yet; for listeners that are to share their topics, see
    /// [`ListenerBuilder::topics`](crate::ListenerBuilder::topics).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a message to all subscribers of a topic: how many there were.
    ///
    /// # Errors
    /// [`SendError::Full`] while 16 MiB wait to be handed to subscribers by event loops that do not
    /// keep up; nobody gets the message.
    pub fn publish(&self, topic: &str, message: Message<'_>) -> Result<usize, SendError> {
        self.publish_but(None, topic, message)
    }

    /// Those subscribed to a topic now.
    #[must_use]
    pub fn subscribers(&self, topic: &str) -> usize {
        self.lock().topics.get(topic).map_or(0, Topic::subscribers)
    }

    /// Topics with subscribers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().topics.len()
    }

    /// Whether nobody is subscribed to anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As [`publish`](Self::publish), to all but one connection.
    pub(crate) fn publish_but(
        &self,
        but: Option<u64>,
        topic: &str,
        message: Message<'_>,
    ) -> Result<usize, SendError> {
        // Under this lock, so that all loops hear of all messages in one order.
        let state = self.lock();
        let Some((topic, counts)) = state.topics.get_key_value(topic) else { return Ok(0) };
        let pending = self.0.pending.load(Ordering::Relaxed);
        if pending >= MAX_PENDING {
            return Err(SendError::Full { queued: pending, cap: MAX_PENDING });
        }
        let publication = Arc::new(Publication::new(Arc::clone(topic), but, message, self));
        for (mailbox, &count) in state.loops.iter().zip(&counts.0) {
            if count > 0
                && let Some(mailbox) = mailbox
            {
                drop(mailbox.send(Command::Publish(Arc::clone(&publication))));
            }
        }
        Ok(counts.subscribers())
    }

    /// A loop takes part from now on; its number.
    pub(crate) fn join(&self, mailbox: Arc<Mailbox>) -> usize {
        let loops = &mut self.lock().loops;
        let number = loops.iter().position(Option::is_none).unwrap_or(loops.len());
        if number == loops.len() {
            loops.push(None);
        }
        loops[number] = Some(mailbox);
        number
    }

    /// It has ended, and its connections with it.
    pub(crate) fn leave(&self, number: usize) {
        if let Some(mailbox) = self.lock().loops.get_mut(number) {
            *mailbox = None;
        }
    }

    /// Counts a subscriber in; the topic's name as all share it.
    pub(crate) fn add(&self, topic: &str, at: usize) -> Arc<str> {
        let mut state = self.lock();
        let known = state.topics.get_key_value(topic).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| topic.into());
        state.topics.entry(Arc::clone(&name)).or_default().add(at);
        name
    }

    /// Counts a subscriber out.
    pub(crate) fn remove(&self, topic: &Arc<str>, at: usize) {
        if let Entry::Occupied(mut entry) = self.lock().topics.entry(Arc::clone(topic)) {
            entry.get_mut().remove(at);
            if entry.get().subscribers() == 0 {
                entry.remove();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a user's runs under it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topic {
    fn subscribers(&self) -> usize {
        self.0.iter().sum()
    }

    fn add(&mut self, at: usize) {
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] += 1;
    }

    fn remove(&mut self, at: usize) {
        if let Some(count) = self.0.get_mut(at) {
            *count = count.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topics({})", self.len())
    }
}

/// A message on its way to a topic's subscribers.
pub(crate) struct Publication {
    pub(crate) topic: Arc<str>,
    /// The connection that is left out.
    pub(crate) but: Option<u64>,
    message: MessageBuf,
    /// Each encoding that a subscriber asked for, made by the first.
    encoded: Mutex<Vec<(Encoding, Arc<Encoded>)>>,
    topics: Topics,
}

/// A message as several connections are sent it.
pub(crate) struct Encoded {
    bytes: Box<[u8]>,
    kind: MessageKind,
    /// Held once, however many wait for it.
    _charge: Charge,
}

impl Publication {
    fn new(topic: Arc<str>, but: Option<u64>, message: Message<'_>, topics: &Topics) -> Self {
        topics.0.pending.fetch_add(message.len(), Ordering::Relaxed);
        let (message, topics) = (message.into(), topics.clone());
        Self { topic, but, message, encoded: Mutex::default(), topics }
    }

    pub(crate) fn message(&self) -> Message<'_> {
        self.message.message()
    }

    /// The message in this encoding.
    pub(crate) fn encoded(&self, encoding: Encoding, budget: &Budget) -> Arc<Encoded> {
        let mut all = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, encoded)) = all.iter().find(|(other, _)| *other == encoding) {
            return Arc::clone(encoded);
        }
        let encoded = Arc::new(Encoded::new(encoding, self.message(), budget));
        all.push((encoding, Arc::clone(&encoded)));
        encoded
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.topics.0.pending.fetch_sub(self.message().len(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publication({:?}, {} bytes)", self.topic, self.message().len())
    }
}

impl Encoded {
    fn new(encoding: Encoding, message: Message<'_>, budget: &Budget) -> Self {
        let mut out = Outbox::new();
        encoding.encode(message, &mut out);
        let bytes: Box<[u8]> = out.poll_transmit().unwrap_or_default().into();
        let mut charge = budget.charge();
        charge.set(bytes.len());
        Self { bytes, kind: message.kind(), _charge: charge }
    }

    pub(crate) const fn kind(&self) -> MessageKind {
        self.kind
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The subscribers among one loop's connections, in the order in which these lie in memory, ours
/// and mostly the system's: ten thousand in any other order cost a quarter more.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(HashMap<Arc<str>, BTreeSet<Token>>);

impl Subscribers {
    pub(crate) fn add(&mut self, topic: Arc<str>, token: Token) {
        self.0.entry(topic).or_default().insert(token);
    }

    pub(crate) fn remove(&mut self, topic: &Arc<str>, token: Token) {
        if let Entry::Occupied(mut entry) = self.0.entry(Arc::clone(topic)) {
            entry.get_mut().remove(&token);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    pub(crate) fn of(&self, topic: &str) -> impl Iterator<Item = Token> {
        self.0.get(topic).into_iter().flatten().copied()
    }
}
