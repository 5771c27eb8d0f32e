//! Tokens that were found to be good, for as long as that is believed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use wirewright_core::handshake::Identity;

/// A token, as a digest: the cache holds nothing that could be sent anywhere.
pub(crate) type Key = [u8; 32];

/// Holds so many entries at most; the one that was not used for longest makes room.
pub(crate) struct Cache {
    capacity: usize,
    entries: HashMap<Key, Entry>,
    /// When each was last used, the longest ago first.
    order: BTreeMap<u64, Key>,
    /// Counts uses.
    clock: u64,
}

struct Entry {
    identity: Arc<Identity>,
    until: Instant,
    used: u64,
}

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: HashMap::new(), order: BTreeMap::new(), clock: 0 }
    }

    pub(crate) fn get(&mut self, key: &Key, now: Instant) -> Option<Arc<Identity>> {
        if self.entries.get(key)?.until <= now {
            self.remove(key);
            return None;
        }
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        self.order.remove(&entry.used);
        entry.used = self.clock;
        self.order.insert(self.clock, *key);
        Some(Arc::clone(&entry.identity))
    }

    pub(crate) fn insert(&mut self, key: Key, identity: Arc<Identity>, until: Instant) {
        self.remove(&key);
        if self.capacity == 0 {
            return;
        }
        while self.entries.len() >= self.capacity
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.clock += 1;
        self.order.insert(self.clock, key);
        self.entries.insert(key, Entry { identity, until, used: self.clock });
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests;
