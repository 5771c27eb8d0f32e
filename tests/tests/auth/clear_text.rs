//! Credentials and plain `ws` (S-49): to this machine alone, unless both sides of the matter, the
//! client and its credentials, are told otherwise.

use std::net::SocketAddr;

use wirewright::auth::{Basic, Bearer, ClearTextError, OAuth2Grant};
use wirewright::{Client, ClientBuilder, ClientError, Credentials, Listener, Proxy};
use wirewright_tests::endpoint::{Endpoint, token};

use super::{Way, issuer, secret};

/// Of each kind, those that may not and those that may.
fn all(url: &str, allow: bool) -> Vec<Box<dyn Credentials>> {
    let oauth2 = OAuth2Grant::client_credentials(url, "feed", secret("client"));
    let callback = Bearer::from_fn(|_| Ok(secret("token").into()));
    vec![
        Box::new(Basic::new("anna", secret("anna")).unwrap().allow_clear_text(allow)),
        Box::new(Bearer::new(secret("token")).unwrap().allow_clear_text(allow)),
        Box::new(callback.allow_clear_text(allow)),
        Box::new(issuer().allow_clear_text(allow).build().unwrap()),
        Box::new(oauth2.allow_clear_text(allow).build().unwrap()),
    ]
}

/// Owns a trait object where credentials are wanted.
struct Boxed(Box<dyn Credentials>);

impl Credentials for Boxed {
    fn headers(
        &self,
        uri: &wirewright::Uri,
        headers: &mut wirewright::Headers,
    ) -> Result<(), wirewright::CredentialsError> {
        self.0.headers(uri, headers)
    }

    fn refused(&self, uri: &wirewright::Uri, sent: &wirewright::Headers) -> bool {
        self.0.refused(uri, sent)
    }
}

/// A client whose names all lead to the listener.
fn towards(listener: &Listener, host: &str) -> ClientBuilder {
    let here = move |_: &str, port| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
    let url = format!("ws://{host}:{}/", listener.local_addr().port());
    Client::builder(&url).resolver(here).proxy(Proxy::none())
}

#[test]
fn s49_no_credentials_go_over_ws_to_another_machine() {
    let listener = Way::Plain.options().authenticator(|_: &_| Ok(wirewright::Identity::new("x")));
    let listener = super::start(listener);
    let server = Endpoint::start(|_, _| token(&secret("granted"), ""));
    let url = server.url("/token");
    for host in ["feed.test", "localhost.feed.test", "127.0.0.1.feed.test"] {
        // The client says so before anything else; with its leave, the credentials do.
        for credentials in all(&url, false).into_iter().chain(all(&url, true)) {
            let to = towards(&listener, host).credentials(Boxed(credentials));
            let error = to.connect().unwrap_err();
            assert!(matches!(error, ClientError::ClearTextCredentials(_)), "{error:?}");
            assert!(!error.is_transient());
        }
        for credentials in all(&url, false) {
            let to = towards(&listener, host).allow_clear_text_credentials(true);
            let error = to.credentials(Boxed(credentials)).connect().unwrap_err();
            let ClientError::Credentials(found) = &error else { panic!("{error:?}") };
            let source = std::error::Error::source(found).unwrap();
            assert!(source.is::<ClearTextError>(), "{error:?}");
            assert!(!error.is_transient());
        }
        assert_eq!((server.count(), listener.stats().accepted), (0, 0));
    }
    // Where both allow it, it is as they wish; on this machine, nobody is asked.
    for credentials in all(&url, true) {
        let to = towards(&listener, "feed.test").allow_clear_text_credentials(true);
        to.credentials(Boxed(credentials)).connect().unwrap().close().unwrap();
    }
    for host in ["localhost", "127.0.0.1", "LOCALHOST"] {
        for credentials in all(&url, false) {
            let to = towards(&listener, host).credentials(Boxed(credentials));
            to.connect().unwrap().close().unwrap();
        }
    }
    assert_eq!(listener.stats().upgraded, 5 + 3 * 5);
}

/// Nor do the secrets that a token is granted for, to an endpoint on another machine.
#[test]
fn s47_no_secret_goes_over_http_to_another_machine() {
    let of = |url: &str| OAuth2Grant::client_credentials(url, "feed", secret("client")).build();
    for url in ["http://id.test/token", "http://localhost.id.test/", "http://192.0.2.1/"] {
        let error = of(url).unwrap_err();
        assert!(error.to_string().contains("allow_clear_text"), "{error}");
    }
    for url in ["http://127.0.0.1:1/token", "https://id.test/token"] {
        of(url).unwrap();
    }
}
