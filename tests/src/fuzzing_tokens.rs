//! The bodies of the fuzz targets for tokens, and for what servers say of them.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use wirewright_auth::{
    IntrospectionResponse, JwkSet, JwtAlgorithm, JwtIssuer, JwtValidator, SigningKey,
    TokenResponse, VerifyingKey,
};

use crate::fuzzing_input::CANARY;
use crate::rng::Dice;

/// When all this takes place.
const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const JWKS: &[u8] = include_bytes!("../keys/keys.jwks");
const PUBLIC: [JwtAlgorithm; 3] = [JwtAlgorithm::Rs256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa];

/// Tokens that were issued, and who knows them.
struct Issued {
    /// One for each of [`PUBLIC`], and one of the secret.
    tokens: Vec<String>,
    by_secret: JwtValidator,
    by_set: JwtValidator,
}

static ISSUED: LazyLock<Issued> = LazyLock::new(|| {
    let keys: [(&[u8], &str); 3] = [
        (include_bytes!("../keys/rsa.key"), "rsa"),
        (include_bytes!("../keys/p256.key"), "p256"),
        (include_bytes!("../keys/ed25519.key"), "ed25519"),
    ];
    let key = |(pem, _): &(&[u8], &str)| SigningKey::from_pem(pem, None).expect("a key");
    let issue = |algorithm, key, id: &str| {
        let issuer = JwtIssuer::builder().signature(algorithm, key).key_id(id).subject("alice");
        let issuer = issuer.audience(["feed"]).lifetime(Duration::from_secs(600)).build();
        let token = issuer.expect("an issuer").issue(now()).expect("a token");
        token.expose_secret().to_owned()
    };
    let mut tokens: Vec<String> =
        keys.iter().zip(PUBLIC).map(|(it, algorithm)| issue(algorithm, key(it), it.1)).collect();
    tokens.push(issue(JwtAlgorithm::Hs256, SigningKey::from_secret(SECRET), "secret"));
    let by_secret = JwtValidator::builder()
        .algorithms([JwtAlgorithm::Hs256])
        .key(VerifyingKey::from_secret(SECRET))
        .audience(["feed"])
        .build()
        .expect("a validator");
    let set = JwkSet::from_json(JWKS).expect("a set");
    let issued = Issued { tokens, by_secret, by_set: by_set(set).expect("a validator") };
    let accepts = |token: &&String| known(&issued, token);
    assert_eq!(issued.tokens.iter().filter(accepts).count(), 4);
    issued
});

fn by_set(set: JwkSet) -> Option<JwtValidator> {
    let validator = JwtValidator::builder().algorithms(PUBLIC).key_set(set).audience(["feed"]);
    validator.build().ok()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// Whether one of the validators accepts a token.
fn known(issued: &Issued, token: &str) -> bool {
    let by = |validator: &JwtValidator| match validator.validate(token, now()) {
        Ok(identity) => identity.name == "alice",
        Err(error) => {
            assert!(error.to_string().len() < 300, "{error}");
            false
        }
    };
    // Both are asked in any case.
    by(&issued.by_secret) | by(&issued.by_set)
}

/// No token is accepted that was not signed with one of the keys, whatever was made of one that
/// was; and one that was, for what it says.
pub fn jwt(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let token = match dice.below(4) {
        0 => String::from_utf8_lossy(dice.raw(usize::MAX)).into_owned(),
        1 => changed(&mut dice),
        2 => forged(&mut dice),
        _ => return signed(&mut dice),
    };
    if known(&ISSUED, &token) {
        let (signed, _) = token.rsplit_once('.').unwrap_or_default();
        // Some signatures have several forms; what was signed has not.
        let is_of = |other: &String| other.rsplit_once('.').is_some_and(|(it, _)| it == signed);
        assert!(ISSUED.tokens.iter().any(is_of), "accepted, and not issued: {token}");
    }
}

/// A token that was issued, with other bytes or parts of another in it.
fn changed(dice: &mut Dice<'_>) -> String {
    let tokens = &ISSUED.tokens;
    let part = |dice: &mut Dice<'_>, at: usize| {
        let token = &tokens[dice.below(tokens.len())];
        token.split('.').nth(at).unwrap_or_default().to_owned()
    };
    let first = &tokens[dice.below(tokens.len())];
    let mut bytes = match dice.one_in(4) {
        true => [part(dice, 0), part(dice, 1), part(dice, 2)].join(".").into_bytes(),
        false => first.clone().into_bytes(),
    };
    while !dice.is_used_up() {
        let at = dice.below(bytes.len());
        let end = (at + dice.below(4)).min(bytes.len());
        let len = dice.below(4);
        bytes.splice(at..end, dice.raw(len).iter().copied());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A token of the fuzzer's texts, signed by somebody who knows what everybody knows: the keys of
/// the set are taken for secrets (RFC 8725 §2.1), or there is no signature (§2.1 too).
fn forged(dice: &mut Dice<'_>) -> String {
    let secrets: [&[u8]; 4] = [b"", JWKS, b"alice", include_bytes!("../keys/server.pem")];
    let secret = dice.below(secrets.len() + 1);
    let parts = parts(dice);
    match secrets.get(secret) {
        Some(secret) => hs256(&parts, secret),
        None => format!("{parts}."),
    }
}

fn hs256(parts: &str, secret: &[u8]) -> String {
    let key = EncodingKey::from_secret(secret);
    let signature = crypto::sign(parts.as_bytes(), &key, Algorithm::HS256);
    format!("{parts}.{}", signature.expect("any secret signs"))
}

/// A header, which is up to the first line's end where it is not a common one, and claims.
fn parts(dice: &mut Dice<'_>) -> String {
    let header: &[u8] = match dice.below(5) {
        0 => br#"{"alg":"none"}"#,
        1 => br#"{"alg":"RS256","kid":"rsa"}"#,
        2 | 3 => br#"{"alg":"HS256"}"#,
        _ => b"",
    };
    let rest = dice.raw(usize::MAX);
    let end = rest.iter().position(|byte| *byte == b'\n').filter(|_| header.is_empty());
    let (own, claims) = rest.split_at(end.unwrap_or(0));
    let header = if header.is_empty() { own } else { header };
    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

/// A token of the fuzzer's texts with a good signature is accepted for its time and audience.
fn signed(dice: &mut Dice<'_>) {
    let parts = parts(dice);
    let token = hs256(&parts, SECRET);
    assert!(ISSUED.by_set.validate(&token, now()).is_err(), "a secret in a set of public keys");
    let Ok(identity) = ISSUED.by_secret.validate(&token, now()) else { return };
    let read = |at: usize| {
        let part = parts.split('.').nth(at).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        serde_json::from_slice::<Value>(&part.unwrap_or_default()).expect("JSON")
    };
    let (header, claims) = (read(0), read(1));
    assert!(header["alg"] == "HS256" && header.get("crit").is_none(), "{header}");
    let number = |name: &str| claims.get(name).map(|it| it.as_f64().expect("a number"));
    let expires = number("exp").expect("an expiry");
    assert!(expires > NOW as f64 && expires <= 253_402_300_799.0, "{claims}");
    let known = identity.expires.unwrap_or_default().as_secs_f64();
    assert!((known - expires).abs() < 1e-3, "{known}, {claims}");
    for name in ["nbf", "iat"] {
        assert!(number(name).is_none_or(|from| (0.0..=NOW as f64).contains(&from)), "{claims}");
    }
    let audience = &claims["aud"];
    let is_listed = || audience.as_array().is_some_and(|all| all.contains(&"feed".into()));
    assert!(audience == "feed" || is_listed(), "{claims}");
    assert_eq!(identity.name, claims["sub"].as_str().unwrap_or_default());
    assert_eq!(Some(identity.attributes.len()), claims.as_object().map(serde_json::Map::len));
}

/// A set of keys has no more than are in the document, and knows no token whose key is not there.
pub fn jwks(data: &[u8]) {
    let set = match JwkSet::from_json(data) {
        Ok(set) => set,
        Err(error) => return assert!(error.to_string().len() < 300, "{error}"),
    };
    let document: Value = serde_json::from_slice(data).expect("JSON");
    let listed = document["keys"].as_array().expect("keys");
    let kinds = ["RSA", "EC", "OKP"];
    let usable = listed.iter().filter(|key| kinds.iter().any(|kind| key["kty"] == *kind));
    assert!(set.len() <= usable.count() && listed.len() <= JwkSet::MAX_KEYS);
    let is_empty = set.is_empty();
    let validator = by_set(set);
    assert_eq!(validator.is_none(), is_empty);
    let Some(validator) = validator else { return };
    let ours: Value = serde_json::from_slice(JWKS).expect("JSON");
    for (at, name) in ["n", "x", "x"].into_iter().enumerate() {
        let known = validator.validate(&ISSUED.tokens[at], now()).is_ok();
        let number = |key: &Value| {
            let bytes = URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok()?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            Some(bytes[zeros..].to_vec())
        };
        let wanted = number(&ours["keys"][at]);
        let is_there = listed.iter().any(|key| number(key) == wanted);
        assert!(!known || is_there, "a key from nowhere: {}", ISSUED.tokens[at]);
    }
    assert!(validator.validate(&ISSUED.tokens[3], now()).is_err());
}

/// A token endpoint's answer gives a token that can be sent, for as long as it says, and shows it
/// in no error.
pub fn token_response(data: &[u8]) {
    let read = serde_json::from_slice::<Value>(data).unwrap_or_default();
    match TokenResponse::parse(data) {
        Ok(response) => {
            let token = response.access_token.expose_secret();
            assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(read["access_token"], token);
            assert!(read.get("error").is_none_or(Value::is_null), "{read}");
            let kind = read["token_type"].as_str().unwrap_or("bearer");
            assert!(kind.eq_ignore_ascii_case("bearer"), "{read}");
            assert_seconds(response.expires_in, read.get("expires_in"));
            let refresh = response.refresh_token.as_ref().map(|it| it.expose_secret().as_bytes());
            assert!(refresh.is_none_or(|it| !it.is_empty()));
            let is_told = read["scope"].as_str().is_some_and(|scope| scope.contains(CANARY));
            assert!(is_told || !format!("{response:?}").contains(CANARY), "{response:?}");
        }
        Err(error) => {
            let told = ["error", "error_description", "token_type"].map(|name| &read[name]);
            assert_hidden(&format!("{error} {error:?}"), &told);
        }
    }
}

/// An introspection endpoint's answer is a yes where it says so, for as long as it says, and shows
/// in no error.
pub fn introspection_response(data: &[u8]) {
    let read = serde_json::from_slice::<Value>(data).unwrap_or_default();
    let response = match IntrospectionResponse::parse(data) {
        Ok(response) => response,
        Err(error) => return assert_hidden(&format!("{error} {error:?}"), &[]),
    };
    assert_eq!(read["active"], response.is_active());
    assert_seconds(response.expires(), read.get("exp"));
    let names = ["sub", "username", "client_id"];
    assert_eq!(response.name(), names.iter().find_map(|name| read[name].as_str()));
    assert_eq!(response.is_from("issuer"), read["iss"] == "issuer");
    if let (Ok(scopes), Some(text)) = (response.scopes("scope"), read["scope"].as_str()) {
        assert!(scopes.iter().all(|scope| !scope.is_empty() && !scope.contains(' ')));
        assert_eq!(scopes.concat(), text.replace(' ', ""));
    }
    assert!(read.get("cnf").is_none() || response.is_bound());
    let attributes = response.attributes();
    assert!(!attributes.contains_key("active"));
    assert!(attributes.len() < read.as_object().map_or(0, serde_json::Map::len));
}

/// That a lifetime is the one that is written, or zero where that is less.
fn assert_seconds(seconds: Option<Duration>, written: Option<&Value>) {
    let number = match written {
        None | Some(Value::Null) => return assert_eq!(seconds, None),
        Some(Value::String(text)) => text.trim().parse::<f64>().expect("a number"),
        Some(value) => value.as_f64().expect("a number"),
    };
    let seconds = seconds.expect("a lifetime").as_secs_f64();
    let wanted = number.clamp(0.0, u64::MAX as f64);
    assert!((seconds - wanted).abs() <= 1e-9 + wanted * 1e-12, "{seconds} for {number}");
}

/// That an error is of bounded length, printable, and holds nothing of the secret but what the
/// server has put into `told`.
fn assert_hidden(error: &str, told: &[&Value]) {
    assert!(error.len() < 20_000 && !error.contains(char::is_control), "{error:?}");
    let is_told = told.iter().any(|value| value.as_str().is_some_and(|it| it.contains(CANARY)));
    assert!(is_told || !error.contains(CANARY), "{error}");
}
