//! The `Authorization` header and the challenges that ask for it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret;
use wirewright_auth::{BasicCredentials, BasicError, BasicScheme, BearerScheme, Scopes};

use super::support::{answer, request};

/// What is read, or the status and the challenges of the refusal.
type Expected<'a> = Result<&'a str, (u16, Vec<&'a str>)>;

#[test]
fn s44_basic_credentials_have_one_form() {
    let good = [
        // RFC 7617 §2 and §2.1.
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ("Aladdin", "open sesame")),
        ("Basic dGVzdDoxMjPCow==", ("test", "123£")),
        ("basic dTpw", ("u", "p")),
        ("BASIC   dTpw", ("u", "p")),
        // The first colon splits: `u:p:q:`, `u::`.
        ("Basic dTpwOnE6", ("u", "p:q:")),
        ("Basic dTo6", ("u", ":")),
    ];
    for (value, (user, password)) in good {
        let read = BasicCredentials::parse(value.as_bytes()).expect(value);
        assert_eq!((read.user(), read.password().expose_secret()), (user, password), "{value}");
    }
    let of = |bytes: &[u8]| format!("Basic {}", STANDARD.encode(bytes));
    let bad = [
        (of(b"user"), BasicError::NoColon),
        (of(b""), BasicError::NoColon),
        (of(b":password"), BasicError::EmptyUser),
        (of(b":"), BasicError::EmptyUser),
        (of(b"user:"), BasicError::EmptyPassword),
        (of(b"us\xe9r:p"), BasicError::Utf8),
        (of(b"u:\xed\xa0\x80"), BasicError::Utf8),
        (of(b"u\0:p"), BasicError::Control),
        (of(b"u:p\n"), BasicError::Control),
        (of(b"u:p\x7f"), BasicError::Control),
        (of("u:p\u{85}".as_bytes()), BasicError::Control),
        ("Basic".into(), BasicError::NoColon),
        ("Basic dTpwcA".into(), BasicError::Base64),
        ("Basic dTpwcA=".into(), BasicError::Base64),
        ("Basic dTpwcA===".into(), BasicError::Base64),
        // Bits behind the last byte that are not zero.
        ("Basic dTpwcB==".into(), BasicError::Base64),
        ("Basic dTp3d3c-".into(), BasicError::Base64),
        ("Basic dT pw".into(), BasicError::Base64),
        ("Basic dTpw ".into(), BasicError::Base64),
        ("Basic dTpw\t".into(), BasicError::Base64),
        ("Basic dTpw,dTpw".into(), BasicError::Base64),
        ("Basic\tdTpw".into(), BasicError::Scheme),
        ("BasicdTpw".into(), BasicError::Scheme),
        ("Bearer dTpw".into(), BasicError::Scheme),
        (" Basic dTpw".into(), BasicError::Scheme),
        (String::new(), BasicError::Scheme),
        (of(&[b'a'; 6145]), BasicError::TooLong(8196)),
        (of(&[b'a'; 6144]), BasicError::NoColon),
    ];
    for (value, error) in bad {
        assert_eq!(BasicCredentials::parse(value.as_bytes()).unwrap_err(), error, "{value}");
    }
}

#[test]
fn s44_a_request_has_one_authorization() {
    let scheme = BasicScheme::new("feed").unwrap();
    let challenge = "Basic realm=\"feed\", charset=\"UTF-8\"";
    let unknown = Err((401, vec![challenge]));
    let rows: [(&[&str], Expected<'_>); 7] = [
        (&[], unknown.clone()),
        (&["authorization: basic dTpw"], Ok("u")),
        (&["Authorization: Basic dTpw "], Ok("u")),
        (&["Authorization: Bearer dTpw"], unknown.clone()),
        (&["Authorization: Basic dT"], unknown),
        (&["Authorization: Basic dTpw", "authorization: Basic dTpw"], Err((400, vec![]))),
        (&["Authorization: Basic dTpw", "authorization: Bearer x"], Err((400, vec![]))),
    ];
    for (lines, expected) in rows {
        let read = scheme.credentials(&request("/", lines));
        assert_eq!(read.as_ref().map(BasicCredentials::user).map_err(answer), expected);
    }
}

#[test]
fn s49_rfc6750_2_bearer_tokens_are_read_where_they_are_allowed() {
    let long = "a".repeat(8192);
    let [longest, longer] =
        [&*long, &format!("{long}b")].map(|of| format!("Authorization: Bearer {of}"));
    let none = "Bearer realm=\"feed\"";
    let invalid = "Bearer realm=\"feed\", error=\"invalid_token\"";
    let several = "Bearer realm=\"feed\", error=\"invalid_request\"";

    let rows: [(&str, &[&str], Expected<'_>, Expected<'_>); 17] = [
        ("/", &[], Err((401, vec![none])), Err((401, vec![none]))),
        ("/", &["Authorization: Basic dTpw"], Err((401, vec![none])), Err((401, vec![none]))),
        (
            "/",
            &["Authorization: Bearer a.b-c_d~e+f/1=="],
            Ok("a.b-c_d~e+f/1=="),
            Ok("a.b-c_d~e+f/1=="),
        ),
        ("/", &["authorization: BEARER  x"], Ok("x"), Ok("x")),
        ("/", &[&longest], Ok(&long), Ok(&long)),
        ("/", &[&longer], Err((401, vec![invalid])), Err((401, vec![invalid]))),
        ("/", &["Authorization: Bearer"], Err((401, vec![invalid])), Err((401, vec![invalid]))),
        ("/", &["Authorization: Bearer =="], Err((401, vec![invalid])), Err((401, vec![invalid]))),
        ("/", &["Authorization: Bearer a=b"], Err((401, vec![invalid])), Err((401, vec![invalid]))),
        ("/", &["Authorization: Bearer a b"], Err((401, vec![invalid])), Err((401, vec![invalid]))),
        ("/", &["Authorization: Bearer a,b"], Err((401, vec![invalid])), Err((401, vec![invalid]))),
        (
            "/",
            &["Authorization: Bearer a", "Authorization: Bearer a"],
            Err((400, vec![several])),
            Err((400, vec![several])),
        ),
        // Off by default.
        ("/?access_token=abc", &[], Err((401, vec![none])), Ok("abc")),
        ("/?x=1&access%5Ftoken=a%2Bb%3D", &[], Err((401, vec![none])), Ok("a+b=")),
        ("/?access_token=", &[], Err((401, vec![none])), Err((401, vec![invalid]))),
        ("/?access_token=a&access_token=a", &[], Err((401, vec![none])), Err((400, vec![several]))),
        ("/?access_token=a", &["Authorization: Bearer a"], Ok("a"), Err((400, vec![several]))),
    ];
    for (target, lines, by_default, in_query) in rows {
        let request = request(target, lines);
        for (scheme, expected) in [
            (BearerScheme::new("feed").unwrap(), by_default),
            (BearerScheme::new("feed").unwrap().accept_in_query(true), in_query),
        ] {
            let read = scheme.token(&request);
            let read = read.as_ref().map(ExposeSecret::expose_secret).map_err(answer);
            assert_eq!(read, expected, "{target} {lines:?}");
        }
    }
}

#[test]
fn rfc6750_3_1_who_has_none_of_the_scopes_is_told_which() {
    let scheme = BearerScheme::new(r#"the "inner\outer" feed"#).unwrap();
    let scheme = scheme.scopes(["feed:read", "admin"]).unwrap();
    let realm = r#"Bearer realm="the \"inner\\outer\" feed""#;
    assert_eq!(scheme.admit(&Scopes::split(" audit  feed:read ")), Ok(()));
    for actual in ["", "audit", "feed:rea", "FEED:READ", "feed:read,admin"] {
        let refused = scheme.admit(&Scopes::split(actual)).unwrap_err();
        let challenge = format!("{realm}, error=\"insufficient_scope\", scope=\"feed:read admin\"");
        assert_eq!(answer(&refused), (403, vec![&*challenge]), "{actual}");
    }
    let nobody = BearerScheme::default().scopes(Scopes::any_of([""; 0])).unwrap();
    let challenge = "Bearer realm=\"websocket\", error=\"insufficient_scope\"";
    let refused = nobody.admit(&["feed:read".into()]).unwrap_err();
    assert_eq!(answer(&refused), (403, vec![challenge]));
    assert_eq!(BearerScheme::default().admit(&[]), Ok(()));
}

#[test]
fn realms_and_scopes_that_no_challenge_can_carry_are_errors() {
    for (realm, error) in [
        ("", "realm: is empty"),
        (" ", "realm: is empty"),
        ("a\r\nX: y", r#"realm: "a\r\nX: y" holds 0x0d, which is not printable ASCII"#),
        ("é", r#"realm: "é" holds 0xc3, which is not printable ASCII"#),
    ] {
        assert_eq!(BearerScheme::new(realm).unwrap_err().to_string(), error);
    }
    for scope in ["", "a b", "a\"", "a\\", "é", "a\n"] {
        let error = BearerScheme::default().scopes(scope).unwrap_err();
        assert_eq!(error.to_string(), format!("scopes: {scope:?} is not a scope of RFC 6749 §3.3"));
    }
}
