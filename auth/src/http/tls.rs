//! TLS towards endpoints, as options and files say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{ClientConfig, WantsClientCert};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ConfigBuilder, RootCertStore};

use super::HttpOptions;
use crate::any_certificate::AnyCertificate;
use crate::error::ConfigError;

/// What connections are made with; the files are read here, and not again.
pub(super) fn config(options: &HttpOptions) -> Result<Arc<ClientConfig>, ConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::new("TLS", error))?;
    let builder = if options.accept_any_certificate {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots(&options.roots)?)
    };
    let mut config = match &options.identity {
        Some((chain, key)) => with_identity(builder, chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(files: &[PathBuf]) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    for path in files {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| ConfigError::new(path.display(), error))?;
        }
    }
    if files.is_empty() {
        // One that cannot be read is no reason to do without the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        let problem = "the system trusts no certificate that can be found; name some";
        return Err(ConfigError::new("`roots_file`", problem));
    }
    Ok(roots)
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    chain: &Path,
    key: &Path,
) -> Result<ClientConfig, ConfigError> {
    let certificates = certificates(chain)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|_| {
        ConfigError::new(key.display(), "holds no PEM private key that is readable")
    })?;
    builder
        .with_client_auth_cert(certificates, private)
        .map_err(|error| ConfigError::new(chain.display(), error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let problem = |error| ConfigError::new(path.display(), error);
    let found = CertificateDer::pem_file_iter(path).map_err(problem)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(problem)?;
    if found.is_empty() {
        return Err(ConfigError::new(path.display(), "holds no PEM certificate"));
    }
    Ok(found)
}
