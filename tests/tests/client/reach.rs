//! How a client reaches its server: addresses, lines, deadlines, several URLs, sockets.

use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use wirewright::{Client, ClientBuilder, ClientError, Cookie, Deadline, TcpKeepAlive};

use super::peer::{PATIENCE, Peer, Server, TEXT, answer, header, read_head};

/// A time-out that is met on purpose.
pub(super) const SHORT: Duration = Duration::from_millis(40);

/// A server that closes when the client says goodbye.
pub(super) fn polite() -> Server {
    Server::start(|mut peer| peer.expect_close(&[0x03, 0xE9]))
}

/// An address where nobody listens, and which nobody else can have meanwhile.
pub(super) struct Refusing(Socket);

impl Refusing {
    pub(super) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self(socket)
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}

/// An address that answers nothing: its line of those to be accepted is full.
pub(super) struct BlackHole {
    listener: Socket,
    _waiting: Vec<Socket>,
}

impl BlackHole {
    pub(super) fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let begin = |_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            socket
        };
        // The line is a little longer than it was asked to be, by how much is the system's secret.
        Self { listener, _waiting: (0..8).map(begin).collect() }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap().as_socket().unwrap()
    }
}

/// Options for a host that has these addresses, whatever it is called.
pub(super) fn at(addresses: Vec<SocketAddr>) -> ClientBuilder {
    let resolver = move |host: &str, port: u16| {
        assert_eq!((host, port), ("feed.test", 80));
        Ok(addresses.clone())
    };
    Client::builder("ws://feed.test/").resolver(resolver).handshake_timeout(Some(PATIENCE))
}

fn error_of(builder: &ClientBuilder) -> ClientError {
    builder.connect().unwrap_err()
}

#[test]
fn an_address_that_answers_nothing_holds_up_no_other() {
    let (hole, server) = (BlackHole::new(), polite());
    let delay = Duration::from_millis(30);
    let builder = at(vec![hole.addr(), server.addr()]).attempt_delay(delay);
    let start = Instant::now();
    let client = builder.connect().unwrap();
    assert!((delay..PATIENCE).contains(&start.elapsed()));
    assert_eq!(client.peer_addr().unwrap(), server.addr());
    drop(client);
    server.join();
}

#[test]
fn the_next_address_is_tried_as_soon_as_one_refuses() {
    let (server, one, other) = (polite(), Refusing::new(), Refusing::new());
    // Who waited for the delay would be late.
    let builder = at(vec![one.addr(), other.addr(), server.addr()]);
    let builder = builder.attempt_delay(PATIENCE).connect_timeout(Some(PATIENCE));
    let start = Instant::now();
    let client = builder.connect().unwrap();
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(client.peer_addr().unwrap(), server.addr());
    drop(client);
    server.join();
}

#[test]
fn the_first_address_that_accepts_is_used() {
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = polite();
    let builder = at(vec![slow.local_addr().unwrap(), server.addr()]);
    let waiting = thread::spawn(move || {
        let (mut stream, _) = slow.accept().unwrap();
        let request = read_head(&mut stream);
        stream.write_all(answer(&request).as_bytes()).unwrap();
        Peer { stream }.expect_close(&[0x03, 0xE9]);
    });
    drop(builder.attempt_delay(PATIENCE).connect().unwrap());
    waiting.join().unwrap();
    drop(server.connect());
    server.join();
}

#[test]
fn ipv6_goes_first_and_ipv4_is_there_if_it_fails() {
    let Ok(six) = TcpListener::bind("[::1]:0") else {
        // A system without IPv6 has nothing to choose.
        return;
    };
    let addr = six.local_addr().unwrap();
    let server = polite();
    let builder = at(vec![server.addr(), addr]).attempt_delay(PATIENCE);
    let thread = thread::spawn(move || {
        let (mut stream, _) = six.accept().unwrap();
        let request = read_head(&mut stream);
        stream.write_all(answer(&request).as_bytes()).unwrap();
        Peer { stream }.expect_close(&[0x03, 0xE9]);
    });
    let client = builder.connect().unwrap();
    assert_eq!(client.peer_addr().unwrap(), addr);
    drop(client);
    // Now nobody listens there any more.
    thread.join().unwrap();
    let client = builder.connect().unwrap();
    assert_eq!(client.peer_addr().unwrap(), server.addr());
    drop(client);
    server.join();
}

#[test]
fn p007_every_address_that_was_tried_is_named_with_its_error() {
    let (one, other) = (Refusing::new(), Refusing::new());
    let addresses = vec![one.addr(), other.addr()];
    let ClientError::Connect { host, source } = error_of(&at(addresses.clone())) else { panic!() };
    assert_eq!((host.as_str(), source.kind()), ("feed.test", ErrorKind::ConnectionRefused));
    let tried: Vec<_> = source.iter().map(|attempt| attempt.to.clone()).collect();
    assert_eq!(tried, addresses.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert!(source.iter().all(|attempt| source.to_string().contains(&attempt.error.to_string())));
}

#[test]
fn a_name_that_is_not_found() {
    let builder = Client::builder("ws://feed.test/");
    let refused = |_: &str, _: u16| Err(std::io::Error::other("unknown here"));
    let ClientError::Resolve { host, source } = error_of(&builder.clone().resolver(refused)) else {
        panic!()
    };
    assert_eq!((host.as_str(), source.to_string().as_str()), ("feed.test", "unknown here"));
    let empty = |_: &str, _: u16| Ok(Vec::new());
    assert!(matches!(error_of(&builder.clone().resolver(empty)), ClientError::Resolve { .. }));
    // Only its own thread is the worse for it.
    let broken = |_: &str, _: u16| panic!("inside a resolver");
    assert!(matches!(error_of(&builder.resolver(broken)), ClientError::Resolve { .. }));
}

#[test]
fn each_step_has_its_deadline_and_names_its_option() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hole = BlackHole::new();
    // A resolver that answers when the test is over.
    let (end, ended) = mpsc::channel::<()>();
    let ended = std::sync::Mutex::new(ended);
    let stuck = Client::builder("ws://feed.test/").resolver(move |_: &str, _: u16| {
        let _ = ended.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let there = at(vec![silent.local_addr().unwrap()]);
    let nowhere = at(vec![hole.addr()]);
    let cases = [
        (stuck.clone().resolve_timeout(Some(SHORT)), Deadline::Resolve, "resolve_timeout"),
        (stuck.total_timeout(Some(SHORT)), Deadline::Total, "total_timeout"),
        (nowhere.clone().connect_timeout(Some(SHORT)), Deadline::Connect, "connect_timeout"),
        (nowhere.total_timeout(Some(SHORT)), Deadline::Total, "total_timeout"),
        (there.clone().handshake_timeout(Some(SHORT)), Deadline::Handshake, "handshake_timeout"),
        (there.total_timeout(Some(SHORT)), Deadline::Total, "total_timeout"),
    ];
    for (builder, expected, option) in cases {
        let start = Instant::now();
        let error = error_of(&builder);
        assert!((SHORT..PATIENCE).contains(&start.elapsed()), "{error:?}");
        assert!(matches!(error, ClientError::TimedOut(which) if which == expected), "{error:?}");
        assert!(error.to_string().contains(option), "{error}");
    }
    drop(end);
}

/// P-004: "There MUST be no more than one connection in a CONNECTING state".
#[test]
fn p004_one_connection_at_a_time_is_opened_to_an_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..5)
        .map(|n| {
            // Under whatever name.
            let builder = Client::builder(&format!("ws://name-{n}.test/"));
            let builder = builder.resolver(move |_: &str, _: u16| Ok(vec![address]));
            thread::spawn(move || builder.connect().unwrap())
        })
        .collect();
    let mut opened = Vec::new();
    for _ in 0..clients.len() {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_head(&mut stream);
        // While this one waits for its answer, no other may have come.
        listener.set_nonblocking(true).unwrap();
        thread::yield_now();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        stream.write_all(answer(&request).as_bytes()).unwrap();
        opened.push(stream);
    }
    for client in clients {
        drop(client.join().unwrap());
    }
}

#[test]
fn p004_waiting_in_line_has_its_deadline_and_can_be_switched_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let first = thread::spawn(move || at(vec![address]).connect().unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    let request = read_head(&mut stream);

    let error = error_of(&at(vec![address]).connect_timeout(Some(SHORT)));
    assert!(matches!(error, ClientError::TimedOut(Deadline::Turn)), "{error:?}");
    assert!(error.to_string().contains("`one_at_a_time`"));
    let error = error_of(&at(vec![address]).total_timeout(Some(SHORT)));
    assert!(matches!(error, ClientError::TimedOut(Deadline::Total)), "{error:?}");
    // Another address of the same host is free.
    let other = polite();
    drop(at(vec![address, other.addr()]).connect().unwrap());
    other.join();
    // Who does not stand in line connects, and meets a server that says nothing.
    let error = error_of(&at(vec![address]).one_at_a_time(false).handshake_timeout(Some(SHORT)));
    assert!(matches!(error, ClientError::TimedOut(Deadline::Handshake)), "{error:?}");

    stream.write_all(answer(&request).as_bytes()).unwrap();
    drop(first.join().unwrap());
}

#[test]
fn p004_a_failed_attempt_lets_the_next_one_in() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let first = thread::spawn(move || error_of(&at(vec![address])));
    let (stream, _) = listener.accept().unwrap();
    let second = thread::spawn(move || at(vec![address]).connect().unwrap());
    drop(stream);
    let (mut stream, _) = listener.accept().unwrap();
    let request = read_head(&mut stream);
    stream.write_all(answer(&request).as_bytes()).unwrap();
    assert!(!first.join().unwrap().is_timeout());
    drop(second.join().unwrap());
}

#[test]
fn urls_are_tried_in_order_beginning_with_the_one_that_worked_last() {
    let busy = Server::raw(|mut stream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let good = TcpListener::bind("127.0.0.1:0").unwrap();
    let (dead, there) = (Refusing::new(), good.local_addr().unwrap());
    let urls = [busy.url(), format!("ws://{there}/feed")];
    let builder = Client::builder(&format!("ws://{}/", dead.addr()));
    let builder = builder.fallback_urls(urls.each_ref().map(String::as_str)).unwrap();
    let builder = builder.header("X-Key", "7").unwrap();
    let thread = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = good.accept().unwrap();
            let request = read_head(&mut stream);
            assert!(request.starts_with("GET /feed "));
            assert_eq!(header(&request, "Host").unwrap(), there.to_string());
            assert_eq!(header(&request, "X-Key"), Some("7"));
            stream.write_all(answer(&request).as_bytes()).unwrap();
            Peer { stream }.expect_close(&[0x03, 0xE9]);
        }
    });
    let client = builder.connect().unwrap();
    assert_eq!(client.url().to_string(), urls[1]);
    drop(client);
    busy.join();
    // Neither of the first two is asked again.
    let client = builder.clone().connect().unwrap();
    assert_eq!(client.url().path_and_query(), "/feed");
    drop(client);
    thread.join().unwrap();
}

#[test]
fn where_no_url_can_be_used_each_is_named_with_its_error() {
    let dead: [_; 3] = std::array::from_fn(|_| Refusing::new());
    let urls = dead.each_ref().map(|dead| format!("ws://{}/?canary", dead.addr()));
    let [first, others @ ..] = urls.each_ref().map(String::as_str);
    let builder = Client::builder(first).fallback_urls(others).unwrap();
    let error = error_of(&builder);
    let text = error.to_string();
    assert!(text.starts_with("none of 3 URLs could be used: ws://127.0.0.1:"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert!(dead.iter().all(|dead| text.contains(&format!(": {}: ", dead.addr()))), "{text}");
    let ClientError::Urls(failures) = error else { panic!() };
    let tried: Vec<_> = failures.iter().map(|failure| failure.url.clone()).collect();
    assert_eq!(tried, urls.map(|url| url.parse().unwrap()));
    assert!(failures.iter().all(|it| matches!(it.error, ClientError::Connect { .. })));
}

#[test]
fn what_no_url_can_mend_is_told_at_once() {
    let server = polite();
    let url = server.url();
    let builder = Client::builder(&url);
    assert!(matches!(builder.clone().fallback_urls(["http://x/"]), Err(ClientError::Url(_))));
    drop(builder.connect().unwrap());
    server.join();
}

#[test]
fn options_of_the_socket() {
    let server = polite();
    let keep_alive = TcpKeepAlive::new(Duration::from_secs(77));
    let keep_alive = keep_alive.with_interval(Duration::from_secs(7)).with_retries(3);
    let local: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let builder = server.builder().local_addr(Some(local)).tcp_keep_alive(Some(keep_alive));
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(Some(Duration::from_secs(9)));
    let client = builder.connect().unwrap();
    assert_eq!(client.local_addr().unwrap().ip(), local.ip());
    drop(client);
    server.join();
    // An address of the other family is out of reach, and says so.
    let six = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]);
    let ClientError::Connect { source, .. } =
        error_of(&at(vec![local]).local_addr(Some((six, 0).into())))
    else {
        panic!()
    };
    assert!(source.to_string().contains("`local_addr`"), "{source}");
}

#[test]
fn cookies_replace_a_header_and_are_asked_for_in_order() {
    let server = Server::raw(|mut stream| {
        let request = read_head(&mut stream);
        let cookies = request.lines().filter(|line| line.starts_with("Cookie")).collect::<Vec<_>>();
        assert_eq!(cookies, ["Cookie: b=2; a=1"]);
        stream.write_all(answer(&request).as_bytes()).unwrap();
        Peer { stream }.expect_close(&[0x03, 0xE9]);
    });
    let cookies = [Cookie::new("a", "1").path("/feed"), Cookie::new("b", "2")];
    let builder = server.builder().header("Cookie", "old=1").unwrap();
    let builder = builder.cookies(cookies).unwrap().header("Cookie", "older=1").unwrap();
    drop(builder.connect().unwrap());
    server.join();
    for cookie in [Cookie::new("a b", "1"), Cookie::new("a", "1\r\nX: y")] {
        let refused = Client::builder("ws://127.0.0.1:1/").cookies([cookie]);
        assert!(matches!(refused, Err(ClientError::Option(_))));
    }
}

#[test]
fn a_refusal_says_when_to_come_again() {
    let cases = [
        ("Retry-After: 120\r\n", Some(120..=120)),
        ("Retry-After: 0\r\n", Some(0..=0)),
        ("Retry-After: 99999999999999999999999\r\n", Some(u64::MAX..=u64::MAX)),
        ("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", Some(0..=0)),
        ("Retry-After: Tue, 31 Dec 2199 23:59:59 GMT\r\n", Some(1_000_000_000..=u64::MAX)),
        ("Retry-After: -1\r\n", None),
        ("Retry-After: soon\r\n", None),
        ("Retry-After: \r\n", None),
        ("", None),
    ];
    for (field, expected) in cases {
        let server = Server::raw(move |mut stream| {
            read_head(&mut stream);
            let answer = format!("HTTP/1.1 503 Busy\r\n{field}Content-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let asked = error_of(&server.builder()).retry_after().map(|asked| asked.as_secs());
        match (asked, expected) {
            (Some(asked), Some(expected)) => assert!(expected.contains(&asked), "{field}: {asked}"),
            (asked, expected) => assert_eq!(asked, expected.map(|it| *it.start()), "{field}"),
        }
        server.join();
    }
}

#[cfg(unix)]
mod unix {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;

    /// A path of its own for a test, gone with it.
    struct Path(PathBuf);

    impl Path {
        fn new(name: &str) -> Self {
            let name = format!("wirewright-{}-{name}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Path {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_unix_socket_takes_the_place_of_the_network() {
        let path = Path::new("echo");
        let listener = UnixListener::bind(&path.0).unwrap();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            // The script reads and writes, which is all the same for any kind of socket.
            let mut stream = TcpStream::from(OwnedFd::from(stream));
            let request = read_head(&mut stream);
            assert!(request.starts_with("GET /feed "));
            assert_eq!(header(&request, "Host"), Some("inside.test:81"));
            stream.write_all(answer(&request).as_bytes()).unwrap();
            let mut peer = Peer { stream };
            let message = peer.message();
            assert_eq!(message.payload.len(), 1 << 20);
            peer.frame(TEXT, &message.payload[..65_536]);
            peer.expect_close(&[0x03, 0xE9]);
        });
        // A name that nobody knows is not looked up.
        let builder = Client::builder("ws://inside.test:81/feed").unix_socket(&path.0);
        let client = builder.read_timeout(Some(PATIENCE)).connect().unwrap();
        client.write_text(&"x".repeat(1 << 20)).unwrap();
        assert_eq!(client.read_text().unwrap(), "x".repeat(65_536));
        assert_eq!(client.peer_addr().unwrap_err().kind(), ErrorKind::Unsupported);
        drop(client);
        server.join().unwrap();
    }

    #[test]
    fn a_unix_socket_that_is_not_there_or_accepts_nobody() {
        let path = Path::new("none");
        let builder = Client::builder("ws://inside.test/").unix_socket(&path.0);
        let ClientError::Connect { source, .. } = error_of(&builder) else { panic!() };
        assert_eq!(source.kind(), ErrorKind::NotFound);
        assert!(source.to_string().contains(path.0.to_str().unwrap()));

        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&socket2::SockAddr::unix(&path.0).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let waiting = std::os::unix::net::UnixStream::connect(&path.0).unwrap();
        let start = Instant::now();
        let error = error_of(&builder.connect_timeout(Some(SHORT)));
        // Linux has others wait; elsewhere they are refused.
        if cfg!(target_os = "linux") {
            assert!(matches!(error, ClientError::TimedOut(Deadline::Connect)), "{error:?}");
            assert!((SHORT..PATIENCE).contains(&start.elapsed()));
        }
        drop(waiting);
    }
}
