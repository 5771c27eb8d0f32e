//! Tokens that were validated a moment ago.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use wirewright_core::handshake::Identity;

/// What a token is known by; it is itself not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    /// Of the whole token: a signature may have several forms, and a form that was not verified is
    /// another token.
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// Identities of tokens, of which those that are not asked for are forgotten.
pub(super) struct Cache {
    /// Of each generation.
    capacity: usize,
    lifetime: Duration,
    generations: Mutex<Generations>,
}

/// Two halves: what is found moves to the young one; when that is full, the old one is given up.
#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Entry>,
    old: HashMap<Digest, Entry>,
}

#[derive(Clone)]
struct Entry {
    identity: Identity,
    from: Duration,
    until: Duration,
}

impl Cache {
    /// Room for `capacity` tokens, each for `lifetime` and no longer than it is valid.
    pub(super) fn new(capacity: usize, lifetime: Duration) -> Self {
        let capacity = capacity.div_ceil(2);
        Self { capacity, lifetime, generations: Mutex::default() }
    }

    pub(super) fn find(&self, key: &Digest, now: Duration) -> Option<Identity> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match generations.young.get(key) {
            Some(entry) => entry.clone(),
            None => {
                let entry = generations.old.remove(key)?;
                generations.insert(*key, entry.clone(), self.capacity);
                entry
            }
        };
        // Before it was looked at it may not have been valid, should the clock have been set back.
        (entry.from..entry.until).contains(&now).then_some(entry.identity)
    }

    /// Keeps what was found to be valid `now`, until `end` at most.
    pub(super) fn insert(
        &self,
        key: Digest,
        identity: &Identity,
        now: Duration,
        end: Option<Duration>,
    ) {
        let until = now.saturating_add(self.lifetime);
        let until = end.map_or(until, |end| end.min(until));
        let entry = Entry { identity: identity.clone(), from: now, until };
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(key, entry, self.capacity);
    }
}

impl Generations {
    fn insert(&mut self, key: Digest, entry: Entry, capacity: usize) {
        if self.young.len() >= capacity {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}
