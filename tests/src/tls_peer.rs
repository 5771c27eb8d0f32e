//! rustls's own connections over sockets of the standard library: what a peer may do and our
//! layers never do.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};

use crate::certificates::{Issued, authority, localhost};
use crate::raw_client::{PATIENCE, RawClient};

/// Both versions, by the names that options have for them.
pub const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// TLS over a socket to a listener.
pub type ToListener = StreamOwned<ClientConnection, TcpStream>;
/// TLS over a socket to a client.
pub type ToClient = StreamOwned<ServerConnection, TcpStream>;

/// A client of rustls's that trusts [`authority`], of one version.
///
/// # Panics
/// Here and below: if the configuration is none.
#[must_use]
pub fn client_config(version: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority().pem().as_bytes()).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[parse(version)])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A server of rustls's that shows [`localhost`], of one version.
#[must_use]
pub fn server_config(version: &str) -> ServerConfig {
    let (chain, key) = parts(localhost());
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[parse(version)])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

/// Chain and key as rustls has them.
#[must_use]
pub fn parts(issued: &Issued) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    (chain.collect::<Result<_, _>>().unwrap(), key)
}

fn parse(version: &str) -> &'static SupportedProtocolVersion {
    match version {
        "TLSv1.2" => &TLS12,
        "TLSv1.3" => &TLS13,
        other => panic!("{other} is no version"),
    }
}

/// A client of literal bytes over TLS, that nothing was sent to yet.
#[must_use]
pub fn dial(addr: SocketAddr, config: ClientConfig) -> RawClient<ToListener> {
    let stream = RawClient::silent(addr).stream;
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap());
    RawClient::over_any(StreamOwned::new(connection.unwrap(), stream))
}

/// The same behind the handshake of TLS.
#[must_use]
pub fn dialled(addr: SocketAddr, config: ClientConfig) -> RawClient<ToListener> {
    let mut client = dial(addr, config);
    while client.stream.conn.is_handshaking() {
        client.stream.conn.complete_io(&mut client.stream.sock).unwrap();
    }
    client
}

/// A server over TLS whose connections are a script's, each in a thread of its own.
#[derive(Debug)]
pub struct TlsServer {
    addr: SocketAddr,
    thread: JoinHandle<()>,
}

impl TlsServer {
    /// For so many connections, one after another.
    pub fn start(
        config: ServerConfig,
        connections: usize,
        script: impl Fn(ToClient) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let config = Arc::new(config);
        let thread = thread::spawn(move || {
            for _ in 0..connections {
                let (stream, _) = listener.accept().unwrap();
                script(serve(stream, &config));
            }
        });
        Self { addr, thread }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("wss://localhost:{}/", self.addr.port())
    }

    /// Waits for the script to end, and fails with it.
    pub fn join(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// The server's end of TLS over a socket.
#[must_use]
pub fn serve(stream: TcpStream, config: &Arc<ServerConfig>) -> ToClient {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}
