//! Redirects, and what does not follow them (S-32).

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wirewright::{
    Client, ClientBuilder, ClientError, Cookie, Credentials, CredentialsError, Deadline, Headers,
    RedirectError, Uri,
};
use wirewright_tests::scramble::Scrambled;

use super::peer::{PATIENCE, answer, header, read_head};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// A server of several connections: it redirects paths that it has a `Location` for, and opens all
/// others. It ends with the last of `connections`, and has all requests.
struct Site {
    thread: JoinHandle<Vec<String>>,
}

/// What to answer to a path: the status, and lines of header with `Location`.
type Answers = Vec<(&'static str, String)>;

impl Site {
    fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        (listener, addr)
    }

    fn start(at: (TcpListener, SocketAddr), status: u16, connections: usize, to: Answers) -> Self {
        let (listener, _) = at;
        let thread = thread::spawn(move || {
            let mut requests = Vec::new();
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let request = read_head(&mut stream);
                let path = request.split(' ').nth(1).unwrap();
                let answer = match to.iter().find(|(from, _)| *from == path) {
                    Some((_, location)) => format!(
                        "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\n\
                         Content-Length: 0\r\n\r\n"
                    ),
                    None => answer(&request),
                };
                stream.write_all(answer.as_bytes()).unwrap();
                requests.push(request);
            }
            requests
        });
        Self { thread }
    }

    fn requests(self) -> Vec<String> {
        self.thread.join().unwrap()
    }
}

/// Credentials that note whom they were asked for.
#[derive(Clone, Default)]
struct Token(Arc<Mutex<Vec<String>>>);

impl Credentials for Token {
    fn headers(&self, uri: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        self.0.lock().unwrap().push(format!("{} {:?}", uri.authority(), uri.userinfo()));
        headers.set("Authorization", "Bearer canary")?;
        Ok(())
    }
}

/// A client with a secret in every place that there is for one.
fn secretive(addr: SocketAddr, path: &str, token: &Token) -> ClientBuilder {
    let mut builder = Client::builder(&format!("ws://me:canary@{addr}{path}"))
        .credentials(token.clone())
        .redirects(10)
        .handshake_timeout(Some(PATIENCE));
    for (name, value) in [
        ("Proxy-Authorization", "Basic canary"),
        ("X-Api-Key", "canary"),
        ("X-Canary", "of any name"),
        ("User-Agent", "tester"),
        ("Origin", "https://example.com"),
    ] {
        builder = builder.header(name, value).unwrap();
    }
    let builder = builder.host("canary.test").unwrap();
    builder.cookies([Cookie::new("canary", "1")]).unwrap()
}

fn has_secrets(request: &str) -> bool {
    request.to_ascii_lowercase().contains("canary")
}

#[test]
fn p020_redirects_are_off_by_default() {
    for status in STATUSES {
        let (listener, addr) = Site::listen();
        let site = Site::start((listener, addr), status, 1, vec![("/", "/elsewhere".into())]);
        match Client::connect(&format!("ws://{addr}/")) {
            Err(ClientError::Refused(refused)) => {
                assert_eq!(refused.status(), status);
                assert_eq!(refused.head().header_str("Location"), Some("/elsewhere"));
            }
            other => panic!("{other:?}"),
        }
        site.requests();
    }
}

#[test]
fn s32_the_same_host_and_another_path_keeps_all() {
    for status in STATUSES {
        for location in
            ["/feed?x=1", "feed?x=1", "ws://ADDR/feed?x=1", "http://u:p@ADDR/feed?x=1#f"]
        {
            let (listener, addr) = Site::listen();
            let location = location.replace("ADDR", &addr.to_string());
            let site = Site::start((listener, addr), status, 2, vec![("/start", location)]);
            let token = Token::default();
            let client = secretive(addr, "/start", &token).connect().unwrap();
            assert_eq!(client.url().path_and_query(), "/feed?x=1");
            drop(client);
            let requests = site.requests();
            for (name, value) in [
                ("Authorization", "Bearer canary"),
                ("Cookie", "canary=1"),
                ("X-Api-Key", "canary"),
                ("Host", "canary.test"),
            ] {
                assert_eq!(header(&requests[1], name), Some(value), "{status}");
            }
            // Asked anew for each, with the caller's user information and nobody else's.
            let asked = format!("{addr} Some(\"me:canary\")");
            assert_eq!(*token.0.lock().unwrap(), [asked.clone(), asked]);
        }
    }
}

/// Another port, or another host: nothing secret goes there, and nothing comes back with it.
#[test]
fn s32_another_origin_learns_no_secret() {
    for status in STATUSES {
        for host in ["127.0.0.1", "localhost"] {
            let (first, second) = (Site::listen(), Site::listen());
            let (home, away) = (first.1, second.1);
            let there = format!("http://user:pass@{host}:{}/away", away.port());
            let back = format!("ws://{home}/back");
            let first = Site::start(first, status, 2, vec![("/", there)]);
            let second = Site::start(second, status, 1, vec![("/away", back.clone())]);
            let token = Token::default();
            let resolver = move |name: &str, port: u16| {
                assert_eq!(name, "localhost");
                Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
            };
            let client = secretive(home, "/", &token).resolver(resolver).connect().unwrap();
            assert_eq!(client.url().to_string(), back);
            assert_eq!(client.url().userinfo(), None);
            drop(client);
            let (first, second) = (first.requests(), second.requests());
            assert!(has_secrets(&first[0]));
            for request in [&second[0], &first[1]] {
                assert!(!has_secrets(request), "{status}: {request}");
                assert_eq!(header(request, "User-Agent"), Some("tester"));
                assert_eq!(header(request, "Origin"), Some("https://example.com"));
            }
            assert_eq!(header(&second[0], "Host"), Some(&*format!("{host}:{}", away.port())));
            assert_eq!(token.0.lock().unwrap().len(), 1, "asked for the first alone");
        }
    }
}

#[test]
fn s32_loops_long_ways_and_places_that_are_none() {
    type Check = fn(&RedirectError) -> bool;
    let hops = |from: usize| -> Answers {
        const PATHS: [&str; 12] =
            ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9", "/10", "/11"];
        let hop = |n: usize| (PATHS[n], PATHS.get(n + 1).copied().unwrap_or("/end").into());
        (from..12).map(hop).collect()
    };
    let one = |location: &str| -> Answers { vec![("/", location.into())] };
    let cases: [(Answers, usize, Check); 9] = [
        (one("/"), 1, |e| matches!(e, RedirectError::Loop(_))),
        (vec![("/", "/a".into()), ("/a", "/b".into()), ("/b", "/a".into())], 3, |e| {
            matches!(e, RedirectError::Loop(_))
        }),
        ([one("/0"), hops(0)].concat(), 11, |e| matches!(e, RedirectError::TooMany { max: 10 })),
        (one("ftp://127.0.0.1/"), 1, |e| matches!(e, RedirectError::Scheme)),
        (one("//"), 1, |e| matches!(e, RedirectError::Url(_))),
        (one("ws://a b/"), 1, |e| matches!(e, RedirectError::Location)),
        (one("/a\r\nLocation: /b"), 1, |e| matches!(e, RedirectError::Location)),
        (one("/\u{e4}"), 1, |e| matches!(e, RedirectError::Location)),
        (one("ws://127.0.0.1:99999/"), 1, |e| matches!(e, RedirectError::Url(_))),
    ];
    for status in STATUSES {
        for (n, (answers, connections, expected)) in cases.iter().enumerate() {
            let (listener, addr) = Site::listen();
            let site = Site::start((listener, addr), status, *connections, answers.clone());
            let builder = Client::builder(&format!("ws://{addr}/")).redirects(usize::MAX);
            match builder.connect() {
                Err(ClientError::Redirect(error)) => assert!(expected(&error), "{n}: {error:?}"),
                other => panic!("{n}: {other:?}"),
            }
            assert_eq!(site.requests().len(), *connections);
        }
    }
}

/// A line break in a `Location` is the end of it; a bare one ends the handshake.
#[test]
fn s32_s26_line_breaks_in_a_location() {
    for status in STATUSES {
        let (listener, addr) = Site::listen();
        let location = "/feed\r\nX-Injected: canary".to_owned();
        let site = Site::start((listener, addr), status, 2, vec![("/", location)]);
        drop(Client::builder(&format!("ws://{addr}/")).redirects(1).connect().unwrap());
        assert!(!has_secrets(&site.requests()[1]));
        for location in ["/feed\nX: y", "/feed\rX: y", "/feed\0"] {
            let (listener, addr) = Site::listen();
            let site = Site::start((listener, addr), status, 1, vec![("/", location.into())]);
            let error = Client::builder(&format!("ws://{addr}/")).redirects(1).connect();
            assert!(matches!(error, Err(ClientError::Handshake(_))), "{location:?}: {error:?}");
            site.requests();
        }
    }
}

/// To `wss` is allowed, with the server that the redirect names; this one does not answer.
#[test]
fn s32_from_ws_to_wss() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("https://{}/", deaf.local_addr().unwrap());
    for status in STATUSES {
        let (listener, addr) = Site::listen();
        let site = Site::start((listener, addr), status, 1, vec![("/", location.clone())]);
        let builder = Client::builder(&format!("ws://{addr}/")).tls(Scrambled).redirects(1);
        let error = builder.tls_timeout(Some(Duration::from_millis(50))).connect().unwrap_err();
        assert!(matches!(error, ClientError::TimedOut(Deadline::Tls)), "{error:?}");
        site.requests();
    }
}

#[test]
fn p020_what_points_nowhere_is_a_refusal() {
    let answers = ["300 Choose", "304 As before", "305 Use a proxy", "401 Who", "404 Where"];
    for status in answers {
        let (listener, addr) = Site::listen();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_head(&mut stream);
            let answer = format!("HTTP/1.1 {status}\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        match Client::builder(&format!("ws://{addr}/")).redirects(10).connect() {
            Err(ClientError::Refused(refused)) => {
                assert!(status.starts_with(&refused.status().to_string()));
            }
            other => panic!("{other:?}"),
        }
        server.join().unwrap();
    }
}

#[test]
fn the_total_deadline_is_that_of_all_hops() {
    let (listener, addr) = Site::listen();
    let total = Duration::from_millis(100);
    let server = thread::spawn(move || {
        let mut n = 0;
        // Each answer well within the deadline, and all of them not.
        while let Ok((mut stream, _)) = listener.accept() {
            let mut byte = [0];
            if std::io::Read::read(&mut stream, &mut byte).unwrap_or(0) == 0 {
                return n;
            }
            read_head(&mut stream);
            thread::sleep(total * 2 / 5);
            let answer =
                format!("HTTP/1.1 302 Next\r\nLocation: /{n}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
            n += 1;
        }
        n
    });
    let builder =
        Client::builder(&format!("ws://{addr}/")).redirects(10).total_timeout(Some(total));
    let error = builder.connect().unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("`total_timeout`"), "{error:?}");
    drop(std::net::TcpStream::connect(addr));
    assert!(server.join().unwrap() < 5);
}

#[cfg(unix)]
#[test]
fn s32_no_redirect_leads_out_of_a_unix_socket() {
    use std::os::fd::OwnedFd;

    let name = format!("wirewright-{}-redirect", std::process::id());
    let path = std::env::temp_dir().join(name);
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        for location in ["ws://127.0.0.1:1/", "ws://inside.test:81/", "unix:/run/other"] {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = std::net::TcpStream::from(OwnedFd::from(stream));
            read_head(&mut stream);
            let answer =
                format!("HTTP/1.1 307 Out\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let builder = Client::builder("ws://inside.test/").unix_socket(&path).redirects(10);
    for leaves in [true, true, false] {
        let error = builder.connect().unwrap_err();
        let ClientError::Redirect(error) = error else { panic!("{error:?}") };
        assert_eq!(matches!(error, RedirectError::LeavesSocket(_)), leaves, "{error:?}");
    }
    server.join().unwrap();
    std::fs::remove_file(path).unwrap();
}
