//! Every algorithm and every place that keys come from, from issuer to validator.

use std::sync::LazyLock;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use secrecy::{ExposeSecret as _, SecretString};
use wirewright_auth::{
    ConfigError, JwkSet, JwtAlgorithm, JwtError, JwtIssuer, JwtValidator, SigningKey, VerifyingKey,
};

use super::tokens::{NOW, SECRET, at, encode, path, pem};

type Signing = Result<SigningKey, ConfigError>;
type Verifying = Result<VerifyingKey, ConfigError>;

fn password() -> SecretString {
    "changeit".into()
}

fn private(name: &str) -> Signing {
    SigningKey::from_pem_file(path(name), None)
}

fn encrypted(name: &str) -> Signing {
    SigningKey::from_pem_file(path(name), Some(&password()))
}

fn private_store(name: &str, alias: Option<&str>) -> Signing {
    SigningKey::from_pkcs12_file(path(name), &password(), alias)
}

fn public(name: &str) -> Verifying {
    VerifyingKey::from_file(path(name))
}

fn trust_store(name: &str, alias: Option<&str>) -> Verifying {
    VerifyingKey::from_pkcs12_file(path(name), &password(), alias)
}

/// All forms of one key pair, and the algorithms that it is good for.
struct Pair {
    algorithms: &'static [JwtAlgorithm],
    signing: Vec<Signing>,
    verifying: Vec<Verifying>,
}

fn rsa() -> Pair {
    Pair {
        algorithms: &[
            JwtAlgorithm::Rs256,
            JwtAlgorithm::Rs384,
            JwtAlgorithm::Rs512,
            JwtAlgorithm::Ps256,
            JwtAlgorithm::Ps384,
            JwtAlgorithm::Ps512,
        ],
        signing: vec![
            private("rsa.pem"),
            private("rsa-pkcs1.pem"),
            encrypted("rsa-encrypted.pem"),
            SigningKey::from_pem(&pem("rsa.pem"), None),
            private_store("rsa.p12", None),
            private_store("rsa.p12", Some("RSA")),
            private_store("rsa-legacy.p12", Some("rsa")),
        ],
        verifying: vec![
            public("rsa-public.pem"),
            public("rsa-pkcs1-public.pem"),
            public("rsa-cert.pem"),
            public("rsa-cert.der"),
            VerifyingKey::from_pem(&pem("rsa-public.pem")),
            trust_store("trust.p12", None),
            trust_store("trust.p12", Some("rsa")),
            trust_store("rsa.p12", Some("rsa")),
        ],
    }
}

fn p256() -> Pair {
    Pair {
        algorithms: &[JwtAlgorithm::Es256],
        signing: vec![
            private("p256.pem"),
            private("p256-sec1.pem"),
            private("p256-sec1-parameters.pem"),
            encrypted("p256-encrypted.pem"),
            private_store("p256.p12", None),
            private_store("java.p12", Some("Key-p256")),
        ],
        verifying: vec![
            public("p256-public.pem"),
            public("p256-cert.pem"),
            trust_store("java-trust.p12", Some("Trust-p256")),
            trust_store("java.p12", Some("key-p256")),
        ],
    }
}

fn p384() -> Pair {
    Pair {
        algorithms: &[JwtAlgorithm::Es384],
        signing: vec![
            private("p384.pem"),
            private("p384-sec1.pem"),
            encrypted("p384-encrypted-scrypt.pem"),
            private_store("java.p12", Some("KEY-P384")),
        ],
        verifying: vec![
            public("p384-public.pem"),
            public("p384-cert.pem"),
            trust_store("java-trust.p12", Some("trust-p384")),
        ],
    }
}

/// Loaded once: passwords of key files are slow on purpose, and slower without optimisation.
static PAIRS: LazyLock<[Pair; 5]> = LazyLock::new(|| {
    let ed25519 = Pair {
        algorithms: &[JwtAlgorithm::EdDsa],
        signing: vec![
            private("ed25519.pem"),
            encrypted("ed25519-encrypted.pem"),
            private_store("ed25519.p12", None),
        ],
        verifying: vec![
            public("ed25519-public.pem"),
            public("ed25519-cert.pem"),
            trust_store("ed25519.p12", None),
        ],
    };
    let secret = Pair {
        algorithms: &[JwtAlgorithm::Hs256, JwtAlgorithm::Hs384, JwtAlgorithm::Hs512],
        signing: vec![Ok(SigningKey::from_secret(SECRET))],
        verifying: vec![Ok(VerifyingKey::from_secret(SECRET))],
    };
    [rsa(), p256(), p384(), ed25519, secret]
});

fn issue(algorithm: JwtAlgorithm, key: SigningKey) -> SecretString {
    let issuer = JwtIssuer::builder().signature(algorithm, key).subject("alice").build();
    issuer.unwrap().issue(at(NOW)).unwrap()
}

fn validator(algorithm: JwtAlgorithm, key: VerifyingKey) -> JwtValidator {
    JwtValidator::builder().algorithms([algorithm]).key(key).build().unwrap()
}

/// What any form of a private key signs, any form of its public key verifies, and no other key.
#[test]
fn rfc7518_3_1_every_algorithm_with_every_form_of_its_key() {
    let mut tokens = Vec::new();
    let mut validators = Vec::new();
    for (family, pair) in PAIRS.iter().enumerate() {
        let Pair { algorithms, signing, verifying } = pair;
        for &algorithm in *algorithms {
            for (form, key) in signing.iter().enumerate() {
                let key = key.clone().unwrap_or_else(|error| panic!("{algorithm} {form}: {error}"));
                tokens.push((family, algorithm, issue(algorithm, key)));
            }
            for (form, key) in verifying.iter().enumerate() {
                let key = key.clone().unwrap_or_else(|error| panic!("{algorithm} {form}: {error}"));
                validators.push((family, algorithm, validator(algorithm, key)));
            }
        }
    }
    assert_eq!((tokens.len(), validators.len()), (58, 61));
    for (family, algorithm, validator) in &validators {
        for (token_family, token_algorithm, token) in &tokens {
            let found = validator.validate(token.expose_secret(), at(NOW + 1));
            if (family, algorithm) == (token_family, token_algorithm) {
                let identity = found.unwrap_or_else(|error| panic!("{algorithm}: {error}"));
                assert_eq!(identity.name, "alice");
                assert_eq!(identity.expires, Some(Duration::from_secs(NOW + 300)));
            } else {
                assert_eq!(found, Err(JwtError::Algorithm), "{token_algorithm} for {algorithm}");
            }
        }
    }
}

/// RFC 8725 §3.1: which key an algorithm takes is known when it is configured.
#[test]
fn rfc8725_3_1_an_algorithm_takes_one_kind_of_key() {
    for (family, Pair { signing, verifying, .. }) in PAIRS.iter().enumerate() {
        for (other, Pair { algorithms, .. }) in PAIRS.iter().enumerate() {
            for algorithm in *algorithms {
                let (signing, verifying) = (&signing[0], &verifying[0]);
                let (signing, verifying) = (signing.clone().unwrap(), verifying.clone().unwrap());
                let issuer = JwtIssuer::builder().signature(*algorithm, signing).build();
                let keyed = JwtValidator::builder().algorithms([*algorithm]).key(verifying);
                let validator = keyed.build();
                assert_eq!(issuer.is_ok(), family == other, "{algorithm}");
                assert_eq!(validator.is_ok(), family == other, "{algorithm}");
                if family != other {
                    let said = validator.unwrap_err().to_string();
                    assert!(said.contains(&format!("is none for {algorithm}")), "{said}");
                }
            }
        }
    }
}

#[test]
fn rfc7518_3_2_a_secret_is_as_long_as_the_hash() {
    use JwtAlgorithm::{Hs256, Hs384, Hs512};
    for (algorithm, min) in [(Hs256, 32), (Hs384, 48), (Hs512, 64)] {
        for length in [0, 1, min - 1, min, min + 1] {
            let secret = vec![b'k'; length];
            let key = SigningKey::from_secret(&secret);
            let issuer = JwtIssuer::builder().signature(algorithm, key).build();
            let key = VerifyingKey::from_secret(&secret);
            let validator = JwtValidator::builder().algorithms([algorithm]).key(key).build();
            assert_eq!((issuer.is_ok(), validator.is_ok()), (length >= min, length >= min));
            for said in [issuer.err(), validator.err()].into_iter().flatten() {
                let said = said.to_string();
                assert!(said.contains("RFC 7518 §3.2"), "{said}");
                assert!(said.contains(&format!("{length} bytes")), "{said}");
                assert!(said.contains(&format!("needs {min}")), "{said}");
            }
        }
    }
}

/// Errors name the file and what is wrong with it.
#[test]
fn keys_that_cannot_be_used() {
    let wrong: SecretString = "wrong".into();
    let text = |result: Result<(), ConfigError>| result.unwrap_err().to_string();
    let signing = |result: Signing| text(result.map(drop));
    let verifying = |result: Verifying| text(result.map(drop));
    let store = |name, password, alias| SigningKey::from_pkcs12_file(path(name), password, alias);
    let good = password();
    for (said, name, problem) in [
        (signing(private("missing.pem")), "missing.pem", "cannot be read"),
        (signing(private("rsa-public.pem")), "rsa-public.pem", "no private key"),
        (signing(private("rsa-cert.der")), "rsa-cert.der", "neither PEM nor DER"),
        (signing(private("rsa-1024.pem")), "rsa-1024.pem", "2048 to 8192 bits"),
        (signing(private("p521.pem")), "p521.pem", "other than P-256 and P-384"),
        (signing(private("ed448.pem")), "ed448.pem", "1.3.101.113"),
        (signing(private("rsa-encrypted.pem")), "rsa-encrypted.pem", "password is to be given"),
        (signing(private("rsa-encrypted-old.pem")), "rsa-encrypted-old.pem", "topk8"),
        (
            signing(SigningKey::from_pem_file(path("rsa-encrypted.pem"), Some(&wrong))),
            "rsa-encrypted.pem",
            "password is wrong",
        ),
        (signing(store("rsa.p12", &wrong, None)), "rsa.p12", "this password opens"),
        (signing(store("rsa.pem", &good, None)), "rsa.pem", "not a PKCS#12 file"),
        (signing(store("rsa.p12", &good, Some("b"))), "rsa.p12", "alias \"b\", only \"rsa\""),
        (signing(store("java.p12", &good, None)), "java.p12", "give an alias"),
        (signing(store("trust.p12", &good, None)), "trust.p12", "holds no private key"),
        (verifying(public("missing.pem")), "missing.pem", "cannot be read"),
        (verifying(public("rsa.pem")), "rsa.pem", "neither a public key nor a certificate"),
        (verifying(public("rsa.p12")), "rsa.p12", "not an X.509 certificate"),
        (verifying(public("rsa-1024-public.pem")), "rsa-1024-public.pem", "RSA key of 1024 bits"),
        (verifying(public("p521-public.pem")), "p521-public.pem", "other than P-256 and P-384"),
        (verifying(public("ed448-public.pem")), "ed448-public.pem", "1.3.101.113"),
        (verifying(trust_store("java-trust.p12", None)), "java-trust.p12", "give an alias"),
        (verifying(trust_store("java-trust.p12", Some("x"))), "java-trust.p12", "alias \"x\""),
        (signing(SigningKey::from_pem(b"", None)), "signing key", "no private key"),
        (
            signing(SigningKey::from_pem(b"-----BEGIN PRIVATE KEY-----\nAAAA", None)),
            "signing key",
            "without its `-----END`",
        ),
        (
            signing(SigningKey::from_pem(
                b"-----BEGIN PRIVATE KEY-----\nAA=A\n-----END PRIVATE KEY-----\n",
                None,
            )),
            "signing key",
            "not PEM",
        ),
        (
            signing(SigningKey::from_pem(
                b"-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n",
                None,
            )),
            "signing key",
            "RFC 5915",
        ),
    ] {
        assert!(said.contains(&format!("{name}: ")), "{said}");
        assert!(said.contains(problem), "{name} should say {problem:?}: {said}");
    }
}

#[test]
fn rfc5280_4_1_2_5_a_certificate_is_valid_when_it_is_loaded() {
    let key = KeyPair::generate().unwrap();
    for (from, until, is_valid) in [(1990, 2020, false), (2090, 2091, false), (2020, 2090, true)] {
        let mut parameters = CertificateParams::default();
        parameters.not_before = date_time_ymd(from, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        let found = VerifyingKey::from_pem(certificate.pem().as_bytes());
        assert_eq!(found.is_ok(), is_valid, "{from} to {until}");
        if let Err(error) = found {
            assert!(error.to_string().contains("not now"), "{error}");
        }
    }
}

#[test]
fn none_is_no_algorithm() {
    for name in ["none", "None", "NONE", "nOnE"] {
        let said = name.parse::<JwtAlgorithm>().unwrap_err().to_string();
        assert!(said.contains("unsigned"), "{said}");
    }
    for name in ["", "HS1", "hs256", "ES512", "RS256 "] {
        assert!(name.parse::<JwtAlgorithm>().is_err(), "{name:?}");
    }
    assert_eq!("EdDSA".parse(), Ok(JwtAlgorithm::EdDsa));
}

/// RFC 7517: which keys of a set are usable.
#[test]
fn rfc7517_5_keys_of_a_set_that_are_not_understood_are_skipped() {
    let x = encode([1; 32]);
    let ed = |rest: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"{rest}}}"#);
    let rsa =
        |bytes: usize| format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, encode(vec![0xc1; bytes]));
    let ec = |crv: &str, x: usize, y: usize| {
        let (x, y) = (encode(vec![1; x]), encode(vec![1; y]));
        format!(r#"{{"kty":"EC","crv":"{crv}","x":"{x}","y":"{y}"}}"#)
    };
    for (key, is_usable) in [
        (ed(""), true),
        (ed(r#","use":"sig""#), true),
        (ed(r#","use":"enc""#), false),
        (ed(r#","use":1"#), false),
        (ed(r#","key_ops":["verify"]"#), true),
        (ed(r#","key_ops":["sign"]"#), false),
        (ed(r#","key_ops":"verify""#), false),
        (ed(r#","alg":"EdDSA""#), true),
        (ed(r#","alg":"HS256""#), false),
        (ed(r#","alg":"none""#), false),
        (ed(r#","alg":null"#), false),
        (ed(r#","kid":"a""#), true),
        (ed(r#","kid":7"#), false),
        (r#"{"kty":"OKP","crv":"Ed448","x":"AAAA"}"#.into(), false),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.into(), false),
        (r#"{"kty":"OKP","crv":"Ed25519"}"#.into(), false),
        (r#"{"kty":"oct","k":"AAAA"}"#.into(), false),
        (r#"{"kty":"oct","crv":"Ed25519","x":"AAAA"}"#.into(), false),
        (r#"{}"#.into(), false),
        (r#"7"#.into(), false),
        (rsa(256), true),
        (rsa(1024), true),
        (rsa(255), false),
        (rsa(1025), false),
        (ec("P-256", 32, 32), true),
        (ec("P-384", 48, 48), true),
        (ec("P-256", 31, 33), false),
        (ec("P-256", 48, 48), false),
        (ec("P-521", 66, 66), false),
        (ec("secp256k1", 32, 32), false),
    ] {
        let document = format!(r#"{{"keys":[{key}]}}"#);
        let set = JwkSet::from_json(document.as_bytes()).unwrap();
        assert_eq!(set.len(), usize::from(is_usable), "{key}");
    }
}

#[test]
fn key_sets_are_bounded_and_unambiguous() {
    let many = |count: usize| format!(r#"{{"keys":[{}]}}"#, vec!["{}"; count].join(","));
    let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(JwkSet::MAX_LENGTH));
    let deep = format!(r#"{{"keys":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert!(JwkSet::from_json(many(100).as_bytes()).unwrap().is_empty());
    for document in [
        many(101),
        long,
        deep,
        "".into(),
        "[]".into(),
        "{}".into(),
        r#"{"keys":{}}"#.into(),
        r#"{"keys":[]} {}"#.into(),
        r#"{"keys":[],"keys":[]}"#.into(),
        r#"{"keys":[{"kty":"oct","kty":"RSA"}]}"#.into(),
    ] {
        let start: String = document.chars().take(60).collect();
        assert!(JwkSet::from_json(document.as_bytes()).is_err(), "{start}");
    }
}
