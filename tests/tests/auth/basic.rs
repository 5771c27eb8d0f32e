//! User and password against users of a file and of code (RFC 7617, S-44).

use std::fs;

use wirewright::CloseFrame;
use wirewright::auth::{Basic, BasicScheme, BasicUsers};
use wirewright_tests::certificates::Folder;
use wirewright_tests::services::until;

use super::{WAYS, identity, let_in, refused, secret, start};

/// As [`secret`] says it for Anna, hashed.
const PHC: &str = "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0$\
                   qnenUVt4DTa0ZS04KfSAc/m3TsLsSUGMOZeROfov7EQ";

fn file(users: &[(&str, &str, &str)]) -> String {
    let users = users.iter().map(|(name, password, scopes)| {
        format!("[[users]]\nusername = {name:?}\npassword = {password:?}\nscopes = [{scopes}]\n")
    });
    users.collect()
}

#[test]
fn rfc7617_2_users_of_a_file_and_of_code_are_let_in_by_their_passwords() {
    for way in WAYS {
        let folder = Folder::new();
        let path = folder.path().join("users.toml");
        let bert = secret("bert:ß \u{1F600}");
        let users = file(&[("anna", PHC, "\"read\", \"write\""), ("bert ö", &bert, "")]);
        fs::write(&path, users).unwrap();
        let users = BasicUsers::builder()
            .file(&path)
            .allow_plain_passwords(true)
            .user("carl", secret("carl"), ["admin"])
            .build()
            .unwrap();
        let listener = start(way.options().authenticator(users));
        let basic = |user: &str, password: String| Basic::new(user, password).unwrap();
        let to = || way.towards(&listener);
        let said = let_in(to(), basic("anna", secret("anna")));
        assert_eq!(said, "anna [\"read\", \"write\"] {}", "{way:?}");
        // Colons and other languages are theirs to have (§2.1).
        let said = let_in(to(), basic("bert ö", bert.clone()));
        assert_eq!(said, "bert \\u{f6} [] {}");
        assert_eq!(let_in(to(), basic("carl", secret("carl"))), "carl [\"admin\"] {}");
        let challenge = vec!["Basic realm=\"websocket\", charset=\"UTF-8\"".to_owned()];
        for (user, password) in [
            ("anna", secret("Anna")),
            ("anna", secret("anna ")),
            ("Anna", secret("anna")),
            ("anna", PHC.to_owned()),
            ("carl", secret("anna")),
            ("nobody", secret("anna")),
        ] {
            assert_eq!(refused(to(), basic(user, password)), (401, challenge.clone()), "{user}");
        }
        assert_eq!(listener.stats().refused.authentication, 6);
    }
}

/// A file that changes decides on who comes next, and one that is broken on nothing. Who is there
/// stays, until its identity is revoked.
#[test]
fn a_file_that_is_read_again_decides_on_who_comes_next() {
    for way in WAYS {
        let folder = Folder::new();
        let path = folder.path().join("users.toml");
        fs::write(&path, file(&[("anna", PHC, "")])).unwrap();
        let users = BasicUsers::builder().file(&path).allow_plain_passwords(true);
        let users = users.build().unwrap();
        let listener = start(way.options().authenticator(users.clone()));
        let anna = Basic::new("anna", secret("anna")).unwrap();
        let bert = Basic::new("bert", secret("bert")).unwrap();
        let to = || way.towards(&listener);
        let there = to().credentials(anna.clone()).connect().unwrap();
        assert_eq!(refused(to(), bert.clone()).0, 401);

        fs::write(&path, file(&[("bert", &secret("bert"), "\"write\"")])).unwrap();
        users.reload().unwrap();
        assert_eq!(refused(to(), anna.clone()).0, 401);
        assert_eq!(let_in(to(), bert.clone()), "bert [\"write\"] {}");
        assert_eq!(identity(&there), "anna [] {}");

        for broken in ["[[users]]\nusername = \"anna\"\n", "", "password ="] {
            fs::write(&path, broken).unwrap();
            let error = users.reload().unwrap_err();
            assert!(error.what().starts_with(path.to_str().unwrap()), "{error}");
            assert_eq!(let_in(to(), bert.clone()), "bert [\"write\"] {}");
            assert_eq!(refused(to(), anna.clone()).0, 401);
        }

        listener.revoke(|who| who.name == "anna", CloseFrame::credentials_expired());
        let error = there.read().unwrap_err();
        assert_eq!(error.close_code(), Some(CloseFrame::credentials_expired().code()), "{error}");
        until("it is gone", || listener.stats().open == 0);
    }
}

/// Whatever the realm, and scopes of which one is enough.
#[test]
fn scopes_of_users_are_any_of_those_that_are_asked_for() {
    let scheme = BasicScheme::new("the \"feed\"").unwrap().scopes(["read", "admin"]);
    for way in WAYS {
        let users = BasicUsers::builder()
            .scheme(scheme.clone())
            .allow_plain_passwords(true)
            .user("both", secret("both"), ["admin", "read"])
            .user("one", secret("one"), ["audit", "admin"])
            .user("none", secret("none"), ["reads", "Admin", "read admin"])
            .user("bare", secret("bare"), [""; 0])
            .build()
            .unwrap();
        let listener = start(way.options().authenticator(users));
        for (user, status) in [("both", 101), ("one", 101), ("none", 403), ("bare", 403)] {
            let credentials = Basic::new(user, secret(user)).unwrap();
            let to = way.towards(&listener);
            match status {
                101 => assert!(let_in(to, credentials).starts_with(user)),
                _ => assert_eq!(refused(to, credentials), (403, vec![]), "{user}"),
            }
        }
        let nobody = refused(way.towards(&listener), Basic::new("x", "y").unwrap());
        let challenge = "Basic realm=\"the \\\"feed\\\"\", charset=\"UTF-8\"".to_owned();
        assert_eq!(nobody, (401, vec![challenge]));
    }
}
