//! Tokens that were validated a moment ago.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use wirewright_core::handshake::Identity;

use crate::ConfigError;
use crate::server::keyed::{Key, Output};

/// Identities of tokens, of which those that are not asked for are forgotten.
pub(super) struct Cache {
    key: Key,
    /// Of each generation.
    capacity: usize,
    lifetime: Duration,
    generations: Mutex<Generations>,
}

/// Two halves: what is found moves to the young one; when that is full, the old one is given up.
#[derive(Default)]
struct Generations {
    young: HashMap<Output, Entry>,
    old: HashMap<Output, Entry>,
}

#[derive(Clone)]
struct Entry {
    identity: Identity,
    from: Duration,
    until: Duration,
}

impl Cache {
    /// Room for `capacity` tokens, each for `lifetime` and no longer than it is valid.
    pub(super) fn new(capacity: usize, lifetime: Duration) -> Result<Self, ConfigError> {
        let capacity = capacity.div_ceil(2);
        Ok(Self { key: Key::random()?, capacity, lifetime, generations: Mutex::default() })
    }

    /// What a token is known by, which is itself not kept: the whole of it, as a signature may have
    /// several forms, and one that was not verified is another token.
    pub(super) fn digest(&self, token: &str) -> Output {
        self.key.digest([token.as_bytes()])
    }

    pub(super) fn find(&self, digest: &Output, now: Duration) -> Option<Identity> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match generations.young.get(digest) {
            Some(entry) => entry.clone(),
            None => {
                let entry = generations.old.remove(digest)?;
                generations.insert(*digest, entry.clone(), self.capacity);
                entry
            }
        };
        // Before it was looked at it may not have been valid, should the clock have been set back.
        (entry.from..entry.until).contains(&now).then_some(entry.identity)
    }

    /// Keeps what was found to be valid `now`, until `end` at most.
    pub(super) fn insert(
        &self,
        digest: Output,
        identity: &Identity,
        now: Duration,
        end: Option<Duration>,
    ) {
        let until = now.saturating_add(self.lifetime);
        let until = end.map_or(until, |end| end.min(until));
        let entry = Entry { identity: identity.clone(), from: now, until };
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(digest, entry, self.capacity);
    }
}

impl Generations {
    fn insert(&mut self, digest: Output, entry: Entry, capacity: usize) {
        if self.young.len() >= capacity {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(digest, entry);
    }
}
