//! Users whose passwords this side knows, in a file or in code.

mod file;
mod password;
pub(crate) mod scheme;
mod users;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use wirewright_core::handshake::{Authenticator, Identity, Rejection, Request};

use self::file::Fingerprint;
use self::scheme::BasicScheme;
use self::users::{Entry, Policy, Users};
use crate::ConfigError;

/// How often a file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Lets in users by name and password (RFC 7617), which are in a file or given in code.
///
/// ```toml
/// [[users]]                  # or [[ballerina.auth.users]]
/// username = "alice"
/// password = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$…"
/// scopes = ["feed:read"]     # may be left out
/// ```
///
/// Names and passwords are compared byte for byte. Passwords are PHC strings of `argon2id`,
/// `argon2i`, `argon2d`, `scrypt`, `pbkdf2-sha256` or `pbkdf2-sha512`, of 256 MiB of memory, 1 GiB
/// written in all passes or 5 000 000 rounds at most; plain text where
/// [`allow_plain_passwords`](BasicUsersBuilder::allow_plain_passwords) says so.
///
/// A file that has changed is read again when a user is looked for, and looked at once a second at
/// most. One that cannot be used then changes nothing, and is logged as an error once.
///
/// Whether a user is unknown or the password wrong cannot be told by the time it takes: the work is
/// the same. A clone is a handle to the same users.
///
/// ```
/// use wirewright_auth::{BasicScheme, BasicUsers};
///
/// let users = BasicUsers::builder()
///     .scheme(BasicScheme::new("feed")?.scopes(["feed:read"]))
///     .user("alice", "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0$\
///         j7ymnF+KnsjuM1pcWT8nzb39Vtyc7GA3Tx6Wb3EyXvg", ["feed:read"])
///     .build()?;
/// assert!(users.verify("alice", "wrong").is_none());
/// # Ok::<(), wirewright_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct BasicUsers {
    shared: Arc<Shared>,
}

struct Shared {
    scheme: BasicScheme,
    policy: Policy,
    /// Those given in code.
    given: Vec<Entry>,
    file: Option<Watched>,
    users: RwLock<Arc<Users>>,
    hashed: AtomicU64,
}

struct Watched {
    path: PathBuf,
    seen: Mutex<Seen>,
}

/// What is known of a file.
struct Seen {
    at: Instant,
    /// `None` when it is to be read again in any case.
    fingerprint: Option<Fingerprint>,
    /// What was last logged.
    problem: Option<ConfigError>,
}

/// What [`BasicUsers`] are made of.
#[derive(Default)]
#[must_use]
pub struct BasicUsersBuilder {
    scheme: BasicScheme,
    policy: Policy,
    given: Vec<Entry>,
    file: Option<PathBuf>,
}

impl BasicUsersBuilder {
    /// The realm, and the scopes that are asked for; [`BasicScheme::default`] by default.
    pub fn scheme(mut self, scheme: BasicScheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// A file with users. None by default.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// A user, beside those of the file.
    pub fn user<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        password: impl Into<SecretString>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        let place = format!("user {} given in code", self.given.len() + 1);
        let scopes = scopes.into_iter().map(Into::into).collect();
        let (name, password) = (name.into(), password.into());
        self.given.push(Entry { place, name, password, scopes });
        self
    }

    /// Whether a password that is no hash is one in plain text. Off by default: who reads such a
    /// file can log in as anybody, here and wherever else they use that password. What looks like
    /// a hash, `$name$…`, never is plain.
    pub const fn allow_plain_passwords(mut self, allow: bool) -> Self {
        self.policy.allow_plain = allow;
        self
    }

    /// How long a password that was right is remembered to be, until the file is read again; 4 096
    /// of them at most. Zero, which is the default, is for not at all.
    ///
    /// To verify a hash costs some 20 ms of a processor; a listener to which thousands come back at
    /// once may want to pay that once a minute for each. For it, a digest that is quick to compute
    /// is in memory for so long, under a key that is there too: whoever can read this process's
    /// memory can then try passwords quickly.
    pub const fn remember(mut self, lifetime: Duration) -> Self {
        self.policy.remember = lifetime;
        self
    }

    /// Reads the file.
    ///
    /// # Errors
    /// For a file that cannot be read or names nobody, a user who is there twice, and names and
    /// passwords that cannot be used. It names file, line, and which user.
    pub fn build(self) -> Result<BasicUsers, ConfigError> {
        let Self { scheme, policy, given, file } = self;
        let file = file.map(Watched::new);
        let users = load(&given, file.as_ref(), policy)?;
        let users = RwLock::new(Arc::new(users));
        let shared = Shared { scheme, policy, given, file, users, hashed: AtomicU64::new(0) };
        Ok(BasicUsers { shared: Arc::new(shared) })
    }
}

impl BasicUsers {
    /// Users of a file, or given one by one.
    pub fn builder() -> BasicUsersBuilder {
        BasicUsersBuilder::default()
    }

    /// Who has this name and this password, whatever their scopes; `None` for nobody. For use from
    /// an upgrade service, with the credentials that [`BasicScheme::credentials`] has read. It may
    /// take long, as authentication does.
    #[must_use]
    pub fn verify(&self, user: &str, password: &str) -> Option<Identity> {
        if let Some(file) = &self.shared.file {
            file.look(&self.shared);
        }
        let users = self.shared.users();
        let verified = users.verify(user, password);
        if verified.hashed {
            self.shared.hashed.fetch_add(1, Ordering::Relaxed);
        }
        verified.identity.cloned()
    }

    /// Reads the file again, changed or not.
    ///
    /// # Errors
    /// As [`build`](BasicUsersBuilder::build); the users are then as they were.
    pub fn reload(&self) -> Result<(), ConfigError> {
        let file = self.shared.file.as_ref();
        let mut seen = file.map(Watched::seen);
        if let (Some(seen), Some(file)) = (&mut seen, file) {
            seen.note(&file.path);
        }
        let users = load(&self.shared.given, file, self.shared.policy)?;
        self.shared.replace(users);
        Ok(())
    }

    /// How many passwords were hashed so far: one for each that was asked for, whether there is
    /// such a user or not, but for those that were [remembered](BasicUsersBuilder::remember).
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.shared.hashed.load(Ordering::Relaxed)
    }
}

impl Authenticator for BasicUsers {
    fn authenticate(&self, request: &Request) -> Result<Identity, Rejection> {
        let scheme = &self.shared.scheme;
        let credentials = scheme.credentials(request)?;
        let password = secrecy::ExposeSecret::expose_secret(credentials.password());
        let identity = self.verify(credentials.user(), password).ok_or_else(|| scheme.unknown())?;
        scheme.admit(&identity.scopes)?;
        Ok(identity)
    }

    /// `false` where all users are given in code, 1 000 at most, and have plain passwords.
    fn may_block(&self) -> bool {
        self.shared.file.is_some() || !self.shared.users().are_quick()
    }
}

impl Shared {
    fn users(&self) -> Arc<Users> {
        // Only whole values are ever put there.
        Arc::clone(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, users: Users) {
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(users);
    }
}

impl Watched {
    fn new(path: PathBuf) -> Self {
        let mut seen = Seen { at: Instant::now(), fingerprint: None, problem: None };
        seen.note(&path);
        Self { path, seen: Mutex::new(seen) }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        // Whatever is wrong with it, the next look puts it right.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if it has changed. One at a time; the others go on with the users that
    /// there are.
    fn look(&self, shared: &Shared) {
        let mut seen = match self.seen.try_lock() {
            Ok(seen) => seen,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if seen.at.elapsed() < LOOK {
            return;
        }
        let known = seen.fingerprint;
        if seen.note(&self.path) == known && known.is_some() {
            return;
        }
        match load(&shared.given, Some(self), shared.policy) {
            Ok(users) => {
                let file = self.path.display();
                tracing::info!(%file, users = users.len(), "users read again");
                shared.replace(users);
                seen.problem = None;
            }
            Err(problem) => seen.complain(problem),
        }
    }
}

impl Seen {
    /// Looks at the file, before it is read: what is written meanwhile shows the next time.
    fn note(&mut self, path: &Path) -> Option<Fingerprint> {
        self.at = Instant::now();
        self.fingerprint = Fingerprint::of(path).ok().filter(Fingerprint::is_settled);
        self.fingerprint
    }

    /// Once for each problem.
    fn complain(&mut self, problem: ConfigError) {
        if self.problem.as_ref() != Some(&problem) {
            tracing::error!(%problem, "users cannot be read again, those from before stay");
            self.problem = Some(problem);
        }
    }
}

fn load(given: &[Entry], file: Option<&Watched>, policy: Policy) -> Result<Users, ConfigError> {
    let mut entries = file.map_or(Ok(Vec::new()), |file| file::read(&file.path))?;
    entries.extend_from_slice(given);
    Users::new(&entries, policy)
}

impl fmt::Debug for BasicUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicUsers")
            .field("scheme", &self.shared.scheme)
            .field("file", &self.shared.file.as_ref().map(|file| &file.path))
            .field("users", &self.shared.users().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BasicUsersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicUsersBuilder")
            .field("scheme", &self.scheme)
            .field("policy", &self.policy)
            .field("given", &self.given.len())
            .field("file", &self.file)
            .finish()
    }
}
