//! TLS for wirewright's connections: rustls behind `wirewright_core`'s seam of bytes, without
//! sockets.
//!
//! [`ClientTls`] and [`ServerTls`] are what a client or a listener is given; they make a
//! [`Layer`](wirewright_core::Layer) for each connection.

mod certificate_error;
mod choices;
mod client;
mod config_error;
mod error;
mod identity;
mod layer;
mod options;
mod pkcs12;
mod revocation;
mod security;
mod server;
mod side;
mod source;
mod trust;

pub use certificate_error::CertificateProblem;
pub use client::{ClientTls, ClientTlsBuilder, Danger};
pub use config_error::{ConfigProblem, TlsConfigError};
pub use error::TlsError;
pub use identity::Identity;
pub use server::{ServerTls, ServerTlsBuilder};
pub use trust::Trust;
