//! Options for a client's TLS.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

use super::ClientTls;
use super::verify::{self, Unverified};
use crate::choices::Choices;
use crate::config_error::{ConfigProblem, TlsConfigError};
use crate::identity::Identity;
use crate::options::shared_options;
use crate::revocation::Revocation;
use crate::trust::Trust;

/// Options for a client's TLS; [`build`](Self::build) reads the files they name.
#[derive(Clone, Debug)]
pub struct ClientTlsBuilder {
    trust: Trust,
    identity: Option<Identity>,
    choices: Choices,
    revocation: Revocation,
    server_name: Option<String>,
    sends_name: bool,
    sessions: usize,
    unverified: Unverified,
}

/// Servers whose sessions a client keeps where nothing else is said.
const SESSIONS: usize = 256;

impl Default for ClientTlsBuilder {
    fn default() -> Self {
        Self {
            trust: Trust::platform(),
            identity: None,
            choices: Choices::default(),
            revocation: Revocation::default(),
            server_name: None,
            sends_name: true,
            sessions: SESSIONS,
            unverified: Unverified::Nothing,
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

    /// The name or address that the server is asked for and is to prove to be, instead of the
    /// URI's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Whether the server is told which name it is asked for (SNI, RFC 6066 §3); that name is
    /// readable on the way. `true` by default. Addresses are never sent.
    #[must_use]
    pub fn send_server_name(mut self, yes: bool) -> Self {
        self.sends_name = yes;
        self
    }

    /// The application protocols to offer (ALPN, RFC 7301), the one that is liked best first;
    /// `http/1.1` by default, and with an empty list the extension is not sent. A server that
    /// picks none is accepted, one that picks another is not.
    #[must_use]
    pub fn alpn<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.choices.protocols = names.into_iter().map(str::to_owned).collect();
        self
    }

    /// Of how many servers sessions are kept, to be resumed with less work and without another
    /// look at the certificate (RFC 8446 §2.2, RFC 5077), up to eight each; 256 by default, and 0
    /// for none. Nothing is sent ahead of the handshake's end (RFC 8446 §2.3).
    #[must_use]
    pub fn sessions(mut self, servers: usize) -> Self {
        self.sessions = servers;
        self
    }

    shared_options!();

    /// Ways to verify less than everything.
    pub fn danger(self) -> Danger {
        Danger(self)
    }

    /// Reads the files and checks everything.
    ///
    /// # Errors
    /// [`TlsConfigError`] names the file or option and what is wrong with it.
    pub fn build(&self) -> Result<ClientTls, TlsConfigError> {
        let chosen = self.choices.find()?;
        let server_name = self.server_name.as_deref().map(parse_name).transpose()?;
        let verifier =
            verify::verifier(self.unverified, &self.trust, &self.revocation, &chosen.provider)?;
        let identity = self.identity.as_ref();
        let identity = identity.map(|identity| identity.load(&chosen.provider)).transpose()?;
        let config = ClientConfig::builder_with_provider(chosen.provider)
            .with_protocol_versions(&chosen.versions)
            .map_err(|error| {
                TlsConfigError::new("versions", ConfigProblem::Contradiction(error.to_string()))
            })?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match identity {
            Some(key) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = chosen.protocols;
        config.key_log = chosen.key_log;
        config.enable_sni = self.sends_name;
        config.resumption = match self.sessions {
            0 => Resumption::disabled(),
            servers => Resumption::in_memory_sessions(servers),
        };
        Ok(ClientTls { config: Arc::new(config), server_name })
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, TlsConfigError> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        TlsConfigError::new("server_name", ConfigProblem::InvalidName(name.to_owned()))
    })
}

/// Ways to verify less than everything, each with a warning in the log. Not for production:
/// whoever is between the two ends can be the server.
#[derive(Clone, Debug)]
#[must_use]
pub struct Danger(ClientTlsBuilder);

impl Danger {
    /// Accepts every certificate from everybody. What [`ClientTlsBuilder::trust`] and the lists
    /// of revoked certificates say is not looked at.
    pub fn accept_any_certificate(mut self) -> ClientTlsBuilder {
        self.0.unverified = Unverified::Certificate;
        self.0
    }

    /// Accepts a certificate for any host, as long as an authority that is trusted has issued it
    /// and it is valid.
    pub fn accept_any_name(mut self) -> ClientTlsBuilder {
        self.0.unverified = Unverified::Name;
        self.0
    }
}
