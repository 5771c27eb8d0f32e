//! What happens rarely: keys that are nearly good, bounds that are reached, answers of odd forms.

use std::fs::File;
use std::time::{Duration, Instant, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::TLS12;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use secrecy::ExposeSecret as _;
use wirewright_auth::{
    Basic, BasicUsers, BearerScheme, ClientAuthentication, HttpOptions, JwkSet, JwtAlgorithm,
    JwtError, JwtIssuer, JwtValidator, OAuth2Grant, RefreshOptions, SigningKey, VerifyingKey,
};
use wirewright_core::handshake::Authenticator as _;

use super::basic_users::scrypt;
use super::http_server::{Server, answer as http_answer, json, token};
use super::introspection::{builder, show};
use super::oauth2_requests::{client_credentials, header};
use super::support::{Folder, answer, request};
use super::tokens::{at, encode, hs256, path, pem};

fn der(name: &str) -> Vec<u8> {
    let text = String::from_utf8(pem(name)).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}

fn as_pem(label: &str, der: &[u8]) -> Vec<u8> {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n").into_bytes()
}

#[track_caller]
fn says<T>(found: Result<T, wirewright_auth::ConfigError>, part: &str) {
    let error = found.err().expect("it cannot be used").to_string();
    assert!(error.contains(part), "{error}");
}

#[test]
fn rfc5480_2_2_public_keys_that_are_nearly_good_are_errors() {
    // A point that is compressed: its first byte, and x.
    let good = der("p256-public.pem");
    let (head, point) = good.split_at(good.len() - 65);
    let mut compressed = [head, &[2], &point[1..33]].concat();
    // The lengths of the whole and of the bit string.
    (compressed[1], compressed[head.len() - 2]) = (57, 34);
    says(VerifyingKey::from_pem(&as_pem("PUBLIC KEY", &compressed)), "an uncompressed point");
    // One whose first byte says so, and whose length does not.
    compressed[head.len()] = 4;
    says(VerifyingKey::from_pem(&as_pem("PUBLIC KEY", &compressed)), "an uncompressed point");
    let cut = &good[..good.len() - 1];
    says(VerifyingKey::from_pem(&as_pem("PUBLIC KEY", cut)), "malformed");
    let more = [&good[..], &[0]].concat();
    says(VerifyingKey::from_pem(&as_pem("PUBLIC KEY", &more)), "malformed");
    let rsa = der("rsa-pkcs1-public.pem");
    for bad in [&rsa[..rsa.len() - 1], &[&rsa[..], &[0]].concat()] {
        says(VerifyingKey::from_pem(&as_pem("RSA PUBLIC KEY", bad)), "malformed");
    }
}

#[test]
fn rfc5915_3_a_private_key_that_is_none_is_found_when_it_is_loaded() {
    let mut key = der("p256.pem");
    // ECPrivateKey: version 1, then an OCTET STRING of 32 bytes.
    let at = key.windows(5).position(|part| part == [2, 1, 1, 4, 32]).unwrap() + 5;
    key[at..at + 32].fill(0);
    says(SigningKey::from_pem(&as_pem("PRIVATE KEY", &key), None), "malformed");
}

#[test]
fn files_of_keys_are_of_bounded_length() {
    let folder = Folder::new("long-key");
    let path = folder.file("key.pem", "");
    File::options().write(true).open(&path).unwrap().set_len(1024 * 1024 + 1).unwrap();
    says(SigningKey::from_pem_file(&path, None), "is longer than 1048576 bytes");
}

/// "The "alg" (algorithm) parameter identifies the algorithm intended for use with the key" (RFC
/// 7517 §4.4).
#[test]
fn rfc7517_4_4_a_key_for_one_algorithm_is_none_for_another() {
    use JwtAlgorithm::{Ps256, Rs256};
    // RSAPublicKey: a modulus of 257 bytes, the first of which is zero, and an exponent of three.
    let key = der("rsa-pkcs1-public.pem");
    let (n, e) = (encode(&key[9..265]), encode(&key[267..]));
    let jwk =
        format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","n":"{n}","e":"{e}","alg":"RS256"}}]}}"#);
    let set = JwkSet::from_json(jwk.as_bytes()).unwrap();
    let validator = JwtValidator::builder().algorithms([Rs256, Ps256]).key_set(set);
    let validator = validator.build().unwrap();
    let now = SystemTime::now();
    for (algorithm, expected) in [(Rs256, Ok(())), (Ps256, Err(JwtError::UnknownKey))] {
        let key = SigningKey::from_pem_file(path("rsa.pem"), None).unwrap();
        let issuer = JwtIssuer::builder().signature(algorithm, key).key_id("k").build().unwrap();
        let token = issuer.issue(now).unwrap();
        let found = validator.validate(token.expose_secret(), now).map(drop);
        assert_eq!(found, expected, "{algorithm}");
    }
}

#[test]
fn keys_that_are_there_need_no_preload() {
    assert_eq!(hs256().build().unwrap().preload(), Ok(()));
    assert!(hs256().build().unwrap().validate("", at(1)).is_err());
}

/// RFC 6749 §6: every option that the token endpoint has.
#[test]
fn a_refresh_endpoint_has_options_of_its_own() {
    let server = Server::saying(|_, _| {
        json(200, r#"{"access_token":"a","expires_in":0,"refresh_token":"r"}"#)
    });
    let elsewhere = Server::saying(|_, _| token("b"));
    let options = RefreshOptions::new(elsewhere.url("/refresh"))
        .client_authentication(ClientAuthentication::Body)
        .payload("d=%20e")
        .http(HttpOptions::new().header("X-Tenant", "seven"));
    let credentials = client_credentials(&server).refresh(options).build().unwrap();
    assert_eq!(header(&credentials).unwrap(), "Bearer a");
    assert_eq!(header(&credentials).unwrap(), "Bearer b");
    let seen = &elsewhere.seen()[0];
    assert_eq!(seen.header("x-tenant"), Some("seven"));
    assert_eq!(seen.header("authorization"), None);
    let client = "client_id=client-1&client_secret=secret-1";
    assert_eq!(seen.body, format!("grant_type=refresh_token&refresh_token=r&{client}&d=%20e"));
}

/// "Retry-After = HTTP-date / delay-seconds" (RFC 9110 §10.2.3).
#[test]
fn rfc9110_10_2_3_retry_after_is_seconds_or_a_date() {
    let date = |time: SystemTime| httpdate::fmt_http_date(time);
    let ahead = date(SystemTime::now() + Duration::from_secs(100));
    for (value, expected) in [
        ("7".to_owned(), 7..=7),
        (ahead, 90..=100),
        (date(SystemTime::UNIX_EPOCH), 1..=1),
        ("soon".to_owned(), 1..=1),
    ] {
        let line = format!("Retry-After: {value}\r\n");
        let server = Server::saying(move |_, _| http_answer(503, &line, ""));
        let refused = show(&builder(&server).build().unwrap(), "token").unwrap_err();
        assert_eq!(refused.status(), 503);
        let wait: u64 = refused.headers().get("Retry-After").unwrap().parse().unwrap();
        assert!(expected.contains(&wait), "{value}: {wait}");
    }
}

/// An endpoint that asked for rest is asked again when that is over.
#[test]
fn s47_an_endpoint_that_has_rested_is_asked_again() {
    let server = Server::saying(|_, number| match number {
        0 => http_answer(503, "Retry-After: 1\r\n", ""),
        _ => json(200, r#"{"active":true}"#),
    });
    let tokens = builder(&server).build().unwrap();
    let begin = Instant::now();
    while let Err(refused) = show(&tokens, "token") {
        assert_eq!(refused.status(), 503);
        assert!(begin.elapsed() < Duration::from_secs(30), "it rests for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.count(), 2);
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

/// An endpoint that says 401 to credentials which are always the same is not asked again.
#[test]
fn credentials_of_an_endpoint_that_are_refused_and_have_no_others_are_sent_once() {
    let server = Server::saying(|_, _| json(401, r#"{"error":"invalid_client"}"#));
    let http = HttpOptions::new().credentials(Basic::new("a", "b").unwrap());
    let grant = OAuth2Grant::password(server.url("/"), "u", "p").http(http);
    assert!(!header(&grant.build().unwrap()).unwrap_err().is_transient());
    assert_eq!(server.count(), 1);
}

/// Whoever asks for no verification has it over the older version too.
#[test]
fn any_certificate_is_accepted_over_both_versions_where_that_is_wanted() {
    let own = rcgen::generate_simple_self_signed(["other.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(default_provider().into())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let server = Server::wrapped(
        move |mut socket| {
            let mut connection = ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
            connection.complete_io(&mut socket).ok()?;
            Some(Box::new(StreamOwned::new(connection, socket)))
        },
        |_, _, out| {
            let _ = out.write_all(token("secure").as_bytes());
        },
    );
    let grant = |accept: bool| {
        let http = HttpOptions::new().danger_accept_any_certificate(accept);
        let url = server.url("/").replace("http:", "https:");
        OAuth2Grant::client_credentials(url, "id", "secret").http(http).build().unwrap()
    };
    assert!(header(&grant(false)).is_err());
    assert_eq!(header(&grant(true)).unwrap(), "Bearer secure");
}

/// A list of nobody's scopes lets nobody in, and has none to name.
#[test]
fn an_empty_list_of_scopes_lets_nobody_in() {
    let scheme = BearerScheme::default().scopes(Vec::<String>::new()).unwrap();
    let refused = scheme.admit(&["any".into()]).unwrap_err();
    let challenge = "Bearer realm=\"websocket\", error=\"insufficient_scope\"";
    assert_eq!(answer(&refused), (403, vec![challenge]));
}

/// `$name$` is a hash's; what only begins like it is a password.
#[test]
fn passwords_in_plain_text_may_begin_with_a_dollar() {
    for password in ["$", "$$", "$$x", "$a b$x", "$5 bill", "a$b$c"] {
        let users = BasicUsers::builder().allow_plain_passwords(true);
        let users = users.user("a", password, [""; 0]).build().unwrap();
        assert!(users.verify("a", password).is_some(), "{password}");
        assert!(users.verify("a", "$x").is_none());
    }
}

#[test]
fn scopes_that_are_no_text_are_errors() {
    let folder = Folder::new("scopes");
    let file = "[[users]]\nusername = 'a'\npassword = 'p'\nscopes = ";
    for scopes in ["7", "true", "{}", "['a', 7]", "''", "['']"] {
        let path = folder.file("users.toml", format!("{file}{scopes}\n"));
        let users = BasicUsers::builder().file(&path).allow_plain_passwords(true);
        says(users.build(), "scopes");
    }
}

/// What looks as it did is not read again: not each second, and not at all.
#[test]
fn a_file_that_looks_as_it_did_is_not_read_again() {
    let folder = Folder::new("settled");
    let write = |password: &str| {
        let path = folder.file("users.toml", format!("[[users]]\nusername='a'\n{password}\n"));
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        path
    };
    let path = write("password='one'");
    let users = BasicUsers::builder().file(&path).allow_plain_passwords(true).build().unwrap();
    // As nobody writes a file: neither its length nor its time tells.
    write("password='two'");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(1500) {
        assert!(users.verify("a", "one").is_some());
        std::thread::sleep(Duration::from_millis(50));
    }
    users.reload().unwrap();
    assert!(users.verify("a", "two").is_some());
}

#[test]
fn passwords_are_remembered_up_to_a_bound() {
    const MOST: usize = 4096;
    let hash = scrypt();
    let name = |at: usize| format!("user{at}");
    let users = BasicUsers::builder().remember(Duration::from_secs(3600));
    let all = (0..=MOST).fold(users, |users, at| users.user(name(at), hash.as_str(), [""; 0]));
    let users = all.build().unwrap();
    let verify = |at| users.verify(&name(at), "pass:wörd").is_some();
    assert!((0..=MOST).all(verify));
    let hashed = users.hashed();
    assert!(verify(0) && verify(MOST - 1));
    assert_eq!(users.hashed(), hashed, "they are remembered");
    assert!(verify(MOST));
    assert_eq!(users.hashed(), hashed + 1, "there is no room for this one");
}

/// Whoever is looked for among many is so where that holds up nobody.
#[test]
fn many_users_are_looked_through_off_the_loop() {
    for (count, may_block) in [(1000, false), (1001, true)] {
        let users = BasicUsers::builder().allow_plain_passwords(true);
        let all = (0..count).fold(users, |users, at| users.user(format!("u{at}"), "p", [""; 0]));
        let users = all.build().unwrap();
        assert_eq!(users.may_block(), may_block, "{count}");
        let line = super::support::basic("u7", "p");
        assert_eq!(users.authenticate(&request("/", &[&line])).unwrap().name, "u7");
    }
}
