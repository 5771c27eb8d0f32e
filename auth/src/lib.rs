//! Who is there: credentials that a client shows in its handshake, and authenticators that a
//! listener asks about them. Knows neither sockets nor TLS of the connections themselves; what it
//! asks of token endpoints, key sets and directories goes over connections of its own.

mod algorithm;
mod client;
mod error;
mod http;
mod json;
mod keys;
mod loopback;
mod server;

pub use algorithm::JwtAlgorithm;
pub use client::ClearTextError;
pub use client::{Basic, Bearer};
pub use client::{JwtIssueError, JwtIssuer, JwtIssuerBuilder};
pub use error::ConfigError;
pub use http::EndpointError;
pub use http::HttpOptions;
pub use json::JsonError;
pub use keys::{JwkSet, JwksError, SigningKey, VerifyingKey};
pub use server::authorization::{BasicCredentials, BasicError};
pub use server::bearer::BearerScheme;
pub use server::jwt::{JwksEndpoint, JwtError, JwtValidator, JwtValidatorBuilder};
pub use server::scopes::Scopes;
