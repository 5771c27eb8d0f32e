//! Tokens that a token endpoint grants, against their issuer's keys (RFC 7517) and against
//! introspection (RFC 7662).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use wirewright::CloseFrame;
use wirewright::auth::{
    BearerScheme, ClientAuthentication, JwksEndpoint, JwtAlgorithm, JwtIssuer, JwtValidator,
    OAuth2Credentials, OAuth2Grant, OAuth2Introspection, SigningKey,
};
use wirewright_tests::endpoint::{Asked, Endpoint, json, token};

use super::{WAYS, claims, identity, key_file, let_in, refused, secret, start};

/// An issuer that publishes its key.
fn signer() -> JwtIssuer {
    let key = SigningKey::from_pem_file(key_file("ed25519.pem"), None).unwrap();
    JwtIssuer::builder()
        .signature(JwtAlgorithm::EdDsa, key)
        .key_id("k1")
        .issuer("https://id.test")
        .subject("feed-client")
        .audience(["feed"])
        .custom_claims(claims(json!({ "scope": "prices trades" })))
        .build()
        .unwrap()
}

/// The key's other half in a set, under this name (RFC 8037 §2).
pub(super) fn key_set(key_id: &str) -> String {
    let pem = std::fs::read_to_string(key_file("ed25519-public.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).unwrap();
    let x = URL_SAFE_NO_PAD.encode(&der[der.len() - 32..]);
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{key_id}","x":"{x}"}}]}}"#)
}

/// Grants what `signer` issues to the one client that it knows, by any grant.
fn token_endpoint() -> Endpoint {
    let signer = signer();
    Endpoint::start(move |asked: &Asked, _| {
        let known = STANDARD.encode(format!("feed:{}", secret("client")));
        let in_body = asked.parameter("client_secret") == Some(&secret("client"));
        if !asked.head.contains(&format!("Basic {known}")) && !in_body {
            return json(401, r#"{"error":"invalid_client"}"#);
        }
        let good = match asked.parameter("grant_type") {
            Some("client_credentials") => asked.parameter("scope") == Some("prices+trades"),
            Some("password") => asked.parameter("password") == Some(&secret("password")),
            Some("refresh_token") => asked.parameter("refresh_token") == Some(&secret("refresh")),
            _ => asked.parameter("assertion") == Some(&secret("assertion")),
        };
        match good {
            true => {
                let issued = signer.issue(SystemTime::now()).unwrap();
                token(issued.expose_secret(), r#","expires_in":300"#)
            }
            false => json(400, r#"{"error":"invalid_grant"}"#),
        }
    })
}

/// Each grant, with which it is known.
fn grants(url: &str) -> [OAuth2Grant; 4] {
    let id = "feed";
    [
        OAuth2Grant::client_credentials(url, id, secret("client")).scopes(["prices", "trades"]),
        OAuth2Grant::password(url, "anna", secret("password")).client(id, secret("client")),
        OAuth2Grant::refresh_token(url, secret("refresh")).client(id, secret("client")),
        OAuth2Grant::jwt_bearer(url, secret("assertion")).client(id, secret("client")),
    ]
}

#[test]
fn rfc6749_tokens_of_each_grant_are_validated_with_keys_that_their_issuer_publishes() {
    for way in WAYS {
        let server = token_endpoint();
        let keys = Endpoint::start(|_, _| json(200, &key_set("k1")));
        let validator = JwtValidator::builder()
            .algorithms([JwtAlgorithm::EdDsa])
            .jwks(JwksEndpoint::new(keys.url("/keys")))
            .issuer("https://id.test")
            .audience(["feed"])
            .scheme(BearerScheme::default().scopes(["trades"]).unwrap())
            .build()
            .unwrap();
        let listener = start(way.options().authenticator(validator));
        for (at, grant) in grants(&server.url("/token")).into_iter().enumerate() {
            let how = [ClientAuthentication::Header, ClientAuthentication::Body][at % 2];
            let credentials = grant.client_authentication(how).build().unwrap();
            for _ in 0..2 {
                let said = let_in(way.towards(&listener), credentials.clone());
                assert!(said.starts_with("feed-client [\"prices\", \"trades\"] {"), "{said}");
            }
            assert_eq!(server.count(), at + 1, "a token is held");
        }
        assert_eq!(keys.count(), 1);
        // The error is the endpoint's, and nobody is connected to.
        let accepted = listener.stats().accepted;
        let url = server.url("/token");
        let unknown = OAuth2Grant::client_credentials(url, "feed", secret("other"));
        let unknown = unknown.build().unwrap();
        let error = way.towards(&listener).credentials(unknown).connect().unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("invalid_client"), "{error}");
        assert_eq!(listener.stats().accepted, accepted);
    }
}

/// The listener says that this is nobody's fault, and lets nobody in.
#[test]
fn keys_that_are_out_of_reach_are_503() {
    for way in WAYS {
        let server = token_endpoint();
        let keys = Endpoint::start(|_, _| json(500, "{}"));
        let validator = JwtValidator::builder()
            .algorithms([JwtAlgorithm::EdDsa])
            .jwks(JwksEndpoint::new(keys.url("/keys")));
        let listener = start(way.options().authenticator(validator.build().unwrap()));
        let [grant, ..] = grants(&server.url("/token"));
        let error = way.towards(&listener).credentials(grant.build().unwrap()).connect();
        let error = error.unwrap_err();
        assert!(error.is_transient() && error.retry_after() > Some(Duration::ZERO), "{error:?}");
        assert_eq!(super::refusal(error), (503, vec![]));
    }
}

/// Tokens that say nothing to those who do not ask, and the endpoint that knows them.
pub(super) struct Opaque {
    active: Arc<Mutex<BTreeSet<String>>>,
    pub(super) endpoint: Endpoint,
}

impl Opaque {
    pub(super) fn new(tokens: &[String]) -> Self {
        let active: Arc<Mutex<BTreeSet<String>>> =
            Arc::new(Mutex::new(tokens.iter().cloned().collect()));
        let known = Arc::clone(&active);
        let endpoint = Endpoint::start(move |asked, _| {
            assert_eq!(asked.parameter("token_type_hint"), Some("access_token"));
            let known_client = STANDARD.encode(format!("listener:{}", secret("introspection")));
            assert!(asked.head.contains(&format!("Basic {known_client}")), "{}", asked.head);
            let token = asked.parameter("token").unwrap();
            match known.lock().unwrap().contains(token) {
                true => json(200, r#"{"active":true,"sub":"anna","scope":"a b","n":7}"#),
                false => json(200, r#"{"active":false}"#),
            }
        });
        Self { active, endpoint }
    }

    pub(super) fn authenticator(&self) -> OAuth2Introspection {
        OAuth2Introspection::builder(self.endpoint.url("/introspect"))
            .client("listener", secret("introspection"))
            .token_type_hint("access_token")
            .scheme(BearerScheme::default().scopes(["b", "c"]).unwrap())
            .build()
            .unwrap()
    }

    pub(super) fn revoke(&self, token: &str) {
        self.active.lock().unwrap().remove(token);
    }
}

/// Grants this token, for an hour.
fn granting(granted: String) -> (Endpoint, OAuth2Credentials) {
    let server = Endpoint::start(move |_, _| token(&granted, ""));
    let grant = OAuth2Grant::client_credentials(server.url("/token"), "feed", secret("client"));
    (server, grant.build().unwrap())
}

#[test]
fn rfc7662_2_tokens_that_are_active_are_let_in_and_remembered() {
    for way in WAYS {
        let known = Opaque::new(&[secret("good")]);
        let listener = start(way.options().authenticator(known.authenticator()));
        let (_server, good) = granting(secret("good"));
        for _ in 0..3 {
            let said = let_in(way.towards(&listener), good.clone());
            assert!(said.starts_with("anna [\"a\", \"b\"] {"), "{said}");
            assert!(said.contains("\"n\": \"7\""), "{said}");
        }
        assert_eq!(known.endpoint.count(), 1);
        let (server, bad) = granting(secret("bad"));
        let challenge = "Bearer realm=\"websocket\", error=\"invalid_token\"".to_owned();
        let found = refused(way.towards(&listener), bad);
        assert_eq!(found, (401, vec![challenge]));
        // A 401 has the client fetch another token, once; this one is the same again.
        assert_eq!((server.count(), known.endpoint.count()), (2, 3));
    }
}

/// Who is there when a token is revoked goes, and nobody comes back with it.
#[test]
fn s46_a_token_that_is_revoked_ends_its_connections_and_opens_no_others() {
    for way in WAYS {
        let known = Opaque::new(&[secret("good")]);
        let authenticator = known.authenticator();
        let listener = start(way.options().authenticator(authenticator.clone()));
        let (_server, good) = granting(secret("good"));
        let client = way.towards(&listener).credentials(good.clone()).connect().unwrap();
        identity(&client);
        known.revoke(&secret("good"));
        // Until it is forgotten, it is remembered to be active.
        assert!(let_in(way.towards(&listener), good.clone()).starts_with("anna"));
        authenticator.forget(&SecretString::from(secret("good")));
        let close = CloseFrame::credentials_expired();
        listener.revoke(|identity| identity.name == "anna", close.clone());
        assert_eq!(client.read().unwrap_err().close_code(), Some(close.code()));
        assert_eq!(refused(way.towards(&listener), good).0, 401);
    }
}

/// An endpoint that is down lets nobody in, and turns nobody away for good.
#[test]
fn rfc7662_2_3_an_endpoint_that_does_not_answer_is_503() {
    for way in WAYS {
        let endpoint = Endpoint::start(|_, _| json(503, "{}"));
        let builder = OAuth2Introspection::builder(endpoint.url("/introspect"));
        let listener = start(way.options().authenticator(builder.build().unwrap()));
        let (_server, good) = granting(secret("good"));
        let error = way.towards(&listener).credentials(good).connect().unwrap_err();
        assert!(error.is_transient() && error.retry_after() > Some(Duration::ZERO), "{error:?}");
        assert_eq!(super::refusal(error), (503, vec![]));
    }
}
