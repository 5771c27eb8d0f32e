//! TLS for wirewright's connections: rustls behind `wirewright_core`'s seam of bytes, without
//! sockets.
//!
//! [`ClientTls`] and [`ServerTls`] are what a client or a listener is given; they make a
//! [`Layer`](wirewright_core::Layer) for each connection.
//!
//! ```no_run
//! use wirewright_tls::{ClientTls, Identity, ServerTls, Trust};
//!
//! # fn main() -> Result<(), wirewright_tls::TlsConfigError> {
//! // A listener that asks its clients for certificates of the company's authority.
//! let server = ServerTls::builder()
//!     .identity(Identity::pem_files("server.pem", "server.key"))
//!     .require_client_certificates(Trust::pem_file("company.pem"))
//!     .build()?;
//! // When files have changed:
//! server.reload()?;
//!
//! // A client that has one, and trusts that authority alone.
//! let client = ClientTls::builder()
//!     .trust(Trust::pem_file("company.pem"))
//!     .identity(Identity::pkcs12_file("gateway.p12", "its password".into()))
//!     .build()?;
//! # drop(client);
//! # Ok(())
//! # }
//! ```
//!
//! What goes wrong with a connection is a [`TlsError`], within the
//! [`LayerError`](wirewright_core::LayerError) that a layer gives; what is wrong with a
//! configuration, a [`TlsConfigError`], which names the file or option. Keys and passwords show in
//! neither, nor in the log.
//!
//! There is no CBC, DHE, RSA key exchange or RC4, and nothing before TLS 1.2: rustls has none of
//! them. Revocation is looked up in lists that are given as files and nowhere else: neither lists
//! nor OCSP responses are fetched, and a server's stapled OCSP response is not looked into.

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
