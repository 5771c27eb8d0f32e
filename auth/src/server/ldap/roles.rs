//! Groups that were found, for a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::DirectoryError;

/// Users, at most, whose groups are remembered.
const MAX_REMEMBERED: usize = 4096;

pub(super) struct Roles {
    lifetime: Duration,
    /// By DN, with when they were found.
    found: Mutex<HashMap<String, (Instant, Vec<String>)>>,
}

impl Roles {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { lifetime, found: Mutex::default() }
    }

    /// The groups of a user, looked for with `find` where they are not remembered.
    pub(super) fn of(
        &self,
        dn: &str,
        find: impl FnOnce() -> Result<Vec<String>, DirectoryError>,
    ) -> Result<Vec<String>, DirectoryError> {
        let known = self.found().get(dn).filter(|(at, _)| self.is_good(*at)).cloned();
        if let Some((_, roles)) = known {
            return Ok(roles);
        }
        let roles = find()?;
        let mut found = self.found();
        if found.len() >= MAX_REMEMBERED {
            found.retain(|_, (at, _)| self.is_good(*at));
        }
        if !self.lifetime.is_zero() && found.len() < MAX_REMEMBERED {
            found.insert(dn.to_owned(), (Instant::now(), roles.clone()));
        }
        Ok(roles)
    }

    fn is_good(&self, at: Instant) -> bool {
        at.elapsed() < self.lifetime
    }

    fn found(&self) -> MutexGuard<'_, HashMap<String, (Instant, Vec<String>)>> {
        // Whole lists only are ever put there.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
