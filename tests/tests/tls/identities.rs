//! Certificates of clients and of listeners: who is asked for one, who sees it, which one is shown.

use std::sync::Arc;
use std::sync::mpsc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use wirewright::tls::{ClientTls, ServerTls, TlsError};
use wirewright::{
    Caller, ClientBuilder, ClientError, Listener, Outcome, Proxy, Rejection, Reply, Security,
    UpgradeRequest,
};
use wirewright_tests::certificates::{
    Folder, Issued, authority, client_tls, localhost, server_tls, stranger,
};
use wirewright_tests::raw_client::TEXT;
use wirewright_tests::services::{By, Call, plain, start_echo, until};
use wirewright_tests::tls_peer::{client_config, dialled};

use super::{VERSIONS, client_of, towards};

/// What a request's and a caller's security say; they are the same.
fn telling(tls: ServerTls) -> (Listener, mpsc::Receiver<Security>) {
    let (told, tell) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let service = move |request: &UpgradeRequest| {
        let (told, asked) = (told.lock().unwrap().clone(), request.security().cloned());
        Ok::<_, Rejection>(By(move |caller: &Caller, call: Call<'_>| -> Outcome {
            if let Call::Open = call {
                assert_eq!(caller.security(), asked.as_ref());
                told.send(caller.security().unwrap().clone())?;
            }
            Ok(Reply::Nothing)
        }))
    };
    (plain().tls(tls).route("/", service).listen("127.0.0.1:0").unwrap(), tell)
}

fn showing(issued: &Issued) -> ClientTls {
    client_tls().identity(issued.identity()).build().unwrap()
}

#[track_caller]
fn cause(error: &ClientError) -> TlsError {
    let ClientError::Tls(error) = error else { panic!("{error:?}") };
    let source = std::error::Error::source(&**error).unwrap();
    source.downcast_ref::<TlsError>().unwrap().clone()
}

#[test]
fn a_listener_that_requires_certificates_knows_who_it_is() {
    let gateway = authority().issue(&["gateway.test", "10.0.0.7"]);
    for version in VERSIONS {
        let tls = server_tls().versions([version]);
        let tls = tls.require_client_certificates(authority().trust()).build().unwrap();
        let (listener, told) = telling(tls);
        let client = towards(&listener).tls(showing(&gateway)).connect().unwrap();
        let security = told.recv().unwrap();
        assert_eq!(security.protocol, version);
        assert_eq!(security.application_protocol.as_deref(), Some("http/1.1"));
        assert_eq!(security.server_name.as_deref(), Some("localhost"));
        let peer = security.peer.expect("a certificate");
        assert_eq!(peer.common_name.as_deref(), Some("gateway.test"));
        assert_eq!(peer.names, ["gateway.test", "10.0.0.7"]);
        client.close().unwrap();

        let strange = stranger().issue(&["gateway.test"]);
        for (tls, alert) in [
            (client_tls().build().unwrap(), &["certificate_required", "handshake_failure"][..]),
            (showing(&strange), &["unknown_ca"]),
            (showing(&Issued::by_itself(&["gateway.test"])), &["unknown_ca"]),
        ] {
            let refused = listener.stats().refused.tls;
            let error = towards(&listener).tls(tls).connect().unwrap_err();
            let TlsError::Alert { name, .. } = cause(&error) else { panic!("{error:?}") };
            assert!(alert.contains(&&*name), "{version}: {name}");
            assert!(!error.is_transient(), "{error:?}");
            until("it is counted", || listener.stats().refused.tls == refused + 1);
        }
        assert_eq!(listener.stats().upgraded, 1);
    }
}

#[test]
fn a_listener_that_accepts_certificates_lets_those_without_in() {
    for version in VERSIONS {
        let tls = server_tls().versions([version]);
        let tls = tls.accept_client_certificates(authority().trust()).build().unwrap();
        let (listener, told) = telling(tls);
        towards(&listener).connect().unwrap().close().unwrap();
        assert_eq!(told.recv().unwrap().peer, None);
        let own = authority().issue(&["gateway.test"]);
        towards(&listener).tls(showing(&own)).connect().unwrap().close().unwrap();
        let peer = told.recv().unwrap().peer.unwrap();
        assert_eq!(peer.common_name.as_deref(), Some("gateway.test"));
        let strange = stranger().issue(&["gateway.test"]);
        let error = towards(&listener).tls(showing(&strange)).connect().unwrap_err();
        assert!(matches!(cause(&error), TlsError::Alert { .. }), "{error:?}");
    }
}

fn named(host: &str, listener: &Listener) -> ClientBuilder {
    let here = |_: &str, port| Ok(vec![std::net::SocketAddr::from(([127, 0, 0, 1], port))]);
    let url = format!("wss://{host}:{}/", listener.local_addr().port());
    client_of(&url).resolver(here).proxy(Proxy::none())
}

/// The certificate that is shown is for the name that is asked for (RFC 6066 §3).
#[test]
fn rfc6066_3_each_name_is_shown_its_certificate() {
    for version in VERSIONS {
        let tls = ServerTls::builder()
            .versions([version])
            .identity(authority().issue(&["a.test"]).identity())
            .identity(authority().issue(&["b.test"]).identity())
            .identity(authority().issue(&["*.c.test"]).identity())
            .build()
            .unwrap();
        let (listener, told) = telling(tls);
        for host in ["a.test", "b.test", "x.c.test"] {
            named(host, &listener).connect().unwrap().close().unwrap();
            assert_eq!(told.recv().unwrap().server_name.as_deref(), Some(host));
        }
        // Whom nobody knows is shown the first one, which is not for that name.
        let error = named("d.test", &listener).connect().unwrap_err();
        assert!(error.to_string().contains("not for d.test but for a.test"), "{error}");
    }
}

#[test]
fn rfc6066_3_unknown_names_are_refused_where_the_listener_does_so() {
    for version in VERSIONS {
        let tls = ServerTls::builder()
            .versions([version])
            .identity(authority().issue(&["a.test"]).identity())
            .refuse_unknown_names()
            .build()
            .unwrap();
        let (listener, _told) = telling(tls);
        named("a.test", &listener).connect().unwrap().close().unwrap();
        let error = named("d.test", &listener).connect().unwrap_err();
        let TlsError::Alert { name, .. } = cause(&error) else { panic!("{error:?}") };
        assert!(name.contains("unrecognized_name") || name.contains("unrecognised_name"), "{name}");
        assert!(!error.is_transient());
    }
}

/// Who is connected stays so; who comes is shown the new one.
#[test]
fn certificates_are_read_again_while_connections_are_open() {
    let folder = Folder::new();
    for version in VERSIONS {
        let old = authority().issue(&["localhost"]);
        let (chain, key) = folder.keep(&old);
        let identity = wirewright::tls::Identity::pem_files(&chain, &key);
        let tls = ServerTls::builder().versions([version]).identity(identity).build().unwrap();
        let listener = start_echo(plain().tls(tls.clone()));
        let shown = || {
            let client = dialled(listener.local_addr(), client_config(version));
            client.stream.conn.peer_certificates().unwrap()[0].to_vec()
        };
        let (before, client) = (shown(), towards(&listener).connect().unwrap());
        let _ = folder.keep(&authority().issue(&["localhost"]));
        assert_eq!(shown(), before, "nothing is read before it is asked for");
        tls.reload().unwrap();
        let after = shown();
        assert_ne!(after, before);
        for text in ["still", "there"] {
            client.write_text(text).unwrap();
            assert_eq!(client.read_text().unwrap(), text);
        }
        client.close().unwrap();
        // Half of two is nothing: what was in use stays.
        std::fs::write(&key, &old.key).unwrap();
        tls.reload().unwrap_err();
        assert_eq!(shown(), after);
        towards(&listener).connect().unwrap().close().unwrap();
    }
}

/// Trusts everybody, and keeps what was stapled.
#[derive(Debug)]
struct Keeps(mpsc::Sender<Vec<u8>>);

impl ServerCertVerifier for Keeps {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        stapled: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.0.send(stapled.to_vec()).unwrap();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// The staple goes with the certificate, as it is in the file (RFC 6066 §8).
#[test]
fn rfc6066_8_an_ocsp_response_is_stapled() {
    let folder = Folder::new();
    let staple = folder.path().join("ocsp.der");
    std::fs::write(&staple, b"what an authority has signed").unwrap();
    for version in VERSIONS {
        let identity = localhost().identity().ocsp_staple_file(&staple);
        let tls = ServerTls::builder().versions([version]).identity(identity).build().unwrap();
        let listener = start_echo(plain().tls(tls));
        let (keep, kept) = mpsc::channel();
        let mut config = client_config(version);
        config.dangerous().set_certificate_verifier(Arc::new(Keeps(keep)));
        let mut client = dialled(listener.local_addr(), config).upgrade("");
        client.frame(TEXT, "hello");
        client.expect(TEXT, "hello");
        assert_eq!(kept.recv().unwrap(), b"what an authority has signed", "{version}");
    }
}
