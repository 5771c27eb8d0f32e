//! Certificates made once for the process, and folders for those that are to be in files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use wirewright::tls::{ClientTls, ClientTlsBuilder, Identity, ServerTls, ServerTlsBuilder, Trust};

/// An authority of certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its chain and key, as PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate, and those between it and the authority.
    pub chain: String,
    /// Its key.
    pub key: String,
}

/// The authority that the clients of tests trust.
#[must_use]
pub fn authority() -> &'static Authority {
    static MADE: OnceLock<Authority> = OnceLock::new();
    MADE.get_or_init(|| Authority::new("wirewright test authority"))
}

/// One that nobody trusts where nothing else is said.
#[must_use]
pub fn stranger() -> &'static Authority {
    static MADE: OnceLock<Authority> = OnceLock::new();
    MADE.get_or_init(|| Authority::new("nobody's authority"))
}

/// The certificate of this machine's name and address.
#[must_use]
pub fn localhost() -> &'static Issued {
    static MADE: OnceLock<Issued> = OnceLock::new();
    MADE.get_or_init(|| authority().issue(&["localhost", "127.0.0.1"]))
}

/// A client's that trusts [`authority`] alone.
#[must_use]
pub fn client_tls() -> ClientTlsBuilder {
    ClientTls::builder().trust(authority().trust())
}

/// A listener's that shows [`localhost`].
#[must_use]
pub fn server_tls() -> ServerTlsBuilder {
    ServerTls::builder().identity(localhost().identity())
}

impl Authority {
    /// # Panics
    /// Here and below: if there are no random numbers.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params_of_authority(name), key).unwrap())
    }

    /// One below this, which a chain shows.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(params_of_authority(name), key, &self.0).unwrap())
    }

    /// Its own certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// To trust it alone.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust::pem(self.pem())
    }

    /// A certificate for a server or client of these names and addresses.
    #[must_use]
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(&params(names))
    }

    /// A certificate that says this.
    #[must_use]
    pub fn issue_with(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.0).unwrap().pem();
        Issued { chain, key: key.serialize_pem() }
    }
}

impl Issued {
    /// One that nobody but itself has signed.
    ///
    /// # Panics
    /// If there are no random numbers.
    #[must_use]
    pub fn by_itself(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let chain = params(names).self_signed(&key).unwrap().pem();
        Self { chain, key: key.serialize_pem() }
    }

    /// With a further certificate in its chain.
    #[must_use]
    pub fn with(mut self, pem: &str) -> Self {
        self.chain.push_str(pem);
        self
    }

    /// To be shown.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::pem(self.chain.clone(), self.key.clone())
    }
}

fn params_of_authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// What a usual certificate says, its common name being the first of `names`.
///
/// # Panics
/// If one of the names is none.
#[must_use]
pub fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let first = names.first().map_or("nobody", String::as_str).to_owned();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, first);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    params
}

/// The same, of a certificate that has ceased to be valid.
#[must_use]
pub fn expired(names: &[&str]) -> CertificateParams {
    let mut params = params(names);
    params.not_after = date_time_ymd(2021, 1, 1);
    params
}

/// The same, of one that only its common name is for.
#[must_use]
pub fn common_name_only(name: &str) -> CertificateParams {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A folder that is gone when it is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// # Panics
    /// Here and below: if the system has no room for it.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes something that others can see")]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wirewright-tests-{}-{number}", process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a certificate and its key, or puts them in the place of others.
    #[must_use]
    pub fn keep(&self, issued: &Issued) -> (PathBuf, PathBuf) {
        let (chain, key) = (self.0.join("chain.pem"), self.0.join("key.pem"));
        fs::write(&chain, &issued.chain).unwrap();
        fs::write(&key, &issued.key).unwrap();
        (chain, key)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
