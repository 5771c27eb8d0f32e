//! Who is there: credentials that a client shows in its handshake, and authenticators that a
//! listener asks about them. Knows neither sockets nor TLS of the connections themselves; what it
//! asks of token endpoints, key sets and directories goes over connections of its own.

mod client;
mod error;
mod http;
mod loopback;

pub use client::ClearTextError;
pub use error::ConfigError;
pub use http::EndpointError;
pub use http::HttpOptions;
