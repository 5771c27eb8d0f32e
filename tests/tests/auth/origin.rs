//! Credentials and redirects, over TLS (S-32): what was meant for one origin goes to no other.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wirewright::auth::{Basic, Bearer, OAuth2Grant};
use wirewright::{
    Accept, ClientBuilder, ClientError, Cookie, Credentials, Listener, RedirectError, Rejection,
    Request, UpgradeRequest,
};
use wirewright_tests::endpoint::{Endpoint, token};
use wirewright_tests::services::{By, Call, echo};

use super::{Way, client, issuer, refusal, secret};

/// The secrets that each request to a listener has held, by the names of their headers.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

const SECRETS: [&str; 5] =
    ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-tenant"];

fn note(seen: &Seen, request: &Request) {
    let names = request.head().iter().map(|(name, _)| name.to_ascii_lowercase());
    let mut found: Vec<_> = names.filter(|name| SECRETS.contains(&name.as_str())).collect();
    found.sort();
    // Nor is any of them in the target.
    assert!(!request.target().contains(super::MARK), "{}", request.target());
    seen.lock().unwrap().push(found);
}

/// Redirects what asks for `/to?…`, refuses `/401`, and opens all else; notes every request.
fn start(way: Way, status: u16) -> (Listener, Seen) {
    let seen = Seen::default();
    let noting = Arc::clone(&seen);
    let service = move |request: &UpgradeRequest| {
        note(&noting, request);
        if request.path() == "/401" {
            return Err(Rejection::unauthorized("Bearer error=\"invalid_token\"")?);
        }
        match (request.path(), request.query()) {
            ("/to", Some(to)) => Err(Rejection::new(status)?.header("Location", to)?),
            _ => Ok(Accept::new(By(|caller: &wirewright::Caller, call: Call<'_>| {
                echo(caller, &call)
            }))),
        }
    };
    (way.options().start("127.0.0.1:0", service).unwrap(), seen)
}

/// Each kind of credentials, and how many tokens its endpoint has granted.
fn kinds(server: &Endpoint) -> [Arc<dyn Credentials>; 5] {
    let url = server.url("/token");
    let oauth2 = OAuth2Grant::client_credentials(url, "feed", secret("client"));
    [
        Arc::new(Basic::new("anna", secret("anna")).unwrap()),
        Arc::new(Bearer::new(secret("token")).unwrap()),
        Arc::new(Bearer::from_fn(|_| Ok(secret("called").into()))),
        Arc::new(issuer().build().unwrap()),
        Arc::new(oauth2.build().unwrap()),
    ]
}

struct Shared(Arc<dyn Credentials>);

impl Credentials for Shared {
    fn headers(
        &self,
        uri: &wirewright::Uri,
        headers: &mut wirewright::Headers,
    ) -> Result<(), wirewright::CredentialsError> {
        assert_eq!(uri.host(), "localhost", "asked for another host");
        self.0.headers(uri, headers)
    }

    fn refused(&self, uri: &wirewright::Uri, sent: &wirewright::Headers) -> bool {
        self.0.refused(uri, sent)
    }
}

/// With secrets of every other kind, too.
fn secretive(url: &str, credentials: &Arc<dyn Credentials>) -> ClientBuilder {
    let cookie = Cookie::new("session", secret("cookie"));
    let proxy = STANDARD.encode(secret("proxy"));
    client(url)
        .header("X-Api-Key", &secret("key"))
        .unwrap()
        .header("X-Tenant", &secret("tenant"))
        .unwrap()
        .header("Proxy-Authorization", &format!("Basic {proxy}"))
        .unwrap()
        .cookies([cookie])
        .unwrap()
        .credentials(Shared(Arc::clone(credentials)))
        .redirects(10)
}

#[test]
fn s32_no_credentials_cross_an_origin_over_tls() {
    let server = Endpoint::start(|_, _| token(&secret("granted"), ""));
    let (all, none): (Vec<String>, _) = (SECRETS.map(str::to_owned).to_vec(), Vec::<String>::new);
    for status in [301, 302, 303, 307, 308] {
        for credentials in kinds(&server) {
            let (home, at_home) = start(Way::Tls, status);
            let (away, elsewhere) = start(Way::Tls, status);
            let here = |path: &str| Way::Tls.url(&home, path);
            let there = |path: &str| Way::Tls.url(&away, path);
            // Another port of the same host; there and back; within the origin.
            let back = format!("/to?{}", there(&format!("/to?{}", here("/end"))));
            let ways = [
                (format!("/to?{}", there("/end")), vec![all.clone()], vec![none()]),
                (back, vec![all.clone(), none()], vec![none()]),
                ("/to?/end".to_owned(), vec![all.clone(), all.clone()], vec![]),
            ];
            for (path, seen_here, seen_there) in ways {
                let opened = secretive(&here(&path), &credentials).connect().unwrap();
                opened.close().unwrap();
                assert_eq!(std::mem::take(&mut *at_home.lock().unwrap()), seen_here, "{path}");
                assert_eq!(std::mem::take(&mut *elsewhere.lock().unwrap()), seen_there, "{path}");
            }
        }
    }
}

/// Another host is another origin, though it be the same machine and port.
#[test]
fn s32_no_credentials_go_to_another_host_over_tls() {
    let server = Endpoint::start(|_, _| token(&secret("granted"), ""));
    for credentials in kinds(&server) {
        let (home, seen) = start(Way::Tls, 307);
        let port = home.local_addr().port();
        let path = format!("/to?wss://127.0.0.1:{port}/end");
        let opened = secretive(&Way::Tls.url(&home, &path), &credentials).connect().unwrap();
        opened.close().unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!((seen[0].len(), seen[1].len()), (SECRETS.len(), 0));
    }
}

/// From TLS to clear text no redirect leads, with credentials or without.
#[test]
fn s32_no_redirect_leads_from_wss_to_ws() {
    let server = Endpoint::start(|_, _| token(&secret("granted"), ""));
    for credentials in kinds(&server) {
        let (home, _) = start(Way::Tls, 307);
        let (plain, seen) = start(Way::Plain, 307);
        for to in
            [Way::Plain.url(&plain, "/end"), Way::Plain.url(&plain, "/end").replace("ws:", "http:")]
        {
            let from = Way::Tls.url(&home, &format!("/to?{to}"));
            let error = secretive(&from, &credentials).connect().unwrap_err();
            assert!(
                matches!(error, ClientError::Redirect(RedirectError::Downgrade(_))),
                "{error:?}"
            );
            assert_eq!(plain.stats().accepted, 0);
        }
        assert!(seen.lock().unwrap().is_empty());
    }
}

/// A stranger's 401 has no token fetched anew, nor forgotten.
#[test]
fn s32_a_strangers_401_is_asked_about_nowhere_over_tls() {
    let server = Endpoint::start(|_, number| token(&secret(&format!("token{number}")), ""));
    let [.., oauth2] = kinds(&server);
    let (home, _) = start(Way::Tls, 307);
    let (away, seen) = start(Way::Tls, 307);
    let path = format!("/to?{}", Way::Tls.url(&away, "/401"));
    let error = secretive(&Way::Tls.url(&home, &path), &oauth2).connect().unwrap_err();
    assert_eq!(refusal(error).0, 401);
    assert_eq!((server.count(), seen.lock().unwrap().len()), (1, 1));
    // At home it has: once.
    let error = secretive(&Way::Tls.url(&home, "/401"), &oauth2).connect().unwrap_err();
    assert_eq!((refusal(error).0, server.count()), (401, 2));
}
