//! What a client and its credentials tell while they connect, are refused and come back.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use wirewright::auth::{
    Basic, Bearer, ClientAuthentication, JwtAlgorithm, JwtIssuer, OAuth2Grant, SigningKey,
};
use wirewright::{
    Accept, Client, ClientBuilder, Cookie, Credentials, CredentialsError, Headers, Identity,
    Listener, Proxy, Rejection, Request, UpgradeRequest, Uri,
};
use wirewright_tests::certificates::{client_tls, server_tls, stranger};
use wirewright_tests::endpoint::{Endpoint, json, token};
use wirewright_tests::raw_client::PATIENCE;
use wirewright_tests::services::{By, Call, echo, plain, until};

use super::super::eager;
use super::Scene;
use super::options::grants;

pub(super) fn scene(scene: &Scene) {
    for secure in [false, true] {
        let listener = listen(secure);
        for credentials in kinds(scene) {
            connecting(scene, &listener, secure, &credentials);
        }
    }
    for credentials in kinds(scene) {
        unreachable(scene, &credentials);
        proxies(scene, &credentials);
    }
    endpoints(scene);
    callbacks(scene);
}

/// Credentials without an endpoint, each with a secret of its own.
fn kinds(scene: &Scene) -> Vec<Arc<dyn Credentials>> {
    let key = SigningKey::from_secret(&scene.long_secret("secret of tokens"));
    let issuer = JwtIssuer::builder().signature(JwtAlgorithm::Hs256, key);
    let (token, called) = (scene.secret("token"), scene.secret("token of a callback"));
    vec![
        Arc::new(Basic::new("anna", scene.secret("password of Basic")).unwrap()),
        Arc::new(Bearer::new(token).unwrap()),
        Arc::new(Bearer::from_fn(move |_| Ok(called.clone().into()))),
        Arc::new(issuer.build().unwrap()),
    ]
}

struct Shared(Arc<dyn Credentials>);

impl Credentials for Shared {
    fn headers(&self, uri: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        self.0.headers(uri, headers)
    }

    fn refused(&self, uri: &Uri, sent: &Headers) -> bool {
        self.0.refused(uri, sent)
    }
}

/// Lets in whoever shows anything, but at `/no`; sets a cookie, redirects `/moved`, and ends each
/// connection that says so.
fn listen(secure: bool) -> Listener {
    let builder = match secure {
        true => plain().tls(server_tls().build().unwrap()),
        false => plain(),
    };
    let shown = |request: &Request| match (request.path(), request.head().header("Authorization")) {
        ("/no", _) | (_, None) => Err(Rejection::unauthorized("Bearer error=\"invalid_token\"")?),
        ("/never", _) => Err(Rejection::forbidden()),
        ("/later", _) => Err(Rejection::unavailable().header("Retry-After", "0")?),
        _ => Ok(Identity::new("anna")),
    };
    let service = |request: &UpgradeRequest| {
        if request.path() == "/moved" {
            return Err(Rejection::new(307)?.header("Location", "/there?again=1")?);
        }
        Ok(Accept::new(By(|caller: &wirewright::Caller, call: Call<'_>| match call {
            Call::Text("lose me") => {
                caller.abort();
                Ok(wirewright::Reply::Nothing)
            }
            _ => echo(caller, &call),
        })))
    };
    builder.authenticator(shown).start("127.0.0.1:0", service).unwrap()
}

/// A client with a secret wherever one can be.
fn secretive(scene: &Scene, scheme: &str, at: SocketAddr, path: &str) -> ClientBuilder {
    let url = format!(
        "{scheme}://anna:{}@localhost:{}{path}?access_token={}&ticket={}",
        scene.secret("password in a URL"),
        at.port(),
        scene.secret("access_token in a query"),
        scene.secret("other parameter of a query"),
    );
    let told = scene.told.clone();
    Client::builder(&url)
        .tls(client_tls().build().unwrap())
        .header("Authorization", &format!("Bearer {}", scene.secret("Authorization header")))
        .unwrap()
        .header("X-Api-Key", &scene.secret("header"))
        .unwrap()
        .cookies([Cookie::new("session", scene.secret("cookie"))])
        .unwrap()
        .redirects(3)
        .read_timeout(Some(PATIENCE))
        .on_state(move |state| told.debug(state))
}

fn note(scene: &Scene, builder: &ClientBuilder) -> Option<Client> {
    scene.told.debug(builder);
    match builder.connect() {
        Ok(client) => {
            scene.told.debug((&client, client.response(), client.url(), client.security()));
            Some(client)
        }
        Err(error) => {
            scene.told.error(&error);
            None
        }
    }
}

fn connecting(
    scene: &Scene,
    listener: &Listener,
    secure: bool,
    credentials: &Arc<dyn Credentials>,
) {
    let scheme = if secure { "wss" } else { "ws" };
    let at = listener.local_addr();
    for path in ["/", "/moved", "/no", "/never", "/later"] {
        let with = secretive(scene, scheme, at, path).credentials(Shared(Arc::clone(credentials)));
        let with = with.retry(Some(eager(2)));
        let without = secretive(scene, scheme, at, path);
        for (builder, with_retry) in [(with, true), (without, false)] {
            let client = note(scene, &builder);
            assert_eq!(client.is_some(), matches!(path, "/" | "/moved"), "{path}");
            let Some(client) = client else { continue };
            client.write_text("hello").unwrap();
            assert_eq!(client.read_text().unwrap(), "hello");
            // Whoever tries again has another connection, and the other one an error.
            let id = client.id();
            client.write_text("lose me").unwrap();
            match with_retry {
                true => until("another connection", || client.id() != id && client.is_open()),
                false => scene.fails(client.read()),
            }
        }
    }
    if secure {
        let tls = wirewright::tls::ClientTls::builder().trust(stranger().trust());
        let builder = secretive(scene, scheme, at, "/").tls(tls.build().unwrap());
        let builder = builder.credentials(Shared(Arc::clone(credentials)));
        assert!(note(scene, &builder).is_none(), "nobody trusts that one");
    }
}

/// Names and ports where nobody is, and machines that are others.
fn unreachable(scene: &Scene, credentials: &Arc<dyn Credentials>) {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let builder = secretive(scene, "ws", closed, "/").proxy(Proxy::none());
    let builder = builder.credentials(Shared(Arc::clone(credentials)));
    assert!(note(scene, &builder).is_none());
    let nowhere = builder.clone().resolver(|_: &str, _| Err(std::io::ErrorKind::NotFound.into()));
    assert!(note(scene, &nowhere).is_none());
    let urls = [format!("ws://localhost:{}/?ticket={}", closed.port(), scene.secret("cookie"))];
    let several = builder.fallback_urls(urls.iter().map(String::as_str)).unwrap();
    assert!(note(scene, &several).is_none());
    let here = move |_: &str, _| Ok(vec![closed]);
    for allow in [false, true] {
        let away = Client::builder(&format!("ws://feed.test/?x={}", scene.secret("cookie")))
            .resolver(here)
            .proxy(Proxy::none())
            .allow_clear_text_credentials(allow)
            .credentials(Shared(Arc::clone(credentials)));
        assert!(note(scene, &away).is_none());
    }
}

/// Proxies that refuse the login, in each way.
fn proxies(scene: &Scene, credentials: &Arc<dyn Credentials>) {
    let login = scene.secret("password of a proxy");
    for answer in [
        "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n",
        "no HTTP at all\r\n\r\n",
        "",
    ] {
        let proxy = Endpoint::start(move |_, _| answer.to_owned());
        let url = proxy.url("").replace("http://", &format!("http://anna:{login}@"));
        let socks = url.replace("http:", "socks5:");
        for proxy in [Proxy::http(&url).unwrap(), Proxy::socks5(&socks).unwrap()] {
            let at = "127.0.0.1:9".parse().unwrap();
            let builder = secretive(scene, "ws", at, "/").proxy(proxy);
            let builder = builder.proxy_timeout(Some(Duration::from_millis(200)));
            let builder = builder.credentials(Shared(Arc::clone(credentials)));
            assert!(note(scene, &builder).is_none());
        }
    }
}

/// Token endpoints that grant, refuse, fail, and say back what they were told.
fn endpoints(scene: &Scene) {
    let listener = listen(false);
    type Said = Arc<dyn Fn(&str) -> String + Send + Sync>;
    let refresh = scene.secret("granted refresh token");
    let granted = |more: &'static str| -> Said {
        let (access, refresh) = (scene.secret("granted token"), refresh.clone());
        let more = format!(r#","refresh_token":"{refresh}"{more}"#);
        Arc::new(move |_| token(&access, &more))
    };
    let said: [Said; 7] = [
        granted(""),
        granted(r#","expires_in":0"#),
        granted(r#","expires_in":"soon""#),
        Arc::new(|heard| {
            json(400, &format!(r#"{{"error":"{heard}","error_description":"not {heard}"}}"#))
        }),
        Arc::new(|heard| json(503, heard)),
        Arc::new(|heard| format!("HTTP/1.1 302 Go\r\nLocation: /{heard}\r\n\r\n")),
        Arc::new(|heard| format!("{heard}\r\n\r\n")),
    ];
    for said in said {
        for at in 0..4 {
            let said = Arc::clone(&said);
            let endpoint = Endpoint::start(move |asked, _| {
                let secrets = ["client_secret", "password", "refresh_token", "assertion"];
                let heard = secrets.iter().find_map(|name| asked.parameter(name));
                said(heard.unwrap_or("nothing"))
            });
            let grant = grants(scene, &endpoint.url("/token")).swap_remove(at);
            let grant = grant.client_authentication(ClientAuthentication::Body);
            let credentials = grant.build().unwrap();
            for path in ["/", "/no"] {
                let builder = secretive(scene, "ws", listener.local_addr(), path);
                note(scene, &builder.credentials(credentials.clone()));
            }
            scene.told.debug(&credentials);
        }
    }
    // Nobody listens there.
    let gone = OAuth2Grant::client_credentials("http://127.0.0.1:1/", "feed", refresh);
    let builder = secretive(scene, "ws", listener.local_addr(), "/");
    assert!(note(scene, &builder.credentials(gone.build().unwrap())).is_none());
}

/// Callbacks whose tokens are none, or that fail.
fn callbacks(scene: &Scene) {
    let listener = listen(false);
    let bad = format!("{} \r\n", scene.secret("token of a callback"));
    let none = Bearer::from_fn(move |_| Ok(bad.clone().into()));
    let fails = Bearer::from_fn(|_| Err(CredentialsError::transient("not now")));
    for credentials in [none, fails] {
        let builder = secretive(scene, "ws", listener.local_addr(), "/");
        assert!(note(scene, &builder.credentials(credentials)).is_none());
    }
}
