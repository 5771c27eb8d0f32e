//! Users of a real directory, which `tests/ldap/run.sh` starts.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use wirewright_auth::{BasicScheme, DirectoryError, LdapConfig, LdapUsers};
use wirewright_core::handshake::Authenticator as _;

use super::support::{answer, basic, request};

fn env(name: &str) -> String {
    std::env::var(name).expect("tests/ldap/run.sh sets it")
}

/// A directory of these users and groups, at this URL.
pub(crate) fn config(url: &str) -> LdapConfig {
    let mut config = LdapConfig::new(url);
    config.connection_name = "cn=search,dc=example,dc=org".into();
    config.connection_password = "canary search".into();
    config.user_search_base = vec!["ou=people,dc=example,dc=org".into()];
    config.group_search_base = vec!["ou=groups,dc=example,dc=org".into()];
    config.read_timeout = Duration::from_secs(10);
    config
}

fn shared() -> LdapConfig {
    config(&format!("ldap://127.0.0.1:{}", env("WIREWRIGHT_LDAP_PORT")))
}

fn tls(host: &str) -> LdapConfig {
    config(&format!("ldaps://{host}:{}", env("WIREWRIGHT_LDAPS_PORT")))
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env("WIREWRIGHT_LDAP_FOLDER")).join(name)
}

/// Name and scopes, in the order of the alphabet.
fn who(users: &LdapUsers, name: &str, password: &str) -> Option<(String, Vec<String>)> {
    let mut identity = users.verify(name, password).unwrap()?;
    identity.scopes.sort();
    Some((identity.name, identity.scopes))
}

fn known(name: &str, scopes: &[&str]) -> Option<(String, Vec<String>)> {
    Some((name.into(), scopes.iter().map(|scope| (*scope).to_owned()).collect()))
}

const WEIRD: &str = "we*ird (x)\\y, z";

#[test]
#[ignore = "needs a directory: tests/ldap/run.sh"]
fn ldap_users_are_let_in_with_their_groups() {
    let users = LdapUsers::new(shared()).unwrap();
    for (name, password, expected) in [
        ("alice", "wonder:land", known("alice", &["readers", "wr*iters (all)"])),
        // The directory does not look at case, and has the name that counts.
        ("ALICE", "wonder:land", known("alice", &["readers", "wr*iters (all)"])),
        ("bob", "b", known("bob", &[])),
        ("ünal", "şifre", known("ünal", &["readers"])),
        (WEIRD, "*)(uid=*", known(WEIRD, &["readers"])),
        ("alice", "wonder:lan", None),
        ("alice", "b", None),
        ("alice", "", None),
        ("alice", "\0", None),
        ("nobody", "x", None),
        ("mallory", "x", None),
        ("", "x", None),
        // Not below the base.
        ("dave", "d", None),
        ("search", "canary search", None),
        // Names that would be filters.
        ("*", "wonder:land", None),
        ("al*", "wonder:land", None),
        ("alice)(uid=*", "wonder:land", None),
        ("*)(objectClass=*", "wonder:land", None),
        ("alice))(|(uid=*", "wonder:land", None),
        ("alice\\", "wonder:land", None),
        ("\\61lice", "wonder:land", None),
        ("alice\0", "wonder:land", None),
        ("?", "wonder:land", None),
    ] {
        assert_eq!(who(&users, name, password), expected, "{name}:{password}");
    }
    let identity = users.verify("alice", "wonder:land").unwrap().unwrap();
    assert_eq!(identity.attributes["dn"], "uid=alice,ou=people,dc=example,dc=org");
    assert!(!identity.attributes.contains_key("domain"));
}

#[test]
#[ignore = "needs a directory: tests/ldap/run.sh"]
fn ldap_users_of_several_bases_are_one_each() {
    for bases in [
        vec!["ou=people,dc=example,dc=org", "ou=guests,dc=example,dc=org"],
        vec!["ou=people,dc=example,dc=org#ou=guests,dc=example,dc=org"],
        vec!["dc=example,dc=org"],
    ] {
        let mut config = shared();
        config.user_search_base = bases.into_iter().map(str::to_owned).collect();
        config.domain_name = "example".into();
        let users = LdapUsers::new(config).unwrap();
        assert_eq!(who(&users, "dave", "d"), known("dave", &["readers"]));
        assert_eq!(who(&users, "bob", "b"), known("bob", &[]));
        // It is not clear who is meant.
        assert_eq!(who(&users, "twin", "t"), None);
        let dave = users.verify("dave", "d").unwrap().unwrap();
        assert_eq!(dave.attributes["domain"], "example");
    }
    let mut config = shared();
    config.user_search_base.push("ou=nowhere,dc=example,dc=org".into());
    let error = LdapUsers::new(config).unwrap().verify("alice", "wonder:land").unwrap_err();
    let expected =
        "directory cannot search below \"ou=nowhere,dc=example,dc=org\": result 32, \"\"";
    assert_eq!(error.to_string(), expected);
}

#[test]
#[ignore = "needs a directory: tests/ldap/run.sh"]
fn ldap_filters_and_attributes_are_those_that_are_configured() {
    let mut config = shared();
    config.user_name_search_filter = "(&(objectClass=inetOrgPerson)(|(uid=?)(mail=?)))".into();
    config.group_search_base = vec!["ou=posix,dc=example,dc=org".into()];
    config.group_name_list_filter = "(objectClass=posixGroup)".into();
    config.membership_attribute = "memberUid".into();
    let users = LdapUsers::new(config.clone()).unwrap();
    assert_eq!(who(&users, "alice", "wonder:land"), known("alice", &["staff"]));
    assert_eq!(who(&users, "alice@example.org", "wonder:land"), known("alice", &["staff"]));
    assert_eq!(who(&users, WEIRD, "*)(uid=*"), known(WEIRD, &["staff"]));
    // The first part of the DN begins with another name.
    assert_eq!(who(&users, "bob", "b"), known("bob", &[]));
    config.group_name_list_filter.clear();
    config.group_entry_object_class = "posixGroup".into();
    config.group_name_attribute = "gidNumber".into();
    config.user_entry_object_class = "inetOrgPerson".into();
    config.user_name_search_filter.clear();
    config.user_name_attribute = "mail".into();
    let users = LdapUsers::new(config).unwrap();
    assert_eq!(who(&users, "alice@example.org", "wonder:land"), known("alice@example.org", &["1"]));
    assert_eq!(who(&users, "alice", "wonder:land"), None);
}

#[test]
#[ignore = "needs a directory: tests/ldap/run.sh"]
fn ldap_requests_are_answered() {
    let mut config = shared();
    config.scheme = BasicScheme::new("feed").unwrap().scopes(["readers"]);
    let users = LdapUsers::new(config).unwrap();
    let challenge = "Basic realm=\"feed\", charset=\"UTF-8\"";
    for (name, password, expected) in [
        ("alice", "wonder:land", Ok("alice")),
        ("bob", "b", Err((403, vec![]))),
        ("alice", "b", Err((401, vec![challenge]))),
        ("mallory", "b", Err((401, vec![challenge]))),
        ("alice", "", Err((401, vec![challenge]))),
    ] {
        let found = users.authenticate(&request("/", &[&basic(name, password)]));
        let found = found.as_ref().map(|identity| &*identity.name).map_err(answer);
        assert_eq!(found, expected, "{name}:{password}");
    }
    assert!(users.may_block());
}

#[test]
#[ignore = "needs a directory: tests/ldap/run.sh"]
fn ldap_connections_are_used_again() {
    for (pool, idle, opened) in [
        (8, Duration::from_secs(60), 2),
        (1, Duration::from_secs(60), 2),
        // One for each of search, login and groups, each time.
        (0, Duration::from_secs(60), 30),
        (8, Duration::ZERO, 30),
    ] {
        let mut config = shared();
        (config.connection_pool, config.connection_idle_timeout) = (pool, idle);
        let users = LdapUsers::new(config).unwrap();
        for i in 0..10 {
            // A login that fails leaves no trace.
            let password = ["wonder:land", "wrong"]
                [usize::from(pool > 0 && i % 2 == 1 && idle > Duration::ZERO)];
            assert_eq!(who(&users, "alice", password).is_some(), password != "wrong");
        }
        assert_eq!(users.opened(), opened, "{pool} {idle:?}");
    }
    // Many at once, who each have their own.
    let users = LdapUsers::new(shared()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert!(who(&users, "alice", "wonder:land").is_some());
                    assert!(who(&users, WEIRD, "wrong").is_none());
                }
            });
        }
    });
    assert!(users.opened() <= 16, "{}", users.opened());
}

#[test]
#[ignore = "needs a directory: tests/ldap/run.sh"]
fn ldap_secrets_of_ours_that_are_wrong_are_errors_of_ours() {
    for (name, password) in [
        ("cn=search,dc=example,dc=org", "canary wrong"),
        ("cn=missing,dc=example,dc=org", "canary search"),
    ] {
        let mut config = shared();
        (config.connection_name, config.connection_password) = (name.into(), password.into());
        let users = LdapUsers::new(config).unwrap();
        let error = users.verify("alice", "wonder:land").unwrap_err();
        assert!(matches!(error, DirectoryError::Refused(_)), "{error}");
        assert!(!format!("{error} {error:?} {users:?}").contains("canary"));
        let refused = users.authenticate(&request("/", &[&basic("alice", "wonder:land")]));
        let refused = refused.unwrap_err();
        assert_eq!(answer(&refused), (503, vec![]));
        assert_eq!(refused.headers().get("Retry-After"), Some("5"));
    }
    // Nobody in particular sees nothing, here.
    let mut config = shared();
    config.connection_name.clear();
    let error = LdapUsers::new(config).unwrap().verify("alice", "wonder:land").unwrap_err();
    assert!(matches!(error, DirectoryError::Search { .. }), "{error}");
}

#[test]
#[ignore = "needs a directory: tests/ldap/run.sh"]
fn ldap_over_tls_trusts_whom_it_is_told_to() {
    for host in ["localhost", "127.0.0.1"] {
        let mut config = tls(host);
        config.trusted_certificates = Some(file("ca.pem"));
        let users = LdapUsers::new(config).unwrap();
        assert!(who(&users, "alice", "wonder:land").is_some(), "{host}");
        assert!(who(&users, "alice", "wrong").is_none(), "{host}");
        let mut config = tls(host);
        config.trusted_certificates = Some(file("other.pem"));
        let error = LdapUsers::new(config).unwrap().verify("alice", "wonder:land").unwrap_err();
        assert!(error.to_string().contains("invalid peer certificate"), "{host}: {error}");
        let mut config = tls(host);
        config.trusted_certificates = Some(file("other.pem"));
        config.danger_accept_any_certificate = true;
        let users = LdapUsers::new(config).unwrap();
        assert!(who(&users, "alice", "wonder:land").is_some(), "{host}");
    }
    // The system's authorities, of which it is none.
    if let Ok(users) = LdapUsers::new(tls("localhost")) {
        let error = users.verify("alice", "wonder:land").unwrap_err();
        assert!(matches!(error, DirectoryError::Unreachable(_)), "{error}");
    }
    // A name that is not in the certificate.
    let mut config = tls("localhost.localdomain");
    config.trusted_certificates = Some(file("ca.pem"));
    config.connection_url = tls("127.0.0.2").connection_url;
    let error = LdapUsers::new(config).unwrap().verify("alice", "wonder:land").unwrap_err();
    assert!(matches!(error, DirectoryError::Unreachable(_)), "{error}");
    for (name, problem) in [("ca.key", "holds no certificate"), ("missing.pem", "")] {
        let mut config = tls("localhost");
        config.trusted_certificates = Some(file(name));
        let error = LdapUsers::new(config).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(problem), "{error}");
    }
}

/// A directory of this test's own.
struct Slapd(Child);

impl Slapd {
    fn start(port: &str) -> Self {
        let url = format!("ldap://127.0.0.1:{port}/");
        let mut command = Command::new("slapd");
        command.args(["-d", "0", "-h", &url, "-f"]).arg(file("own.conf"));
        let slapd = Self(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
            assert!(Instant::now() < deadline, "slapd does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        slapd
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs a directory: tests/ldap/run.sh"]
fn ldap_directories_may_be_killed_and_started_again() {
    let port = env("WIREWRIGHT_LDAP_OWN_PORT");
    let users = LdapUsers::new(config(&format!("ldap://127.0.0.1:{port}"))).unwrap();
    for round in 1..=3 {
        let slapd = Slapd::start(&port);
        // The connections that were kept are gone, which nobody is told.
        for _ in 0..3 {
            assert!(who(&users, "alice", "wonder:land").is_some());
        }
        assert_eq!(users.opened(), 2 * round);
        drop(slapd);
        for _ in 0..2 {
            let error = users.verify("alice", "wonder:land").unwrap_err();
            assert!(matches!(error, DirectoryError::Unreachable(_)), "{error}");
        }
    }
}

#[test]
#[ignore = "needs a directory: tests/ldap/run.sh"]
fn ldap_groups_are_remembered_and_passwords_are_not() {
    let port = env("WIREWRIGHT_LDAP_PORT");
    let mut config = config(&format!("ldap://127.0.0.1:{port}"));
    config.user_roles_cache = Duration::from_secs(3600);
    config.connection_pool = 0;
    let users = LdapUsers::new(config).unwrap();
    let alice = known("alice", &["readers", "wr*iters (all)"]);
    assert_eq!(who(&users, "alice", "wonder:land"), alice);
    let opened = users.opened();
    assert_eq!(who(&users, "alice", "wonder:land"), alice);
    // For the search and the login, and none for groups.
    assert_eq!(users.opened(), opened + 2);
    assert_eq!(who(&users, "alice", "wrong"), None);
    assert_eq!(who(&users, WEIRD, "*)(uid=*"), known(WEIRD, &["readers"]));
}
