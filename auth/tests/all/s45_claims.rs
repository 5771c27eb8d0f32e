//! S-45: claims of tokens that are signed as they should be.

use std::time::{Duration, SystemTime};

use wirewright_auth::{JwtError, JwtValidator};

use super::s45::refused;
use super::tokens::{NOW, at, forge, hs256, token};

fn validator() -> JwtValidator {
    hs256().build().unwrap()
}

/// Claims that are good for the next 100 seconds.
fn good() -> String {
    format!(r#"{{"exp":{}}}"#, NOW + 100)
}

/// CVE-2026-25537: a claim of the wrong type is invalid, not absent.
#[test]
fn s45_dates_are_numbers() {
    let lenient = hs256().require_expiry(false).build().unwrap();
    let wrong_type = |name: &str| JwtError::ClaimType(name.into());
    for name in ["exp", "nbf", "iat"] {
        for value in [
            r#""9999""#,
            r#""9999999999""#,
            "-1",
            "-1e9",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "253402300800",
            "1e300",
            "null",
            "true",
            "[]",
            "[9999999999]",
            "{}",
        ] {
            let token = token(&format!(r#"{{"{name}":{value}}}"#));
            refused(&lenient, &token, &wrong_type(name));
            if name == "exp" {
                refused(&validator(), &token, &wrong_type(name));
            }
        }
        let infinite = lenient.validate(&token(&format!(r#"{{"{name}":1e400}}"#)), at(NOW));
        assert!(matches!(infinite, Err(JwtError::Json { .. })), "{infinite:?}");
    }
    refused(&validator(), &token("{}"), &JwtError::ClaimMissing("exp".into()));
    assert!(lenient.validate(&token("{}"), at(NOW)).is_ok());
    refused(&lenient, &token(r#"{"exp":0}"#), &JwtError::Expired);
    // A part of a second is allowed (RFC 7519 §2).
    let half = token(&format!(r#"{{"exp":{NOW}.5}}"#));
    let validator = validator();
    assert!(validator.validate(&half, at(NOW)).is_ok());
    assert!(validator.validate(&half, at(NOW) + Duration::from_millis(499)).is_ok());
    let late = validator.validate(&half, at(NOW) + Duration::from_millis(500));
    assert_eq!(late, Err(JwtError::Expired));
    let found = validator.validate(&token(r#"{"exp":253402300799}"#), at(NOW)).unwrap();
    assert_eq!(found.expires, Some(Duration::from_secs(253_402_300_799)));
    let before = validator.validate(&half, SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(before, Err(JwtError::Clock));
}

#[test]
fn s45_leeway_at_its_edges() {
    for leeway in [0, 1, 300] {
        let validator = hs256().leeway(Duration::from_secs(leeway)).require_expiry(false);
        let validator = validator.build().unwrap();
        let exp = token(&format!(r#"{{"exp":{NOW}}}"#));
        let nanosecond = Duration::from_nanos(1);
        let end = at(NOW + leeway);
        // What is held to it later has no other clock than this.
        let found = validator.validate(&exp, end - nanosecond).unwrap();
        assert_eq!(found.expires, Some(Duration::from_secs(NOW + leeway)));
        assert_eq!(validator.validate(&exp, end), Err(JwtError::Expired));
        for name in ["nbf", "iat"] {
            let from = token(&format!(r#"{{"{name}":{NOW}}}"#));
            let start = at(NOW - leeway);
            assert!(validator.validate(&from, start).is_ok());
            let early = validator.validate(&from, start - nanosecond);
            assert_eq!(early, Err(JwtError::NotYetValid(name)));
        }
    }
    assert!(hs256().leeway(Duration::from_secs(300)).build().is_ok());
    for leeway in [Duration::from_millis(300_001), Duration::MAX] {
        let said = hs256().leeway(leeway).build().unwrap_err().to_string();
        assert!(said.contains("300 s"), "{said}");
    }
}

/// CVE-2020-26160, and RFC 7519 §4.1.3.
#[test]
fn s45_audiences() {
    let ours = || hs256().require_expiry(false).audience(["us", "https://us.example"]);
    let (ours, nobody) = (ours().build().unwrap(), hs256().require_expiry(false).build().unwrap());
    let any = hs256().require_expiry(false).accept_any_audience(true).build().unwrap();
    let mismatch = Err(JwtError::ClaimMismatch("aud".into()));
    let missing = Err(JwtError::ClaimMissing("aud".into()));
    let wrong_type = Err(JwtError::ClaimType("aud".into()));
    for (aud, to_us, to_nobody, to_any) in [
        (r#""us""#, Ok(()), mismatch.clone(), Ok(())),
        (r#"["us"]"#, Ok(()), mismatch.clone(), Ok(())),
        (r#"["them","https://us.example"]"#, Ok(()), mismatch.clone(), Ok(())),
        (r#""them""#, mismatch.clone(), mismatch.clone(), Ok(())),
        (r#""US""#, mismatch.clone(), mismatch.clone(), Ok(())),
        (r#""us ""#, mismatch.clone(), mismatch.clone(), Ok(())),
        (r#""""#, mismatch.clone(), mismatch.clone(), Ok(())),
        (r#""us them""#, mismatch.clone(), mismatch.clone(), Ok(())),
        (r#"["them"]"#, mismatch.clone(), mismatch.clone(), Ok(())),
        ("[]", mismatch.clone(), mismatch.clone(), Ok(())),
        ("null", wrong_type.clone(), wrong_type.clone(), wrong_type.clone()),
        ("7", wrong_type.clone(), wrong_type.clone(), wrong_type.clone()),
        (r#"["us",7]"#, wrong_type.clone(), wrong_type.clone(), wrong_type.clone()),
        (r#"[["us"]]"#, wrong_type.clone(), wrong_type.clone(), wrong_type.clone()),
        (r#"{"us":1}"#, wrong_type.clone(), wrong_type.clone(), wrong_type),
    ] {
        let token = token(&format!(r#"{{"aud":{aud}}}"#));
        assert_eq!(ours.validate(&token, at(NOW)).map(drop), to_us, "{aud}");
        assert_eq!(nobody.validate(&token, at(NOW)).map(drop), to_nobody, "{aud}");
        assert_eq!(any.validate(&token, at(NOW)).map(drop), to_any, "{aud}");
    }
    assert_eq!(ours.validate(&token("{}"), at(NOW)).map(drop), missing);
    assert!(nobody.validate(&token("{}"), at(NOW)).is_ok());
}

#[test]
fn s45_claims_that_are_asked_for() {
    let asked = hs256()
        .require_expiry(false)
        .issuer("https://login.example")
        .subject("alice")
        .jwt_id("7")
        .claim("tenant", "a")
        .claim("admin", "true")
        .claim("limits", r#"{"depth":5}"#)
        .build()
        .unwrap();
    let claims = [
        ("iss", r#""https://login.example""#),
        ("sub", r#""alice""#),
        ("jti", r#""7""#),
        ("tenant", r#""a""#),
        ("admin", "true"),
        ("limits", r#"{ "depth" : 5 }"#),
    ];
    let with = |name: &str, value: Option<&str>| {
        let others = claims.iter().filter(|(other, _)| *other != name);
        let mut all: Vec<String> =
            others.map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        all.extend(value.map(|value| format!(r#""{name}":{value}"#)));
        token(&format!("{{{}}}", all.join(",")))
    };
    assert!(asked.validate(&with("", None), at(NOW)).is_ok());
    for (name, _) in claims {
        refused(&asked, &with(name, None), &JwtError::ClaimMissing(name.into()));
        refused(&asked, &with(name, Some(r#""""#)), &JwtError::ClaimMismatch(name.into()));
        let registered = ["iss", "sub", "jti"].contains(&name);
        for value in ["null", "7", r#"["alice"]"#, "{}"] {
            let error = match registered {
                true => JwtError::ClaimType(name.into()),
                false => JwtError::ClaimMismatch(name.into()),
            };
            refused(&asked, &with(name, Some(value)), &error);
        }
    }
    for iss in [
        "https://login.example/",
        "https://login.example.attacker.example",
        "https://login.exampl",
        "HTTPS://login.example",
        " https://login.example",
    ] {
        let token = with("iss", Some(&format!("{iss:?}")));
        refused(&asked, &token, &JwtError::ClaimMismatch("iss".into()));
    }
    // Of the wrong type they are invalid where nothing is asked of them, too.
    for name in ["iss", "sub", "jti"] {
        let token = token(&format!(r#"{{"exp":{},"{name}":["a"]}}"#, NOW + 1));
        refused(&validator(), &token, &JwtError::ClaimType(name.into()));
    }
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"] {
        assert!(hs256().claim(name, "x").build().is_err(), "{name}");
    }
}

/// RFC 8725 §3.11.
#[test]
fn s45_token_types() {
    let asked = hs256().token_type("at+jwt").build().unwrap();
    for (typ, is_wanted) in [
        (r#""at+jwt""#, true),
        (r#""AT+JWT""#, true),
        (r#""application/at+jwt""#, true),
        (r#""JWT""#, false),
        (r#""application/x/at+jwt""#, false),
        (r#""at+jwt ""#, false),
    ] {
        let token = forge(format!(r#"{{"alg":"HS256","typ":{typ}}}"#), good());
        let found = asked.validate(&token, at(NOW));
        assert_eq!(found.is_ok(), is_wanted, "{typ}");
        assert!(is_wanted || found == Err(JwtError::TokenType), "{typ}");
        assert!(validator().validate(&token, at(NOW)).is_ok(), "{typ}");
    }
    refused(&asked, &token(&good()), &JwtError::TokenType);
    for typ in ["null", r#"["JWT"]"#, "7"] {
        let token = forge(format!(r#"{{"alg":"HS256","typ":{typ}}}"#), good());
        refused(&validator(), &token, &JwtError::HeaderType("typ"));
    }
}
