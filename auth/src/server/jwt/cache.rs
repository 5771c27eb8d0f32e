//! Tokens that were validated a moment ago.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wirewright_core::handshake::Identity;

use crate::ConfigError;
use crate::server::cache;
use crate::server::keyed::{Key, Output};
use crate::sync::lock;

/// Identities of tokens, each kept for a while by a clock that is never set.
pub(super) struct Cache {
    key: Key,
    lifetime: Duration,
    entries: Mutex<cache::Cache>,
}

/// The longest that is kept, for the sum with the time not to overflow.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

impl Cache {
    pub(super) fn new(capacity: usize, lifetime: Duration) -> Result<Self, ConfigError> {
        let entries = Mutex::new(cache::Cache::new(capacity));
        Ok(Self { key: Key::random()?, lifetime: lifetime.min(MAX_LIFETIME), entries })
    }

    /// What a token is known by, which is itself not kept: the whole of it, as a signature may have
    /// several forms, and one that was not verified is another token.
    pub(super) fn digest(&self, token: &str) -> Output {
        self.key.digest([token.as_bytes()])
    }

    pub(super) fn find(&self, digest: &Output) -> Option<Arc<Identity>> {
        lock(&self.entries).get(digest, Instant::now())
    }

    pub(super) fn insert(&self, digest: Output, identity: &Identity) {
        let until = Instant::now() + self.lifetime;
        lock(&self.entries).insert(digest, Arc::new(identity.clone()), until);
    }
}
