//! What a listener and its authenticators tell while they let in and refuse.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use wirewright::auth::{
    BasicUsers, BearerScheme, HttpOptions, JwksEndpoint, JwtAlgorithm, JwtIssuer, JwtValidator,
    LdapConfig, LdapUsers, OAuth2Introspection, SigningKey, VerifyingKey,
};
use wirewright::{
    Accept, Authenticator, Identity, Listener, Rejection, Request, ServiceOptions, UpgradeRequest,
};
use wirewright_tests::certificates::Folder;
use wirewright_tests::endpoint::{Endpoint, json};
use wirewright_tests::http::{ask, upgrade};
use wirewright_tests::services::{By, Call, echo, plain};

use super::super::oauth2::key_set;
use super::Scene;

pub(super) fn scene(scene: &Scene) {
    basic(scene);
    tokens(scene);
    key_sets(scene);
    introspection(scene);
    directory(scene);
    panics(scene);
    closures(scene);
}

/// A listener of one authenticator.
fn listen(scene: &Scene, authenticator: impl Authenticator + 'static) -> Listener {
    let told = scene.told.clone();
    let upgrade = move |request: &UpgradeRequest| {
        told.debug(request);
        told.debug(request.head());
        let telling = told.clone();
        let service = By(move |caller: &wirewright::Caller, call: Call<'_>| {
            telling.debug((caller, caller.identity()));
            echo(caller, &call)
        });
        let accept = Accept::new(service).header("X-Seen", "yes")?;
        told.debug(&accept);
        Ok::<_, Rejection>(accept)
    };
    let builder = plain().authenticator(authenticator);
    scene.told.debug(&builder);
    let listener = builder.start("127.0.0.1:0", upgrade).unwrap();
    scene.told.debug(&listener);
    listener
}

/// Shows each of these headers, and none, and all with a cookie, a query and others beside them.
fn show(scene: &Scene, listener: &Listener, headers: &[String], expected: &[u16]) {
    let (cookie, key) = (scene.secret("cookie"), scene.secret("header"));
    let target = format!(
        "/feed?access_token={}&ticket={}",
        scene.secret("access_token in a query"),
        scene.secret("other parameter of a query")
    );
    let beside = format!("Cookie: session={cookie}\r\nX-Api-Key: {key}\r\n");
    let addr = listener.local_addr();
    for (header, status) in headers.iter().zip(expected) {
        let answer = ask(addr, upgrade(&target, &format!("{header}\r\n{beside}")));
        assert_eq!(answer.status, *status, "{header}");
        // What a peer is told is told, too; it knows what it has sent itself.
        scene.told.debug(&answer);
        // Cut off, spoilt, and sent twice.
        let twice = format!("{header}\r\n{header}\r\n{beside}");
        for more in [twice, format!("{header}\r\n{beside}X: \u{1}{key}\r\n")] {
            scene.told.debug(ask(addr, upgrade(&target, &more)));
        }
    }
    scene.told.debug(listener.stats());
}

fn authorization(scheme: &str, credentials: &str) -> String {
    format!("Authorization: {scheme} {credentials}")
}

fn basic_of(user: &str, password: &str) -> String {
    authorization("Basic", &STANDARD.encode(format!("{user}:{password}")))
}

fn basic(scene: &Scene) {
    let folder = Folder::new();
    let path = folder.path().join("users.toml");
    let good = scene.secret("password in a file");
    let code = scene.secret("password in code");
    let file = format!("[[users]]\nusername = \"a\"\npassword = \"{good}\"\n");
    fs::write(&path, &file).unwrap();
    let users = BasicUsers::builder().file(&path).allow_plain_passwords(true);
    let users = users.user("b", code.clone(), ["x"]).build().unwrap();
    let listener = listen(scene, users.clone());
    let wrong = scene.secret("password of Basic");
    let headers = [
        basic_of("a", &good),
        basic_of("b", &code),
        basic_of("a", &wrong),
        basic_of(&wrong, &wrong),
        basic_of("a", &format!("{wrong}\u{7}")),
        authorization("Basic", &STANDARD.encode(&wrong)),
        authorization("Basic", &wrong),
        authorization("Bearer", &wrong),
        authorization(&wrong, &wrong),
    ];
    show(scene, &listener, &headers, &[101, 101, 401, 401, 401, 401, 401, 401, 401]);
    fs::write(&path, &file[..file.len() - 2]).unwrap();
    scene.fails(users.reload());
    scene.told.debug(users);
}

fn tokens(scene: &Scene) {
    let secret = scene.long_secret("secret of tokens");
    let issuer = |id: &str| {
        let key = SigningKey::from_secret(&secret);
        let issuer = JwtIssuer::builder().signature(JwtAlgorithm::Hs256, key).jwt_id(id);
        let token = issuer.build().unwrap().issue(SystemTime::now()).unwrap();
        token.expose_secret().to_owned()
    };
    let validator = || {
        let key = VerifyingKey::from_secret(&secret);
        JwtValidator::builder().algorithms([JwtAlgorithm::Hs256]).key(key)
    };
    let good = issuer("good");
    // Whoever has the last part has the token.
    scene.note("signature of a token", good.rsplit('.').next().unwrap());
    let bad = scene.secret("token");
    let listener = listen(scene, validator().cache(10, std::time::Duration::MAX).build().unwrap());
    let headers = [
        authorization("Bearer", &good),
        authorization("Bearer", &good),
        authorization("Bearer", &bad),
        authorization("Bearer", &format!("{bad}.{bad}.{bad}")),
        authorization("Bearer", &format!("{good}{bad}")),
        authorization("Bearer", &format!("{bad} {bad}")),
        authorization("Digest", &bad),
    ];
    show(scene, &listener, &headers, &[101, 101, 401, 401, 401, 401, 401]);
    // In the query, where that is allowed.
    let scheme = BearerScheme::default().accept_in_query(true);
    let listener = listen(scene, validator().scheme(scheme).build().unwrap());
    for token in [&*good, &*bad, &good[1..]] {
        let answer = ask(listener.local_addr(), upgrade(&format!("/?access_token={token}"), ""));
        scene.told.debug(answer);
    }
}

/// Keys that are published, wrong, and not to be had.
fn key_sets(scene: &Scene) {
    let hidden = scene.secret("header of a key set");
    let documents = [
        json(200, &key_set("k1")),
        json(200, &format!(r#"{{"keys":"{hidden}"}}"#)),
        json(500, &hidden),
        hidden.clone(),
    ];
    for document in documents {
        let endpoint = Endpoint::start(move |_, _| document.clone());
        let url = endpoint.url(&format!("/keys?key={}", scene.secret("query of a key set")));
        let http = HttpOptions::new().header("X-Key", &*hidden);
        let keys = JwksEndpoint::new(url).http(http);
        let validator = JwtValidator::builder().algorithms([JwtAlgorithm::EdDsa]).jwks(keys);
        let validator = validator.build().unwrap();
        if let Err(error) = validator.preload() {
            scene.told.error(&error);
        }
        // A header that names a key, claims, and a signature that is none.
        let token = format!("eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIn0.{}.AAAA", scene.secret("token"));
        scene.fails(validator.validate(&token, SystemTime::now()));
        scene.told.debug(&validator);
        let listener = listen(scene, validator);
        let answer = ask(
            listener.local_addr(),
            upgrade("/", &format!("{}\r\n", authorization("Bearer", &token))),
        );
        assert!(matches!(answer.status, 401 | 503), "{answer:?}");
    }
}

/// An endpoint that says what it was asked, in all places where one looks.
fn introspection(scene: &Scene) {
    let token = scene.secret("token that is introspected");
    let said = [
        json(200, r#"{"active":true,"sub":"anna"}"#),
        json(200, r#"{"active":false}"#),
        json(200, &format!(r#"{{"active":"{token}"}}"#)),
        json(401, &format!(r#"{{"error":"{token}"}}"#)),
        json(503, &token),
        format!("HTTP/1.1 302 Found\r\nLocation: /{token}\r\nContent-Length: 0\r\n\r\n"),
        format!("{token}\r\n\r\n"),
    ];
    for (at, said) in said.into_iter().enumerate() {
        let endpoint = Endpoint::start(move |_, _| said.clone());
        let url = endpoint.url(&format!("/?key={}", scene.secret("query of introspection")));
        let asked = OAuth2Introspection::builder(url)
            .client("listener", scene.secret("secret of introspection"))
            .parameter("a", scene.secret("parameter of introspection"))
            .http(HttpOptions::new().header("X-Key", scene.secret("header of introspection")))
            .build()
            .unwrap();
        let listener = listen(scene, asked);
        let status = [101, 401].get(at).copied().unwrap_or(503);
        show(scene, &listener, &[authorization("Bearer", &token)], &[status]);
        assert!(endpoint.asked()[0].body.contains(&token), "it was sent");
    }
    // Nobody listens there.
    let gone = OAuth2Introspection::builder("http://127.0.0.1:1/").client("a", token.clone());
    let listener = listen(scene, gone.build().unwrap());
    show(scene, &listener, &[authorization("Bearer", &token)], &[503]);
}

/// A directory that answers each bind and each search with this code (RFC 4511 §4.1.9), and each
/// first search with an entry.
fn answering(bind: u8, search: u8) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                // Requests of a test are short, and each comes in one piece.
                while let Ok(1..) = stream.read(&mut buffer) {
                    let (id, kind) = (buffer[4], buffer[5]);
                    let result = |tag: u8, code: u8| {
                        vec![0x30, 12, 2, 1, id, tag, 7, 10, 1, code, 4, 0, 4, 0]
                    };
                    let entry =
                        [0x30, 14, 2, 1, id, 0x64, 9, 4, 5, b'u', b'i', b'd', b'=', b'a', 0x30, 0];
                    let answer = match kind {
                        0x60 => result(0x61, bind),
                        0x63 if search == 0 => [&entry[..], &result(0x65, 0)].concat(),
                        0x63 => result(0x65, search),
                        _ => return,
                    };
                    if stream.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

fn directory(scene: &Scene) {
    let password = scene.secret("password of a user in a directory");
    // Agreed to; the bind refused; the search refused; nobody there.
    let ports = [(0, 0, 101), (49, 0, 503), (0, 1, 503)];
    let ports = ports.map(|(bind, search, status)| (answering(bind, search), status));
    for (port, status) in ports.into_iter().chain([(1, 503)]) {
        let mut config = LdapConfig::new(format!("ldap://127.0.0.1:{port}"));
        config.connection_name = "cn=search".into();
        config.connection_password = scene.secret("password of a directory").into();
        config.user_search_base = vec!["ou=people".into()];
        let users = LdapUsers::new(config).unwrap();
        match users.verify("a", &password) {
            Ok(identity) => scene.told.debug(identity),
            Err(error) => scene.told.error(&error),
        }
        scene.told.debug(&users);
        let listener = listen(scene, users);
        show(scene, &listener, &[basic_of("a", &password)], &[status]);
    }
}

/// What the user's code panics with is the user's; what is told of the request is ours.
fn panics(scene: &Scene) {
    let listener = listen(scene, |_: &Request| -> Result<Identity, Rejection> {
        panic!("in an authenticator")
    });
    show(scene, &listener, &[authorization("Bearer", &scene.secret("token"))], &[500]);
    let upgrade = |_: &UpgradeRequest| -> Result<Accept, Rejection> { panic!("in an upgrade") };
    let listener = plain().start("127.0.0.1:0", upgrade).unwrap();
    show(scene, &listener, &[authorization("Bearer", &scene.secret("token"))], &[500]);
}

/// Authenticators of one's own, options of a service, and rejections with challenges.
fn closures(scene: &Scene) {
    let token = scene.secret("token");
    let known = token.clone();
    let own = move |request: &Request| match request.head().header_str("Authorization") {
        Some(header) if header == format!("Bearer {known}") => Ok(Identity::new("anna")),
        _ => Err(Rejection::unauthorized("Bearer")?),
    };
    let options = ServiceOptions::new().authenticator(own.clone());
    scene.told.debug(options);
    let listener = listen(scene, own);
    let wrong = authorization("Bearer", &format!("{token}x"));
    show(scene, &listener, &[authorization("Bearer", &token), wrong], &[101, 401]);
}
