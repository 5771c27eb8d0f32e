//! Layers for listeners.

mod builder;
mod names;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use wirewright_core::{Layer, LayerError, ServerLayers};

pub use self::builder::ServerTlsBuilder;
pub(crate) use self::names::Asked;
use self::names::Certificates;
use crate::config_error::TlsConfigError;
use crate::error::TlsError;
use crate::layer::TlsLayer;
use crate::side::ServerSide;

/// TLS for a listener's connections. Clones are cheap and share everything, what
/// [`reload`](Self::reload) has read included.
#[derive(Clone)]
pub struct ServerTls {
    shared: Arc<Shared>,
}

struct Shared {
    options: ServerTlsBuilder,
    current: RwLock<Arc<Ready>>,
}

/// What was made of the options and the files that they name.
struct Ready {
    config: ServerConfig,
    certificates: Arc<Certificates>,
}

impl ServerTls {
    /// Options for a listener's TLS.
    #[must_use]
    pub fn builder() -> ServerTlsBuilder {
        ServerTlsBuilder::default()
    }

    /// Reads all files again, for the handshakes that begin from now on. Connections there are
    /// keep what they have agreed on; sessions from before are not resumed, so that nobody gets
    /// in on a certificate that is no longer accepted.
    ///
    /// # Errors
    /// As [`ServerTlsBuilder::build`]; what was in use stays in use then.
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        let ready = Arc::new(self.shared.options.ready()?);
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = ready;
        Ok(())
    }
}

impl ServerLayers for ServerTls {
    fn layer(&self) -> Result<Box<dyn Layer>, LayerError> {
        let current = self.shared.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        // The connection does not say what its client asked for; a resolver of its own does.
        let asked = Arc::new(Asked::new(Arc::clone(&current.certificates)));
        let mut config = current.config.clone();
        config.cert_resolver = Arc::clone(&asked) as _;
        let connection =
            UnbufferedServerConnection::new(Arc::new(config)).map_err(TlsError::from)?;
        Ok(Box::new(TlsLayer::new(ServerSide { connection, asked })))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("options", &self.shared.options).finish()
    }
}
