//! Who is there: credentials that a client shows in its handshake, and authenticators that a
//! listener asks about them. Knows neither sockets nor TLS of the connections themselves; what it
//! asks of token endpoints, key sets and directories goes over connections of its own.

mod algorithm;
mod error;
mod json;
mod keys;
mod server;

pub use algorithm::JwtAlgorithm;
pub use error::ConfigError;
pub use json::JsonError;
pub use keys::{JwkSet, JwksError, SigningKey, VerifyingKey};
pub use server::authorization::{BasicCredentials, BasicError};
pub use server::bearer::BearerScheme;
pub use server::scopes::Scopes;
