//! Connections to a directory, which are used again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldap3::{LdapConn, LdapConnSettings, LdapError};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::{DirectoryError, answer};
use super::{LdapConfig, tls};
use crate::ConfigError;

/// Where connections go.
pub(super) struct Target {
    url: String,
    settings: LdapConnSettings,
    connection_timeout: Duration,
    read_timeout: Duration,
    pool: usize,
    idle_timeout: Duration,
    opened: AtomicU64,
}

impl Target {
    pub(super) fn new(config: &LdapConfig) -> Result<Self, ConfigError> {
        let settings = LdapConnSettings::new()
            .set_conn_timeout(config.connection_timeout)
            .set_no_tls_verify(config.danger_accept_any_certificate);
        let settings = match config.connection_url.starts_with("ldaps:") {
            true => settings.set_config(tls::config(config)?),
            false => settings,
        };
        Ok(Self {
            url: config.connection_url.clone(),
            settings,
            connection_timeout: config.connection_timeout,
            read_timeout: config.read_timeout,
            pool: config.connection_pool,
            idle_timeout: config.connection_idle_timeout,
            opened: AtomicU64::new(0),
        })
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    fn open(&self) -> Result<LdapConn, DirectoryError> {
        let opened = LdapConn::with_settings(self.settings.clone(), &self.url);
        let connection = opened.map_err(|error| match error {
            LdapError::Timeout { .. } => DirectoryError::ConnectionTimeout(self.connection_timeout),
            error => DirectoryError::Unreachable(error.to_string()),
        })?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }

    fn failed(&self, error: &LdapError) -> DirectoryError {
        match error {
            LdapError::Timeout { .. } => DirectoryError::ReadTimeout(self.read_timeout),
            error => DirectoryError::Unreachable(error.to_string()),
        }
    }
}

/// Connections of one kind: bound to a name for searches, or to nobody in particular for logins.
pub(super) struct Pool {
    target: Arc<Target>,
    bind: Option<(String, SecretString)>,
    idle: Mutex<Vec<(LdapConn, Instant)>>,
}

impl Pool {
    pub(super) fn new(target: &Arc<Target>, bind: Option<(String, SecretString)>) -> Self {
        Self { target: Arc::clone(target), bind, idle: Mutex::default() }
    }

    /// Does `work` on a connection, each call of which is to be made after
    /// [`limited`](Self::limited).
    ///
    /// A connection that was kept and turns out to be broken is replaced once, so that a directory
    /// may have been started again meanwhile.
    pub(super) fn run<T>(
        &self,
        work: impl Fn(&mut LdapConn) -> Result<T, LdapError>,
    ) -> Result<T, DirectoryError> {
        if let Some(mut connection) = self.take() {
            match work(&mut connection) {
                Ok(done) => return Ok(self.keep(connection, done)),
                Err(error @ LdapError::Timeout { .. }) => return Err(self.target.failed(&error)),
                Err(error) => tracing::debug!(%error, "connection to the directory was lost"),
            }
        }
        let mut connection = self.open()?;
        let done = work(&mut connection).map_err(|error| self.target.failed(&error))?;
        Ok(self.keep(connection, done))
    }

    /// The connection, whose next call has the time that it may take.
    pub(super) fn limited<'c>(&self, connection: &'c mut LdapConn) -> &'c mut LdapConn {
        connection.with_timeout(self.target.read_timeout)
    }

    fn open(&self) -> Result<LdapConn, DirectoryError> {
        let mut connection = self.target.open()?;
        if let Some((name, password)) = &self.bind {
            let bound = self.limited(&mut connection).simple_bind(name, password.expose_secret());
            let result = bound.map_err(|error| self.target.failed(&error))?;
            if result.rc != 0 {
                return Err(DirectoryError::Refused(answer(&result)));
            }
        }
        Ok(connection)
    }

    /// The one that was used last; those that nobody has used for long are closed.
    fn take(&self) -> Option<LdapConn> {
        let mut idle = self.idle();
        let old: Vec<_> =
            idle.extract_if(.., |(_, since)| since.elapsed() >= self.target.idle_timeout).collect();
        let taken = idle.pop();
        // To close one may take a moment.
        drop(idle);
        drop(old);
        taken.map(|(connection, _)| connection)
    }

    fn keep<T>(&self, connection: LdapConn, done: T) -> T {
        let mut idle = self.idle();
        if idle.len() < self.target.pool {
            idle.push((connection, Instant::now()));
        }
        done
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(LdapConn, Instant)>> {
        // Whole connections only are ever put there.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
