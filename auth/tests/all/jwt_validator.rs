//! What a listener answers to tokens, and what it knows of who shows them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wirewright_auth::{
    BearerScheme, JwkSet, JwtAlgorithm, JwtError, JwtValidator, JwtValidatorBuilder, VerifyingKey,
};
use wirewright_core::handshake::{Authenticator, Identity, Rejection};

use super::support::{answer, request};
use super::tokens::{NOW, SECRET, at, forge, hs256, path, token};

/// A token that has a minute left.
fn fresh(claims: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    token(&format!(r#"{{"exp":{}{claims}}}"#, now + 60))
}

fn ask(builder: JwtValidatorBuilder, lines: &[&str]) -> Result<Identity, Rejection> {
    builder.build().unwrap().authenticate(&request("/feed?access_token=x", lines))
}

fn show(builder: JwtValidatorBuilder, token: &str) -> Result<Identity, Rejection> {
    ask(builder, &[&format!("Authorization: Bearer {token}")])
}

/// RFC 6750 §3.1: no error without a token, and no word on what is wrong with one.
#[test]
fn rfc6750_3_1_what_is_answered() {
    let none = ask(hs256(), &[]).unwrap_err();
    assert_eq!(answer(&none), (401, vec![r#"Bearer realm="websocket""#]));
    let basic = ask(hs256(), &["Authorization: Basic dTpw"]).unwrap_err();
    assert_eq!(answer(&basic), (401, vec![r#"Bearer realm="websocket""#]));
    let invalid = r#"Bearer realm="feed", error="invalid_token""#;
    let feed = || hs256().scheme(BearerScheme::new("feed").unwrap());
    for token in [
        "x".to_owned(),
        "a.b.c".into(),
        "..".into(),
        token(r#"{"exp":1}"#),
        token("{}"),
        fresh(r#","nbf":99999999999"#),
        fresh(r#","aud":"them""#),
        fresh(r#","sub":7"#),
        forge(r#"{"alg":"none"}"#, "{}"),
        fresh("") + "A",
        "x".repeat(9000),
    ] {
        let rejection = show(feed(), &token).unwrap_err();
        assert_eq!(answer(&rejection), (401, vec![invalid]), "{token}");
        assert!(rejection.content().is_empty());
    }
    let twice = ask(hs256(), &["Authorization: Bearer a", "Authorization: Bearer a"]);
    assert_eq!(twice.unwrap_err().status(), 400);
}

#[test]
fn scopes_are_strings_or_lists() {
    let scheme = || BearerScheme::new("feed").unwrap().scopes(["read", "admin"]).unwrap();
    let insufficient = r#"Bearer realm="feed", error="insufficient_scope", scope="read admin""#;
    let invalid = r#"Bearer realm="feed", error="invalid_token""#;
    for (claim, status) in [
        (r#","scope":"read""#, 101),
        (r#","scope":"write  admin ""#, 101),
        (r#","scope":["write","read"]"#, 101),
        // Of an array each is one.
        (r#","scope":["write read"]"#, 403),
        (r#","scope":"""#, 403),
        (r#","scope":[]"#, 403),
        (r#","scope":"READ reads""#, 403),
        ("", 403),
        (r#","scp":"read""#, 403),
        (r#","scope":null"#, 401),
        (r#","scope":7"#, 401),
        (r#","scope":["read",7]"#, 401),
        (r#","scope":{"read":true}"#, 401),
    ] {
        match (status, show(hs256().scheme(scheme()), &fresh(claim))) {
            (101, Ok(_)) => {}
            (403, Err(rejection)) => assert_eq!(answer(&rejection), (403, vec![insufficient])),
            (401, Err(rejection)) => assert_eq!(answer(&rejection), (401, vec![invalid])),
            (_, found) => panic!("{claim}: {found:?}"),
        }
    }
    let identity = show(hs256().scope_key("scp"), &fresh(r#","scp":["a","b"]"#)).unwrap();
    assert_eq!(identity.scopes, ["a", "b"]);
    assert_eq!(show(hs256(), &fresh("")).unwrap().scopes, [""; 0]);
}

#[test]
fn whom_a_token_names() {
    let token = fresh(r#","sub":"alice","email":"a@example.com","n":1.5,"l":[1,"x"],"b":null"#);
    let identity = show(hs256(), &token).unwrap();
    assert_eq!(identity.name, "alice");
    let attribute = |name: &str| identity.attributes[name].as_str();
    assert_eq!((attribute("email"), attribute("n")), ("a@example.com", "1.5"));
    assert_eq!((attribute("l"), attribute("b")), (r#"[1,"x"]"#, "null"));
    let exp = attribute("exp").parse().unwrap();
    assert_eq!(identity.expires, Some(Duration::from_secs(exp)));
    assert_eq!(show(hs256().name_claim("email"), &token).unwrap().name, "a@example.com");
    assert_eq!(show(hs256().name_claim("user"), &token).unwrap_err().status(), 401);
    assert_eq!(show(hs256().name_claim("n"), &token).unwrap_err().status(), 401);
    assert_eq!(show(hs256(), &fresh("")).unwrap().name, "");
    let eternal = show(hs256().require_expiry(false), &super::tokens::token("{}")).unwrap();
    assert_eq!(eternal.expires, None);
}

#[test]
fn s49_tokens_in_the_query_are_an_option() {
    let token = fresh("");
    let asked = |accept| {
        let scheme = BearerScheme::default().accept_in_query(accept);
        let validator = hs256().scheme(scheme).build().unwrap();
        validator.authenticate(&request(&format!("/?access_token={token}"), &[]))
    };
    assert_eq!(answer(&asked(false).unwrap_err()).0, 401);
    assert!(asked(true).is_ok());
}

#[test]
fn validators_that_are_refused() {
    let key = || VerifyingKey::from_secret(SECRET);
    let rsa = VerifyingKey::from_file(path("rsa-public.pem")).unwrap();
    let set = JwkSet::from_json(br#"{"keys":[]}"#).unwrap();
    let es256 = [JwtAlgorithm::Es256];
    for (builder, problem) in [
        (JwtValidator::builder(), "`algorithms`: are required"),
        (JwtValidator::builder().key(key()), "`algorithms`: are required"),
        (hs256().algorithms([]), "`algorithms`: are required"),
        (JwtValidator::builder().algorithms(es256), "is required to verify signatures"),
        (hs256().key(rsa), "an RSA key is none for HS256"),
        (hs256().algorithms([JwtAlgorithm::Hs256, JwtAlgorithm::Es256]), "none for ES256"),
        (hs256().algorithms(es256).key_set(set), "holds no key that is usable"),
    ] {
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(problem), "{said}");
    }
    assert!(!hs256().build().unwrap().may_block());
}

#[test]
fn keys_of_a_set_are_told_apart_by_their_ids() {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let jwk = |kid: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"{kid}}}"#);
    let keyed = |keys: &[String]| {
        let document = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
        let set = JwkSet::from_json(document.as_bytes()).unwrap();
        JwtValidator::builder().algorithms([JwtAlgorithm::EdDsa]).key_set(set).build().unwrap()
    };
    let named = |kid: &str| forge(format!(r#"{{"alg":"EdDSA"{kid}}}"#), "{}");
    let (a, b) = (jwk(r#","kid":"a""#), jwk(r#","kid":"b""#));
    let refused = |keys: &[String], kid: &str| keyed(keys).validate(&named(kid), at(NOW));
    // The signature is none: what matters is whether it was looked at.
    let (unknown, tried) = (Err(JwtError::UnknownKey), Err(JwtError::Signature));
    assert_eq!(refused(&[a.clone(), b.clone()], r#","kid":"a""#), tried);
    assert_eq!(refused(&[a.clone(), b.clone()], r#","kid":"c""#), unknown);
    // Without a name only one key can be meant.
    assert_eq!(refused(&[a.clone(), b.clone()], ""), unknown);
    assert_eq!(refused(std::slice::from_ref(&a), ""), tried);
    assert_eq!(refused(&[jwk("")], ""), tried);
    assert_eq!(refused(&[jwk("")], r#","kid":"a""#), unknown);
    assert_eq!(refused(&[a.clone(), a], r#","kid":"a""#), tried);
}

#[test]
fn validated_tokens_are_remembered_and_no_longer_than_they_are_valid() {
    let cached = |lifetime| hs256().cache(4, Duration::from_secs(lifetime)).build().unwrap();
    let mine = |i: u64| token(&format!(r#"{{"exp":{},"sub":"{i}"}}"#, NOW + 10));
    let validator = cached(60);
    for _ in 0..3 {
        for i in 0..20 {
            assert_eq!(validator.validate(&mine(i), at(NOW)).unwrap().name, i.to_string());
        }
    }
    assert!(validator.validate(&mine(19), at(NOW + 9)).is_ok());
    assert_eq!(validator.validate(&mine(19), at(NOW + 10)), Err(JwtError::Expired));
    // A token that differs in its signature's form alone is another one.
    let known = mine(1);
    assert!(validator.validate(&known, at(NOW)).is_ok());
    assert!(validator.validate(&format!("{known}="), at(NOW)).is_err());
    assert!(validator.validate(&known[..known.len() - 1], at(NOW)).is_err());
    for lifetime in [0, 1] {
        let validator = cached(lifetime);
        assert!(validator.validate(&mine(1), at(NOW)).is_ok());
        assert!(validator.validate(&mine(1), at(NOW + 1)).is_ok());
    }
}
