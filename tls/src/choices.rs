//! Versions, cipher suites and groups by their names, and what is not offered.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::{
    CipherSuite, KeyLog, KeyLogFile, NamedGroup, NoKeyLog, SupportedCipherSuite,
    SupportedProtocolVersion,
};

use crate::config_error::{ConfigProblem, TlsConfigError};

/// What a configuration is ready to agree on; `None` for rustls's choice.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    pub(crate) versions: Option<Vec<String>>,
    pub(crate) suites: Option<Vec<String>>,
    pub(crate) groups: Option<Vec<String>>,
    /// Application protocols, the one that is liked best first (RFC 7301).
    pub(crate) protocols: Vec<String>,
    pub(crate) logs_keys: bool,
}

impl Default for Choices {
    fn default() -> Self {
        let protocols = vec!["http/1.1".to_owned()];
        Self { versions: None, suites: None, groups: None, protocols, logs_keys: false }
    }
}

/// The same, found.
pub(crate) struct Chosen {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) protocols: Vec<Vec<u8>>,
    pub(crate) key_log: Arc<dyn KeyLog>,
}

impl Choices {
    pub(crate) fn find(&self) -> Result<Chosen, TlsConfigError> {
        let mut provider = aws_lc_rs::default_provider();
        let mut versions = vec![&rustls::version::TLS13, &rustls::version::TLS12];
        if let Some(names) = &self.versions {
            versions = all("versions", names, version)?;
        }
        if let Some(names) = &self.suites {
            provider.cipher_suites = all("cipher_suites", names, suite)?;
        }
        if let Some(names) = &self.groups {
            provider.kx_groups = all("groups", names, group)?;
        }
        for version in &versions {
            let usable = provider.cipher_suites.iter().any(|suite| suite.version() == *version);
            if !usable {
                let version = version_name(version);
                let what = format!("no suite of them is for {version}, which `versions` allows");
                let problem = ConfigProblem::Contradiction(what);
                return Err(TlsConfigError::new("cipher_suites", problem));
            }
        }
        let protocols =
            self.protocols.iter().map(|name| protocol(name)).collect::<Result<_, _>>()?;
        Ok(Chosen { provider: Arc::new(provider), versions, protocols, key_log: self.key_log() })
    }
}

impl Choices {
    fn key_log(&self) -> Arc<dyn KeyLog> {
        if !self.logs_keys {
            return Arc::new(NoKeyLog {});
        }
        match std::env::var_os("SSLKEYLOGFILE") {
            Some(path) => tracing::warn!(
                path = %path.display(),
                "the keys of all connections are written to a file, whose reader can decrypt them"
            ),
            None => tracing::warn!("keys were to be logged, but SSLKEYLOGFILE is not set"),
        }
        Arc::new(KeyLogFile::new())
    }
}

/// The bytes of an application protocol's name, 1 to 255 of them (RFC 7301 §3.1).
fn protocol(name: &str) -> Result<Vec<u8>, TlsConfigError> {
    if (1..=255).contains(&name.len()) {
        return Ok(name.as_bytes().to_vec());
    }
    let what = format!("{name:?} has not 1 to 255 bytes, as the name of a protocol must");
    Err(TlsConfigError::new("alpn", ConfigProblem::Malformed(what)))
}

/// Finds each of `names`, of which there is at least one.
fn all<T>(
    option: &str,
    names: &[String],
    find: fn(&str) -> Result<T, ConfigProblem>,
) -> Result<Vec<T>, TlsConfigError> {
    if names.is_empty() {
        return Err(TlsConfigError::new(option, ConfigProblem::Empty));
    }
    let found = names.iter().map(|name| find(name)).collect::<Result<_, _>>();
    found.map_err(|problem| TlsConfigError::new(option, problem))
}

fn version(name: &str) -> Result<&'static SupportedProtocolVersion, ConfigProblem> {
    match name {
        "TLSv1.2" => Ok(&rustls::version::TLS12),
        "TLSv1.3" => Ok(&rustls::version::TLS13),
        _ => Err(ConfigProblem::NotOffered {
            name: name.to_owned(),
            why: if is_old(name) { "is not offered by rustls" } else { "is not a version" },
            there: "TLSv1.2, TLSv1.3".to_owned(),
        }),
    }
}

/// Whether a name is that of a version before TLS 1.2 (RFC 8996, RFC 7568), or of DTLS.
fn is_old(name: &str) -> bool {
    name.starts_with("SSL") || name.starts_with("DTLS") || name.starts_with("TLSv1")
}

fn version_name(version: &SupportedProtocolVersion) -> &'static str {
    if *version == rustls::version::TLS12 { "TLSv1.2" } else { "TLSv1.3" }
}

fn suite(name: &str) -> Result<SupportedCipherSuite, ConfigProblem> {
    let found = aws_lc_rs::ALL_CIPHER_SUITES.iter().find(|suite| suite_name(**suite) == name);
    found.copied().ok_or_else(|| ConfigProblem::NotOffered {
        name: name.to_owned(),
        why: if name.starts_with("TLS_") || name.starts_with("SSL_") {
            "is not offered by rustls, which has neither cbc, dhe, rsa key exchange nor rc4"
        } else {
            "is not the iana name of a cipher suite"
        },
        there: list(aws_lc_rs::ALL_CIPHER_SUITES.iter().map(|suite| suite_name(*suite))),
    })
}

/// A suite's name in IANA's registry, which rustls varies for TLS 1.3.
pub(crate) fn suite_name(suite: SupportedCipherSuite) -> &'static str {
    match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or(""),
    }
}

fn group(name: &str) -> Result<&'static dyn SupportedKxGroup, ConfigProblem> {
    let found =
        aws_lc_rs::ALL_KX_GROUPS.iter().find(|group| group_name(group.name()) == Some(name));
    found.copied().ok_or_else(|| ConfigProblem::NotOffered {
        name: name.to_owned(),
        why: "is not the name of a group that rustls offers",
        there: list(aws_lc_rs::ALL_KX_GROUPS.iter().filter_map(|group| group_name(group.name()))),
    })
}

/// A group's name in IANA's registry, which rustls varies.
fn group_name(group: NamedGroup) -> Option<&'static str> {
    match group {
        NamedGroup::X25519 => Some("x25519"),
        NamedGroup::secp256r1MLKEM768 => Some("SecP256r1MLKEM768"),
        other => other.as_str(),
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
