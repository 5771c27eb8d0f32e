//! What the client's issuer writes, and what it refuses to.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use wirewright_auth::{JwtAlgorithm, JwtIssueError, JwtIssuer, JwtIssuerBuilder, SigningKey};

use super::tokens::{NOW, SECRET, at, hs256};

fn builder() -> JwtIssuerBuilder {
    JwtIssuer::builder().signature(JwtAlgorithm::Hs256, SigningKey::from_secret(SECRET))
}

/// Header and claims of a token of this issuer.
fn parts(builder: JwtIssuerBuilder) -> (Value, Value) {
    let token = builder.build().unwrap().issue(at(NOW)).unwrap();
    let mut parts = token.expose_secret().split('.');
    let mut next = || {
        let part = URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
        serde_json::from_slice(&part).unwrap()
    };
    (next(), next())
}

fn custom(claims: &Value) -> Map<String, Value> {
    claims.as_object().unwrap().clone()
}

#[test]
fn every_claim_has_its_option() {
    let (header, claims) = parts(builder());
    assert_eq!(header, json!({ "typ": "JWT", "alg": "HS256" }));
    assert_eq!(claims, json!({ "iat": NOW, "nbf": NOW, "exp": NOW + 300 }));
    let all = builder()
        .key_id("k \"1\"")
        .issuer("me")
        .subject("alice")
        .audience(["a", "b"])
        .jwt_id("7")
        .custom_claims(custom(&json!({ "scope": "read write", "limits": { "depth": 5 } })))
        .lifetime(Duration::from_millis(1_500));
    let (header, claims) = parts(all);
    assert_eq!(header, json!({ "typ": "JWT", "alg": "HS256", "kid": "k \"1\"" }));
    let expected = json!({
        "iss": "me", "sub": "alice", "aud": ["a", "b"], "jti": "7", "scope": "read write",
        "limits": { "depth": 5 }, "iat": NOW, "nbf": NOW, "exp": NOW + 2,
    });
    assert_eq!(claims, expected);
    let (_, claims) = parts(builder().audience(["only"]));
    assert_eq!(claims["aud"], "only");
}

#[test]
fn a_validator_reads_what_an_issuer_writes() {
    let issuer = builder()
        .key_id("k")
        .issuer("me")
        .subject("alice")
        .audience(["a", "b"])
        .jwt_id("7")
        .custom_claims(custom(&json!({ "scope": "read write", "limits": { "depth": 5 } })));
    let token = issuer.build().unwrap().issue(at(NOW)).unwrap();
    let validator = hs256()
        .key_id("k")
        .issuer("me")
        .subject("alice")
        .audience(["b"])
        .jwt_id("7")
        .claim("limits", r#"{"depth":5}"#)
        .token_type("jwt");
    let identity = validator.build().unwrap().validate(token.expose_secret(), at(NOW)).unwrap();
    assert_eq!(
        (identity.name.as_str(), &*identity.scopes),
        ("alice", &["read", "write"].map(Into::into)[..])
    );
    assert_eq!(identity.expires, Some(Duration::from_secs(NOW + 300)));
    let attribute = |name: &str| identity.attributes[name].as_str();
    assert_eq!((attribute("aud"), attribute("limits")), (r#"["a","b"]"#, r#"{"depth":5}"#));
    assert_eq!(attribute("iat"), NOW.to_string());
}

#[test]
fn rfc7519_4_1_7_ids_are_unique() {
    let issuer = builder().unique_jwt_id().build().unwrap();
    let validator = hs256().build().unwrap();
    let ids: BTreeSet<String> = (0..100)
        .map(|_| {
            let token = issuer.issue(at(NOW)).unwrap();
            let identity = validator.validate(token.expose_secret(), at(NOW)).unwrap();
            identity.attributes["jti"].clone()
        })
        .collect();
    assert_eq!(ids.len(), 100);
    assert!(ids.iter().all(|id| id.len() == 22), "128 bits each");
    // The last one that was asked for counts.
    assert_eq!(parts(builder().unique_jwt_id().jwt_id("7")).1["jti"], "7");
    assert_ne!(parts(builder().jwt_id("7").unique_jwt_id()).1["jti"], "7");
}

#[test]
fn issuers_that_are_refused() {
    let none: [&str; 0] = [];
    let mut refused = vec![
        (JwtIssuer::builder(), "`signature`: is required"),
        (builder().lifetime(Duration::ZERO), "`lifetime`"),
        (builder().lifetime(Duration::from_secs(365 * 24 * 3600 + 1)), "`lifetime`"),
        (builder().lifetime(Duration::MAX), "`lifetime`"),
        (builder().audience(none), "`audience`"),
    ];
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"] {
        let claims = custom(&json!({ "scope": "x", name: "x" }));
        refused.push((builder().custom_claims(claims), "which is not custom (RFC 7519 §4.1)"));
    }
    for (builder, problem) in refused {
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(problem), "{said}");
    }
    let before = at(0) - Duration::from_secs(1);
    let issued = builder().build().unwrap().issue(before);
    assert_eq!(issued.map(drop), Err(JwtIssueError::Clock));
}
