//! Users in a directory (RFC 4511).

mod config;
mod error;
mod names;
mod pool;
mod roles;
mod tls;

use std::fmt;
use std::panic::catch_unwind;
use std::sync::Arc;

use ldap3::{ResultEntry, Scope, SearchEntry, SearchOptions, SearchResult};
use secrecy::ExposeSecret as _;
use wirewright_core::handshake::{Authenticator, Identity, Rejection, Request};

pub use self::config::LdapConfig;
pub use self::error::DirectoryError;

use self::error::answer;
use self::pool::{Pool, Target};
use self::roles::Roles;
use crate::ConfigError;

/// Entries of groups, at most, that a user may be in.
const MAX_GROUPS: i32 = 1000;

/// Lets in users whom a directory knows, by name and password (RFC 7617); their groups are their
/// scopes.
///
/// A user's entry is looked for, and there is to be exactly one; the directory is asked whether it
/// may log in with that password; then its groups are looked for. Each of these takes a connection
/// of the pool. An empty password is never sent: a directory would take it for no password at all,
/// and agree (RFC 4513 §5.1.2). Identities have the entry's DN as the attribute `dn`.
///
/// While the directory is out of reach, the answer is 503. How long it takes to refuse somebody is
/// the directory's: it may show whether there is such a user. A clone is a handle to the same
/// connections.
///
/// ```no_run
/// use wirewright_auth::{BasicScheme, LdapConfig, LdapUsers};
///
/// let mut config = LdapConfig::new("ldaps://ldap.example.com");
/// config.scheme = BasicScheme::new("feed")?.scopes(["feed-readers"]);
/// config.connection_name = "cn=search,dc=example,dc=com".into();
/// config.connection_password = std::env::var("LDAP_PASSWORD").unwrap_or_default().into();
/// config.user_search_base = vec!["ou=people,dc=example,dc=com".into()];
/// config.group_search_base = vec!["ou=groups,dc=example,dc=com".into()];
/// let users = LdapUsers::new(config)?;
/// # Ok::<(), wirewright_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct LdapUsers {
    shared: Arc<Shared>,
}

struct Shared {
    config: LdapConfig,
    target: Arc<Target>,
    searches: Pool,
    logins: Pool,
    roles: Roles,
}

/// A user's entry.
struct Found {
    dn: String,
    name: String,
}

impl LdapUsers {
    /// Users of this directory, to which nothing is sent before somebody is to be let in.
    ///
    /// # Errors
    /// For a URL that is none, or whose passwords would go in clear text to another host, for
    /// filters and attributes that are none, and certificates that cannot be read.
    pub fn new(config: LdapConfig) -> Result<Self, ConfigError> {
        let config = config.checked()?;
        let target = Arc::new(Target::new(&config)?);
        let name = &config.connection_name;
        let bind = (!name.is_empty()).then(|| (name.clone(), config.connection_password.clone()));
        let searches = Pool::new(&target, bind);
        let logins = Pool::new(&target, None);
        let roles = Roles::new(config.user_roles_cache);
        Ok(Self { shared: Arc::new(Shared { config, target, searches, logins, roles }) })
    }

    /// Who has this name and this password, whatever their scopes; `None` for nobody. For use from
    /// an upgrade service, with the credentials that
    /// [`BasicScheme::credentials`](crate::BasicScheme::credentials) has read. It blocks, and must
    /// not be called from within a runtime of Tokio.
    ///
    /// # Errors
    /// [`DirectoryError`], where nobody can say.
    pub fn verify(&self, user: &str, password: &str) -> Result<Option<Identity>, DirectoryError> {
        let shared = &*self.shared;
        if user.is_empty() || password.is_empty() {
            return Ok(None);
        }
        let Some(found) = shared.find(user)? else {
            return Ok(None);
        };
        if !shared.log_in(&found.dn, password)? {
            return Ok(None);
        }
        let mut identity = Identity::new(&found.name);
        identity.scopes = shared.roles.of(&found.dn, || shared.groups(&found.dn))?;
        let domain = &shared.config.domain_name;
        if !domain.is_empty() {
            identity.attributes.insert("domain".into(), domain.clone());
        }
        identity.attributes.insert("dn".into(), found.dn);
        Ok(Some(identity))
    }

    /// Connections that were opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.shared.target.opened()
    }
}

impl Shared {
    fn find(&self, user: &str) -> Result<Option<Found>, DirectoryError> {
        let attribute = &self.config.user_name_attribute;
        let filter = names::filter(&self.config.user_name_search_filter, user);
        let mut found: Option<Found> = None;
        for base in &self.config.user_search_base {
            // A second one is enough to know that it is not clear who is meant.
            for entry in self.search(base, &filter, attribute, 2)? {
                if let Some(other) = found.replace(Found::new(entry, attribute, user)) {
                    tracing::warn!(dn = other.dn, "several entries for one user, who is refused");
                    return Ok(None);
                }
            }
        }
        Ok(found)
    }

    fn log_in(&self, dn: &str, password: &str) -> Result<bool, DirectoryError> {
        let login = |connection: &mut _| self.logins.limited(connection).simple_bind(dn, password);
        let result = self.logins.run(login)?;
        match result.rc {
            0 => Ok(true),
            // invalidCredentials; and what directories answer for an account that is locked, has
            // expired, or has no password (RFC 4511 §A.1).
            49 | 19 | 32 | 48 | 50 | 53 => {
                tracing::debug!(dn, answer = answer(&result), "user is refused by the directory");
                Ok(false)
            }
            _ => Err(DirectoryError::Login(answer(&result))),
        }
    }

    fn groups(&self, dn: &str) -> Result<Vec<String>, DirectoryError> {
        let LdapConfig { group_name_list_filter, membership_attribute, .. } = &self.config;
        let by_name = membership_attribute.eq_ignore_ascii_case("memberUid");
        let Some(member) = (if by_name { names::first_value(dn) } else { Some(dn.to_owned()) })
        else {
            return Ok(Vec::new());
        };
        let filter = names::member_filter(group_name_list_filter, membership_attribute, &member);
        let attribute = &self.config.group_name_attribute;
        let mut groups = Vec::new();
        for base in &self.config.group_search_base {
            for entry in self.search(base, &filter, attribute, MAX_GROUPS)? {
                groups.extend(values(entry, attribute));
            }
        }
        Ok(groups)
    }

    /// The entries below a base, of which the directory is to give this many at most.
    fn search(
        &self,
        base: &str,
        filter: &str,
        attribute: &str,
        most: i32,
    ) -> Result<Vec<SearchEntry>, DirectoryError> {
        let SearchResult(entries, result) = self.searches.run(|connection| {
            let connection = self.searches.limited(connection);
            connection.with_search_options(SearchOptions::new().sizelimit(most));
            connection.search(base, Scope::Subtree, filter, [attribute])
        })?;
        // sizeLimitExceeded comes with as many as were asked for.
        let is_enough = result.rc == 4 && most == 2 && entries.len() == 2;
        match result.rc == 0 || is_enough {
            true => entries.into_iter().map(read).collect(),
            false => Err(DirectoryError::Search { base: base.to_owned(), answer: answer(&result) }),
        }
    }
}

impl Found {
    /// The name is the directory's, which may have several: rather the one that was given.
    fn new(entry: SearchEntry, attribute: &str, given: &str) -> Self {
        let dn = entry.dn.clone();
        let names: Vec<String> = values(entry, attribute).collect();
        let name = match names.iter().any(|name| name == given) {
            true => None,
            false => names.into_iter().next(),
        };
        Self { dn, name: name.unwrap_or_else(|| given.to_owned()) }
    }
}

/// The library panics on an entry that is none.
fn read(entry: ResultEntry) -> Result<SearchEntry, DirectoryError> {
    catch_unwind(|| SearchEntry::construct(entry)).map_err(|_| DirectoryError::Malformed)
}

/// An attribute's values; directories write its name as they like.
fn values(entry: SearchEntry, attribute: &str) -> impl Iterator<Item = String> {
    let of_name = entry.attrs.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(attribute));
    of_name.flat_map(|(_, values)| values)
}

impl Authenticator for LdapUsers {
    fn authenticate(&self, request: &Request) -> Result<Identity, Rejection> {
        let scheme = &self.shared.config.scheme;
        let credentials = scheme.credentials(request)?;
        match self.verify(credentials.user(), credentials.password().expose_secret()) {
            Ok(Some(identity)) => scheme.admit(&identity.scopes).map(|()| identity),
            Ok(None) => Err(scheme.unknown()),
            Err(error) => {
                tracing::error!(%error, "users cannot be looked for");
                Err(Rejection::unavailable().header("Retry-After", "5")?)
            }
        }
    }
}

impl fmt::Debug for LdapUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LdapUsers").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
