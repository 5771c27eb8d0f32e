//! Authorities whose certificates are accepted.

use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use secrecy::SecretString;

use crate::config_error::{ConfigProblem, TlsConfigError};
use crate::pkcs12::Store;
use crate::source::Source;

/// The authorities that may have issued a peer's certificate.
///
/// ```
/// use wirewright_tls::Trust;
///
/// // The company's authority alone:
/// let own = Trust::pem_file("/etc/company/ca.pem");
/// // The platform's as well:
/// let both = Trust::platform().and(Trust::pem_file("/etc/company/ca.pem"));
/// # drop((own, both));
/// ```
#[derive(Clone, Debug)]
pub struct Trust {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Platform,
    Pem(Source),
    Pkcs12(Source, SecretString),
}

impl Trust {
    /// Those that the operating system trusts, as found when a configuration is built;
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` in the environment take their place.
    #[must_use]
    pub fn platform() -> Self {
        Self { parts: vec![Part::Platform] }
    }

    /// The certificates in a file, all of which are trusted: any number as PEM, or one as DER.
    pub fn pem_file(path: impl Into<PathBuf>) -> Self {
        Self { parts: vec![Part::Pem(Source::File(path.into()))] }
    }

    /// As [`pem_file`](Self::pem_file), with what would be in the file.
    pub fn pem(bytes: impl Into<Vec<u8>>) -> Self {
        Self { parts: vec![Part::Pem(Source::bytes("Trust::pem", bytes))] }
    }

    /// The certificates in a PKCS#12 file (RFC 7292), all of which are trusted.
    pub fn pkcs12_file(path: impl Into<PathBuf>, password: SecretString) -> Self {
        Self { parts: vec![Part::Pkcs12(Source::File(path.into()), password)] }
    }

    /// These and those of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// Reads them; there is at least one.
    pub(crate) fn load(&self) -> Result<RootCertStore, TlsConfigError> {
        let mut roots = RootCertStore::empty();
        for part in &self.parts {
            match part {
                Part::Platform => add_platform(&mut roots)?,
                Part::Pem(source) => add(&mut roots, source, source.certificates()?)?,
                Part::Pkcs12(source, password) => {
                    let certificates = Store::open(source, password)?.certificates()?;
                    add(&mut roots, source, certificates)?;
                }
            }
        }
        Ok(roots)
    }
}

fn add(
    roots: &mut RootCertStore,
    source: &Source,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<(), TlsConfigError> {
    for certificate in certificates {
        let added = roots.add(certificate);
        added.map_err(|error| source.error(ConfigProblem::Malformed(error.to_string())))?;
    }
    Ok(())
}

fn add_platform(roots: &mut RootCertStore) -> Result<(), TlsConfigError> {
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(());
    }
    let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    let why = if errors.is_empty() { "there are none".to_owned() } else { errors.join("; ") };
    Err(TlsConfigError::new("Trust::platform", ConfigProblem::NoAuthorities(why)))
}
