//! PKCS#12 files (RFC 7292): keys and certificates under one password.

use p12_keystore::{CertificateBag, Pkcs12Archive, PrivateKeyBag, error::Error};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config_error::{ConfigProblem, TlsConfigError};
use crate::derivation::Cost;
use crate::source::Source;

/// A key and the chain that belongs to it.
pub(crate) type KeyAndChain = (PrivateKeyDer<'static>, Vec<CertificateDer<'static>>);

/// An opened file.
pub(crate) struct Store<'a> {
    archive: Pkcs12Archive,
    source: &'a Source,
}

impl<'a> Store<'a> {
    pub(crate) fn open(
        source: &'a Source,
        password: &SecretString,
    ) -> Result<Self, TlsConfigError> {
        let bytes = source.read()?;
        Cost::check_file(&bytes)
            .map_err(|problem| source.error(ConfigProblem::Unsupported(problem)))?;
        let opened = Pkcs12Archive::from_pkcs12(&bytes, password.expose_secret());
        match opened {
            Ok(archive) => Ok(Self { archive, source }),
            Err(error) => Err(source.error(problem(&error))),
        }
    }

    /// All certificates in it, at least one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
        let bags = self.archive.certs.iter();
        let certificates: Vec<_> = bags.map(der).collect();
        if certificates.is_empty() {
            return Err(self.source.error(ConfigProblem::NoCertificate));
        }
        self.source.check(&certificates)?;
        Ok(certificates)
    }

    /// The private key of that alias, or else the only one, with its certificate and chain.
    pub(crate) fn key(&self, alias: Option<&str>) -> Result<KeyAndChain, TlsConfigError> {
        let certificates = self.certificates()?;
        let key = self.find_key(alias).map_err(|problem| self.source.error(problem))?;
        let own = key.local_key_id.as_ref().and_then(|id| {
            let bags = &mut self.archive.certs.iter();
            bags.find(|bag| bag.local_key_id.as_deref() == Some(id.as_ref()))
        });
        // Where they are not tied together, the first is the key's, as it is in PEM.
        let chain = chain(
            own.map_or_else(|| certificates.first().cloned(), |own| Some(der(own))),
            certificates,
        );
        let key = PrivatePkcs8KeyDer::from(key.key.as_der().to_vec());
        Ok((PrivateKeyDer::Pkcs8(key), chain))
    }

    fn find_key(&self, alias: Option<&str>) -> Result<&PrivateKeyBag, ConfigProblem> {
        let keys = &self.archive.keys;
        match (alias, keys.as_slice()) {
            (_, []) => Err(ConfigProblem::NoKey),
            (None, [only]) => Ok(only),
            (None, _) => Err(ConfigProblem::AliasMissing(aliases(keys))),
            (Some(alias), _) => {
                // Java's key stores compare them so.
                let named = |key: &&PrivateKeyBag| {
                    key.friendly_name
                        .as_deref()
                        .is_some_and(|name| name.eq_ignore_ascii_case(alias))
                };
                keys.iter().find(named).ok_or_else(|| ConfigProblem::UnknownAlias {
                    alias: alias.to_owned(),
                    there: aliases(keys),
                })
            }
        }
    }
}

fn der(bag: &CertificateBag) -> CertificateDer<'static> {
    CertificateDer::from(bag.cert.as_der().to_vec())
}

fn aliases(keys: &[PrivateKeyBag]) -> String {
    let name =
        |key: &PrivateKeyBag| key.friendly_name.clone().unwrap_or_else(|| "(none)".to_owned());
    keys.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The certificate, and behind it those that issued one another, as far as they are there.
fn chain(
    own: Option<CertificateDer<'static>>,
    mut others: Vec<CertificateDer<'static>>,
) -> Vec<CertificateDer<'static>> {
    let mut chain = Vec::new();
    let mut next = own;
    while let Some(certificate) = next {
        others.retain(|other| *other != certificate);
        let issuer = others.iter().find(|other| issued(other, &certificate));
        next = issuer.cloned();
        chain.push(certificate);
    }
    chain
}

fn issued(issuer: &[u8], certificate: &[u8]) -> bool {
    match (X509Certificate::from_der(issuer), X509Certificate::from_der(certificate)) {
        (Ok((_, issuer)), Ok((_, certificate))) => issuer.subject() == certificate.issuer(),
        _ => false,
    }
}

/// What the library means by its error. A file without a checksum shows a wrong password by
/// padding that does not fit.
fn problem(error: &Error) -> ConfigProblem {
    match error {
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => {
            ConfigProblem::WrongPassword
        }
        Error::UnsupportedEncryptionScheme
        | Error::UnsupportedMacAlgorithm
        | Error::UnsupportedContentType
        | Error::UnsupportedCertificateType => {
            let what =
                "it is protected in a way, or holds a kind of content, that is not supported";
            ConfigProblem::Unsupported(what.to_owned())
        }
        _ => ConfigProblem::Malformed("it is not a pkcs#12 file".to_owned()),
    }
}
