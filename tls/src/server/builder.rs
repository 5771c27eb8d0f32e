//! Options for a listener's TLS.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use rustls::ServerConfig;

use super::names::Certificates;
use super::{Asked, Ready, ServerTls, Shared};
use crate::choices::Choices;
use crate::config_error::{ConfigProblem, TlsConfigError};
use crate::identity::Identity;

/// Options for a listener's TLS; [`build`](Self::build) reads the files they name.
#[derive(Clone, Debug)]
pub struct ServerTlsBuilder {
    identities: Vec<Identity>,
    choices: Choices,
    alpn: Vec<String>,
}

impl Default for ServerTlsBuilder {
    fn default() -> Self {
        Self {
            identities: Vec::new(),
            choices: Choices::default(),
            alpn: vec!["http/1.1".to_owned()],
        }
    }
}

impl ServerTlsBuilder {
    /// The listener's certificate; at least one is needed.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identities.push(identity);
        self
    }

    /// Reads the files and checks everything.
    ///
    /// # Errors
    /// [`TlsConfigError`] names the file or option and what is wrong with it.
    pub fn build(self) -> Result<ServerTls, TlsConfigError> {
        let current = RwLock::new(Arc::new(self.ready()?));
        Ok(ServerTls { shared: Arc::new(Shared { options: self, current }) })
    }

    pub(super) fn ready(&self) -> Result<Ready, TlsConfigError> {
        let chosen = self.choices.find()?;
        let Some(first) = self.identities.first() else {
            return Err(TlsConfigError::new("identity", ConfigProblem::NoCertificate));
        };
        let certificates = Arc::new(Certificates {
            by_name: HashMap::new(),
            default: first.load(&chosen.provider)?,
            refuses_unknown: false,
        });
        let mut config = ServerConfig::builder_with_provider(chosen.provider)
            .with_protocol_versions(&chosen.versions)
            .map_err(|error| {
                TlsConfigError::new("versions", ConfigProblem::Contradiction(error.to_string()))
            })?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Asked::new(Arc::clone(&certificates))));
        config.alpn_protocols = self.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        Ok(Ready { config, certificates })
    }
}
