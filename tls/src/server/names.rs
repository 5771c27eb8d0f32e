//! Which certificate a client is shown, by the name that it asks for (SNI, RFC 6066 §3).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::AlertDescription;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::TlsError;

/// The certificates of a listener.
pub(crate) struct Certificates {
    /// By lower-case names, `*.example.com` among them. A name may have several, of different
    /// algorithms.
    pub(crate) by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// For those who ask for no name, or for one that is not there.
    pub(crate) default: Arc<CertifiedKey>,
    pub(crate) refuses_unknown: bool,
}

impl Certificates {
    fn of(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        let exact = self.by_name.get(name);
        // The asterisk stands for one label, no less and no more (RFC 9525 §6.3).
        let wildcard = || self.by_name.get(&format!("*.{}", name.split_once('.')?.1));
        exact.or_else(wildcard).map(Vec::as_slice)
    }
}

/// What the client of one connection has asked for.
pub(crate) struct Asked {
    certificates: Arc<Certificates>,
    name: OnceLock<String>,
    refused: OnceLock<()>,
}

impl Asked {
    pub(crate) const fn new(certificates: Arc<Certificates>) -> Self {
        Self { certificates, name: OnceLock::new(), refused: OnceLock::new() }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.get().map(String::as_str)
    }

    /// Why it was refused for what it has asked for, if so, and the alert to tell it.
    pub(crate) fn refusal(&self) -> Option<(TlsError, u8)> {
        self.refused.get()?;
        let name = self.name().unwrap_or_default().to_owned();
        Some((TlsError::UnknownName(name), AlertDescription::UnrecognisedName.into()))
    }
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = hello.server_name() else {
            return Some(Arc::clone(&self.certificates.default));
        };
        let name = name.to_ascii_lowercase();
        let found = self.certificates.of(&name);
        let _ = self.name.set(name);
        match found {
            Some(keys) => {
                let schemes = hello.signature_schemes();
                let usable = keys.iter().find(|key| key.key.choose_scheme(schemes).is_some());
                usable.or_else(|| keys.first()).cloned()
            }
            None if self.certificates.refuses_unknown => {
                let _ = self.refused.set(());
                None
            }
            None => Some(Arc::clone(&self.certificates.default)),
        }
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("name", &self.name).finish_non_exhaustive()
    }
}
