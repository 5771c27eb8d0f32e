//! Who is there: credentials that a client shows in its handshake, and authenticators that a
//! listener asks about them. Knows neither sockets nor TLS of the connections themselves; what it
//! asks of token endpoints, key sets and directories goes over connections of its own.

mod error;
mod server;

pub use error::ConfigError;

pub use server::authorization::{BasicCredentials, BasicError};
pub use server::basic::scheme::BasicScheme;
pub use server::basic::{BasicUsers, BasicUsersBuilder};
pub use server::bearer::BearerScheme;
#[cfg(feature = "ldap")]
pub use server::ldap::{DirectoryError, LdapConfig, LdapUsers};
pub use server::scopes::Scopes;
