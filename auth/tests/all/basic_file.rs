//! Users in a file, and in one that changes.

use std::time::{Duration, Instant};

use wirewright_auth::BasicUsers;
use wirewright_core::handshake::Authenticator as _;

use super::support::{Folder, Log, basic, request};

fn user(name: &str, password: &str) -> String {
    format!("[[users]]\nusername = {name:?}\npassword = {password:?}\n\n")
}

#[test]
fn files_of_both_forms_are_read() {
    let folder = Folder::new("forms");
    let file = folder.file(
        "Config.toml",
        r#"
        [ballerina.log]
        level = "DEBUG"

        [[ballerina.auth.users]]
        username = "alice"
        password = "password1"
        scopes = ["scope1", "scope2"]

        [[ballerina.auth.users]]
        username = 'bob'
        password = 'pass\word2'
        scopes = "scope 3"

        [[users]]
        username = "Ünal"
        password = """üé"""
        "#,
    );
    let users = BasicUsers::builder().file(file).allow_plain_passwords(true);
    let users = users.user("eve", "p", ["s"]).build().unwrap();
    for (name, password, scopes) in [
        ("alice", "password1", &["scope1", "scope2"][..]),
        ("bob", "pass\\word2", &["scope 3"]),
        ("Ünal", "üé", &[]),
        ("eve", "p", &["s"]),
    ] {
        assert_eq!(users.verify(name, password).expect(name).scopes, scopes);
    }
}

#[test]
fn files_that_cannot_be_used_are_errors_that_name_the_line() {
    let folder = Folder::new("broken");
    let alice = user("alice", "canary");
    let rows = [
        ("", ": names no users, as `[[users]]` does"),
        ("[[user]]\nusername = 'a'", ": names no users, as `[[users]]` does"),
        ("users = []", ": names no users, as `[[users]]` does"),
        ("users = 'canary'", ", line 1: users are not a list"),
        ("\nusers = ['canary']", ", line 2: user 1: is not a table"),
        ("[[users]]\nusername = 'a'\npassword = 'canary", ", line 3: is not TOML"),
        ("[[users]]\nusername = 'a'\nusername = 'canary'", ", line 3: is not TOML"),
        ("[[users]]\nusername = 'a'\npassword = canary", ", line 3: is not TOML"),
        (
            "[[users]]\nusername = 'a'\npassword = 123456",
            ", line 3: user 1: its password is not a string",
        ),
        ("[[users]]\nusername = 'a'", ", line 1: user 1: has no password"),
        ("[[users]]\npassword = 'canary'", ", line 1: user 1: has no username"),
        (
            "[[users]]\nusername = 7\npassword = 'canary'",
            ", line 2: user 1: its username is not a string",
        ),
        (
            "[[users]]\nusername = 'a'\npassword = 'canary'\nscope = ['s']",
            r#", line 4: user 1: has a key that is none of ["username", "password", "scopes"]"#,
        ),
        (
            "[[users]]\nusername = 'a'\npassword = 'canary'\nscopes = [1]",
            ", line 1: user 1: its scopes",
        ),
        (
            "[[users]]\nusername = 'a'\npassword = 'canary'\nscopes = ['']",
            ", line 1: user 1: its scopes",
        ),
        ("[[users]]\nusername = ''\npassword = 'canary'", ", line 1: user 1: name is empty"),
        ("[[users]]\nusername = 'a'\npassword = ''", ", line 1: user 1: \"a\": password is empty"),
        (&format!("# two\n{alice}{alice}"), ", line 6: user 2: \"alice\" is there twice"),
        (
            &format!("{alice}[[users]]\nusername = 'b'\npassword = '$2b$12$canary'"),
            ", line 5: user 2: \"b\": password is hashed in a way that is not known here",
        ),
    ];
    for (content, expected) in rows {
        let file = folder.file("users.toml", content);
        let users = BasicUsers::builder().file(&file).allow_plain_passwords(true);
        let error = users.build().expect_err(content);
        let expected = format!("{}{expected}", file.display());
        let shown = error.to_string();
        assert!(shown.starts_with(&expected), "{shown}\nis not\n{expected}");
        assert!(!format!("{shown}{error:?}").contains("canary"), "{shown}");
        assert!(!shown.contains("123456"), "{shown}");
    }
}

#[test]
fn files_that_cannot_be_read_are_errors() {
    let folder = Folder::new("unreadable");
    let build = |file| BasicUsers::builder().file(file).build().unwrap_err().to_string();
    assert!(build(folder.file("latin-1", b"# \xe9")).contains("latin-1: cannot be read: "));
    assert!(
        build(folder.file("huge", vec![b' '; 16 << 20 | 1]))
            .ends_with("has more than 16777216 bytes")
    );
    let missing = folder.file("there", "").with_file_name("missing.toml");
    assert!(build(missing).contains("missing.toml: cannot be read: "));
    let plain = folder.file("plain", user("alice", "canary"));
    assert!(build(plain).ends_with("`allow_plain_passwords` does not allow"));
}

/// Asks until the answer is this one, as the file is looked at once a second.
#[track_caller]
fn await_answer(users: &BasicUsers, name: &str, password: &str, expected: bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while users.verify(name, password).is_some() != expected {
        assert!(Instant::now() < deadline, "{name} is not {expected} for long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_file_that_changes_is_read_again() {
    let folder = Folder::new("changes");
    let file = folder.file("users.toml", user("alice", "one"));
    let users = BasicUsers::builder().file(&file).allow_plain_passwords(true);
    let users = users.user("eve", "p", [""; 0]).build().unwrap();
    let handle = users.clone();
    assert!(users.verify("alice", "one").is_some());
    // Written in place, of the same length.
    folder.file("users.toml", user("alice", "two"));
    await_answer(&users, "alice", "two", true);
    assert!(users.verify("alice", "one").is_none());
    assert!(handle.verify("alice", "two").is_some());
    // Put in its place.
    let new = folder.file("new.toml", user("bob", "one"));
    std::fs::rename(new, &file).unwrap();
    await_answer(&users, "bob", "one", true);
    assert!(users.verify("alice", "two").is_none());
    // Those given in code stay.
    assert!(users.verify("eve", "p").is_some());
    // Broken, or of somebody who is there already: all stays.
    for broken in [user("eve", "other"), "[[users".into(), String::new()] {
        folder.file("users.toml", broken);
        users.reload().unwrap_err();
        assert!(users.verify("bob", "one").is_some());
        assert!(users.verify("eve", "p").is_some());
    }
    std::fs::remove_file(&file).unwrap();
    assert!(users.reload().unwrap_err().to_string().contains("cannot be read"));
    assert!(users.verify("bob", "one").is_some());
    // Mended, without anybody having said so.
    folder.file("users.toml", user("carol", "one"));
    await_answer(&users, "carol", "one", true);
    assert!(users.verify("bob", "one").is_none());
    // At once, where it is said.
    folder.file("users.toml", user("dave", "one"));
    users.reload().unwrap();
    assert!(users.verify("dave", "one").is_some());
}

#[test]
fn s48_a_file_that_breaks_is_an_error_in_the_log_once_and_shows_no_password() {
    let folder = Folder::new("log");
    let file = folder.file("users.toml", user("alice", "canary"));
    let users = BasicUsers::builder().file(&file).allow_plain_passwords(true).build().unwrap();
    let log = Log::default();
    let errors = || log.lines().iter().filter(|line| line.starts_with("ERROR")).count();
    // Asks for as long as there are less errors, and then for more than a second, in which it looks
    // again.
    let ask_until = |count| {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut since = None;
        while since.is_none_or(|since: Instant| since.elapsed() < Duration::from_millis(1200)) {
            assert!(Instant::now() < deadline, "{:?}", log.lines());
            for password in ["canary", "canary2"] {
                let _ = users.authenticate(&request("/", &[&basic("alice", password)]));
            }
            let _ = users.authenticate(&request("/", &["Authorization: Basic canary"]));
            since = since.or_else(|| (errors() == count).then(Instant::now));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(errors(), count, "{:?}", log.lines());
    };
    log.keep(|| {
        folder.file("users.toml", "[[users]]\nusername = 'alice'\npassword = 'canary");
        ask_until(1);
        assert!(users.verify("alice", "canary").is_some());
        folder.file("users.toml", "[[users]]\nusername = 'alice'\npassword = 7");
        ask_until(2);
    });
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("line 3: is not TOML")), "{lines:?}");
    assert!(!lines.concat().contains("canary"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("DEBUG")), "{lines:?}");
}
