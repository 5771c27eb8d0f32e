//! rustls's own connections as peers, for what our layers never do themselves.

use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme,
};
use wirewright_core::{ClientLayers, ServerLayers};
use wirewright_tls::{ClientTls, ServerTls};

use crate::certificates::Authority;
use crate::pair::End;

/// A client that trusts `authority`.
pub(crate) fn client_config(authority: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// rustls's client, and our layer for a listener.
pub(crate) struct PlainClient {
    pub(crate) tls: ClientConnection,
    pub(crate) layer: End,
    got: Vec<u8>,
    closed: bool,
}

impl PlainClient {
    pub(crate) fn new(config: &ClientConfig, server: &ServerTls) -> Self {
        let name = "example.com".try_into().unwrap();
        Self {
            tls: ClientConnection::new(Arc::new(config.clone()), name).unwrap(),
            layer: End::new(ServerLayers::layer(server).unwrap()),
            got: Vec::new(),
            closed: false,
        }
    }

    pub(crate) fn open(config: &ClientConfig, server: &ServerTls) -> Self {
        let mut peer = Self::new(config, server);
        peer.carry();
        assert!(peer.layer.layer.is_open() && !peer.tls.is_handshaking());
        peer
    }

    /// Carries bytes both ways until there are none.
    pub(crate) fn carry(&mut self) {
        loop {
            let mut up = Vec::new();
            while self.tls.wants_write() {
                self.tls.write_tls(&mut up).unwrap();
            }
            self.layer.receive(&up);
            let down = self.layer.sent();
            let mut rest = &down[..];
            while !rest.is_empty() {
                self.tls.read_tls(&mut rest).unwrap();
                self.tls.process_new_packets().unwrap();
                self.closed |= drain(self.tls.reader(), &mut self.got);
            }
            if up.is_empty() && down.is_empty() {
                return;
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).unwrap();
    }

    pub(crate) fn read(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.got)
    }

    pub(crate) fn saw_close_notify(&self) -> bool {
        self.closed
    }
}

/// Reads what there is; whether there will be no more.
fn drain(mut from: impl Read, to: &mut Vec<u8>) -> bool {
    match from.read_to_end(to) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}

/// rustls's server, and our layer for a client.
pub(crate) struct PlainServer {
    pub(crate) tls: ServerConnection,
    pub(crate) layer: End,
    got: Vec<u8>,
}

impl PlainServer {
    /// With no more than `fragment` bytes in a record.
    pub(crate) fn new(authority: &Authority, client: &ClientTls, fragment: Option<usize>) -> Self {
        let issued = authority.issue(&["example.com"]);
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
        let chain = chain.collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap();
        config.max_fragment_size = fragment;
        config.ticketer = aws_lc_rs::Ticketer::new().unwrap();
        Self::with(config, client)
    }

    pub(crate) fn with(config: ServerConfig, client: &ClientTls) -> Self {
        Self {
            tls: ServerConnection::new(Arc::new(config)).unwrap(),
            layer: End::new(ClientLayers::layer(client, "example.com").unwrap()),
            got: Vec::new(),
        }
    }

    /// Up to the client's last flight, the server having answered with nothing but tickets.
    pub(crate) fn handshake_without_tickets(&mut self) {
        self.layer.turn();
        while self.tls.is_handshaking() {
            let up = self.layer.sent();
            self.receive(&up);
            if self.tls.is_handshaking() {
                let down = self.take_sent();
                self.layer.receive(&down);
            }
        }
    }

    pub(crate) fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).unwrap();
            self.tls.process_new_packets().unwrap();
            drain(self.tls.reader(), &mut self.got);
        }
    }

    pub(crate) fn take_sent(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    pub(crate) fn read(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.got)
    }
}

/// Notes the OCSP response that a server staples, and believes everything.
#[derive(Debug)]
pub(crate) struct Staples(Arc<CryptoProvider>, pub(crate) Mutex<Vec<u8>>);

impl Staples {
    /// With a client that asks it.
    pub(crate) fn client(authority: &Authority) -> (Arc<Self>, ClientConfig) {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let staples = Arc::new(Self(provider, Mutex::new(Vec::new())));
        let mut config = client_config(authority);
        config.dangerous().set_certificate_verifier(Arc::clone(&staples) as _);
        (staples, config)
    }
}

impl ServerCertVerifier for Staples {
    fn verify_server_cert(
        &self,
        _own: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        ocsp.clone_into(&mut self.1.lock().unwrap());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
