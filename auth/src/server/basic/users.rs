//! Who there is, and whether somebody is one of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use wirewright_core::handshake::Identity;

use super::password::Password;
use crate::ConfigError;
use crate::server::keyed::{Key, Output};

/// Passwords, at most, that are remembered to be right.
const MAX_REMEMBERED: usize = 4096;

/// Users, at most, through whom a search is quick: 7 µs.
const MAX_QUICK: usize = 1000;

/// A user as configured.
#[derive(Clone)]
pub(crate) struct Entry {
    /// Where it stands, such as `users.toml, line 7`.
    pub(crate) place: String,
    pub(crate) name: String,
    pub(crate) password: SecretString,
    pub(crate) scopes: Vec<String>,
}

/// How passwords are dealt with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) allow_plain: bool,
    /// How long a password is remembered to be right; not at all for zero.
    pub(crate) remember: Duration,
}

struct User {
    /// Of the name.
    digest: Output,
    password: Password,
    identity: Identity,
}

/// All users, of one reading of the file.
pub(crate) struct Users {
    key: Key,
    users: Vec<User>,
    /// How each one's digest begins.
    index: Vec<u64>,
    remember: Duration,
    /// Digests of name and password, and until when they are good.
    remembered: Mutex<HashMap<Output, Instant>>,
}

/// What was found out, and at what cost.
pub(crate) struct Verified<'a> {
    pub(crate) identity: Option<&'a Identity>,
    /// Whether a password was hashed.
    pub(crate) hashed: bool,
}

impl Users {
    pub(crate) fn new(entries: &[Entry], policy: Policy) -> Result<Self, ConfigError> {
        let key = Key::random()?;
        let mut names = BTreeSet::new();
        let mut users = Vec::with_capacity(entries.len());
        for entry in entries {
            let error = |problem: &dyn std::fmt::Display| ConfigError::new(&entry.place, problem);
            check_name(&entry.name).map_err(|problem| error(&problem))?;
            if !names.insert(&entry.name) {
                return Err(error(&format_args!("{:?} is there twice", entry.name)));
            }
            let text = entry.password.expose_secret();
            let password = Password::parse(text, policy.allow_plain, &key)
                .map_err(|problem| error(&format_args!("{:?}: {problem}", entry.name)))?;
            let mut identity = Identity::new(&entry.name);
            identity.scopes.clone_from(&entry.scopes);
            users.push(User { digest: key.digest([entry.name.as_bytes()]), password, identity });
        }
        let index = users.iter().map(|user: &User| prefix(&user.digest)).collect();
        Ok(Self { key, users, index, remember: policy.remember, remembered: Mutex::default() })
    }

    /// Who has this name and this password.
    ///
    /// The work is the same whether there is such a user or not (S-43): the search goes through all
    /// and always ends at some user, whose password is then verified. So a name that nobody has
    /// costs what one of those costs that somebody has, and always the same one.
    pub(crate) fn verify(&self, name: &str, password: &str) -> Verified<'_> {
        let digest = self.key.digest([name.as_bytes()]);
        let Some(user) = self.nearest(&digest) else {
            return Verified { identity: None, hashed: false };
        };
        let is_known = user.digest.ct_eq(&digest);
        let proof = self.key.digest([&digest, password.as_bytes()]);
        let remembered = !user.password.is_plain() && self.is_remembered(&proof);
        let matches = match remembered {
            true => Choice::from(1),
            false => user.password.verify(password.as_bytes(), &self.key),
        };
        let is_right = bool::from(is_known & matches);
        if is_right && !remembered && !user.password.is_plain() {
            self.remember(proof);
        }
        Verified { identity: is_right.then_some(&user.identity), hashed: !remembered }
    }

    /// The user of this digest; of one that nobody has, one whom it chooses. A look at each takes
    /// some 5 ns; a map or a search by halves would be quicker, and take a time that tells.
    fn nearest(&self, digest: &Output) -> Option<&User> {
        let wanted = prefix(digest);
        let mut nearest = wanted.checked_rem(self.index.len() as u64)?;
        for (at, begin) in (0_u64..).zip(&self.index) {
            nearest.conditional_assign(&at, begin.ct_eq(&wanted));
        }
        self.users.get(usize::try_from(nearest).ok()?)
    }

    fn is_remembered(&self, proof: &Output) -> bool {
        let good = |until: &Instant| Instant::now() < *until;
        !self.remember.is_zero() && self.remembered().get(proof).is_some_and(good)
    }

    fn remember(&self, proof: Output) {
        let now = Instant::now();
        // A time that is beyond all clocks is no reason to fail.
        let Some(until) = now.checked_add(self.remember).filter(|until| *until > now) else {
            return;
        };
        let mut remembered = self.remembered();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.retain(|_, until| now < *until);
        }
        if remembered.len() < MAX_REMEMBERED {
            remembered.insert(proof, until);
        }
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<Output, Instant>> {
        // Whoever panicked left a map of proofs that were good.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether verification takes some microseconds at most.
    pub(crate) fn are_quick(&self) -> bool {
        self.users.len() <= MAX_QUICK && self.users.iter().all(|user| user.password.is_plain())
    }
}

/// The first bytes: a number that is as random as the digest is.
fn prefix(digest: &Output) -> u64 {
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What RFC 7617 §2 lets a user be called.
fn check_name(name: &str) -> Result<(), String> {
    match () {
        () if name.is_empty() => Err("name is empty".into()),
        () if name.contains(':') => {
            Err(format!("{name:?}: a name ends at its first colon (RFC 7617 §2)"))
        }
        () if name.contains(char::is_control) => {
            Err(format!("{name:?}: a name has no control characters (RFC 7617 §2)"))
        }
        () => Ok(()),
    }
}
