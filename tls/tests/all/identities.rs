//! Certificates and keys in the forms that other programs write (`fixtures/make.sh`).

use std::path::PathBuf;

use secrecy::SecretString;
use wirewright_tls::{ClientTls, ConfigProblem, Identity, ServerTls, TlsConfigError, Trust};

use crate::pair::Pair;

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name].iter().collect()
}

fn password() -> SecretString {
    "pass word".into()
}

fn client() -> ClientTls {
    ClientTls::builder().trust(Trust::pem_file(fixture("ca.pem"))).build().unwrap()
}

fn serve(identity: Identity) -> Result<ServerTls, TlsConfigError> {
    ServerTls::builder().identity(identity).build()
}

#[test]
fn keys_come_in_many_forms() {
    let forms = [
        ("rsa.pem", "rsa_pkcs1.key"),
        ("ec.pem", "ec_sec1.key"),
        ("ec.pem", "ec_pkcs8.key"),
        ("ec.pem", "ec_pkcs8.der"),
        ("ec.pem", "ec_encrypted.key"),
        ("ec.pem", "ec_scrypt.key"),
    ];
    for (chain, key) in forms {
        let identity = Identity::pem_files(fixture(chain), fixture(key)).password(password());
        let server = serve(identity).unwrap_or_else(|error| panic!("{key}: {error}"));
        Pair::open(&client(), &server, "example.com").assert_passes();
    }
}

#[test]
fn a_certificate_may_be_der_and_key_and_chain_one_file() {
    serve(Identity::pem_files(fixture("ec.der"), fixture("ec_pkcs8.der"))).unwrap();
    let mut both = std::fs::read(fixture("ec_encrypted.key")).unwrap();
    both.extend(std::fs::read(fixture("ec.pem")).unwrap());
    let server = serve(Identity::pem(both.clone(), both).password(password())).unwrap();
    Pair::open(&client(), &server, "example.com").assert_passes();
}

#[test]
fn rfc7292_pkcs12_gives_key_and_chain() {
    let files = [
        ("ec.p12", None),
        ("ec.p12", Some("gateway")),
        ("ec_legacy.p12", None),
        ("ec_nomac.p12", None),
        ("two.p12", Some("Gateway")),
        ("two.p12", Some("OTHER")),
    ];
    for (file, alias) in files {
        let mut identity = Identity::pkcs12_file(fixture(file), password());
        if let Some(alias) = alias {
            identity = identity.alias(alias);
        }
        let server = serve(identity).unwrap_or_else(|error| panic!("{file}, {alias:?}: {error}"));
        let pair = Pair::open(&client(), &server, "example.com");
        let peer = pair.client.layer.security().peer.expect("the server's certificate");
        assert_eq!(peer.chain.len(), 2, "{file}, {alias:?}: its own and the intermediate");
    }
}

#[test]
fn rfc7292_pkcs12_gives_authorities() {
    let server = serve(Identity::pem_files(fixture("ec.pem"), fixture("ec_pkcs8.key"))).unwrap();
    for file in ["ca.p12", "trust_java.p12"] {
        let trust = Trust::pkcs12_file(fixture(file), password());
        let client = ClientTls::builder().trust(trust).build().unwrap();
        Pair::open(&client, &server, "example.com").assert_passes();
    }
}

#[test]
fn what_cannot_be_used_is_told() {
    type Is = fn(&ConfigProblem) -> bool;
    let wrong: Is = |problem| matches!(problem, ConfigProblem::WrongPassword);
    let missing: Is = |problem| matches!(problem, ConfigProblem::PasswordMissing);
    let unsupported: Is = |problem| matches!(problem, ConfigProblem::Unsupported(_));
    let no_key: Is = |problem| matches!(problem, ConfigProblem::NoKey);
    let malformed: Is = |problem| matches!(problem, ConfigProblem::Malformed(_));
    let key = |key: &str| Identity::pem_files(fixture("ec.pem"), fixture(key));
    let store = |name: &str, password: &str| Identity::pkcs12_file(fixture(name), password.into());
    let cases: [(Identity, &str, Is); 14] = [
        (key("ec_encrypted.key"), "ec_encrypted.key", missing),
        (key("ec_encrypted.key").password("wrong".into()), "ec_encrypted.key", wrong),
        (key("ec_scrypt.key").password("".into()), "ec_scrypt.key", wrong),
        (key("ec_pbes1.key").password(password()), "ec_pbes1.key", unsupported),
        (key("ec_traditional.key").password(password()), "ec_traditional.key", unsupported),
        (key("rsa_pkcs1.key"), "rsa_pkcs1.key", |problem| {
            matches!(problem, ConfigProblem::OtherKey { certificate }
                if certificate.ends_with("ec.pem"))
        }),
        (key("ca.pem"), "ca.pem", no_key),
        (store("ec.p12", "wrong"), "ec.p12", wrong),
        (store("ec_legacy.p12", "wrong"), "ec_legacy.p12", wrong),
        (store("ec_nomac.p12", "wrong"), "ec_nomac.p12", wrong),
        (store("ca.p12", "pass word"), "ca.p12", no_key),
        (store("ec.pem", "pass word"), "ec.pem", malformed),
        (store("two.p12", "pass word"), "two.p12", |problem| {
            matches!(problem, ConfigProblem::AliasMissing(there)
                if there.to_lowercase().contains("gateway") && there.contains("other"))
        }),
        (store("two.p12", "pass word").alias("third"), "two.p12", |problem| {
            matches!(problem, ConfigProblem::UnknownAlias { alias, there }
                if alias == "third" && there.to_lowercase().contains("gateway"))
        }),
    ];
    for (identity, file, is) in cases {
        let error = serve(identity).expect_err(file);
        assert!(error.origin().ends_with(file), "{error}");
        assert!(is(error.problem()), "{file}: {:?}", error.problem());
    }
}

#[test]
fn no_secret_shows() {
    let key = std::fs::read_to_string(fixture("ec_pkcs8.key")).unwrap();
    let base64 = key.lines().nth(1).unwrap().to_owned();
    let identity = Identity::pem(std::fs::read(fixture("ec.pem")).unwrap(), key.clone())
        .password("secret password".into());
    let trust = Trust::pkcs12_file(fixture("ca.p12"), "secret password".into());
    let builder = ServerTls::builder().identity(identity.clone());
    let client = ClientTls::builder().identity(identity.clone()).trust(trust.clone());
    let damaged = key.replace("-----END", "!!!-----END");
    let error = serve(Identity::pem(std::fs::read(fixture("ec.pem")).unwrap(), damaged));
    let error = error.expect_err("it is damaged");
    let server = builder.clone().build().unwrap();
    let shown =
        format!("{identity:?} {trust:?} {builder:?} {client:?} {server:?} {error:?} {error}");
    assert!(!shown.contains(&base64) && !shown.contains("secret password"), "{shown}");
}
