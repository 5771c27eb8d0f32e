//! Token endpoints over TLS: whom they believe, whom we believe, and how long.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConnection, StreamOwned};
use wirewright_auth::{EndpointError, HttpOptions, OAuth2Error, OAuth2Grant};

use super::http_server::{Server, Stream, token};

/// Files that are gone in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("wirewright-auth-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed([name.to_owned()]).unwrap()
}

/// What turns sockets into TLS with this certificate, and asks for one that `client` has signed.
fn tls(
    own: &CertifiedKey<KeyPair>,
    client: Option<CertificateDer<'static>>,
) -> impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync + use<> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots.add(client).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = Arc::new(builder.with_single_cert(vec![own.cert.der().clone()], key).unwrap());
    move |mut socket| {
        let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        // The client may not like what it is shown.
        connection.complete_io(&mut socket).ok()?;
        Some(Box::new(StreamOwned::new(connection, socket)))
    }
}

fn secure_server(own: &CertifiedKey<KeyPair>, client: Option<CertificateDer<'static>>) -> Server {
    Server::wrapped(tls(own, client), |_, _, out| {
        let _ = out.write_all(token("secure").as_bytes());
    })
}

fn ask(port: u16, options: HttpOptions) -> Result<(), OAuth2Error> {
    let url = format!("https://localhost:{port}/token");
    let grant = OAuth2Grant::client_credentials(url, "id", "secret").http(options);
    grant.build().unwrap().access_token().map(drop)
}

#[track_caller]
fn refused_by_tls(result: Result<(), OAuth2Error>) {
    let error = result.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert!(matches!(error, OAuth2Error::Endpoint(EndpointError::Tls { .. })), "{error}");
}

#[test]
fn rfc6749_3_2_certificates_are_checked() {
    let folder = Folder::new();
    let (own, other) = (certificate("localhost"), certificate("elsewhere.example.com"));
    let trusted = folder.file("own.pem", &own.cert.pem());
    let elsewhere = folder.file("elsewhere.pem", &other.cert.pem());
    let server = secure_server(&own, None);
    ask(server.port(), HttpOptions::new().roots_file(&trusted)).unwrap();
    ask(server.port(), HttpOptions::new().roots_file(&elsewhere).roots_file(&trusted)).unwrap();
    ask(server.port(), HttpOptions::new().danger_accept_any_certificate(true)).unwrap();
    assert_eq!(server.count(), 3);
    // Nobody vouches for it; and the right certificate for the wrong name.
    refused_by_tls(ask(server.port(), HttpOptions::new().roots_file(&elsewhere)));
    let impostor = secure_server(&other, None);
    refused_by_tls(ask(impostor.port(), HttpOptions::new().roots_file(&elsewhere)));
    ask(impostor.port(), HttpOptions::new().danger_accept_any_certificate(true)).unwrap();
    assert_eq!((server.count(), impostor.count()), (3, 1), "no secret was sent to either");
}

#[test]
fn rfc8705_2_client_shows_its_certificate() {
    let folder = Folder::new();
    let (own, client, stranger) = (certificate("localhost"), certificate("a"), certificate("b"));
    let roots = folder.file("own.pem", &own.cert.pem());
    let identity = |name: &str, of: &CertifiedKey<KeyPair>| {
        let chain = folder.file(&format!("{name}.pem"), &of.cert.pem());
        (chain, folder.file(&format!("{name}.key"), &of.signing_key.serialize_pem()))
    };
    let (chain, key) = identity("client", &client);
    let (strange_chain, strange_key) = identity("stranger", &stranger);
    let server = secure_server(&own, Some(client.cert.der().clone()));
    let trusting = || HttpOptions::new().roots_file(&roots);
    ask(server.port(), trusting().identity_files(&chain, &key)).unwrap();
    refused_by_tls(ask(server.port(), trusting()));
    refused_by_tls(ask(server.port(), trusting().identity_files(&strange_chain, &strange_key)));
    assert_eq!(server.count(), 1);
    // A key that is another certificate's, and files that hold something else.
    let junk = folder.file("junk.pem", "no PEM");
    for options in [
        HttpOptions::new().identity_files(&chain, &strange_key),
        HttpOptions::new().identity_files(&key, &chain),
        HttpOptions::new().identity_files(&chain, &junk),
        HttpOptions::new().roots_file(&junk),
        HttpOptions::new().roots_file(""),
    ] {
        let grant = OAuth2Grant::client_credentials("https://localhost/", "id", "secret");
        assert!(grant.http(options).build().is_err());
    }
}

#[test]
fn s47_slow_tls_ends_with_the_deadline() {
    let folder = Folder::new();
    let own = certificate("localhost");
    let roots = folder.file("own.pem", &own.cert.pem());
    let timeout = Duration::from_millis(150);
    let begun = Instant::now();
    // One that says nothing to the first flight, one that never ends its answer.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let options = HttpOptions::new().roots_file(&roots).connect_timeout(timeout);
    let error = ask(port, options).unwrap_err();
    let OAuth2Error::Endpoint(EndpointError::Timeout { option, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(option, "connect_timeout");
    let endless = Server::wrapped(tls(&own, None), |_, _, out| {
        let mut said = out.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while said.is_ok() {
            thread::sleep(Duration::from_millis(5));
            said = out.write_all(b" ");
        }
    });
    let options = HttpOptions::new().roots_file(&roots).request_timeout(10 * timeout);
    let error = ask(endless.port(), options).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("`request_timeout`"), "{error}");
    assert!(begun.elapsed() > 11 * timeout && begun.elapsed() < 100 * timeout);
}

#[test]
fn answer_that_is_cut_off_is_none() {
    let folder = Folder::new();
    let own = certificate("localhost");
    let roots = folder.file("own.pem", &own.cert.pem());
    // Without TLS's goodbye, nobody knows whether this is all of it.
    let server = Server::wrapped(tls(&own, None), |_, _, out| {
        let _ = out.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"abc\"}");
    });
    let error = ask(server.port(), HttpOptions::new().roots_file(&roots)).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("out of reach"), "{error}");
}
