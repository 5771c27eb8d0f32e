//! Passwords, tokens and keys show nowhere: not in errors, not in `Debug`, not in the log at any
//! level, and least of all in what the peer is told (S-48).

use std::error::Error;
use std::fmt::Debug;

use secrecy::SecretString;
use serde_json::json;
use wirewright_auth::{
    Basic, Bearer, JwkSet, JwksEndpoint, JwtAlgorithm, JwtIssuer, JwtIssuerBuilder, JwtValidator,
    JwtValidatorBuilder, SigningKey, VerifyingKey,
};
use wirewright_core::Uri;
use wirewright_core::handshake::{Authenticator as _, Credentials, Headers};

use super::oauth2_secrets::{Log, whole};
use super::support::request;
use super::tokens::{NOW, at, forge, hs256, path};

const CANARY: &str = "canary-7f3a91c4e8d25b60-canary-7f3a91c4e8d25b60";

#[track_caller]
fn assert_hidden(shown: &str) {
    assert!(!shown.contains("canary") && !shown.contains("7f3a91c4e8d25b60"), "{shown}");
}

#[track_caller]
fn hides(value: impl Debug) {
    assert_hidden(&format!("{value:?} {value:#?}"));
}

#[track_caller]
fn tells_nothing<T>(found: Result<T, impl Error>) {
    let error = found.err().expect("an error was to be provoked");
    assert_hidden(&format!("{error} {error:?}"));
}

fn issuing() -> JwtIssuerBuilder {
    JwtIssuer::builder()
        .signature(JwtAlgorithm::Hs256, SigningKey::from_secret(CANARY.as_bytes()))
        .jwt_id(CANARY)
        .subject(CANARY)
        .custom_claims(json!({ "private": CANARY }).as_object().unwrap().clone())
}

fn validating() -> JwtValidatorBuilder {
    JwtValidator::builder()
        .algorithms([JwtAlgorithm::Hs256])
        .key(VerifyingKey::from_secret(CANARY.as_bytes()))
        .jwt_id(CANARY)
        .claim("private", CANARY)
}

#[test]
fn s48_credentials_and_keys_hide_themselves() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let basic = Basic::new("user", CANARY).unwrap();
        let fixed = Bearer::new(CANARY).unwrap();
        let callback = Bearer::from_fn(|_| Ok(CANARY.into()));
        let issuer = issuing().build().unwrap();
        let all: [&dyn Credentials; 4] = [&basic, &fixed, &callback, &issuer];
        for credentials in all {
            let mut headers = Headers::new();
            let uri: Uri = "wss://example.com/".parse().unwrap();
            credentials.headers(&uri, &mut headers).unwrap();
            hides(headers);
            let uri: Uri = "ws://example.com/".parse().unwrap();
            let error = credentials.headers(&uri, &mut Headers::new()).unwrap_err();
            assert_hidden(&whole(&error));
        }
        hides((basic, fixed, callback, issuer));
        hides((issuing(), validating(), validating().build().unwrap()));
        hides(JwksEndpoint::new(format!("https://id.test/keys?key={CANARY}")));
        hides(SigningKey::from_secret(CANARY.as_bytes()));
        hides(VerifyingKey::from_secret(CANARY.as_bytes()));
    });
    assert_hidden(&log.text());
}

#[test]
fn s48_errors_of_configuration_hide_what_they_are_about() {
    let password = SecretString::from(CANARY);
    tells_nothing(Basic::new("user", format!("{CANARY}\0")));
    tells_nothing(Basic::new(&format!("{CANARY}:"), CANARY));
    tells_nothing(Bearer::new(format!("{CANARY} ")));
    let callback = Bearer::from_fn(|_| Ok(format!("{CANARY} ").into()));
    let uri: Uri = "wss://example.com/".parse().unwrap();
    let error = callback.headers(&uri, &mut Headers::new()).unwrap_err();
    assert_hidden(&whole(&error));
    let short = SigningKey::from_secret(CANARY.as_bytes());
    tells_nothing(issuing().signature(JwtAlgorithm::Hs512, short).build());
    tells_nothing(validating().algorithms([JwtAlgorithm::Hs512]).build());
    tells_nothing(SigningKey::from_pem_file(path("rsa-encrypted.pem"), Some(&password)));
    tells_nothing(SigningKey::from_pkcs12_file(path("rsa.p12"), &password, None));
    tells_nothing(VerifyingKey::from_pkcs12_file(path("trust.p12"), &password, None));
    for text in [
        CANARY.to_owned(),
        format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"),
        format!("-----BEGIN PUBLIC KEY-----\n{CANARY}\n-----END PUBLIC KEY-----\n"),
        format!("-----BEGIN PRIVATE KEY-----\n{CANARY}"),
        format!("-----BEGIN {CANARY}-----\nAAAA\n-----END {CANARY}-----\n"),
    ] {
        tells_nothing(SigningKey::from_pem(text.as_bytes(), None));
        tells_nothing(VerifyingKey::from_pem(text.as_bytes()));
    }
    for document in [
        format!(r#"{{"keys":{CANARY:?}}}"#),
        format!(r#"{{{CANARY:?}:1,{CANARY:?}:2}}"#),
        format!(r#"{{"keys":[{CANARY}]}}"#),
        CANARY.to_owned(),
    ] {
        tells_nothing(JwkSet::from_json(document.as_bytes()));
    }
}

/// Tokens that are refused, one way or another, with the canary in each part of them.
#[test]
fn s48_tokens_that_are_refused_show_nowhere() {
    let of = |header: String| forge(header, "{}");
    let claims = |claims: &str| forge(r#"{"alg":"HS256"}"#, claims);
    let validators = [
        hs256().build().unwrap(),
        hs256().issuer("me").subject("me").build().unwrap(),
        hs256().claim("private", "x").key_id("x").token_type("x").build().unwrap(),
        validating().build().unwrap(),
    ];
    let log = Log::default();
    for token in [
        CANARY.to_owned(),
        format!("{CANARY}.{CANARY}.{CANARY}"),
        of(format!(r#"{{"alg":{CANARY:?}}}"#)),
        of(format!(r#"{{"alg":[{CANARY:?}]}}"#)),
        of(format!(r#"{{{CANARY:?}:1,{CANARY:?}:2}}"#)),
        of(format!(r#"{{"alg":"HS256","typ":{CANARY:?},"kid":{CANARY:?}}}"#)),
        claims(&format!(r#"{{"exp":{CANARY:?}}}"#)),
        claims(&format!(r#"{{{CANARY:?}:1,{CANARY:?}:2}}"#)),
        claims(&format!(r#"{{"x":{CANARY}}}"#)),
        claims(CANARY),
        claims(&format!(r#"{{"exp":1,"iss":{CANARY:?}}}"#)),
        claims(&format!(r#"{{"exp":9999999999,"aud":{CANARY:?},"iss":{CANARY:?}}}"#)),
        claims(&format!(r#"{{"exp":9999999999,"aud":7,"sub":{CANARY:?}}}"#)),
    ] {
        for validator in &validators {
            tells_nothing(validator.validate(&token, at(NOW)));
            let line = format!("Authorization: Bearer {token}");
            let rejection = tracing::subscriber::with_default(log.clone(), || {
                validator.authenticate(&request("/", &[&line])).unwrap_err()
            });
            hides(rejection.headers().iter().collect::<Vec<_>>());
            hides(&rejection);
            let logged = log.text();
            assert_hidden(&logged);
            assert!(!token.contains('.') || !logged.contains(&token), "{logged}");
        }
    }
    assert!(log.text().contains("token refused"), "that there was one is told");
}
