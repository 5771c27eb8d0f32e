//! Who is let in for what an introspection endpoint says (RFC 7662), and who is not.

use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use wirewright_auth::{BearerScheme, HttpOptions, IntrospectionError, IntrospectionResponse};
use wirewright_auth::{OAuth2Introspection, OAuth2IntrospectionBuilder};
use wirewright_core::handshake::{Authenticator, Identity, Rejection};

use super::http_server::{Server, answer, json};
use super::support::{answer as answered, request};

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn builder(server: &Server) -> OAuth2IntrospectionBuilder {
    OAuth2Introspection::builder(server.url("/introspect")).client("rs", "rs-secret")
}

/// What becomes of a request with this token.
pub(crate) fn show(tokens: &OAuth2Introspection, token: &str) -> Result<Identity, Rejection> {
    let line = format!("Authorization: Bearer {token}");
    tokens.authenticate(&request("/", &[&line]))
}

type Configure = fn(OAuth2IntrospectionBuilder) -> OAuth2IntrospectionBuilder;

/// The status for a token of which the endpoint says this.
#[track_caller]
fn status(said: &str, configure: Configure) -> u16 {
    let said = said.to_owned();
    let server = Server::saying(move |_, _| said.clone());
    let tokens = configure(builder(&server)).build().unwrap();
    let outcome = show(&tokens, "token");
    assert_eq!(server.count(), 1);
    outcome.map_or_else(|rejection| rejection.status(), |_| 101)
}

#[test]
fn rfc7662_2_2_only_a_clear_yes_lets_in() {
    let exp = now() + 100;
    let table = [
        (r#"{"active":true}"#.to_owned(), 101),
        (r#"{"active":true,"exp":null,"scope":null,"sub":null}"#.into(), 101),
        (format!(r#"{{"active":true,"exp":{exp}}}"#), 101),
        (format!(r#"{{"active":true,"exp":{exp}.5}}"#), 101),
        (format!(r#"{{"active":true,"exp":"{exp}"}}"#), 101),
        (r#"{"active":true,"exp":99999999999999999999}"#.into(), 101),
        (r#"{"active":false}"#.into(), 401),
        (r#"{"active":false,"sub":"root","scope":"admin"}"#.into(), 401),
        (format!(r#"{{"active":true,"exp":{}}}"#, now() - 1), 401),
        (r#"{"active":true,"exp":0}"#.into(), 401),
        (r#"{"active":true,"exp":-1}"#.into(), 401),
        // Not bearer tokens: they want a proof that nobody asks for here.
        (
            r#"{"active":true,"cnf":{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}"#
                .into(),
            401,
        ),
        (r#"{"active":true,"token_type":"DPoP"}"#.into(), 401),
        (r#"{"active":true,"token_type":"Bearer"}"#.into(), 101),
        // Neither yes nor no.
        (r#"{"active":"true"}"#.into(), 503),
        (r#"{"active":1}"#.into(), 503),
        (r#"{"active":null}"#.into(), 503),
        (r#"{"active":false,"active":true}"#.into(), 503),
        (r#"{"active":true,"exp":1,"exp":9999999999}"#.into(), 503),
        (r#"{"active":true,"exp":"never"}"#.into(), 503),
        (r#"{"active":true,"exp":[9999999999]}"#.into(), 503),
        (r#"{"active":true,"sub":7}"#.into(), 503),
        (r#"{"active":true,"scope":7}"#.into(), 503),
        (r#"{"active":true,"scope":["a",7]}"#.into(), 503),
        (r#"{"Active":true}"#.into(), 503),
        ("{}".into(), 503),
        ("true".into(), 503),
        ("[true]".into(), 503),
        (String::new(), 503),
        (r#"{"active":true"#.into(), 503),
        (r#"{"active":true} trailing"#.into(), 503),
        ("[".repeat(60_000), 503),
        ("<!doctype html><title>active: true</title>".into(), 503),
    ];
    for (body, expected) in table {
        let shown = &body[..body.len().min(200)];
        assert_eq!(status(&json(200, &body), |tokens| tokens), expected, "{shown}");
    }
}

#[test]
fn s47_endpoint_that_fails_lets_nobody_in() {
    let yes = r#"{"active":true}"#;
    let large = format!(r#"{{"active":true,"x":"{}"}}"#, "x".repeat(5_000_000));
    let table = [
        json(201, yes),
        json(302, yes),
        json(400, yes),
        json(401, yes),
        json(403, yes),
        json(404, yes),
        json(429, yes),
        json(500, yes),
        json(503, yes),
        json(200, &large),
        answer(302, "Location: https://example.com/\r\n", ""),
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"active\":true}".into(),
    ];
    for said in table {
        let shown = &said[..said.len().min(200)];
        assert_eq!(status(&said, |tokens| tokens), 503, "{shown}");
    }
}

#[test]
fn rfc7662_2_2_token_is_for_us_from_whom_we_trust() {
    let for_us: Configure = |tokens| tokens.audiences(["us", "also-us"]);
    let from: Configure = |tokens| tokens.issuer("https://id.example.com");
    let table = [
        (for_us, r#","aud":"us""#, 101),
        (for_us, r#","aud":["them","also-us"]"#, 101),
        (for_us, r#","aud":"them""#, 401),
        (for_us, r#","aud":"us them""#, 401),
        (for_us, r#","aud":["them"]"#, 401),
        (for_us, r#","aud":[]"#, 401),
        (for_us, r#","aud":[["us"]]"#, 401),
        (for_us, r#","aud":{"us":true}"#, 401),
        (for_us, r#","aud":null"#, 401),
        (for_us, "", 401),
        (from, r#","iss":"https://id.example.com""#, 101),
        (from, r#","iss":"https://id.example.com/""#, 401),
        (from, r#","iss":"https://id.example.com.evil.com""#, 401),
        (from, "", 401),
        (from, r#","iss":["https://id.example.com"]"#, 503),
    ];
    for (configure, claims, expected) in table {
        let body = format!(r#"{{"active":true{claims}}}"#);
        assert_eq!(status(&json(200, &body), configure), expected, "{claims}");
    }
}

#[test]
fn rfc6750_3_1_scopes_are_had_or_not() {
    let want: Configure =
        |tokens| tokens.scheme(BearerScheme::default().scopes(["read", "admin"]).unwrap());
    let elsewhere: Configure = |tokens| {
        tokens.scope_key("roles").scheme(BearerScheme::default().scopes(["read"]).unwrap())
    };
    let table = [
        (want, r#","scope":"write read""#, 101),
        (want, r#","scope":["admin"]"#, 101),
        (want, r#","scope":"write""#, 403),
        (want, r#","scope":"reading""#, 403),
        (want, r#","scope":["read write"]"#, 403),
        (want, r#","scope":"""#, 403),
        (want, r#","roles":"read""#, 403),
        (want, "", 403),
        (elsewhere, r#","roles":["read"]"#, 101),
        (elsewhere, r#","scope":"read""#, 403),
    ];
    for (configure, claims, expected) in table {
        let body = format!(r#"{{"active":true{claims}}}"#);
        assert_eq!(status(&json(200, &body), configure), expected, "{claims}");
    }
}

#[test]
fn rfc7662_2_2_identity_is_what_the_token_says() {
    let exp = now() + 100;
    let body = format!(
        r#"{{"active":true,"sub":"Z5O3","username":"jdoe","client_id":"l238j","scope":"a b",
            "exp":{exp},"n":1.5,"flag":true,"none":null,"list":["x",1],"nested":{{"y":"z"}}}}"#
    );
    let server = Server::saying(move |seen, _| {
        json(
            200,
            match seen.parameter("token").unwrap().as_str() {
                "user" => r#"{"active":true,"username":"jdoe","client_id":"l238j"}"#,
                "client" => r#"{"active":true,"client_id":"l238j"}"#,
                "nobody" => r#"{"active":true}"#,
                _ => &body,
            },
        )
    });
    let tokens = builder(&server).build().unwrap();
    let identity = show(&tokens, "whole").unwrap();
    assert_eq!(identity.name, "Z5O3");
    assert_eq!(identity.scopes, ["a", "b"]);
    assert_eq!(identity.expires, Some(Duration::from_secs(exp)));
    let attributes: Vec<(&str, &str)> =
        identity.attributes.iter().map(|(name, value)| (&**name, &**value)).collect();
    let exp = exp.to_string();
    let expected = [
        ("client_id", "l238j"),
        ("exp", &exp),
        ("flag", "true"),
        ("list", r#"["x",1]"#),
        ("n", "1.5"),
        ("nested", r#"{"y":"z"}"#),
        ("scope", "a b"),
        ("sub", "Z5O3"),
        ("username", "jdoe"),
    ];
    assert_eq!(attributes, expected);
    for (token, name) in [("user", "jdoe"), ("client", "l238j"), ("nobody", "")] {
        let identity = show(&tokens, token).unwrap();
        assert_eq!((&*identity.name, identity.expires), (name, None));
    }
}

#[test]
fn rfc6750_requests_without_a_token_ask_nobody() {
    let server = Server::saying(|_, _| json(200, r#"{"active":true}"#));
    let scheme = BearerScheme::new("feed").unwrap();
    let tokens = builder(&server).scheme(scheme.clone()).build().unwrap();
    let long = format!("Authorization: Bearer {}", "x".repeat(8 * 1024 + 1));
    let table: [(&str, &[&str], u16, &str); 6] = [
        ("/", &[], 401, r#"Bearer realm="feed""#),
        ("/", &["Authorization: Basic YTpi"], 401, r#"Bearer realm="feed""#),
        ("/?access_token=abc", &[], 401, r#"Bearer realm="feed""#),
        ("/", &[&long], 401, r#"Bearer realm="feed", error="invalid_token""#),
        ("/", &["Authorization: Bearer a b"], 401, r#"Bearer realm="feed", error="invalid_token""#),
        (
            "/",
            &["Authorization: Bearer a", "Authorization: Bearer b"],
            400,
            r#"Bearer realm="feed", error="invalid_request""#,
        ),
    ];
    for (target, lines, status, challenge) in table {
        let rejection = tokens.authenticate(&request(target, lines)).unwrap_err();
        assert_eq!(answered(&rejection), (status, vec![challenge]), "{target} {lines:?}");
    }
    assert_eq!(server.count(), 0);
    assert!(tokens.may_block());
    // Where it is allowed, it may be in the query.
    let tokens = builder(&server).scheme(scheme.accept_in_query(true)).build().unwrap();
    assert!(tokens.authenticate(&request("/?access_token=abc", &[])).is_ok());
    assert_eq!(server.seen()[0].parameter("token").as_deref(), Some("abc"));
    let longest = format!("Authorization: Bearer {}", "x".repeat(8 * 1024));
    assert!(tokens.authenticate(&request("/", &[&longest])).is_ok());
}

#[test]
fn options_that_cannot_be_used_are_errors_when_built() {
    let at = |url: &str| OAuth2Introspection::builder(url);
    let good = || at("https://id.example.com/introspect");
    let table = [
        (at("http://id.example.com/introspect"), "`allow_clear_text`"),
        (at("https://a:b@id.example.com/"), "user information"),
        (good().client("", "secret"), "client id"),
        (good().parameter("token", "another"), "`token`"),
        (good().payload("token_type_hint=x"), "`token_type_hint`"),
        (good().http(HttpOptions::new().roots_file("/no/such/file")), "/no/such/file"),
    ];
    for (tokens, problem) in table {
        let error = tokens.build().unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn introspection_response_is_read_from_bytes() {
    let response = IntrospectionResponse::parse(br#"{"active":true,"scope":7,"aud":"a"}"#).unwrap();
    assert!(response.is_active() && response.is_for(&["a".into()]) && !response.is_bound());
    assert_eq!(response.scopes("scope"), Err(IntrospectionError::Scope));
    let error = IntrospectionResponse::parse(b"{\"active\": canary}").unwrap_err();
    assert!(matches!(error, IntrospectionError::NotJson { line: 1, .. }));
    assert!(!error.to_string().contains("canary"));
    let tokens = OAuth2Introspection::builder("https://id.example.com/?key=canary")
        .client("rs", "canary")
        .parameter("key", SecretString::from("canary"));
    let shown = format!("{tokens:?}");
    let shown = format!("{shown} {:?}", tokens.build().unwrap());
    assert!(shown.contains("https://id.example.com/") && !shown.contains("canary"), "{shown}");
}
