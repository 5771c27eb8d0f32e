//! S-45: tokens that were accepted elsewhere, or cost more than they may: all but their claims.

use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::KeyPair;
use wirewright_auth::{JwkSet, JwtAlgorithm, JwtError, JwtValidator, VerifyingKey};

use super::tokens::{NOW, SECRET, at, encode, forge, hs256, path, pem, sign, token};

/// Claims that are good for the next 100 seconds.
fn good() -> String {
    format!(r#"{{"exp":{}}}"#, NOW + 100)
}

#[track_caller]
pub(crate) fn refused(validator: &JwtValidator, token: &str, error: &JwtError) {
    let found = validator.validate(token, at(NOW));
    let shown: String = token.chars().take(120).collect();
    assert_eq!(found.as_ref().err(), Some(error), "{shown}");
}

fn validator() -> JwtValidator {
    hs256().build().unwrap()
}

fn es256_key() -> EncodingKey {
    let pair = KeyPair::from_pem(&String::from_utf8(pem("p256.pem")).unwrap()).unwrap();
    EncodingKey::from_ec_der(&pair.serialize_der())
}

fn es256() -> JwtValidator {
    let key = VerifyingKey::from_file(path("p256-public.pem")).unwrap();
    JwtValidator::builder().algorithms([JwtAlgorithm::Es256]).key(key).build().unwrap()
}

#[test]
fn s45_algorithms_are_those_that_are_configured() {
    let of = |alg: &str| forge(format!(r#"{{"typ":"JWT"{alg}}}"#), good());
    assert!(validator().validate(&of(r#","alg":"HS256""#), at(NOW)).is_ok());
    for alg in ["none", "nOnE", "None", "NONE", "", "hs256", "HS256 ", "HS384", "RS256", "ES512"] {
        refused(&validator(), &of(&format!(r#","alg":"{alg}""#)), &JwtError::Algorithm);
    }
    for alg in ["", r#","alg":["HS256"]"#, r#","alg":null"#, r#","alg":256"#, r#","alg":{}"#] {
        refused(&validator(), &of(alg), &JwtError::HeaderType("alg"));
    }
    // Unsigned, with the dot and without.
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(good()));
    refused(&validator(), &unsigned, &JwtError::Algorithm);
    refused(&validator(), unsigned.trim_end_matches('.'), &JwtError::Parts);
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"HS256"}"#), encode(good()));
    refused(&validator(), &unsigned, &JwtError::Signature);
}

/// CVE-2015-9235, CVE-2024-33663, CVE-2026-22817: a public key is no secret.
#[test]
fn s45_a_public_key_is_never_a_secret() {
    let header = encode(r#"{"alg":"HS256"}"#);
    let parts = format!("{header}.{}", encode(good()));
    let rsa = JwtValidator::builder().algorithms([JwtAlgorithm::Rs256]);
    for name in ["rsa-public.pem", "rsa-pkcs1-public.pem", "rsa-cert.pem", "rsa-cert.der"] {
        let key = VerifyingKey::from_file(path(name)).unwrap();
        // The file as it is, and without the line's end.
        let file = pem(name);
        for secret in [file.as_slice(), file.trim_ascii_end()] {
            let token = sign(&parts, Algorithm::HS256, &EncodingKey::from_secret(secret));
            refused(&rsa.clone().key(key.clone()).build().unwrap(), &token, &JwtError::Algorithm);
        }
        // Nor can it be configured to be one.
        let both = [JwtAlgorithm::Rs256, JwtAlgorithm::Hs256];
        assert!(JwtValidator::builder().algorithms(both).key(key).build().is_err());
    }
    // The same for a set: its key is not for HS256, and HS256 not for a set.
    let document = format!(r#"{{"keys":[{{"kty":"oct","k":"{}"}}]}}"#, encode(SECRET));
    assert!(JwkSet::from_json(document.as_bytes()).unwrap().is_empty());
    let document = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"a",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let set = JwkSet::from_json(document.as_bytes()).unwrap();
    assert!(
        JwtValidator::builder().algorithms([JwtAlgorithm::Hs256]).key_set(set).build().is_err()
    );
}

#[test]
fn s45_key_ids_are_names_and_nothing_else() {
    let document = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let set = JwkSet::from_json(document.as_bytes()).unwrap();
    let keyed = JwtValidator::builder().algorithms([JwtAlgorithm::EdDsa]).key_set(set);
    let set = keyed.build().unwrap();
    let named = hs256().key_id("the key").build().unwrap();
    for kid in [
        "../../dev/null",
        "/dev/null",
        "/proc/sys/kernel/randomize_va_space",
        "' UNION SELECT 'secret",
        "https://attacker.example/key",
        "|/bin/true",
        "",
        "A",
        "a\\u0000",
    ] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        refused(&set, &forge(&header, good()), &JwtError::UnknownKey);
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        refused(&named, &forge(&header, good()), &JwtError::KeyId);
        // Where nothing is asked of it, it is of no meaning.
        assert!(validator().validate(&forge(&header, good()), at(NOW)).is_ok(), "{kid}");
    }
    refused(&set, &forge(r#"{"alg":"EdDSA","kid":"a"}"#, good()), &JwtError::Signature);
    refused(&named, &forge(r#"{"alg":"HS256"}"#, good()), &JwtError::KeyId);
    for kid in [r#"["the key"]"#, "null", "7", "{}", "true"] {
        let header = format!(r#"{{"alg":"HS256","kid":{kid}}}"#);
        refused(&named, &forge(&header, good()), &JwtError::HeaderType("kid"));
        refused(&validator(), &forge(&header, good()), &JwtError::HeaderType("kid"));
    }
    let long = forge(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(1 << 20)), good());
    let error = JwtError::TooLong { length: long.len(), max: 8192 };
    refused(&named, &long, &error);
}

/// Keys that the token brings along, or points to, are not looked at (RFC 8725 §3.10).
#[test]
fn s45_keys_of_the_header_are_ignored() {
    let other = EncodingKey::from_secret(b"the attacker's secret, also long enough");
    let jwk = format!(r#"{{"kty":"oct","k":"{}"}}"#, encode(b"the attacker's secret"));
    for extra in [
        r#""jku":"http://127.0.0.1:1/keys""#.to_owned(),
        r#""x5u":"http://127.0.0.1:1/cert""#.to_owned(),
        format!(r#""jwk":{jwk}"#),
        r#""x5c":["MIIB"]"#.to_owned(),
        r#""x5t":"AAAA","x5t#S256":"AAAA""#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"HS256",{extra}}}"#);
        assert!(validator().validate(&forge(&header, good()), at(NOW)).is_ok(), "{extra}");
        let parts = format!("{}.{}", encode(&header), encode(good()));
        refused(&validator(), &sign(&parts, Algorithm::HS256, &other), &JwtError::Signature);
    }
}

/// RFC 7515 §4.1.11.
#[test]
fn s45_extensions_that_are_critical_are_refused() {
    for crit in [r#"["exp"]"#, r#"["b64"]"#, r#"["http://example.com/x"]"#, "[]", "null", "7"] {
        let header = format!(r#"{{"alg":"HS256","crit":{crit},"b64":true}}"#);
        refused(&validator(), &forge(&header, good()), &JwtError::Critical);
    }
}

/// RFC 7518 §3.4: R and S, 32 bytes each.
#[test]
fn s45_signatures_of_es256() {
    let parts = format!("{}.{}", encode(r#"{"alg":"ES256"}"#), encode(good()));
    let token = sign(&parts, Algorithm::ES256, &es256_key());
    assert!(es256().validate(&token, at(NOW)).is_ok());
    let (_, signature) = token.rsplit_once('.').unwrap();
    let signature = decode(signature);
    let (r, s) = signature.split_at(32);
    let integer = |number: &[u8]| {
        let number = [&[0], number].concat();
        [&[2, 33][..], &number].concat()
    };
    let content = [integer(r), integer(s)].concat();
    let der = [&[0x30, u8::try_from(content.len()).unwrap()][..], &content].concat();
    for forged in [
        vec![0; 64],
        [&[0; 32], s].concat(),
        [r, &[0; 32]].concat(),
        vec![0xff; 64],
        der,
        r.to_vec(),
        [r, s, &[0]].concat(),
        [s, r].concat(),
        Vec::new(),
    ] {
        refused(&es256(), &format!("{parts}.{}", encode(forged)), &JwtError::Signature);
    }
    // Of each signature there is a second, with n - s for s: RFC 7518 allows both, which is why a
    // signature is never what a token is known by.
    let twin = format!("{parts}.{}", encode([r, &negated(s)].concat()));
    assert!(es256().validate(&twin, at(NOW)).is_ok());
}

fn decode(text: &str) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// n - s for the order n of P-256.
fn negated(s: &[u8]) -> Vec<u8> {
    let order = decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    let (mut result, mut borrow) = (vec![0; 32], 0);
    for i in (0..32).rev() {
        let difference = i16::from(order[i]) - i16::from(s[i]) - borrow;
        borrow = i16::from(difference < 0);
        result[i] = u8::try_from(difference + 256 * borrow).unwrap();
    }
    result
}

/// CVE-2025-30204, CVE-2025-22868: dots cost nothing.
#[test]
fn s45_tokens_are_three_parts() {
    let token = token(&good());
    for dots in [0, 1, 3, 4, 100] {
        refused(&validator(), &".".repeat(dots), &JwtError::Parts);
    }
    refused(&validator(), "", &JwtError::Parts);
    refused(&validator(), &format!("{token}."), &JwtError::Parts);
    refused(&validator(), &format!(".{token}"), &JwtError::Parts);
    refused(&validator(), &format!("{token}.{token}"), &JwtError::Parts);
    let whole = Instant::now();
    for length in [10_000, 1_000_000] {
        let error = JwtError::TooLong { length, max: 8192 };
        refused(&validator(), &".".repeat(length), &error);
        refused(&validator(), &"x".repeat(length), &error);
    }
    // Without the limit a million dots are still not a million parts.
    let open = hs256().max_token_length(usize::MAX).build().unwrap();
    for _ in 0..1000 {
        refused(&open, &".".repeat(1_000_000), &JwtError::Parts);
    }
    assert!(whole.elapsed() < Duration::from_secs(20), "{:?}", whole.elapsed());
}

#[test]
fn s45_the_length_of_a_token_is_bounded() {
    let padded = |length: usize| {
        let bare = token(r#"{"x":""}"#).len();
        token(&format!(r#"{{"x":"{}"}}"#, "x".repeat((length - bare) * 3 / 4)))
    };
    let validator = |max| hs256().require_expiry(false).max_token_length(max).build().unwrap();
    let token = padded(9000);
    let length = token.len();
    refused(&validator(length - 1), &token, &JwtError::TooLong { length, max: length - 1 });
    assert!(validator(length).validate(&token, at(NOW)).is_ok());
    refused(&hs256().build().unwrap(), &token, &JwtError::TooLong { length, max: 8192 });
}

/// RFC 7515 §2, RFC 4648 §3.5.
#[test]
fn s45_base64url_is_canonical() {
    let token = token(&good());
    let parts: Vec<&str> = token.split('.').collect();
    let altered = |which: usize, change: &dyn Fn(&str) -> String| {
        let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        parts[which] = change(&parts[which]);
        parts.join(".")
    };
    for (which, part) in ["header", "claims", "signature"].into_iter().enumerate() {
        let changes: [&dyn Fn(&str) -> String; 9] = [
            &|part| format!("{part}="),
            &|part| format!("{part}=="),
            &|part| format!(" {part}"),
            &|part| format!("{part}\n"),
            &|part| part.replacen(char::is_alphanumeric, "+", 1),
            &|part| part.replacen(char::is_alphanumeric, "/", 1),
            &|part| part.replacen(char::is_alphanumeric, "ä", 1),
            &|part| part.replacen(char::is_alphanumeric, "%41", 1),
            // A length that no bytes have.
            &|part| format!("{part}{}", "A".repeat(5 - part.len() % 4)),
        ];
        for change in changes {
            let altered = altered(which, change);
            let found = validator().validate(&altered, at(NOW));
            // Claims are looked at only once they are signed.
            let error = match which {
                1 => JwtError::Signature,
                _ => JwtError::Base64 { part },
            };
            assert_eq!(found, Err(error), "{part}: {altered:?}");
        }
    }
    // The same bits in each part, with others in the place of those that stand for nothing.
    let header = r#"{"alg":"HS256" }"#;
    assert_eq!(header.len() % 3, 1);
    let encoded = encode(header);
    let twin = format!("{}R", encoded.strip_suffix('Q').unwrap());
    let key = EncodingKey::from_secret(SECRET);
    let signed =
        |header: &str, claims: &str| sign(&format!("{header}.{claims}"), Algorithm::HS256, &key);
    let claims = encode(good());
    assert!(validator().validate(&signed(&encoded, &claims), at(NOW)).is_ok());
    refused(&validator(), &signed(&twin, &claims), &JwtError::Base64 { part: "header" });
    let spaced = good() + &" ".repeat(3 - (good().len() + 2) % 3);
    let padded = encode(&spaced);
    assert_eq!(spaced.len() % 3, 1);
    let (all, last) = padded.split_at(padded.len() - 1);
    assert_eq!(last, "A");
    let twin = format!("{all}B");
    refused(&validator(), &signed(&encoded, &twin), &JwtError::Base64 { part: "claims" });
    // 32 bytes leave two bits over.
    let token = signed(&encoded, &claims);
    let (last, rest) = (token.chars().last().unwrap(), &token[..token.len() - 1]);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let error = JwtError::Base64 { part: "signature" };
    refused(&validator(), &format!("{rest}{next}"), &error);
}

#[test]
fn s45_json_has_one_meaning() {
    let exp = NOW + 100;
    let deep =
        |depth: usize| format!(r#"{{"exp":{exp},"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let open = hs256().max_token_length(usize::MAX).build().unwrap();
    assert!(open.validate(&token(&deep(15)), at(NOW)).is_ok());
    for claims in [
        deep(16),
        deep(10_000),
        format!(r#"{{"exp":{exp},"x":{}"#, "[".repeat(10_000)),
        format!(r#"{{"exp":{exp},"x":{}1{}}}"#, r#"{"x":"#.repeat(1000), "}".repeat(1000)),
        format!(r#"{{"exp":1,"exp":{exp}}}"#),
        format!(r#"{{"exp":{exp},"exp":{exp}}}"#),
        format!(r#"{{"exp":{exp},"\u0065xp":{exp}}}"#),
        format!(r#"{{"exp":{exp},"x":[{{"a":1,"a":2}}]}}"#),
        format!(r#"{{"exp":{exp}}}{{}}"#),
        format!(r#"{{"exp":{exp},}}"#),
        format!(r#"{{'exp':{exp}}}"#),
        format!(r#"{{"exp":{exp}"#),
        format!(r#"[{{"exp":{exp}}}]"#),
        format!("\u{feff}{{\"exp\":{exp}}}"),
        format!(r#"{{"exp":{exp},"x":"\ud800"}}"#),
        format!(r#"{{"exp":{exp},"x":NaN}}"#),
        format!(r#"{{"exp":{exp},"x":1e400}}"#),
        String::new(),
        "null".into(),
        r#""exp""#.into(),
    ] {
        let found = open.validate(&token(&claims), at(NOW));
        let shown: String = claims.chars().take(80).collect();
        assert!(matches!(found, Err(JwtError::Json { part: "claims", .. })), "{shown} {found:?}");
    }
    let not_utf8 = forge(r#"{"alg":"HS256"}"#, [&good().as_bytes()[..9], &[0xff]].concat());
    assert!(matches!(validator().validate(&not_utf8, at(NOW)), Err(JwtError::Json { .. })));
    for header in [
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
        r#"{"alg":"HS256","x":{"a":1,"a":1}}"#,
        r#"["HS256"]"#,
        r#""HS256""#,
        "",
        "{",
    ] {
        let found = validator().validate(&forge(header, good()), at(NOW));
        assert!(matches!(found, Err(JwtError::Json { part: "header", .. })), "{header} {found:?}");
    }
}

#[test]
fn s45_any_change_of_a_token_is_noticed() {
    let token = token(&good());
    for at_byte in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[at_byte] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(validator().validate(&changed, at(NOW)).is_err(), "{changed}");
        }
    }
    for end in 0..token.len() {
        assert!(validator().validate(&token[..end], at(NOW)).is_err(), "{end}");
    }
}
