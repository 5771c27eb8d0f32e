//! Users with passwords of all kinds, and what is answered.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher as _, PasswordHasher as _};
use wirewright_auth::{BasicScheme, BasicUsers, Scopes};
use wirewright_core::handshake::Authenticator as _;

use super::support::{answer, basic, request};

const SALT: &[u8] = b"somesaltsomesalt";

fn argon2(algorithm: &str) -> String {
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::default();
    let hash: PasswordHash = argon2
        .hash_password_customized("pass:wörd".as_bytes(), SALT, Some(algorithm), None, params)
        .unwrap();
    hash.to_string()
}

/// Of `pass:wörd`, at hardly any cost.
pub(crate) fn scrypt() -> String {
    let params = scrypt::Params::new(2, 1, 1).unwrap();
    let hash: PasswordHash = scrypt::Scrypt::default()
        .hash_password_with_params("pass:wörd".as_bytes(), SALT, params)
        .unwrap();
    hash.to_string()
}

fn pbkdf2(algorithm: pbkdf2::Algorithm) -> String {
    let params = pbkdf2::Params::new(1000).unwrap();
    let hash: PasswordHash = pbkdf2::Pbkdf2::new(algorithm, params)
        .hash_password_with_salt("pass:wörd".as_bytes(), SALT)
        .unwrap();
    hash.to_string()
}

fn users(password: &str) -> BasicUsers {
    let users = BasicUsers::builder().allow_plain_passwords(true);
    let users = users.scheme(BasicScheme::new("feed").unwrap().scopes(["read", "admin"]));
    users
        .user("alice", password, ["read", "write"])
        .user("bob", password, ["write"])
        .user("Ünal", password, ["admin"])
        .build()
        .unwrap()
}

#[test]
fn rfc7617_2_users_are_let_in_by_name_and_password() {
    let challenge = "Basic realm=\"feed\", charset=\"UTF-8\"";
    let unknown = || Err((401, vec![challenge]));
    for password in [
        "pass:wörd".to_owned(),
        argon2("argon2id"),
        argon2("argon2i"),
        argon2("argon2d"),
        scrypt(),
        pbkdf2(pbkdf2::Algorithm::Pbkdf2Sha256),
        pbkdf2(pbkdf2::Algorithm::Pbkdf2Sha512),
    ] {
        let users = users(&password);
        for (name, given, expected) in [
            ("alice", "pass:wörd", Ok(vec!["read", "write"])),
            ("Ünal", "pass:wörd", Ok(vec!["admin"])),
            // Known, and may not.
            ("bob", "pass:wörd", Err((403, vec![]))),
            ("alice", "pass:wörd ", unknown()),
            ("alice", "pass:wor", unknown()),
            ("alice", "pass", unknown()),
            (
                "alice",
                &*password,
                if password == "pass:wörd" { Ok(vec!["read", "write"]) } else { unknown() },
            ),
            ("Alice", "pass:wörd", unknown()),
            ("alic", "pass:wörd", unknown()),
            ("alice ", "pass:wörd", unknown()),
            ("Unal", "pass:wörd", unknown()),
            ("mallory", "pass:wörd", unknown()),
            ("", "pass:wörd", unknown()),
            ("alice", "", unknown()),
        ] {
            let found = users.authenticate(&request("/", &[&basic(name, given)]));
            let found = found.as_ref().map_err(answer);
            if let Ok(identity) = found {
                assert_eq!(identity.name, name);
            }
            let scopes = found.map(|found| found.scopes.iter().map(String::as_str).collect());
            assert_eq!(scopes, expected, "{name}:{given} for {password}");
        }
        assert_eq!(
            users.authenticate(&request("/", &[])).as_ref().map_err(answer),
            Err((401, vec![challenge]))
        );
        // For those who ask themselves, scopes are not looked at.
        let bob = users.verify("bob", "pass:wörd").unwrap();
        assert_eq!((&*bob.name, &*bob.scopes), ("bob", &["write".to_owned()][..]));
        assert!(!Scopes::any_of(["admin"]).admit(&bob.scopes));
        assert_eq!(users.verify("bob", "wrong"), None);
        assert_eq!(users.may_block(), password != "pass:wörd");
    }
}

/// What other programs have made.
#[test]
fn hashes_of_other_implementations_are_verified() {
    for (hash, password) in [
        // The reference implementation of Argon2, with its version and, from before there was one,
        // without.
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$\
             nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "password",
        ),
        (
            "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
            "password",
        ),
        // RFC 7914 §12.
        (
            "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$\
             cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVd\
             Yhw",
            "pleaseletmein",
        ),
        // As RFC 6070, with SHA-256; the length is left out where it is the default too.
        (
            "$pbkdf2-sha256$i=4096$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0$\
             NIyJ28vTKy8y2BS4EW6EzysXNH68GAAYHE4qH7jdU+HGNVGMfaxH6Q",
            "passwordPASSWORDpassword",
        ),
    ] {
        let users = BasicUsers::builder().user("u", hash, [""; 0]).build().unwrap();
        assert!(users.verify("u", password).is_some(), "{hash}");
        assert!(users.verify("u", "passwore").is_none(), "{hash}");
    }
}

const UNKNOWN: &str = "password is hashed in a way that is not known here: argon2id, argon2i, \
                       argon2d, scrypt, pbkdf2-sha256 and pbkdf2-sha512 are";

/// Whether plain ones are allowed, a password, and what is wrong with it. One that ends in `$` goes
/// on with salt and output.
const UNUSABLE: &[(bool, &str, &str)] = &[
    (false, "canary", "password is plain text, which `allow_plain_passwords` does not allow"),
    (false, "$canary", "password is plain text, which `allow_plain_passwords` does not allow"),
    (false, "", "password is empty"),
    (true, "", "password is empty"),
    (
        true,
        "canary\n",
        "password holds a control character, which no client can send (RFC 7617 §2)",
    ),
    (true, "$2b$12$canary", UNKNOWN),
    (true, "$6$canary$canary", UNKNOWN),
    (true, "$canary$canary", UNKNOWN),
    (true, "$argon2id$canarycanary", "password's hash has no salt or no output"),
    (
        true,
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA",
        "password's hash has no salt or no output",
    ),
    (true, "$argon2id$v=18$m=8,t=1,p=1$", "password's hash has parameters that cannot be"),
    (true, "$argon2id$v=19$m=1,t=1,p=1$", "password's hash has parameters that cannot be"),
    (true, "$argon2id$v=19$m=8,t=1,p=1,canary=1$", "password's hash has parameters that cannot be"),
    (true, "$argon2id$v=19$m=8,t=1,p=1,m=4294967295$", "password's hash names a parameter twice"),
    (
        true,
        "$argon2id$v=19$m=67108864,t=1,p=1$",
        "password's hash takes 67108864 KiB of memory for each verification, more than 262144",
    ),
    (
        true,
        "$argon2id$v=19$m=262144,t=5,p=1$",
        "password's hash writes 1310720 KiB for each verification, more than 1048576",
    ),
    (true, "$argon2id$v=19$m=8,t=4294967295,p=1$", "password's hash writes"),
    (
        true,
        "$scrypt$ln=19,r=8,p=1$",
        "password's hash takes 524288 KiB of memory for each verification, more than 262144",
    ),
    (true, "$scrypt$ln=63,r=8,p=1$", "password's hash"),
    (true, "$scrypt$ln=200,r=8,p=1$", "password's hash"),
    (true, "$scrypt$ln=14,r=65536,p=65536$", "password's hash has parameters that cannot be"),
    (true, "$scrypt$ln=14,r=4294967295,p=4294967295$", "password's hash"),
    (
        true,
        "$scrypt$ln=14,r=8,p=100$",
        "password's hash writes 1638400 KiB for each verification, more than 1048576",
    ),
    (true, "$pbkdf2-sha256$i=5000001$", "password's hash takes 5000001 rounds, more than 5000000"),
    (true, "$pbkdf2-sha256$i=999$", "password's hash has parameters that cannot be"),
    (true, "$pbkdf2-sha256$i=1000,l=33$", "password's hash has parameters that cannot be"),
    (true, "$pbkdf2-sha256$25000$", "password is not a hash of the PHC string format"),
];

#[test]
fn passwords_that_cannot_be_used_are_errors_that_do_not_show_them() {
    let rest = "c29tZXNhbHRzb21lc2FsdA$j7ymnF+KnsjuM1pcWT8nzb39Vtyc7GA3Tx6Wb3EyXvg";
    for (allow, password, expected) in UNUSABLE {
        let rest = if password.ends_with('$') { rest } else { "" };
        let users = BasicUsers::builder().allow_plain_passwords(*allow);
        let error = users.user("u", format!("{password}{rest}"), [""; 0]).build().unwrap_err();
        let shown = error.to_string();
        let expected = format!("user 1 given in code: \"u\": {expected}");
        assert!(shown.starts_with(&expected), "{shown}\nis not\n{expected}");
        assert!(!format!("{shown}{error:?}").contains("canary"), "{shown}");
    }
}

#[test]
fn names_that_no_client_can_send_are_errors() {
    for (name, expected) in [
        ("", "user 2 given in code: name is empty"),
        ("a:b", "user 2 given in code: \"a:b\": a name ends at its first colon (RFC 7617 §2)"),
        ("a\0", "user 2 given in code: \"a\\0\": a name has no control characters (RFC 7617 §2)"),
        ("alice", "user 2 given in code: \"alice\" is there twice"),
    ] {
        let users = BasicUsers::builder().allow_plain_passwords(true);
        let users = users.user("alice", "p", [""; 0]).user(name, "p", [""; 0]);
        assert_eq!(users.build().unwrap_err().to_string(), expected);
    }
}

#[test]
fn s43_a_password_is_hashed_for_whoever_asks() {
    for password in ["password", &argon2("argon2id")] {
        let users = users(password);
        let mut hashed = 0;
        for name in ["alice", "bob", "Ünal", "mallory", "", "\u{10ffff}", "a", "z", "alice2"] {
            for given in ["pass:wörd", "wrong", "w"] {
                let _ = users.verify(name, given);
                hashed += 1;
                assert_eq!(users.hashed(), hashed, "{name}:{given}");
            }
        }
    }
}

#[test]
fn a_password_is_remembered_to_be_right_and_never_to_be_wrong() {
    let build = |lifetime| {
        let users = BasicUsers::builder().remember(lifetime);
        users
            .user("alice", argon2("argon2id"), [""; 0])
            .user("bob", argon2("argon2i"), [""; 0])
            .build()
            .unwrap()
    };
    let ask = |users: &BasicUsers, name, password| {
        let before = users.hashed();
        (users.verify(name, password).is_some(), users.hashed() - before)
    };
    let users = build(Duration::from_secs(3600));
    assert_eq!(ask(&users, "alice", "pass:wörd"), (true, 1));
    assert_eq!(ask(&users, "alice", "pass:wörd"), (true, 0));
    for _ in 0..2 {
        assert_eq!(ask(&users, "alice", "wrong"), (false, 1));
        assert_eq!(ask(&users, "mallory", "pass:wörd"), (false, 1));
    }
    // Not what somebody else has shown.
    assert_eq!(ask(&users, "bob", "pass:wörd"), (true, 1));
    // Nothing is left of it after another reading.
    users.reload().unwrap();
    assert_eq!(ask(&users, "alice", "pass:wörd"), (true, 1));
    for lifetime in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let users = build(lifetime);
        assert_eq!(ask(&users, "alice", "pass:wörd"), (true, 1));
        assert_eq!(ask(&users, "alice", "pass:wörd"), (true, 1), "{lifetime:?}");
    }
}

#[test]
fn s48_nothing_shows_a_password() {
    let builder = BasicUsers::builder().allow_plain_passwords(true).user("u", "canary", ["s"]);
    let shown = format!("{builder:?}");
    let users = builder.build().unwrap();
    let request = request("/", &[&basic("u", "canary")]);
    let scheme = BasicScheme::default();
    let credentials = scheme.credentials(&request).unwrap();
    let identity = users.authenticate(&request);
    let shown = format!("{shown}{users:?}{credentials:?}{identity:?}{scheme:?}");
    let base64 = basic("", "canary").replace("Authorization: Basic ", "");
    for secret in ["canary", &base64, "dTpjYW5hcnk"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn nobody_is_let_in_where_nobody_is_known() {
    let users = BasicUsers::builder().build().unwrap();
    assert_eq!(users.verify("", ""), None);
    assert_eq!(users.verify("alice", "p"), None);
}
