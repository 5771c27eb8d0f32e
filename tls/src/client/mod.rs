//! Layers for clients.

mod builder;
mod verify;

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use wirewright_core::{ClientLayers, Layer, LayerError};

pub use self::builder::{ClientTlsBuilder, Danger};
use crate::config_error::TlsConfigError;
use crate::error::TlsError;
use crate::layer::TlsLayer;
use crate::side::ClientSide;

/// TLS for a client's connections. Clones are cheap and share their sessions.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// Instead of the host that is connected to.
    server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Options for a client's TLS.
    #[must_use]
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder::default()
    }

    /// What `wss://` means where nothing else is said: the platform's authorities, and all
    /// defaults of [`ClientTlsBuilder`]. It is made once for the process and shared, sessions
    /// included.
    ///
    /// # Errors
    /// If the platform has no authorities; the next call looks again.
    pub fn platform() -> Result<Self, TlsConfigError> {
        static SHARED: OnceLock<ClientTls> = OnceLock::new();
        if let Some(shared) = SHARED.get() {
            return Ok(shared.clone());
        }
        let made = Self::builder().build()?;
        Ok(SHARED.get_or_init(|| made).clone())
    }
}

impl ClientLayers for ClientTls {
    fn layer(&self, host: &str) -> Result<Box<dyn Layer>, LayerError> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|_| TlsError::HostName(host.to_owned()))?,
        };
        let server_name = match &name {
            ServerName::DnsName(name) if self.config.enable_sni => Some(name.as_ref().to_owned()),
            _ => None,
        };
        let connection = UnbufferedClientConnection::new(Arc::clone(&self.config), name)
            .map_err(TlsError::from)?;
        Ok(Box::new(TlsLayer::new(ClientSide { connection, server_name })))
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}
