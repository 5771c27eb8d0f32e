//! A directory that answers as it is told to, for what a real one does not do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use wirewright_auth::{DirectoryError, LdapConfig, LdapUsers};
use wirewright_core::handshake::Authenticator as _;

use super::ldap::config;
use super::support::{Log, answer, basic, request};

/// Requests as they came, and whether this is the answer for each kind: result codes for the bind
/// of the name for searches and for that of the user, and an entry for the first search.
#[derive(Clone, Default)]
struct Script {
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    bind: u8,
    login: u8,
    entry: Option<&'static [u8]>,
    /// How many more of it, and the result code of that search.
    more: usize,
    search: u8,
    /// So many requests are answered, and none behind them; all if there is no number.
    answers: Option<usize>,
}

const BIND: u8 = 0x60;
const SEARCH: u8 = 0x63;

impl Script {
    fn start(self) -> LdapConfig {
        self.wrapped("ldap", |stream| stream)
    }

    /// With something between the socket and this, such as TLS.
    fn wrapped<S: Read + Write>(
        self,
        scheme: &str,
        wrap: impl Fn(TcpStream) -> S + Clone + Send + 'static,
    ) -> LdapConfig {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, wrap) = (self.clone(), wrap.clone());
                std::thread::spawn(move || script.serve(wrap(stream)));
            }
        });
        config(&url)
    }

    fn serve(self, mut stream: impl Read + Write) {
        while let Some((id, kind, request)) = read(&mut stream) {
            let is_ours = request.windows(9).any(|part| part == b"cn=search");
            let mut answers = Vec::new();
            match kind {
                BIND => {
                    let code = if is_ours { self.bind } else { self.login };
                    answers.push(result(id, 0x61, code));
                }
                SEARCH => {
                    let is_user = !request.windows(6).any(|part| part == b"member");
                    let entry = self.entry.filter(|_| is_user);
                    let entry = entry.map(|entry| message(id, 0x64, entry));
                    let count = usize::from(entry.is_some()) * (1 + self.more);
                    answers.extend(entry.iter().cycle().take(count).cloned());
                    answers.push(result(id, 0x65, if is_user { self.search } else { 0 }));
                }
                _ => return,
            }
            let number = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(request);
                seen.len()
            };
            if self.answers.is_some_and(|answers| number > answers) {
                continue;
            }
            if stream.write_all(&answers.concat()).is_err() {
                return;
            }
        }
    }

    fn count(&self, kind: u8) -> usize {
        // The kind stands behind sequence and message id.
        let is_kind = |request: &&Vec<u8>| request[0] == kind;
        self.seen.lock().unwrap().iter().filter(is_kind).count()
    }
}

/// A message's id, and its operation with its tag, by the definite lengths of RFC 4511 §5.1.
fn read(stream: &mut impl Read) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let mut length = usize::from(head[1]);
    if length > 127 {
        let mut long = vec![0; length - 128];
        stream.read_exact(&mut long).ok()?;
        length = long.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    // INTEGER of one byte.
    assert_eq!(body[..2], [2, 1]);
    Some((body[2], body[3], body[3..].to_vec()))
}

fn message(id: u8, tag: u8, content: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u8::try_from(bytes).expect("it is short");
    let head = [0x30, length(content.len() + 5), 2, 1, id, tag, length(content.len())];
    [&head, content].concat()
}

/// LDAPResult: the code, and two empty texts.
fn result(id: u8, tag: u8, code: u8) -> Vec<u8> {
    message(id, tag, &[0x0a, 1, code, 4, 0, 4, 0])
}

/// An entry `uid=a` without attributes.
const ENTRY: &[u8] = b"\x04\x05uid=a\x30\x00";

#[test]
fn ldap_scripted_names_are_values_in_filters_and_nothing_else() {
    let script = Script::default();
    let users = LdapUsers::new(script.clone().start()).unwrap();
    let names =
        ["*", "a*", "*)(uid=*", "a)(|(uid=*", "\\2a", "(", ")", "\\", "a\0b", "?", "é", "&", "a=b"];
    for name in names {
        assert_eq!(users.verify(name, "p"), Ok(None), "{name:?}");
        let seen = script.seen.lock().unwrap();
        let search = seen.last().unwrap();
        // equalityMatch, with an attribute of three letters and the name as it is (RFC 4511
        // §4.5.1).
        let mut filter = vec![0xa3, u8::try_from(name.len() + 7).unwrap(), 4, 3];
        filter.extend(b"uid");
        filter.extend([4, u8::try_from(name.len()).unwrap()]);
        filter.extend(name.as_bytes());
        assert!(search.windows(filter.len()).any(|part| part == filter), "{name:?}: {search:x?}");
    }
    assert_eq!(script.count(SEARCH), names.len());
    // That of the name for searches, once.
    assert_eq!(script.count(BIND), 1);
}

#[test]
fn ldap_scripted_rfc4513_5_1_2_an_empty_password_is_never_sent() {
    // A directory that agrees to anything.
    let script = Script { entry: Some(ENTRY), ..Script::default() };
    let users = LdapUsers::new(script.clone().start()).unwrap();
    assert_eq!(users.verify("a", ""), Ok(None));
    assert_eq!(users.verify("", "p"), Ok(None));
    let refused = users.authenticate(&request("/", &[&basic("a", "")])).unwrap_err();
    assert_eq!(refused.status(), 401);
    assert!(script.seen.lock().unwrap().is_empty());
    assert_eq!(users.verify("a", "p").unwrap().unwrap().name, "a");
}

#[test]
fn ldap_scripted_answers_are_told_apart() {
    // Codes of RFC 4511 §A.1, for the name for searches and for the user.
    let rows = [(0, 49, Ok(false)), (0, 53, Ok(false)), (0, 19, Ok(false)), (0, 48, Ok(false))];
    let rows = rows.into_iter().chain([
        (0, 0, Ok(true)),
        (0, 51, Err("directory cannot verify a password: result 51, \"\"")),
        (0, 52, Err("directory cannot verify a password: result 52, \"\"")),
        (0, 80, Err("directory cannot verify a password: result 80, \"\"")),
        (0, 10, Err("directory cannot verify a password: result 10, \"\"")),
        (0, 14, Err("directory cannot verify a password: result 14, \"\"")),
        (
            49,
            0,
            Err("directory refuses `connection_name` and `connection_password`: result 49, \"\""),
        ),
    ]);
    for (bind, login, expected) in rows {
        let script = Script { bind, login, entry: Some(ENTRY), ..Script::default() };
        let users = LdapUsers::new(script.start()).unwrap();
        let found = users.verify("a", "p");
        let found = found.map(|found| found.is_some()).map_err(|error| error.to_string());
        assert_eq!(
            found.as_ref().map_err(|error| &**error),
            expected.as_ref().map_err(|error| *error)
        );
        let status = users.authenticate(&request("/", &[&basic("a", "p")]));
        let status = status.map(|_| ()).map_err(|refused| refused.status());
        let statuses = [Ok(()), Err(401), Err(503)];
        let at = expected.map_or(2, |found| usize::from(!found));
        assert_eq!(status, statuses[at], "{bind} {login}");
    }
}

#[test]
fn s48_ldap_scripted_no_password_is_in_the_log() {
    for (bind, login) in [(0, 49), (0, 0), (0, 80), (49, 0)] {
        let script = Script { bind, login, entry: Some(ENTRY), ..Script::default() };
        let users = LdapUsers::new(script.start()).unwrap();
        let log = Log::default();
        let found = log.keep(|| users.authenticate(&request("/", &[&basic("a", "canary")])));
        let shown = format!("{found:?}{:?}{:?}", users.verify("a", "canary"), log.lines());
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(log.lines().is_empty(), (bind, login) == (0, 0), "{shown}");
    }
}

/// More than one is nobody, whether or not the directory says that there would be more still; and
/// fewer with that code, or any other code, is no answer.
#[test]
fn ldap_scripted_a_user_is_one_entry() {
    const TOO_MANY: u8 = 4;
    for (more, search, expected) in [
        (0, 0, Ok(true)),
        (1, 0, Ok(false)),
        (1, TOO_MANY, Ok(false)),
        (0, TOO_MANY, Err(())),
        (2, TOO_MANY, Err(())),
        (1, 3, Err(())),
        (0, 32, Err(())),
    ] {
        let script = Script { entry: Some(ENTRY), more, search, ..Script::default() };
        let users = LdapUsers::new(script.start()).unwrap();
        let found = users.verify("a", "p").map(|found| found.is_some());
        let found = found.map_err(|error| match error {
            DirectoryError::Search { .. } => {}
            other => panic!("{other:?}"),
        });
        assert_eq!(found, expected, "{more} {search}");
    }
}

/// A group's `memberUid` is the value in the first part of a DN, if that is text.
#[test]
fn ldap_scripted_members_by_name_are_asked_for_by_the_first_value_of_the_dn() {
    for (entry, member) in [
        (&b"\x04\x05uid=a\x30\x00"[..], Some(&b"a"[..])),
        (b"\x04\x0auid=a,dc=x\x30\x00", Some(b"a")),
        (b"\x04\x0euid=a\\, b,dc=x\x30\x00", Some(b"a, b")),
        (b"\x04\x0duid=\\c3\\a9,c=\x30\x00", Some("é".as_bytes())),
        // "#" begins what is not text (RFC 4514 §2.4), and a backslash at the end is none.
        (b"\x04\x0auid=#04016\x30\x00", None),
        (b"\x04\x06uid=a\\\x30\x00", None),
        (b"\x04\x07uid=\\ff\x30\x00", None),
    ] {
        let script = Script { entry: Some(entry), ..Script::default() };
        let mut config = script.clone().start();
        config.membership_attribute = "memberUid".into();
        let users = LdapUsers::new(config).unwrap();
        assert!(users.verify("a", "p").unwrap().is_some(), "{entry:x?}");
        let seen = script.seen.lock().unwrap();
        let asked = seen.iter().find(|request| request.windows(9).any(|part| part == b"memberUid"));
        assert_eq!(asked.is_some(), member.is_some(), "{entry:x?}");
        if let (Some(asked), Some(member)) = (asked, member) {
            let length = u8::try_from(member.len()).unwrap();
            let value = [b"memberUid\x04", &[length][..], member].concat();
            assert!(asked.windows(value.len()).any(|part| part == value), "{asked:x?}");
        }
    }
}

#[test]
fn ldap_scripted_entries_that_are_none_are_errors() {
    for entry in [&b"\x04\x05uid=a"[..], b"\x04\x02\xff\xfe\x30\x00", b"\x02\x01\x00", b""] {
        let script = Script { entry: Some(entry), ..Script::default() };
        let users = LdapUsers::new(script.start()).unwrap();
        let error = users.verify("a", "p").unwrap_err();
        assert_eq!(error, DirectoryError::Malformed, "{entry:x?}");
    }
}

#[test]
fn ldap_scripted_silence_has_an_end() {
    // It accepts, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut silent = config(&format!("ldap://{}", listener.local_addr().unwrap()));
    silent.read_timeout = Duration::from_millis(200);
    let begin = Instant::now();
    let users = LdapUsers::new(silent.clone()).unwrap();
    let error = users.verify("a", "p").unwrap_err();
    assert_eq!(error, DirectoryError::ReadTimeout(Duration::from_millis(200)));
    // With TLS, it is the connection that is never there.
    silent.connection_url = silent.connection_url.replace("ldap:", "ldaps:");
    silent.danger_accept_any_certificate = true;
    silent.connection_timeout = Duration::from_millis(200);
    let users = LdapUsers::new(silent).unwrap();
    let error = users.verify("a", "p").unwrap_err();
    assert_eq!(error, DirectoryError::ConnectionTimeout(Duration::from_millis(200)));
    assert!(begin.elapsed() >= Duration::from_millis(400));
    // Far from the times by default.
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

/// A connection that was used before, and says nothing any more, is not replaced: the time is up.
#[test]
fn ldap_scripted_silence_on_a_connection_that_is_kept_has_an_end() {
    // Two binds and two searches, of a user and of groups.
    for answers in 4..7 {
        let script = Script { entry: Some(ENTRY), answers: Some(answers), ..Script::default() };
        let mut config = script.clone().start();
        config.read_timeout = Duration::from_millis(300);
        let users = LdapUsers::new(config).unwrap();
        assert!(users.verify("a", "p").unwrap().is_some());
        let opened = users.opened();
        let error = users.verify("a", "p").unwrap_err();
        assert_eq!(error, DirectoryError::ReadTimeout(Duration::from_millis(300)), "{answers}");
        assert_eq!((users.opened(), script.seen.lock().unwrap().len()), (opened, answers + 1));
    }
}

/// Whoever takes any certificate does so over both versions, and from nobody without its key.
#[test]
fn ldap_scripted_any_certificate_is_taken_where_that_is_wanted() {
    for version in [&TLS12, &TLS13] {
        let own = rcgen::generate_simple_self_signed(["other.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(default_provider().into())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let tls = Arc::new(tls);
        let script = Script { entry: Some(ENTRY), ..Script::default() };
        let mut config = script.wrapped("ldaps", move |socket| {
            StreamOwned::new(ServerConnection::new(Arc::clone(&tls)).unwrap(), socket)
        });
        let error = LdapUsers::new(config.clone()).unwrap().verify("a", "p").unwrap_err();
        assert!(matches!(error, DirectoryError::Unreachable(_)), "{error:?}");
        config.danger_accept_any_certificate = true;
        assert!(LdapUsers::new(config).unwrap().verify("a", "p").unwrap().is_some());
    }
}

#[test]
fn ldap_scripted_a_directory_that_is_not_there_is_503() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let users = config(&format!("ldap://{}", listener.local_addr().unwrap()));
    drop(listener);
    let users = LdapUsers::new(users).unwrap();
    let refused = users.authenticate(&request("/", &[&basic("a", "p")])).unwrap_err();
    assert_eq!(answer(&refused), (503, vec![]));
    assert_eq!(refused.headers().get("Retry-After"), Some("5"));
    // Who shows nothing is asked for it, though.
    assert_eq!(users.authenticate(&request("/", &[])).unwrap_err().status(), 401);
}

#[test]
fn ldap_scripted_configurations_that_cannot_be_are_errors() {
    type Change = fn(&mut LdapConfig);
    let rows: [(Change, &str); 17] = [
        (|of| of.connection_url = "ldaps://:636".into(), "connection_url: names no host"),
        (|of| of.connection_url = "localhost".into(), "connection_url: is neither"),
        (|of| of.connection_url = "http://localhost".into(), "connection_url: is neither"),
        (|of| of.connection_url = "ldap://".into(), "connection_url: is not a URL"),
        (|of| of.connection_url = "ldap://ldap.example.com".into(), "connection_url: would send"),
        (
            |of| of.connection_url = "ldap://127.0.0.1.example.com".into(),
            "connection_url: would send",
        ),
        (|of| of.connection_url = "ldaps://u:canary@host".into(), "connection_url: holds a user"),
        (|of| of.connection_url = "ldaps://host/dc=x".into(), "connection_url: has a path"),
        (|of| of.user_search_base = vec!["#".into()], "user_search_base: is empty"),
        (|of| of.user_name_attribute = "uid)(x".into(), "user_name_attribute: \"uid)(x\" is not"),
        (|of| of.group_name_attribute.clear(), "group_name_attribute: \"\" is not"),
        (|of| of.membership_attribute = "a=b".into(), "membership_attribute: \"a=b\" is not"),
        (|of| of.user_entry_object_class = "*)".into(), "user_entry_object_class: \"*)\" is not"),
        (|of| of.user_name_search_filter = "(uid=x)".into(), "user_name_search_filter: has no `?`"),
        (
            |of| of.user_name_search_filter = "(uid=?".into(),
            "user_name_search_filter: \"(uid=?\" is",
        ),
        (|of| of.user_name_list_filter = "x".into(), "user_name_list_filter: \"x\" is not"),
        (|of| of.group_name_list_filter = "(&".into(), "group_name_list_filter: \"(&\" is not"),
    ];
    for (change, expected) in rows {
        let mut config = config("ldap://localhost");
        change(&mut config);
        let error = LdapUsers::new(config).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}\nis not\n{expected}");
        assert!(!error.contains("canary"), "{error}");
    }
    for url in ["ldap://[::1]:389", "ldap://127.1.2.3/", "ldap://LOCALHOST", "LDAP://localhost"] {
        LdapUsers::new(config(url)).expect(url);
    }
    let mut clear = config("ldap://ldap.example.com");
    clear.allow_clear_text = true;
    let users = LdapUsers::new(clear).unwrap();
    assert!(!format!("{users:?}").contains("canary"));
}
