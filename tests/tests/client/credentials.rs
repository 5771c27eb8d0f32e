//! Credentials that a server refuses, and those that go nowhere in clear text (S-49).

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wirewright::{
    Client, ClientBuilder, ClientError, Cookie, Credentials, CredentialsError, Deadline, Headers,
    Proxy, Uri,
};

use super::peer::{PATIENCE, answer, header, read_head};

/// A server that opens a connection to whoever has this token, redirects `/moved`, and says 401,
/// or whatever else it is to, to all others. It has the tokens of all requests, until it is asked.
struct Gate {
    addr: SocketAddr,
    tokens: mpsc::Receiver<Option<String>>,
    thread: JoinHandle<()>,
}

impl Gate {
    fn start(good: &'static str, refusal: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (seen, tokens) = mpsc::channel();
        let thread = thread::spawn(move || {
            loop {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut first = [0];
                if stream.peek(&mut first).unwrap() == 0 {
                    return;
                }
                let request = read_head(&mut stream);
                let token = header(&request, "Authorization").map(str::to_owned);
                let path = request.split(' ').nth(1).unwrap();
                let said = match path.strip_prefix("/moved?") {
                    Some(to) => format!("HTTP/1.1 307 Elsewhere\r\nLocation: {to}\r\n"),
                    None if token.as_deref() == Some(good) => answer(&request),
                    None => format!("HTTP/1.1 {refusal}\r\n"),
                };
                let end = if said.ends_with("\r\n\r\n") { "" } else { "Content-Length: 0\r\n\r\n" };
                stream.write_all([said.as_str(), end].concat().as_bytes()).unwrap();
                seen.send(token).unwrap();
            }
        });
        Self { addr, tokens, thread }
    }

    /// What came, when no more does.
    fn tokens(self) -> Vec<Option<String>> {
        drop(std::net::TcpStream::connect(self.addr).unwrap());
        self.thread.join().unwrap();
        self.tokens.iter().collect()
    }
}

/// Gives one token after another, once it hears that the last was refused.
#[derive(Clone, Default)]
struct Tokens(Arc<State>);

#[derive(Default)]
struct State {
    tokens: Vec<&'static str>,
    asked: AtomicUsize,
    at: AtomicUsize,
    refused: Mutex<Vec<String>>,
    delay: Duration,
}

impl Tokens {
    fn new(tokens: &[&'static str]) -> Self {
        Self(Arc::new(State { tokens: tokens.to_vec(), ..State::default() }))
    }

    fn refused(&self) -> Vec<String> {
        self.0.refused.lock().unwrap().clone()
    }
}

impl Credentials for Tokens {
    fn headers(&self, _: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        match self.0.tokens.get(self.0.at.load(Ordering::Relaxed)) {
            Some(&"none") => Ok(()),
            Some(token) => Ok(headers.set("Authorization", token)?),
            None => Err(CredentialsError::permanent("no more of them")),
        }
    }

    fn refused(&self, uri: &Uri, sent: &Headers) -> bool {
        let seen = format!("{} {:?}", uri.path_and_query(), sent.get("Authorization").unwrap());
        self.0.refused.lock().unwrap().push(seen);
        thread::sleep(self.0.delay);
        self.0.at.fetch_add(1, Ordering::Relaxed);
        true
    }
}

fn builder(addr: SocketAddr, path: &str) -> ClientBuilder {
    let builder = Client::builder(&format!("ws://{addr}{path}"));
    // What is the caller's own counts for nothing beside what credentials give.
    let builder = builder.header("X-Api-Key", "mine").unwrap();
    builder.handshake_timeout(Some(PATIENCE)).redirects(10)
}

#[test]
fn rfc9110_15_5_2_a_stale_token_is_replaced_once_over_another_connection() {
    const NO: &str = "401 Unauthorized";
    let cases: [(&[&'static str], &str, &[&str], &str); 9] = [
        (&["fresh"], NO, &["fresh"], "open"),
        (&["stale", "fresh"], NO, &["stale", "fresh"], "open"),
        // Never a third attempt.
        (&["stale", "staler", "fresh"], NO, &["stale", "staler"], "refused 401"),
        (&["stale"], NO, &["stale"], "no credentials"),
        // Without any, there is nothing that was refused.
        (&["none", "fresh"], NO, &["-"], "refused 401"),
        // Nothing else is about credentials that others might do for.
        (&["stale", "fresh"], "403 Forbidden", &["stale"], "refused 403"),
        (&["stale", "fresh"], "407 Proxy", &["stale"], "refused 407"),
        (&["stale", "fresh"], "503 Busy", &["stale"], "refused 503"),
        (&["stale", "fresh"], "200 OK", &["stale"], "refused 200"),
    ];
    for (tokens, refusal, seen, outcome) in cases {
        let gate = Gate::start("fresh", refusal);
        let credentials = Tokens::new(tokens);
        let found = match builder(gate.addr, "/").credentials(credentials.clone()).connect() {
            Ok(client) => {
                assert!(client.is_open());
                "open".to_owned()
            }
            Err(ClientError::Refused(refused)) => format!("refused {}", refused.status()),
            Err(ClientError::Credentials(error)) if !error.is_transient() => {
                "no credentials".to_owned()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(found, outcome, "{tokens:?}");
        let came = gate.tokens();
        let came: Vec<_> = came.iter().map(|token| token.as_deref().unwrap_or("-")).collect();
        assert_eq!(came, seen, "{tokens:?} {refusal}");
        let refused = credentials.refused();
        let expected = match outcome {
            "open" if seen.len() == 1 => None,
            _ => (refusal == NO && seen != ["-"]).then(|| format!("/ {:?}", seen[0])),
        };
        assert_eq!(refused, expected.into_iter().collect::<Vec<_>>(), "{tokens:?} {refusal}");
    }
}

/// A provider that says nothing of refusals is asked for headers once.
#[test]
fn credentials_that_know_of_no_others_are_asked_once() {
    struct Fixed;
    impl Credentials for Fixed {
        fn headers(&self, _: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
            Ok(headers.set("Authorization", "stale")?)
        }
    }
    let gate = Gate::start("fresh", "401 Unauthorized");
    let error = builder(gate.addr, "/").credentials(Fixed).connect().unwrap_err();
    assert!(matches!(error, ClientError::Refused(_)), "{error:?}");
    assert_eq!(gate.tokens(), [Some("stale".to_owned())]);
    // And who has none at all, but a header of the caller's, is refused like anybody.
    let gate = Gate::start("fresh", "401 Unauthorized");
    let own = builder(gate.addr, "/").header("Authorization", "mine").unwrap();
    assert!(matches!(own.connect(), Err(ClientError::Refused(_))));
    assert_eq!(gate.tokens(), [Some("mine".to_owned())]);
}

#[test]
fn s32_a_401_behind_a_redirect_is_asked_about_at_the_same_origin_alone() {
    // At the same origin the second attempt is for the place where the refusal came from.
    let gate = Gate::start("fresh", "401 Unauthorized");
    let credentials = Tokens::new(&["stale", "fresh"]);
    let client = builder(gate.addr, "/moved?/feed").credentials(credentials.clone()).connect();
    assert_eq!(client.unwrap().url().path_and_query(), "/feed");
    assert_eq!(credentials.refused(), ["/feed \"stale\""]);
    let seen = ["stale", "stale", "fresh"].map(|token| Some(token.to_owned()));
    assert_eq!(gate.tokens(), seen);
    // A stranger has had none, and says nothing about them.
    let (home, away) = (Gate::start("-", "500 Wrong"), Gate::start("fresh", "401 Unauthorized"));
    let path = format!("/moved?ws://{}/feed", away.addr);
    let credentials = Tokens::new(&["stale", "fresh"]);
    let error = builder(home.addr, &path).credentials(credentials.clone()).connect().unwrap_err();
    assert!(matches!(&error, ClientError::Refused(refused) if refused.status() == 401));
    assert_eq!(credentials.refused(), [""; 0]);
    assert_eq!((home.tokens().len(), away.tokens()), (1, vec![None]));
}

#[test]
fn each_url_has_its_second_attempt_and_a_proxys_407_none() {
    let (first, second) = (Gate::start("-", "401 No"), Gate::start("fresh", "401 No"));
    let urls = format!("ws://{}/", second.addr);
    let credentials = Tokens::new(&["a", "b", "stale", "fresh"]);
    let with = builder(first.addr, "/").fallback_urls([&*urls]).unwrap();
    // The first URL's second attempt uses up "b", so that the other begins with it.
    drop(with.credentials(credentials.clone()).connect().unwrap_err());
    assert_eq!(credentials.refused(), ["/ \"a\"", "/ \"b\""]);
    assert_eq!(first.tokens().len() + second.tokens().len(), 4);

    let proxy = Gate::start("-", "407 Proxy Authentication Required");
    let credentials = Tokens::new(&["stale", "fresh"]);
    let through = Proxy::http(&format!("http://{}", proxy.addr)).unwrap();
    let there = builder("127.0.0.1:9".parse().unwrap(), "/").proxy(through);
    let error = there.credentials(credentials.clone()).connect().unwrap_err();
    assert!(matches!(error, ClientError::Proxy(_)), "{error:?}");
    assert_eq!(credentials.refused(), [""; 0]);
    assert_eq!(proxy.tokens(), [None]);
}

#[test]
fn a_second_attempt_is_within_the_total_deadline() {
    let gate = Gate::start("fresh", "401 Unauthorized");
    let mut state = State { tokens: vec!["stale", "fresh"], ..State::default() };
    state.delay = Duration::from_millis(1200);
    let credentials = Tokens(Arc::new(state));
    let start = Instant::now();
    let builder = builder(gate.addr, "/").total_timeout(Some(Duration::from_secs(1)));
    let error = builder.credentials(credentials).connect().unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(Deadline::Total)), "{error:?}");
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(gate.tokens(), [Some("stale".to_owned())]);
}

/// Credentials that must not even be asked.
struct Never;

impl Credentials for Never {
    fn headers(&self, uri: &Uri, _: &mut Headers) -> Result<(), CredentialsError> {
        panic!("asked for {uri}");
    }
}

/// With one kind of credentials each, and a resolver that ends the test should it be asked.
fn secretive(url: &str) -> [ClientBuilder; 5] {
    let plain = || {
        Client::builder(url)
            .proxy(Proxy::none())
            .resolver(|host: &str, _: u16| panic!("{host} looked up"))
            .connect_timeout(Some(PATIENCE))
    };
    let query = format!("{url}?x=1&access_token=canary");
    [
        plain().credentials(Never),
        plain().header("authorization", "Bearer canary").unwrap(),
        plain().header("Proxy-Authorization", "Basic canary").unwrap(),
        Client::builder(&query).resolver(|host: &str, _: u16| panic!("{host} looked up")),
        Client::builder("ws://127.0.0.1:9/")
            .credentials(Never)
            .fallback_urls(["ws://[::1]:9/", url])
            .unwrap(),
    ]
}

#[test]
fn s49_credentials_go_to_no_other_machine_in_clear_text() {
    let urls = [
        "ws://example.com/",
        "ws://me:canary@example.com/",
        "ws://192.0.2.1/",
        "ws://[2001:db8::1]/",
        "ws://128.0.0.1/",
        "ws://0.0.0.0/",
        "ws://[::]/",
        "ws://localhost.example.com/",
        "ws://notlocalhost/",
        "ws://127.0.0.1.example.com/",
    ];
    for url in urls {
        for (kind, builder) in secretive(url).into_iter().enumerate() {
            let error = builder.connect().unwrap_err();
            let ClientError::ClearTextCredentials(named) = &error else {
                panic!("{url} {kind}: {error:?}");
            };
            let host = url.rsplit(['/', '@']).nth(1).unwrap();
            assert!(named.to_string().contains(host), "{named}");
            assert!(!error.is_transient(), "the same again");
            let text = format!("{error} {error:?}");
            assert!(text.contains("allow_clear_text_credentials"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }
}

/// What says nothing of who the client is goes wherever it likes, and so does all where it is
/// allowed; what stays on this machine needs no leave.
#[test]
fn s49_what_may_go_in_clear_text() {
    let gate = Gate::start("fresh", "401 Unauthorized");
    let to_gate = gate.addr;
    let resolver = move |_: &str, _: u16| Ok(vec![to_gate]);
    let at = |host: &str| {
        let url = format!("ws://me:canary@{host}:{}/", to_gate.port());
        Client::builder(&url).proxy(Proxy::none()).resolver(resolver)
    };
    let refused = |builder: ClientBuilder| match builder.connect().unwrap_err() {
        ClientError::Refused(refused) => assert_eq!(refused.status(), 401),
        error => panic!("{error:?}"),
    };
    let fresh = || Tokens::new(&["fresh"]);
    refused(at("example.com").cookies([Cookie::new("a", "b")]).unwrap());
    refused(at("example.com").header("X-Api-Key", "canary").unwrap());
    drop(at("example.com").allow_clear_text_credentials(true).credentials(fresh()).connect());
    for host in ["localhost", "a.localhost", "LOCALHOST", "127.0.0.1"] {
        drop(at(host).credentials(fresh()).connect().unwrap());
        drop(at(host).header("Authorization", "fresh").unwrap().connect().unwrap());
    }
    let tokens = gate.tokens();
    assert_eq!(tokens.len(), 11);
    assert_eq!(tokens[..2], [None, None]);
    assert!(tokens[2..].iter().all(|token| token.as_deref() == Some("fresh")), "{tokens:?}");
}

/// The name `localhost` is the proxy's, wherever that is.
#[test]
fn s49_a_proxy_elsewhere_makes_loopback_another_machine() {
    for (proxy, is_told) in [
        ("http://proxy.test:3128", false),
        ("socks5h://192.0.2.1:1080", false),
        ("http://127.0.0.1:9", true),
        ("socks5://localhost:9", true),
    ] {
        let proxy = match proxy.starts_with("http") {
            true => Proxy::http(proxy).unwrap(),
            false => Proxy::socks5(proxy).unwrap(),
        };
        let resolver = |_: &str, port: u16| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
        let builder = Client::builder("ws://localhost:9/").resolver(resolver).proxy(proxy.clone());
        let builder = builder.header("Authorization", "Bearer canary").unwrap();
        let error = builder.connect().unwrap_err();
        let is_clear = matches!(error, ClientError::ClearTextCredentials(_));
        assert_eq!(is_clear, !is_told, "{proxy:?}: {error:?}");
        assert!(is_clear || matches!(error, ClientError::Proxy(_)), "{proxy:?}: {error:?}");
    }
}

#[cfg(unix)]
#[test]
fn s49_a_unix_socket_is_on_this_machine() {
    let builder = Client::builder("ws://example.com/").unix_socket("/nonexistent/socket");
    let error = builder.header("Authorization", "Bearer x").unwrap().connect().unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
}
