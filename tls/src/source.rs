//! Where certificates, keys and lists come from, and PEM in them.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, fs};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject, SectionKind};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config_error::{ConfigProblem, TlsConfigError};

/// A file, read whenever a configuration is made of it, or bytes that were given.
#[derive(Clone)]
pub(crate) enum Source {
    File(PathBuf),
    /// With the option's name. They may hold a key.
    Bytes(&'static str, Arc<SecretBox<Vec<u8>>>),
}

impl Source {
    pub(crate) fn bytes(option: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(option, Arc::new(SecretBox::new(Box::new(bytes.into()))))
    }

    /// How errors call it.
    pub(crate) fn origin(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bytes(option, _) => (*option).to_owned(),
        }
    }

    pub(crate) fn error(&self, problem: ConfigProblem) -> TlsConfigError {
        TlsConfigError::new(self.origin(), problem)
    }

    /// What is in it, which is not nothing.
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, TlsConfigError> {
        let bytes = match self {
            Self::File(path) => {
                fs::read(path).map_err(|error| self.error(ConfigProblem::Unreadable(error)))?
            }
            Self::Bytes(_, bytes) => bytes.expose_secret().clone(),
        };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(self.error(ConfigProblem::Empty));
        }
        Ok(Zeroizing::new(bytes))
    }

    /// The certificates in it, at least one: any number as PEM, or one as DER.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
        let bytes = self.read()?;
        let certificates = if is_pem(&bytes) {
            let sections = sections(&bytes).map_err(|problem| self.error(problem))?;
            let certificates = sections.into_iter().filter(|(kind, _)| is_certificate(*kind));
            certificates.map(|(_, der)| CertificateDer::from(der.to_vec())).collect()
        } else {
            vec![CertificateDer::from(bytes.to_vec())]
        };
        if certificates.is_empty() {
            return Err(self.error(ConfigProblem::NoCertificate));
        }
        self.check(&certificates)?;
        Ok(certificates)
    }

    /// Whether each of `certificates` can be parsed (RFC 5280 §4.1).
    pub(crate) fn check(
        &self,
        certificates: &[CertificateDer<'static>],
    ) -> Result<(), TlsConfigError> {
        for (i, der) in certificates.iter().enumerate() {
            if !matches!(X509Certificate::from_der(der), Ok((rest, _)) if rest.is_empty()) {
                let what = format!("certificate {} in it is neither pem nor der of one", i + 1);
                return Err(self.error(ConfigProblem::Malformed(what)));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

fn is_certificate(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::Certificate)
}

/// Whether bytes are meant as PEM (RFC 7468).
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|window| window == b"-----BEGIN ")
}

/// A section of a PEM file: what it is, and its bytes.
pub(crate) type Section = (SectionKind, Zeroizing<Vec<u8>>);

/// The sections of PEM that are of a known kind. What is wrong is told without showing any of it:
/// it may be a key.
pub(crate) fn sections(bytes: &[u8]) -> Result<Vec<Section>, ConfigProblem> {
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes);
    let sections = sections.map(|section| section.map(|(kind, der)| (kind, Zeroizing::new(der))));
    sections.collect::<Result<_, _>>().map_err(|error| {
        let what = match error {
            pem::Error::MissingSectionEnd { .. } => "a section of pem has no end",
            pem::Error::IllegalSectionStart { .. } => "a section of pem begins in a wrong way",
            pem::Error::Base64Decode(_) => "a section of pem is not base64",
            _ => "it is not pem",
        };
        ConfigProblem::Malformed(what.to_owned())
    })
}
