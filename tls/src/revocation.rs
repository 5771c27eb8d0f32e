//! Lists of certificates that were revoked (RFC 5280 §5).

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::SectionKind;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::config_error::{ConfigProblem, TlsConfigError};
use crate::source::{self, Source};

/// The lists that a peer's certificate must not be on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revocation {
    pub(crate) lists: Vec<Source>,
    /// Whether a certificate may be used that no list covers, or only an outdated one.
    pub(crate) accepts_unknown: bool,
}

impl Revocation {
    /// Reads the lists.
    pub(crate) fn load(
        &self,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsConfigError> {
        let mut lists = Vec::new();
        for source in &self.lists {
            lists.extend(read(source)?);
        }
        Ok(lists)
    }
}

fn read(source: &Source) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsConfigError> {
    let bytes = source.read()?;
    let lists: Vec<Vec<u8>> = if source::is_pem(&bytes) {
        let sections = source::sections(&bytes).map_err(|problem| source.error(problem))?;
        let lists = sections.into_iter().filter(|(kind, _)| matches!(kind, SectionKind::Crl));
        lists.map(|(_, der)| der.to_vec()).collect()
    } else {
        vec![bytes.to_vec()]
    };
    if lists.is_empty() {
        return Err(source.error(ConfigProblem::NoRevocationList));
    }
    for list in &lists {
        if !matches!(CertificateRevocationList::from_der(list), Ok((rest, _)) if rest.is_empty()) {
            let what = "it is neither pem nor der of a certificate revocation list";
            return Err(source.error(ConfigProblem::Malformed(what.to_owned())));
        }
    }
    Ok(lists.into_iter().map(CertificateRevocationListDer::from).collect())
}
