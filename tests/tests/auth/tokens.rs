//! Tokens that clients have or issue against what validates them (RFC 6750, RFC 7519, S-45, S-49).

use std::time::SystemTime;

use secrecy::ExposeSecret as _;
use serde_json::json;
use wirewright::auth::{
    Bearer, BearerScheme, JwtAlgorithm, JwtIssuer, JwtValidator, SigningKey, VerifyingKey,
};
use wirewright_tests::certificates::Folder;

use super::{
    MARK, WAYS, claims, client, hmac_secret, identity, issuer, key_file, let_in, refused, secret,
    start, validator,
};

use JwtAlgorithm::{
    EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
};

/// The keys of an algorithm, to sign with and to verify with.
fn keys(algorithm: JwtAlgorithm) -> (SigningKey, VerifyingKey) {
    let name = match algorithm {
        Hs256 | Hs384 | Hs512 => {
            let secret = hmac_secret();
            return (SigningKey::from_secret(&secret), VerifyingKey::from_secret(&secret));
        }
        Es256 => "p256",
        Es384 => "p384",
        EdDsa => "ed25519",
        _ => "rsa",
    };
    let private = SigningKey::from_pem_file(key_file(&format!("{name}.pem")), None).unwrap();
    let public = VerifyingKey::from_file(key_file(&format!("{name}-public.pem"))).unwrap();
    (private, public)
}

#[test]
fn rfc7518_3_1_tokens_of_each_algorithm_are_let_in_where_it_is_allowed() {
    let all = [Hs256, Hs384, Hs512, Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, EdDsa];
    for way in WAYS {
        for (at, algorithm) in all.into_iter().enumerate() {
            let (private, public) = keys(algorithm);
            let validator = JwtValidator::builder()
                .algorithms([algorithm])
                .key(public)
                .issuer("https://id.test")
                .audience(["feed"])
                .key_id("k7")
                .build()
                .unwrap();
            let listener = start(way.options().authenticator(validator));
            let issuer = |algorithm, key| {
                JwtIssuer::builder()
                    .signature(algorithm, key)
                    .key_id("k7")
                    .issuer("https://id.test")
                    .subject("anna")
                    .audience(["mail", "feed"])
                    .custom_claims(claims(json!({ "scope": "read write" })))
                    .build()
                    .unwrap()
            };
            let good = issuer(algorithm, private);
            let said = let_in(way.towards(&listener), good);
            assert!(said.starts_with("anna [\"read\", \"write\"] "), "{algorithm} {way:?}: {said}");
            // Any other algorithm is no way in, whatever key it is that of.
            let other = all[(at + 1) % all.len()];
            let refused = refused(way.towards(&listener), issuer(other, keys(other).0));
            let challenge = "Bearer realm=\"websocket\", error=\"invalid_token\"".to_owned();
            assert_eq!(refused, (401, vec![challenge]), "{other} for {algorithm}, {way:?}");
        }
    }
}

/// Subject, scopes and all claims are known before the 101 and while the connection is open.
#[test]
fn what_a_token_says_is_known_to_the_upgrade_and_to_the_caller() {
    let extra = json!({ "scope": ["read", "write"], "tenant": "seven", "seats": 3, "vip": true });
    for way in WAYS {
        let validator = validator().claim("tenant", "seven").build().unwrap();
        let listener = start(way.options().authenticator(validator));
        let issuer = issuer().jwt_id("token-1").custom_claims(claims(extra.clone()));
        let issuer = issuer.build().unwrap();
        let client = way.towards(&listener).credentials(issuer).connect().unwrap();
        let said = identity(&client);
        assert!(said.starts_with("anna [\"read\", \"write\"] {"), "{said}");
        for claim in [
            "\"jti\": \"token-1\"",
            "\"seats\": \"3\"",
            "\"sub\": \"anna\"",
            "\"tenant\": \"seven\"",
            "\"vip\": \"true\"",
        ] {
            assert!(said.contains(claim), "{claim} in {said}");
        }
        client.close().unwrap();
    }
}

#[test]
fn rfc6750_2_1_a_token_from_elsewhere_is_shown_as_it_is() {
    for way in WAYS {
        let listener = start(way.options().authenticator(validator().build().unwrap()));
        let token = issuer().build().unwrap().issue(SystemTime::now()).unwrap();
        let fixed = Bearer::new(token.clone()).unwrap();
        assert!(let_in(way.towards(&listener), fixed).starts_with("anna [] "));
        // One that is read anew for each handshake.
        let folder = Folder::new();
        let path = folder.path().join("token");
        std::fs::write(&path, secret("stale")).unwrap();
        let file = path.clone();
        let read = Bearer::from_fn(move |uri| {
            assert_eq!(uri.host(), "localhost");
            Ok(std::fs::read_to_string(&file).unwrap().into())
        });
        assert_eq!(refused(way.towards(&listener), read.clone()).0, 401);
        std::fs::write(&path, token.expose_secret()).unwrap();
        assert!(let_in(way.towards(&listener), read).starts_with("anna [] "));
    }
}

/// "the protected resource request [...] using the "access_token" parameter" (RFC 6750 §2.3): off
/// by default on the listener, and never together with another way.
#[test]
fn s49_a_token_in_the_query_counts_only_where_that_is_allowed() {
    let token = issuer().build().unwrap().issue(SystemTime::now()).unwrap();
    let token = token.expose_secret();
    for way in WAYS {
        for accept in [false, true] {
            let scheme = BearerScheme::default().accept_in_query(accept);
            let validator = validator().scheme(scheme).build().unwrap();
            let listener = start(way.options().authenticator(validator));
            let ask = |path: &str| client(&way.url(&listener, path));
            let status = |path: &str| match ask(path).connect() {
                Ok(client) => {
                    assert!(identity(&client).starts_with("anna [] "));
                    101
                }
                Err(error) => super::refusal(error).0,
            };
            let good = if accept { 101 } else { 401 };
            assert_eq!(status(&format!("/?a=b&access_token={token}")), good);
            assert_eq!(status(&format!("/?access_token={}", secret("bad"))), 401);
            assert_eq!(status("/?access_token="), 401);
            let twice = if accept { 400 } else { 401 };
            assert_eq!(status(&format!("/?access_token={token}&access_token={token}")), twice);
            // Beside a header: one opinion too many, or one that does not count.
            let both = ask(&format!("/?access_token={token}"));
            let bearer = Bearer::new(token).unwrap();
            match accept {
                true => assert_eq!(refused(both, bearer).0, 400),
                false => assert!(let_in(both, bearer).starts_with("anna")),
            }
        }
    }
}

#[test]
fn s45_a_public_key_is_no_secret() {
    let public = std::fs::read(key_file("rsa-public.pem")).unwrap();
    for way in WAYS {
        let key = VerifyingKey::from_file(key_file("rsa-public.pem")).unwrap();
        let validator = JwtValidator::builder().algorithms([Rs256]).key(key).build().unwrap();
        let listener = start(way.options().authenticator(validator));
        let forged = JwtIssuer::builder().signature(Hs256, SigningKey::from_secret(&public));
        let forged = forged.subject("admin").build().unwrap();
        assert_eq!(refused(way.towards(&listener), forged).0, 401);
        // Nor is anything that was signed with another key, or not for us.
        let other = issuer().subject(MARK).build().unwrap();
        assert_eq!(refused(way.towards(&listener), other).0, 401);
    }
}
