//! The bodies of the fuzz targets for what requests show, and for the file of users.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret as _;
use wirewright_auth::{Basic, BasicCredentials, BasicScheme, BasicUsers, BearerScheme};
use wirewright_core::handshake::{
    Acceptor, Credentials as _, HandshakeLimits, Headers, Rejection, Request,
};
use wirewright_core::{Inbox, Uri};

use crate::challenge::{self, Challenge};
use crate::fuzzing_handshake::refused;
use crate::fuzzing_input::{CANARY, Scratch};
use crate::rng::Dice;

/// Bytes that credentials may have.
const MAX_CREDENTIALS: usize = 8 * 1024;

/// Basic credentials are read from the one text that there is for them, in a request as by
/// themselves, and are what a client sends for this user and password.
pub fn basic_header(data: &[u8]) {
    match BasicCredentials::parse(data) {
        Ok(credentials) => sent_again(data, &credentials),
        Err(error) => assert!(error.to_string().len() < 100, "{error}"),
    }
    let Some(request) = request("/", data) else { return };
    let value = request.head().header("Authorization").unwrap_or_default();
    match BasicScheme::default().credentials(&request) {
        Ok(credentials) => sent_again(value, &credentials),
        Err(rejection) => {
            assert!(BasicCredentials::parse(value).is_err());
            let read = Challenge::of(&rejection);
            assert_eq!((rejection.status(), read.scheme.as_str()), (401, "Basic"));
        }
    }
}

fn sent_again(value: &[u8], credentials: &BasicCredentials) {
    let (user, password) = (credentials.user(), credentials.password().expose_secret());
    assert!(!user.is_empty() && !user.contains(':') && !password.is_empty());
    assert!(![user, password].concat().contains(char::is_control));
    let (scheme, rest) = value.split_at(5);
    assert!(scheme.eq_ignore_ascii_case(b"Basic") && rest[0] == b' ');
    let encoded = rest.trim_ascii_start();
    assert!(encoded.len() <= MAX_CREDENTIALS);
    assert_eq!(encoded, STANDARD.encode([user, ":", password].concat()).as_bytes());
    let other = STANDARD.encode([user, ":another"].concat());
    let other = BasicCredentials::parse(format!("basic  {other}").as_bytes());
    assert_eq!(format!("{credentials:?}"), format!("{:?}", other.expect("only shorter")));

    let client = Basic::new(user, password).expect("a client can send them");
    let (uri, mut headers) = ("wss://example.com/".parse::<Uri>(), Headers::new());
    client.headers(&uri.expect("a URI"), &mut headers).expect("over TLS");
    let sent = headers.get("Authorization").unwrap_or_default().as_bytes();
    assert_eq!(sent, [b"Basic ", encoded].concat());
}

/// A bearer token is what RFC 6750 §2.1 calls one and is where it may be; all else is refused.
pub fn bearer_header(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let in_query = dice.one_in(2);
    let rest = dice.raw(usize::MAX);
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (query, value) = rest.split_at(end);
    let value = value.strip_prefix(b"\n").unwrap_or(value);
    let Ok(query) = std::str::from_utf8(query) else { return };
    let Some(request) = request(&format!("/?{query}"), value) else { return };
    let header = request.head().header_str("Authorization").and_then(in_header);
    match BearerScheme::default().accept_in_query(in_query).token(&request) {
        Ok(token) => {
            let token = token.expose_secret();
            assert!(is_token(token) && token.len() <= MAX_CREDENTIALS, "{token:?}");
            let is_in_header = header == Some(token);
            let is_in_query = in_query && request.query().is_some_and(|it| it.contains('='));
            assert!(is_in_header || is_in_query, "{token:?} is nowhere");
        }
        Err(rejection) => {
            let is_one = header.is_some_and(|it| is_token(it) && it.len() <= MAX_CREDENTIALS);
            assert!(!is_one || in_query, "{header:?}");
            assert!(matches!(rejection.status(), 400 | 401));
            assert_eq!(Challenge::of(&rejection).scheme, "Bearer");
        }
    }
}

/// What follows the scheme.
fn in_header(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// "b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="" (RFC 6750 §2.1).
fn is_token(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || "-._~+/".contains(it);
    !text.is_empty() && text.chars().all(is_allowed)
}

/// Realm and scopes of any text are refused where they are configured, or stand in a challenge
/// that reads as they do.
pub fn challenge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let realm = lines.next().unwrap_or_default();
    let scopes: Vec<&str> = lines.collect();
    let is_realm = realm.bytes().all(|byte| matches!(byte, b' '..=b'~')) && realm.trim() != "";
    let shown = |rejection: &Rejection| {
        refused(rejection);
        Challenge::of(rejection)
    };

    let basic = BasicScheme::new(realm);
    assert_eq!(basic.is_ok(), is_realm, "{realm:?}");
    if let Ok(basic) = basic {
        let expected = challenge::of("Basic", &[("realm", realm), ("charset", "UTF-8")]);
        assert_eq!(shown(&basic.unknown()), expected);
    }

    let bearer = BearerScheme::new(realm);
    assert_eq!(bearer.is_ok(), is_realm, "{realm:?}");
    let Ok(bearer) = bearer else { return };
    assert_eq!(shown(&nothing_shown(&bearer)), challenge::of("Bearer", &[("realm", realm)]));
    let invalid = challenge::of("Bearer", &[("realm", realm), ("error", "invalid_token")]);
    assert_eq!(shown(&bearer.invalid_token()), invalid);
    let bearer = bearer.scopes(scopes.clone());
    assert_eq!(bearer.is_ok(), scopes.iter().all(|scope| is_scope(scope)), "{scopes:?}");
    let Ok(bearer) = bearer else { return };
    let joined = scopes.join(" ");
    let mut expected = vec![("realm", realm), ("error", "insufficient_scope")];
    if !scopes.is_empty() {
        expected.push(("scope", &joined));
    }
    let Err(rejection) = bearer.admit(&[]) else { panic!("nobody's scopes are let in") };
    assert_eq!(shown(&rejection), challenge::of("Bearer", &expected));
    assert!(scopes.iter().all(|scope| bearer.admit(&[(*scope).to_owned()]).is_ok()));
}

fn nothing_shown(scheme: &BearerScheme) -> Rejection {
    let request = request("/", b"").expect("a request");
    scheme.token(&request).expect_err("there is no token")
}

/// "scope-token = 1*( %x21 / %x23-5B / %x5D-7E )" (RFC 6749 §3.3).
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\')
}

/// A request with this field `Authorization`; `None` for what is no request.
fn request(target: &str, authorization: &[u8]) -> Option<Request> {
    let mut limits = HandshakeLimits::default();
    (limits.max_head, limits.max_line) = (1 << 20, 1 << 20);
    let mut inbox = Inbox::new();
    inbox.extend(format!("GET {target} HTTP/1.1\r\nHost: example.com\r\n").as_bytes());
    if !authorization.is_empty() {
        inbox.extend(&[b"Authorization: ", authorization, b"\r\n"].concat());
    }
    inbox.extend(b"\r\n");
    Acceptor::new(limits).receive(&mut inbox).ok().flatten()
}

/// A file of users lets in those who are in it, and shows no password when it cannot be used.
pub fn users_file(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let plain = dice.one_in(2);
    let text = dice.raw(usize::MAX);
    let file = Scratch::new(text);
    let listed = std::str::from_utf8(text).ok().and_then(listed).unwrap_or_default();
    let users = BasicUsers::builder().file(file.path()).allow_plain_passwords(plain).build();
    match users {
        Ok(users) => {
            assert!(!listed.is_empty(), "users of a file that names none");
            let are_cheap = listed.iter().all(|user| is_cheap(&user.password));
            let verify = |name: &str, password: &str| {
                if are_cheap { users.verify(name, password) } else { None }
            };
            assert_eq!(verify("nobody: with a colon", "password"), None);
            for user in listed.iter().take(20) {
                let is_plain = !is_hash(&user.password);
                assert!(plain || !is_plain);
                let found = verify(&user.name, &user.password);
                if is_plain && are_cheap {
                    let found = found.expect("somebody who is in the file");
                    assert_eq!((&found.name, &found.scopes), (&user.name, &user.scopes));
                }
                assert_eq!(verify(&user.name, &format!("{}.", user.password)), None);
            }
        }
        Err(error) => {
            let error = error.to_string();
            let is_shown = listed.iter().any(|user| user.name.contains(CANARY));
            assert!(is_shown || !error.contains(CANARY), "{error}");
            let names: usize = listed.iter().map(|user| user.name.len()).max().unwrap_or(0);
            assert!(error.len() < 500 + 10 * names, "{error}");
        }
    }
}

struct Listed {
    name: String,
    password: String,
    scopes: Vec<String>,
}

/// The users of a file; `None` where it is not TOML.
fn listed(text: &str) -> Option<Vec<Listed>> {
    let table: toml::Table = text.parse().ok()?;
    let nested = || table.get("ballerina")?.get("auth")?.get("users");
    let lists = [table.get("users"), nested()];
    let users = lists.into_iter().flatten().filter_map(toml::Value::as_array).flatten();
    let text = |value: &toml::Value| value.as_str().unwrap_or_default().to_owned();
    let user = |user: &toml::Value| Listed {
        name: user.get("username").map(text).unwrap_or_default(),
        password: user.get("password").map(text).unwrap_or_default(),
        scopes: match user.get("scopes") {
            Some(toml::Value::Array(scopes)) => scopes.iter().map(text).collect(),
            Some(scope) => vec![text(scope)],
            None => Vec::new(),
        },
    };
    Some(users.map(user).collect())
}

/// Whether it looks like a hash, of whatever kind.
fn is_hash(password: &str) -> bool {
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || it == '-';
    let name = password.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    name.is_some_and(|(name, _)| !name.is_empty() && name.chars().all(is_allowed))
}

/// Whether a password is no hash, or one that is cheap: small numbers alone, of which scrypt has
/// the power of two.
fn is_cheap(password: &str) -> bool {
    let most = if password.starts_with("$scrypt") { 6 } else { 64 };
    let parameters = password.rsplitn(3, '$').last().unwrap_or_default();
    let numbers = parameters.split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty());
    let is_small = |number: &str| number.parse().is_ok_and(|number: u32| number <= most);
    let kind = parameters.split('$').nth(1).unwrap_or_default();
    !is_hash(password) || numbers.filter(|it| !kind.contains(it)).all(is_small)
}
