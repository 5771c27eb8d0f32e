//! Options for a listener's TLS.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::DnsName;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use super::names::Certificates;
use super::{Asked, Ready, ServerTls, Shared};
use crate::choices::Choices;
use crate::config_error::{ConfigProblem, TlsConfigError};
use crate::identity::Identity;
use crate::options::shared_options;
use crate::revocation::Revocation;
use crate::security;
use crate::trust::Trust;

/// Options for a listener's TLS; [`build`](Self::build) reads the files they name.
#[derive(Clone, Debug)]
pub struct ServerTlsBuilder {
    identities: Vec<Served>,
    default_name: Option<String>,
    refuses_unknown: bool,
    clients: Clients,
    choices: Choices,
    revocation: Revocation,
    sessions: usize,
    tickets: bool,
}

/// A certificate, and the names that it is shown for.
#[derive(Clone, Debug)]
struct Served {
    identity: Identity,
    /// `None` for those in the certificate.
    names: Option<Vec<String>>,
}

/// Whether clients show certificates, and whose.
#[derive(Clone, Debug)]
enum Clients {
    Unasked,
    Asked { trust: Trust, may_have_none: bool },
}

/// Sessions that a listener keeps where nothing else is said.
const SESSIONS: usize = 256;

impl Default for ServerTlsBuilder {
    fn default() -> Self {
        Self {
            identities: Vec::new(),
            default_name: None,
            refuses_unknown: false,
            clients: Clients::Unasked,
            choices: Choices::default(),
            revocation: Revocation::default(),
            sessions: SESSIONS,
            tickets: true,
        }
    }
}

impl ServerTlsBuilder {
    /// A certificate of the listener's, for clients that ask for one of the names in it (SNI, RFC
    /// 6066 §3), `*.` standing for one label. At least one is needed; the first is also for those
    /// who ask for no name or for an unknown one. Of several for the same name, the first that
    /// the client can use is shown.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identities.push(Served { identity, names: None });
        self
    }

    /// A certificate for clients that ask for one of `names`, whichever are in it.
    #[must_use]
    pub fn identity_for<'a>(
        mut self,
        names: impl IntoIterator<Item = &'a str>,
        identity: Identity,
    ) -> Self {
        let names = Some(names.into_iter().map(str::to_owned).collect());
        self.identities.push(Served { identity, names });
        self
    }

    /// Those who ask for no name, or for an unknown one, are shown what this name has, instead of
    /// the first certificate.
    #[must_use]
    pub fn default_name(mut self, name: impl Into<String>) -> Self {
        self.default_name = Some(name.into());
        self
    }

    /// Refuses clients that ask for a name which there is no certificate for, with the alert
    /// `unrecognized_name` (RFC 6066 §3). Who asks for none, as clients do that connect to an
    /// address, is let in.
    #[must_use]
    pub fn refuse_unknown_names(mut self) -> Self {
        self.refuses_unknown = true;
        self
    }

    /// Lets only clients in that show a certificate of these authorities, and have its key.
    #[must_use]
    pub fn require_client_certificates(mut self, authorities: Trust) -> Self {
        self.clients = Clients::Asked { trust: authorities, may_have_none: false };
        self
    }

    /// Asks clients for a certificate of these authorities, and lets those in that have none;
    /// not those with a certificate of somebody else.
    #[must_use]
    pub fn accept_client_certificates(mut self, authorities: Trust) -> Self {
        self.clients = Clients::Asked { trust: authorities, may_have_none: true };
        self
    }

    /// The application protocols to agree on (ALPN, RFC 7301), the one that is liked best first;
    /// `http/1.1` by default. A client that offers only others is refused, unless the list is
    /// empty; one that offers none is not.
    #[must_use]
    pub fn alpn<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.choices.protocols = names.into_iter().map(str::to_owned).collect();
        self
    }

    /// Whether clients are given their session as a ticket, encrypted with a key of the
    /// listener's that changes every six hours, to resume it for up to twelve (RFC 8446 §4.6.1,
    /// RFC 5077). `true` by default.
    #[must_use]
    pub fn tickets(mut self, yes: bool) -> Self {
        self.tickets = yes;
        self
    }

    /// How many sessions the listener keeps itself, for clients without tickets; 256 by default,
    /// and 0 for none.
    #[must_use]
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    shared_options!();

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
        let certificates = Arc::new(self.certificates(&chosen.provider)?);
        let verifier = self.client_verifier(&chosen.provider)?;
        let mut config = ServerConfig::builder_with_provider(chosen.provider)
            .with_protocol_versions(&chosen.versions)
            .map_err(|error| {
                TlsConfigError::new("versions", ConfigProblem::Contradiction(error.to_string()))
            })?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Asked::new(Arc::clone(&certificates))));
        config.alpn_protocols = chosen.protocols;
        config.key_log = chosen.key_log;
        config.session_storage = match self.sessions {
            0 => Arc::new(NoServerSessionStorage {}),
            sessions => ServerSessionMemoryCache::new(sessions),
        };
        if self.tickets {
            config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| {
                TlsConfigError::new("tickets", ConfigProblem::Unsupported(error.to_string()))
            })?;
        }
        Ok(Ready { config, certificates })
    }

    fn certificates(&self, provider: &CryptoProvider) -> Result<Certificates, TlsConfigError> {
        let mut by_name: HashMap<String, Vec<Arc<CertifiedKey>>> = HashMap::new();
        let mut first = None;
        for served in &self.identities {
            let key = served.identity.load(provider)?;
            for name in served.names(&key)? {
                by_name.entry(name).or_default().push(Arc::clone(&key));
            }
            first.get_or_insert(key);
        }
        let default = match &self.default_name {
            None => first.ok_or(ConfigProblem::NoCertificate),
            Some(name) => {
                let named = by_name.get(&name.to_ascii_lowercase()).and_then(|keys| keys.first());
                named.cloned().ok_or_else(|| ConfigProblem::InvalidName(name.clone()))
            }
        };
        let option = if self.default_name.is_some() { "default_name" } else { "identity" };
        let default = default.map_err(|problem| TlsConfigError::new(option, problem))?;
        Ok(Certificates { by_name, default, refuses_unknown: self.refuses_unknown })
    }

    fn client_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsConfigError> {
        let lists = self.revocation.load()?;
        let Clients::Asked { trust, may_have_none } = &self.clients else {
            if !lists.is_empty() {
                let what = "there are lists, and clients are not asked for certificates";
                let problem = ConfigProblem::Contradiction(what.to_owned());
                return Err(TlsConfigError::new("crl_file", problem));
            }
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let roots = Arc::new(trust.load()?);
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
            .with_crls(lists);
        if *may_have_none {
            builder = builder.allow_unauthenticated();
        }
        builder = if self.revocation.accepts_unknown {
            builder.allow_unknown_revocation_status()
        } else {
            builder.enforce_revocation_expiration()
        };
        builder.build().map_err(|error| {
            TlsConfigError::new("crl_file", ConfigProblem::Malformed(error.to_string()))
        })
    }
}

impl Served {
    /// The names it is shown for, in lower case.
    fn names(&self, key: &CertifiedKey) -> Result<Vec<String>, TlsConfigError> {
        let Some(names) = &self.names else {
            return Ok(key.cert.first().map(|own| security::dns_names(own)).unwrap_or_default());
        };
        for name in names {
            if DnsName::try_from(name.strip_prefix("*.").unwrap_or(name)).is_err() {
                let problem = ConfigProblem::InvalidName(name.clone());
                return Err(TlsConfigError::new("identity_for", problem));
            }
        }
        Ok(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }
}
