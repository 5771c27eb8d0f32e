//! Whom `ldaps://` trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::LdapConfig;
use crate::ConfigError;
use crate::any_certificate::AnyCertificate;

pub(super) fn config(config: &LdapConfig) -> Result<Arc<ClientConfig>, ConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::new("TLS", error))?;
    if config.danger_accept_any_certificate {
        let anybody = Arc::new(AnyCertificate(provider));
        let builder = builder.dangerous().with_custom_certificate_verifier(anybody);
        return Ok(Arc::new(builder.with_no_client_auth()));
    }
    let roots = match &config.trusted_certificates {
        Some(path) => of_file(path)?,
        None => of_system()?,
    };
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn of_file(path: &Path) -> Result<RootCertStore, ConfigError> {
    let error = |problem: &dyn std::fmt::Display| {
        ConfigError::new(format_args!("trusted_certificates, {}", path.display()), problem)
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|cause| error(&cause))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|cause| error(&cause))?;
        roots.add(certificate).map_err(|cause| error(&cause))?;
    }
    if roots.is_empty() { Err(error(&"holds no certificate")) } else { Ok(roots) }
}

fn of_system() -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(ConfigError::new("trusted_certificates", "the system has none of its own")),
        false => Ok(roots),
    }
}
