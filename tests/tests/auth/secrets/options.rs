//! What options show of themselves, and what is said of those that cannot be used.

use std::fs;

use secrecy::SecretString;
use wirewright::auth::{
    Basic, BasicCredentials, BasicUsers, Bearer, HttpOptions, JwkSet, JwksEndpoint, JwtAlgorithm,
    JwtIssuer, JwtValidator, LdapConfig, LdapUsers, OAuth2Grant, OAuth2Introspection,
    RefreshOptions, SigningKey, TokenResponse, VerifyingKey,
};
use wirewright::tls::{ClientTls, Identity, ServerTls, Trust};
use wirewright::{Client, Cookie, Headers, Proxy};
use wirewright_tests::certificates::{Folder, localhost};

use super::super::key_file;
use super::Scene;

pub(super) fn scene(scene: &Scene) {
    client_options(scene);
    keys(scene);
    tls_keys(scene);
    oauth2_options(scene);
    client_builders(scene);
    user_files(scene);
    listener_options(scene);
}

fn client_options(scene: &Scene) {
    let told = &scene.told;
    let password = scene.secret("password of Basic");
    told.debug(Basic::new("anna", password.clone()).unwrap());
    scene.fails(Basic::new("anna", format!("{password}\0")));
    scene.fails(Basic::new(&format!("{password}:"), password.clone()));
    let token = scene.secret("token");
    told.debug(Bearer::new(token.clone()).unwrap());
    scene.fails(Bearer::new(format!("{token} x")));
    told.debug(Bearer::from_fn(move |_| Ok(token.clone().into())));
    use base64::Engine as _;
    let shown = base64::engine::general_purpose::STANDARD.encode(format!("anna:{password}"));
    told.debug(BasicCredentials::parse(format!("Basic {shown}").as_bytes()).unwrap());
    scene.fails(BasicCredentials::parse(format!("Basic {shown}*").as_bytes()));
    scene.fails(BasicCredentials::parse(format!("Basic{shown}").as_bytes()));
}

/// Keys of tokens, and the passwords of their files: good ones, bad ones, and keys that are none.
fn keys(scene: &Scene) {
    let told = &scene.told;
    let secret = scene.long_secret("secret of tokens");
    let (signing, verifying) =
        (SigningKey::from_secret(&secret), VerifyingKey::from_secret(&secret));
    told.debug((&signing, &verifying));
    let issuer = JwtIssuer::builder().signature(JwtAlgorithm::Hs256, signing.clone());
    let id = scene.secret("id of a token");
    let issuer = issuer.jwt_id(id.clone()).subject(id.clone());
    told.debug((&issuer, issuer.clone().build().unwrap()));
    scene.fails(issuer.signature(JwtAlgorithm::Rs256, signing).build());
    let validator = JwtValidator::builder().algorithms([JwtAlgorithm::Hs256]).key(verifying);
    let validator = validator.jwt_id(id);
    told.debug((&validator, validator.clone().build().unwrap()));
    scene.fails(validator.algorithms([JwtAlgorithm::Rs256]).build());

    // The lines in the middle of a key are nothing that stands anywhere else.
    for (field, file) in [("key of RSA", "rsa.pem"), ("key of ECDSA", "p256.pem")] {
        let pem = fs::read_to_string(key_file(file)).unwrap();
        let line = pem.lines().nth(1).unwrap();
        scene.note(field, &line[line.len() - 24..]);
        told.debug(SigningKey::from_pem(pem.as_bytes(), None).unwrap());
        scene.fails(VerifyingKey::from_pem(pem.as_bytes()));
        scene.fails(SigningKey::from_pem(&pem.as_bytes()[..pem.len() - 30], None));
        scene.fails(SigningKey::from_pem(pem.replace("BEGIN PRIVATE", "BEGIN").as_bytes(), None));
    }
    let good = SecretString::from("changeit");
    scene.note("password of a key", "changeit");
    let bad = SecretString::from(scene.secret("bad password of a key"));
    let (pem, store) = (key_file("rsa-encrypted.pem"), key_file("rsa.p12"));
    told.debug(SigningKey::from_pem_file(&pem, Some(&good)).unwrap());
    told.debug(SigningKey::from_pkcs12_file(&store, &good, None).unwrap());
    told.debug(VerifyingKey::from_pkcs12_file(key_file("trust.p12"), &good, None).unwrap());
    scene.fails(SigningKey::from_pem_file(&pem, Some(&bad)));
    scene.fails(SigningKey::from_pkcs12_file(&store, &bad, None));
    scene.fails(SigningKey::from_pkcs12_file(&store, &good, Some("no such alias")));
    scene.fails(VerifyingKey::from_pkcs12_file(key_file("trust.p12"), &bad, None));
    let secret = scene.secret("key of a set");
    for document in [
        format!(r#"{{"keys":[{{"kty":"oct","k":"{secret}"}}]}}"#),
        format!(r#"{{"keys":{{"{secret}":"{secret}"}}}}"#),
        secret,
    ] {
        match JwkSet::from_json(document.as_bytes()) {
            Ok(set) => told.debug(set),
            Err(error) => told.error(&error),
        }
    }
}

/// Keys of certificates, of either side.
fn tls_keys(scene: &Scene) {
    let told = &scene.told;
    let (good, bad) = ("changeit", scene.secret("bad password of a key of TLS"));
    for password in [good, &bad] {
        let password = || SecretString::from(password);
        let identities = [
            Identity::pem_files(key_file("rsa-cert.pem"), key_file("rsa-encrypted.pem"))
                .password(password()),
            Identity::pkcs12_file(key_file("rsa.p12"), password()),
            Identity::pem(localhost().chain.clone(), localhost().key.clone()),
        ];
        for identity in identities {
            told.debug(&identity);
            let client = ClientTls::builder().identity(identity.clone());
            let server = ServerTls::builder().identity(identity);
            told.debug((&client, &server));
            match client.build() {
                Ok(tls) => told.debug(tls),
                Err(error) => told.error(&error),
            }
            match server.build() {
                Ok(tls) => told.debug(tls),
                Err(error) => told.error(&error),
            }
        }
        let trust = Trust::pkcs12_file(key_file("trust.p12"), password());
        told.debug(&trust);
        match ClientTls::builder().trust(trust).build() {
            Ok(tls) => told.debug(tls),
            Err(error) => told.error(&error),
        }
    }
    let line = localhost().key.lines().nth(1).unwrap();
    scene.note("key of a certificate", &line[line.len() - 24..]);
}

/// Grants with a secret in each place for one; what is not a URL; what may not be sent twice.
pub(super) fn grants(scene: &Scene, url: &str) -> Vec<OAuth2Grant> {
    let secret = |field| scene.secret(field);
    let url = format!("{url}?key={}", secret("query of a token endpoint"));
    let client = |grant: OAuth2Grant| grant.client("feed", secret("secret of a client"));
    let all = [
        OAuth2Grant::client_credentials(&url, "feed", secret("secret of a client")),
        client(OAuth2Grant::password(&url, "anna", secret("password of a grant"))),
        client(OAuth2Grant::refresh_token(&url, secret("refresh token"))),
        client(OAuth2Grant::jwt_bearer(&url, secret("assertion"))),
    ];
    let every = all.into_iter().map(|grant| {
        let http = HttpOptions::new().header("X-Api-Key", secret("header of a token endpoint"));
        grant
            .parameter("audience", secret("parameter of a grant"))
            .payload(format!("more={}", secret("payload of a grant")))
            .http(http)
    });
    every.collect()
}

fn oauth2_options(scene: &Scene) {
    let told = &scene.told;
    for grant in grants(scene, "https://id.test/token") {
        told.debug(&grant);
        told.debug(grant.build().unwrap());
    }
    for grant in grants(scene, "http://id.test/token") {
        scene.fails(grant.build());
    }
    let userinfo = scene.secret("password in a URL of a token endpoint");
    for grant in grants(scene, &format!("https://anna:{userinfo}@id.test/token")) {
        told.debug(&grant);
        match grant.build() {
            Ok(credentials) => told.debug(credentials),
            Err(error) => told.error(&error),
        }
    }
    for grant in grants(scene, "https://id.test/token") {
        let name = scene.secret("parameter of a grant");
        scene.fails(grant.parameter("grant_type", name).build());
    }
    let options = RefreshOptions::new("https://id.test/refresh")
        .parameter("a", scene.secret("parameter of a refresh"))
        .payload(format!("b={}", scene.secret("payload of a refresh")));
    told.debug(options);
    let http = HttpOptions::new().header("X-Key", scene.secret("header of an endpoint"));
    told.debug(http.credentials(Bearer::new(scene.secret("token")).unwrap()));
    let (access, refresh) = (scene.secret("granted token"), scene.secret("granted refresh token"));
    let body = format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}"}}"#);
    told.debug(TokenResponse::parse(body.as_bytes()).unwrap());
    for broken in [&body[..body.len() - 2], &body.replace("\":\"", "\":[\""), &access] {
        scene.fails(TokenResponse::parse(broken.as_bytes()));
    }
    for refusal in [r#"{"error":"no"}"#, r#"{"error":"no","error_description":"never"}"#] {
        scene.fails(TokenResponse::parse(refusal.as_bytes()));
    }
}

/// All that a client can be given beside credentials, and what it says of what it cannot send.
fn client_builders(scene: &Scene) {
    let told = &scene.told;
    let secret = |field| scene.secret(field);
    let url = format!(
        "ws://anna:{}@localhost:1/feed?access_token={}&ticket={}",
        secret("password in a URL"),
        secret("access_token in a query"),
        secret("other parameter of a query")
    );
    let cookie = Cookie::new("session", secret("cookie"));
    told.debug(&cookie);
    let builder = Client::builder(&url)
        .header("Authorization", &format!("Bearer {}", secret("Authorization header")))
        .unwrap()
        .header("X-Api-Key", &secret("header"))
        .unwrap()
        .cookies([cookie])
        .unwrap();
    told.debug(&builder);
    for name in ["Authorization", "Proxy-Authorization", "X-Api-Key", "Host"] {
        let value = format!("{}\r\n", secret("Authorization header"));
        scene.fails(builder.clone().header(name, &value));
    }
    let bad = Cookie::new("session", format!("{};", secret("cookie")));
    scene.fails(builder.cookies([bad]));
    let login = secret("password of a proxy");
    for kind in ["http", "socks5", "ftp"] {
        for port in ["1", "port", "99999"] {
            let url = format!("{kind}://anna:{login}@localhost:{port}");
            for proxy in [Proxy::http(&url), Proxy::socks5(&url)] {
                match proxy {
                    Ok(proxy) => told.debug(Client::builder("ws://a/").proxy(proxy)),
                    Err(error) => told.error(&error),
                }
            }
            told.debug(Proxy::from_variables(|_| Some(url.clone())));
        }
    }
    let mut headers = Headers::new();
    headers.set("Authorization", &secret("Authorization header")).unwrap();
    headers.set("Cookie", &secret("cookie")).unwrap();
    told.debug(&headers);
    for url in [url.replace("ws:", "http:"), url.replace("localhost:1", "local host"), url + "#x"] {
        scene.fails(Client::connect(&url));
    }
}

/// Files of users, good and broken in every line.
fn user_files(scene: &Scene) {
    let told = &scene.told;
    let folder = Folder::new();
    let path = folder.path().join("users.toml");
    let plain = scene.secret("password in a file");
    let hash = "qnenUVt4DTa0ZS04KfSAc/m3TsLsSUGMOZeROfov7EQ";
    scene.note("hash in a file", hash);
    let hash = format!("$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0${hash}");
    let users = |password: &str| format!("[[users]]\nusername = \"a\"\npassword = {password}\n");
    let good = users(&format!("\"{plain}\""));
    for (text, allow) in [
        (good.clone(), true),
        (good.clone(), false),
        (users(&format!("\"{hash}\"")), false),
        (users(&format!("\"{}\"", hash.replace("i=1000", "i=x"))), false),
        (users(&format!("\"{}\"", hash.replace("pbkdf2", "crypt"))), true),
        ([&*good, &*good].concat(), true),
        (good.replace("\"a\"", "\"a:b\""), true),
        (users(&plain), true),
        (users(&format!("\"{plain}")), true),
        (users(&format!("[\"{plain}\"]")), true),
        (format!("{good}{plain} = \"{plain}\"\n"), true),
        (format!("users = \"{plain}\""), true),
        (format!("users = [\"{plain}\"]"), true),
    ] {
        fs::write(&path, text).unwrap();
        let users = BasicUsers::builder().file(&path).allow_plain_passwords(allow);
        told.debug(&users);
        match users.build() {
            Ok(users) => told.debug(users),
            Err(error) => told.error(&error),
        }
    }
    let code = scene.secret("password in code");
    let users = BasicUsers::builder().user("a", code.clone(), ["x"]);
    told.debug(&users);
    scene.fails(users.build());
    let users = BasicUsers::builder().allow_plain_passwords(true).user("a", code, ["x"]);
    told.debug(users.build().unwrap());
}

fn listener_options(scene: &Scene) {
    let told = &scene.told;
    let secret = |field| scene.secret(field);
    let url = format!("https://id.test/asked?key={}", secret("query of introspection"));
    let asked = || {
        OAuth2Introspection::builder(url.clone())
            .client("listener", secret("secret of introspection"))
            .parameter("a", secret("parameter of introspection"))
            .payload(format!("b={}", secret("payload of introspection")))
            .http(HttpOptions::new().header("X-Key", secret("header of introspection")))
    };
    told.debug(asked());
    told.debug(asked().build().unwrap());
    scene.fails(asked().parameter("token", secret("parameter of introspection")).build());
    let url = format!("https://id.test/keys?key={}", secret("query of a key set"));
    let http = HttpOptions::new().header("X-Key", secret("header of a key set"));
    let keys = JwksEndpoint::new(url).http(http);
    told.debug(&keys);
    let validator = JwtValidator::builder().algorithms([JwtAlgorithm::EdDsa]).jwks(keys);
    told.debug((&validator, validator.clone().build().unwrap()));
    let mut config = LdapConfig::new("ldap://localhost:1");
    config.connection_name = "cn=search".into();
    config.connection_password = secret("password of a directory").into();
    config.user_search_base = vec!["ou=people".into()];
    told.debug(&config);
    told.debug(LdapUsers::new(config.clone()).unwrap());
    config.connection_url = format!("ldap://cn:{}@localhost:1", secret("password of a directory"));
    scene.fails(LdapUsers::new(config));
}
