//! TLS as everybody has it here: one kind of certificate, one version and suite, one provider.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer, cipher_suite};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};
use wirewright::tls::{ClientTls, Identity, ServerTls, Trust};
use wirewright::{KeepAliveOptions, Listener, ListenerBuilder};

use crate::Result;
use crate::servers::{MAX_MESSAGE, sibling};

mod trusting;

/// The one version, as wirewright is told it.
const VERSION: &str = "TLSv1.3";

/// The one cipher suite, as wirewright is told it.
const SUITE: &str = "TLS_AES_128_GCM_SHA256";

/// Who every server is.
pub const HOST: &str = "localhost";

/// The file beside the programs with the servers' certificate, self-signed for ECDSA over P-256,
/// and its key. The first that asks makes it.
///
/// # Errors
/// When it is not there and cannot be made.
pub fn identity_file() -> Result<PathBuf> {
    let path = PathBuf::from(sibling("peers-identity.pem")?);
    if !path.exists() {
        // What rcgen makes of a name is for ECDSA over P-256.
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        let own = path.with_extension(std::process::id().to_string());
        fs::write(&own, made.cert.pem() + &made.signing_key.serialize_pem())?;
        // Nobody sees half of it.
        fs::rename(own, &path)?;
    }
    Ok(path)
}

/// The name that clients ask for.
///
/// # Errors
/// None, as it is one.
pub fn name() -> Result<ServerName<'static>> {
    Ok(ServerName::try_from(HOST)?)
}

fn provider() -> Arc<CryptoProvider> {
    let suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    Arc::new(CryptoProvider {
        cipher_suites: suites,
        ..aws_lc_rs::default_provider()
    })
}

/// What servers on rustls agree to; sessions are resumed by tickets, as wirewright's are.
///
/// # Errors
/// When [`identity_file`] cannot be made or read.
pub fn server_config() -> Result<Arc<ServerConfig>> {
    let file = identity_file()?;
    let certificate = CertificateDer::from_pem_file(&file)?;
    let key = PrivateKeyDer::from_pem_file(&file)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.ticketer = Ticketer::new()?;
    Ok(Arc::new(config))
}

/// Options of wirewright's servers, on one thread. They send no Pings: the peers send none either.
///
/// # Errors
/// When [`identity_file`] cannot be made or read.
pub fn listener() -> Result<ListenerBuilder> {
    let file = identity_file()?;
    let tls = ServerTls::builder()
        .identity(Identity::pem_files(&file, &file))
        .versions([VERSION])
        .cipher_suites([SUITE])
        .build()?;
    let builder = Listener::builder()
        .threads(1)
        .compression(None)
        .keep_alive(KeepAliveOptions::off())
        .max_frame_size(MAX_MESSAGE)
        .max_message_size(MAX_MESSAGE as u64);
    Ok(builder.tls(tls))
}

/// What wirewright's clients ask for.
///
/// # Errors
/// When [`identity_file`] cannot be made or read.
pub fn client() -> Result<ClientTls> {
    let tls = ClientTls::builder()
        .trust(Trust::pem_file(identity_file()?))
        .server_name(HOST)
        .versions([VERSION])
        .cipher_suites([SUITE])
        .build()?;
    Ok(tls)
}

/// What clients on rustls ask for, with sessions of before resumed or not. They believe everybody:
/// what is measured is the server, or begins behind the handshake.
///
/// # Errors
/// None that depends on anything outside this program.
pub fn client_config(resumes: bool) -> Result<Arc<ClientConfig>> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trusting::Trusting(provider())))
        .with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}
