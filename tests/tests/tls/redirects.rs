//! Redirects of servers over TLS, and what does not follow them (S-32).

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use wirewright::{
    ClientBuilder, ClientError, Cookie, Credentials, CredentialsError, Headers, Proxy,
    RedirectError, Uri,
};
use wirewright_tests::certificates::{Issued, authority};
use wirewright_tests::tls_peer::{TlsServer, parts, server_config};

use super::{VERSIONS, client_of};
use crate::client::peer::{answer, header, read_head};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// A server that redirects `/` and opens every other path, and the requests it has had.
struct Site {
    server: TlsServer,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn start(
        config: ServerConfig,
        status: u16,
        connections: usize,
        to: impl Fn() -> String + Send + 'static,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let server = TlsServer::start(config, connections, move |mut stream| {
            let request = read_head(&mut stream);
            let is_start = request.split(' ').nth(1) == Some("/");
            let said = if is_start {
                let to = to();
                format!(
                    "HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
                )
            } else {
                answer(&request)
            };
            log.lock().unwrap().push(request);
            stream.write_all(said.as_bytes()).unwrap();
            if !is_start {
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
        Self { server, requests }
    }

    fn requests(self) -> Vec<String> {
        self.server.join();
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

struct Token;

impl Credentials for Token {
    fn headers(&self, _: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        headers.set("Authorization", "Bearer canary")?;
        Ok(())
    }
}

/// A client with a secret in every place that there is for one.
fn secretive(url: &str) -> ClientBuilder {
    let here = |_: &str, port| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
    let url = url.replacen("wss://", "wss://me:canary@", 1);
    let builder = client_of(&url).credentials(Token).redirects(10);
    let builder = builder.resolver(here).proxy(Proxy::none());
    let builder = builder.header("X-Api-Key", "canary").unwrap();
    let builder = builder.header("User-Agent", "tester").unwrap();
    builder.cookies([Cookie::new("canary", "1")]).unwrap()
}

fn has_secrets(request: &str) -> bool {
    request.to_ascii_lowercase().contains("canary")
}

#[test]
fn s32_over_tls_the_same_origin_keeps_all() {
    for version in VERSIONS {
        for status in STATUSES {
            let site = Site::start(server_config(version), status, 2, || "/feed".into());
            let client = secretive(&site.server.url()).connect().unwrap();
            assert_eq!(client.url().path_and_query(), "/feed");
            assert!(client.is_secure());
            drop(client);
            let requests = site.requests();
            assert_eq!(header(&requests[1], "Authorization"), Some("Bearer canary"));
            assert_eq!(header(&requests[1], "Cookie"), Some("canary=1"));
            assert_eq!(header(&requests[1], "X-Api-Key"), Some("canary"));
        }
    }
}

#[test]
fn s32_over_tls_another_origin_learns_no_secret() {
    for version in VERSIONS {
        for status in STATUSES {
            for host in ["localhost", "127.0.0.1"] {
                let second = Site::start(server_config(version), status, 1, String::new);
                let there = format!("https://u:p@{host}:{}/away", second.server.addr().port());
                let first = Site::start(server_config(version), status, 1, move || there.clone());
                let client = secretive(&first.server.url()).connect().unwrap();
                assert!(client.is_secure());
                assert_eq!(client.url().userinfo(), None);
                drop(client);
                let (first, second) = (first.requests(), second.requests());
                assert!(has_secrets(&first[0]));
                assert!(!has_secrets(&second[0]), "{status}: {}", second[0]);
                assert_eq!(header(&second[0], "User-Agent"), Some("tester"));
            }
        }
    }
}

/// Nobody listens there: it is refused before anything is looked up or dialled.
#[test]
fn s32_over_tls_no_redirect_leads_out_of_it() {
    for status in STATUSES {
        for scheme in ["ws", "http", "WS"] {
            let there = move || format!("{scheme}://localhost:1/away");
            let site = Site::start(server_config("TLSv1.3"), status, 1, there);
            let error = secretive(&site.server.url()).connect().unwrap_err();
            assert!(
                matches!(error, ClientError::Redirect(RedirectError::Downgrade(_))),
                "{scheme}: {error:?}"
            );
            site.requests();
        }
    }
}

/// Where a redirect leads, that server has to prove to be that host (S-33).
#[test]
fn s33_a_redirect_to_another_host_is_verified_as_that_host() {
    let showing = |issued: &Issued| {
        let (chain, key) = parts(issued);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = ServerConfig::builder_with_provider(provider.into());
        let config = config.with_safe_default_protocol_versions().unwrap();
        config.with_no_client_auth().with_single_cert(chain, key).unwrap()
    };
    for (name, fits) in [("other.test", true), ("localhost", false)] {
        let config = showing(&authority().issue(&[name]));
        let second = TlsServer::start(config, 1, |mut stream| {
            let mut byte = [0];
            let Ok(1) = stream.read(&mut byte) else { return };
            let request = String::from_utf8(byte.to_vec()).unwrap() + &read_head(&mut stream);
            stream.write_all(answer(&request).as_bytes()).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let there = format!("wss://other.test:{}/away", second.addr().port());
        let first = Site::start(server_config("TLSv1.3"), 302, 1, move || there.clone());
        let result = secretive(&first.server.url()).connect();
        match result {
            Ok(client) => {
                assert!(fits);
                drop(client);
            }
            Err(ClientError::Tls(error)) => {
                assert!(!fits && error.to_string().contains("not for other.test"), "{error}");
                assert!(!error.is_transient());
            }
            Err(error) => panic!("{error:?}"),
        }
        drop(first.requests());
        second.join();
    }
}
