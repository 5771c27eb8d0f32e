//! A certificate with its private key, from wherever they are kept.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument, pkcs5};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::SectionKind;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use secrecy::{ExposeSecret, SecretString};

use crate::certificate_error::{CertificateProblem, date};
use crate::config_error::{ConfigProblem, TlsConfigError};
use crate::pkcs12::{KeyAndChain, Store};
use crate::security;
use crate::source::{self, Source};

/// Who this side is: a certificate, the chain up to its authority, and the private key.
///
/// Files are read when a configuration is built or reloaded, not before.
#[derive(Clone)]
pub struct Identity {
    form: Form,
    password: Option<SecretString>,
    alias: Option<String>,
    staple: Option<Source>,
}

#[derive(Clone, Debug)]
enum Form {
    Separate { chain: Source, key: Source },
    Pkcs12(Source),
}

impl Identity {
    /// A file with the certificate and behind it its chain, as PEM, or with the certificate alone
    /// as DER; and one with the private key, which may be the same: PKCS#8 as PEM (RFC 7468 §10),
    /// encrypted (§11) or not, PKCS#1 or SEC 1 as PEM, or any of those unencrypted as DER.
    pub fn pem_files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let (chain, key) = (Source::File(chain.into()), Source::File(key.into()));
        Self::new(Form::Separate { chain, key })
    }

    /// As [`pem_files`](Self::pem_files), with what would be in the files.
    pub fn pem(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let chain = Source::bytes("Identity::pem, certificate", chain);
        let key = Source::bytes("Identity::pem, key", key);
        Self::new(Form::Separate { chain, key })
    }

    /// A PKCS#12 file (RFC 7292) with a private key, its certificate, and its chain.
    pub fn pkcs12_file(path: impl Into<PathBuf>, password: SecretString) -> Self {
        Self::new(Form::Pkcs12(Source::File(path.into()))).password(password)
    }

    /// As [`pkcs12_file`](Self::pkcs12_file), with what would be in the file.
    pub fn pkcs12(bytes: impl Into<Vec<u8>>, password: SecretString) -> Self {
        let source = Source::bytes("Identity::pkcs12", bytes);
        Self::new(Form::Pkcs12(source)).password(password)
    }

    fn new(form: Form) -> Self {
        Self { form, password: None, alias: None, staple: None }
    }

    /// The password that the private key is encrypted with.
    #[must_use]
    pub fn password(mut self, password: SecretString) -> Self {
        self.password = Some(password);
        self
    }

    /// Which private key of a PKCS#12 file, where it has several: its friendly name, upper and
    /// lower case being the same.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// A file with an OCSP response, as DER, that says the certificate is not revoked (RFC 6960);
    /// a listener gives it to clients that ask for it (RFC 6066 §8, RFC 8446 §4.4.2.1). It is
    /// not looked into; who renews the file reloads the listener's TLS.
    #[must_use]
    pub fn ocsp_staple_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.staple = Some(Source::File(path.into()));
        self
    }

    /// Reads, and checks that key and certificate belong together.
    pub(crate) fn load(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<CertifiedKey>, TlsConfigError> {
        let (certificate_source, key_source) = match &self.form {
            Form::Separate { chain, key } => (chain, key),
            Form::Pkcs12(source) => (source, source),
        };
        let (key, certificates) = self.read()?;
        warn_of_dates(&certificates, &certificate_source.origin());
        let key = provider.key_provider.load_private_key(key).map_err(|_| {
            let what = "a private key of a kind or size that is not supported, or a damaged one";
            key_source.error(ConfigProblem::Unsupported(what.to_owned()))
        })?;
        let mut certified = CertifiedKey::new(certificates, key);
        match certified.keys_match() {
            // A key that does not show its public half cannot be compared.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                let certificate = certificate_source.origin();
                return Err(key_source.error(ConfigProblem::OtherKey { certificate }));
            }
            Err(error) => {
                let why = match error {
                    Error::InvalidCertificate(error) => CertificateProblem::from(error).to_string(),
                    other => other.to_string(),
                };
                return Err(certificate_source.error(ConfigProblem::Unsupported(why)));
            }
        }
        if let Some(staple) = &self.staple {
            certified.ocsp = Some(staple.read()?.to_vec());
        }
        Ok(Arc::new(certified))
    }

    fn read(&self) -> Result<KeyAndChain, TlsConfigError> {
        match &self.form {
            Form::Separate { chain, key } => {
                let certificates = chain.certificates()?;
                Ok((self.private_key(key)?, certificates))
            }
            Form::Pkcs12(source) => {
                let Some(password) = &self.password else {
                    return Err(source.error(ConfigProblem::PasswordMissing));
                };
                Store::open(source, password)?.key(self.alias.as_deref())
            }
        }
    }

    fn private_key(&self, key: &Source) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
        let bytes = key.read()?;
        if !source::is_pem(&bytes) {
            return PrivateKeyDer::try_from(bytes.to_vec()).map_err(|why| {
                key.error(ConfigProblem::Malformed(format!("it is no private key: {why}")))
            });
        }
        if bytes.windows(TRADITIONAL.len()).any(|window| window == TRADITIONAL) {
            return Err(key.error(ConfigProblem::Unsupported(OLD_ENCRYPTION.to_owned())));
        }
        let sections = source::sections(&bytes).map_err(|problem| key.error(problem))?;
        let mut keys = sections.iter().filter_map(|(kind, der)| {
            let pkcs8 = |der: &[u8]| PrivatePkcs8KeyDer::from(der.to_vec());
            match kind {
                SectionKind::PrivateKey => Some(PrivateKeyDer::Pkcs8(pkcs8(der))),
                SectionKind::RsaPrivateKey => Some(PrivateKeyDer::Pkcs1(der.to_vec().into())),
                SectionKind::EcPrivateKey => Some(PrivateKeyDer::Sec1(der.to_vec().into())),
                _ => None,
            }
        });
        match keys.next() {
            Some(found) => Ok(found),
            None => self.encrypted_key(&bytes).map_err(|problem| key.error(problem)),
        }
    }

    /// Decrypts the first `ENCRYPTED PRIVATE KEY` in `pem` (RFC 5958 §3).
    fn encrypted_key(&self, pem: &[u8]) -> Result<PrivateKeyDer<'static>, ConfigProblem> {
        let section = encrypted_section(pem).ok_or(ConfigProblem::NoKey)?;
        let password = self.password.as_ref().ok_or(ConfigProblem::PasswordMissing)?;
        let (_, document) = SecretDocument::from_pem(section)
            .map_err(|_| ConfigProblem::Malformed("a section of pem is not base64".to_owned()))?;
        let old = || ConfigProblem::Unsupported(OLD_ENCRYPTION.to_owned());
        let encrypted =
            EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| old())?;
        match encrypted.decrypt(password.expose_secret()) {
            Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
            Err(pkcs8::Error::EncryptedPrivateKey(
                pkcs5::Error::NoPbes1CryptSupport | pkcs5::Error::UnsupportedAlgorithm { .. },
            )) => Err(old()),
            Err(_) => Err(ConfigProblem::WrongPassword),
        }
    }
}

/// The first line within a key that OpenSSL has encrypted in its own way of before PKCS#8.
const TRADITIONAL: &[u8] = b"Proc-Type: 4,ENCRYPTED";

/// What is said of that way, and of those before PKCS#5 v2.0 (RFC 8018 §6.2).
const OLD_ENCRYPTION: &str = "the private key is damaged, or encrypted in an old way; \
    `openssl pkcs8 -topk8 -v2 aes-256-cbc` writes it anew";

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("form", &self.form)
            .field("alias", &self.alias)
            .field("staple", &self.staple)
            .finish_non_exhaustive()
    }
}

/// The text of an encrypted key, from its first line to its last.
fn encrypted_section(pem: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(pem).ok()?;
    let start = text.find("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let text = text.get(start..)?;
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    text.get(..text.find(END)? + END.len())
}

/// A certificate that peers will refuse is used nevertheless: their clocks decide.
fn warn_of_dates(certificates: &[CertificateDer<'_>], origin: &str) {
    let now = rustls::pki_types::UnixTime::now().as_secs();
    for certificate in certificates {
        let Some((not_before, not_after)) = security::validity(certificate) else {
            continue;
        };
        if not_after.as_secs() < now {
            tracing::warn!(origin, not_after = date(not_after), "a certificate has expired");
        } else if not_before.as_secs() > now {
            tracing::warn!(origin, not_before = date(not_before), "a certificate is not valid yet");
        }
    }
}
