//! Several authenticators, what is answered to whom none of them lets in, and that nothing else of
//! the request counts before (S-28).

use wirewright::auth::{Basic, BasicScheme, BasicUsers, BearerScheme};
use wirewright::{ClientBuilder, Compression, Listener};

use serde_json::json;

use super::{WAYS, Way, claims, issuer, let_in, refusal, refused, secret, start, validator};

const BASIC: &str = "Basic realm=\"users\", charset=\"UTF-8\"";
const BEARER: &str = "Bearer realm=\"tokens\"";
const INVALID: &str = "Bearer realm=\"tokens\", error=\"invalid_token\"";

/// Tokens of scope `read` or `admin`, then users of scope `write` or `admin`, then others' tokens
/// of any scope.
fn three(way: Way) -> Listener {
    let tokens = BearerScheme::new("tokens").unwrap().scopes(["read", "admin"]).unwrap();
    let users = BasicUsers::builder()
        .scheme(BasicScheme::new("users").unwrap().scopes(["write", "admin"]))
        .allow_plain_passwords(true)
        .user("writer", secret("writer"), ["write"])
        .user("reader", secret("reader"), ["read"])
        .build()
        .unwrap();
    let others = BearerScheme::new("tokens").unwrap();
    start(
        way.options()
            .compression(Some(Compression::default()))
            .authenticator(validator().issuer("ours").scheme(tokens).build().unwrap())
            .authenticator(users)
            .authenticator(validator().issuer("others").scheme(others).build().unwrap()),
    )
}

fn token(issued_by: &str, scope: &str) -> wirewright::auth::JwtIssuer {
    issuer().issuer(issued_by).custom_claims(claims(json!({ "scope": scope }))).build().unwrap()
}

#[test]
fn rfc9110_11_6_1_the_first_that_knows_decides_and_a_401_names_the_challenges_of_all() {
    for way in WAYS {
        let listener = three(way);
        let to = || way.towards(&listener);
        // One of several scopes is enough, of any of the authenticators.
        assert!(let_in(to(), token("ours", "x admin")).starts_with("anna [\"x\", \"admin\"]"));
        assert!(let_in(to(), token("ours", "read")).starts_with("anna"));
        assert!(let_in(to(), token("others", "x")).starts_with("anna [\"x\"]"));
        let user = |name: &str| Basic::new(name, secret(name)).unwrap();
        assert_eq!(let_in(to(), user("writer")), "writer [\"write\"] {}");
        // Whoever is known and may not is refused at once.
        let insufficient = format!("{BEARER}, error=\"insufficient_scope\", scope=\"read admin\"");
        let found = refused(to(), token("ours", "write reader"));
        assert_eq!(found, (403, vec![insufficient]), "{way:?}");
        assert_eq!(refused(to(), user("reader")), (403, vec![]));
        // Whoever is not is told of all ways in, each once.
        let unknown = to().connect().unwrap_err();
        assert_eq!(refusal(unknown), (401, vec![BEARER.to_owned(), BASIC.to_owned()]));
        let found = refused(to(), Basic::new("writer", secret("reader")).unwrap());
        assert_eq!(found, (401, vec![BEARER.to_owned(), BASIC.to_owned()]));
        let found = refused(to(), token("strangers", "admin"));
        assert_eq!(found, (401, vec![INVALID.to_owned(), BASIC.to_owned()]));
    }
}

fn with(way: Way, listener: &Listener, headers: &[(&str, &str)]) -> ClientBuilder {
    let add =
        |builder: ClientBuilder, (name, value): &(&str, &str)| builder.header(name, value).unwrap();
    headers.iter().fold(way.towards(listener), add)
}

/// Basic of the writer, as it stands in the header.
fn writer() -> String {
    use base64::Engine as _;
    let pair = format!("writer:{}", secret("writer"));
    base64::engine::general_purpose::STANDARD.encode(pair)
}

#[test]
fn s28_s44_whatever_is_no_single_good_header_is_refused_and_told_how() {
    let good = format!("Basic {}", writer());
    let oddly = format!("bASIC   {}", writer());
    let cases: [(&[&str], u16); 11] = [
        (&[&good], 101),
        // "case-insensitive" (RFC 9110 §11.1), and any number of spaces (§11.4).
        (&[&oddly], 101),
        (&[&good, &good], 400),
        (&[&good, "Bearer x"], 400),
        (&["Negotiate abc", &good], 400),
        (&["Basic"], 401),
        (&["Basic "], 401),
        (&["Basic d3JpdGVy"], 401),
        (&["Basic ===="], 401),
        (&["Digest username=\"writer\""], 401),
        (&["Bearer a b"], 401),
    ];
    for way in WAYS {
        let listener = three(way);
        for (values, status) in cases {
            let headers: Vec<_> = values.iter().map(|value| ("Authorization", *value)).collect();
            match with(way, &listener, &headers).connect() {
                Ok(client) => assert_eq!((101, client.close().is_ok()), (status, true)),
                Err(error) => {
                    let (found, challenges) = refusal(error);
                    assert_eq!(found, status, "{values:?} {way:?}");
                    let expected = if status == 401 { 2 } else { 0 };
                    assert_eq!(challenges.len(), expected, "{values:?} {challenges:?}");
                }
            }
        }
    }
}

/// Nothing is negotiated with those who are not let in: an offer that no parser would take does
/// not change their answer, and no compressor is ever theirs.
#[test]
fn s28_extensions_are_negotiated_only_with_those_who_are_let_in() {
    let deflate = "permessage-deflate; client_max_window_bits=9";
    for way in WAYS {
        let listener = three(way);
        let good = Basic::new("writer", secret("writer")).unwrap();
        let bad = Basic::new("writer", secret("other")).unwrap();
        let offer = Some(Compression::default());
        let to = || way.towards(&listener).compression(offer.clone());
        let client = to().credentials(good).connect().unwrap();
        assert!(client.response().head().header("Sec-WebSocket-Extensions").is_some());
        client.close().unwrap();
        let error = to().credentials(bad).connect().unwrap_err();
        let wirewright::ClientError::Refused(refused) = error else { panic!("{error:?}") };
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.head().header("Sec-WebSocket-Extensions"), None);
        if way == Way::Tls {
            continue;
        }
        for (offer, authorized, unknown) in
            [(deflate, 101, 401), ("permessage-deflate;;", 400, 401)]
        {
            for (credentials, status) in [(writer(), authorized), ("d3JpdGVyOng=".into(), unknown)]
            {
                let answer = wirewright_tests::http::ask_all_ways(
                    listener.local_addr(),
                    &wirewright_tests::raw_client::request(&format!(
                        "Authorization: Basic {credentials}\r\n\
                         Sec-WebSocket-Extensions: {offer}\r\n"
                    )),
                );
                assert_eq!(answer.status, status, "{offer}");
                let agreed = answer.header("Sec-WebSocket-Extensions").is_some();
                assert_eq!(agreed, status == 101, "{offer}");
            }
        }
    }
}
