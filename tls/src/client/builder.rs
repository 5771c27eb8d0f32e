//! Options for a client's TLS.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::sign::SingleCertAndKey;

use super::ClientTls;
use crate::choices::Choices;
use crate::config_error::{ConfigProblem, TlsConfigError};
use crate::identity::Identity;
use crate::trust::Trust;

/// Options for a client's TLS; [`build`](Self::build) reads the files they name.
#[derive(Clone, Debug)]
pub struct ClientTlsBuilder {
    trust: Trust,
    identity: Option<Identity>,
    choices: Choices,
    alpn: Vec<String>,
}

impl Default for ClientTlsBuilder {
    fn default() -> Self {
        Self {
            trust: Trust::platform(),
            identity: None,
            choices: Choices::default(),
            alpn: vec!["http/1.1".to_owned()],
        }
    }
}

impl ClientTlsBuilder {
    /// Whose certificates are accepted, instead of those that the platform trusts; both with
    /// [`Trust::platform`]`().and(…)`.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// The client's own certificate, shown to servers that ask for one. None by default.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Reads the files and checks everything.
    ///
    /// # Errors
    /// [`TlsConfigError`] names the file or option and what is wrong with it.
    pub fn build(&self) -> Result<ClientTls, TlsConfigError> {
        let chosen = self.choices.find()?;
        let roots = Arc::new(self.trust.load()?);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&chosen.provider))
                .build()
                .map_err(|error| {
                    TlsConfigError::new("trust", ConfigProblem::Contradiction(error.to_string()))
                })?;
        let identity =
            self.identity.as_ref().map(|identity| identity.load(&chosen.provider)).transpose()?;
        let config = ClientConfig::builder_with_provider(chosen.provider)
            .with_protocol_versions(&chosen.versions)
            .map_err(|error| {
                TlsConfigError::new("versions", ConfigProblem::Contradiction(error.to_string()))
            })?
            .with_webpki_verifier(verifier);
        let mut config = match identity {
            Some(key) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        Ok(ClientTls { config: Arc::new(config), server_name: None })
    }
}
