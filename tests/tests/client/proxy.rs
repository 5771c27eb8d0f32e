//! Through proxies: what they are told byte by byte, and each way in which they refuse.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{
    Client, ClientBuilder, ClientError, Deadline, Proxy, ProxyError, ProxyUrlError, SocksReply,
};

use super::peer::{PATIENCE, Peer, Server, answer, header, read_head};
use super::reach::{BlackHole, Refusing, SHORT};

fn error_of(builder: &ClientBuilder) -> ClientError {
    builder.connect().unwrap_err()
}

/// A client of a host that only the proxy can reach: nothing may look it up.
fn through(proxy: Proxy, url: &str) -> ClientBuilder {
    Client::builder(url)
        .proxy(proxy)
        .resolver(|host: &str, _: u16| panic!("{host} was looked up"))
        .handshake_timeout(Some(PATIENCE))
        .proxy_timeout(Some(PATIENCE))
}

fn http(server: &Server, login: &str) -> Proxy {
    Proxy::http(&format!("http://{login}{}", server.addr())).unwrap()
}

/// Behind a proxy the server's script begins.
fn serve(mut stream: TcpStream) {
    let request = read_head(&mut stream);
    assert_eq!(header(&request, "Proxy-Authorization"), None, "the server sees no secret");
    stream.write_all(answer(&request).as_bytes()).unwrap();
    Peer { stream }.expect_close(&[0x03, 0xE9]);
}

#[test]
fn p006_connect_as_literal_bytes_answered_byte_by_byte() {
    let cases = [
        ("", "ws://feed.test/x", "CONNECT feed.test:80 HTTP/1.1\r\nHost: feed.test:80\r\n\r\n"),
        (
            "user:pa%3Ass%20word@",
            "ws://feed.test:81/x",
            "CONNECT feed.test:81 HTTP/1.1\r\nHost: feed.test:81\r\n\
             Proxy-Authorization: Basic dXNlcjpwYTpzcyB3b3Jk\r\n\r\n",
        ),
        (
            "user@",
            "ws://[2001:db8::1]/x",
            "CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\
             Proxy-Authorization: Basic dXNlcjo=\r\n\r\n",
        ),
    ];
    for (login, url, expected) in cases {
        let server = Server::raw(move |mut stream| {
            assert_eq!(read_head(&mut stream), expected);
            let answer = "HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 200 Connection established\r\n\
                          Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
            for byte in answer.bytes() {
                stream.write_all(&[byte]).unwrap();
            }
            serve(stream);
        });
        let client = through(http(&server, login), url).connect().unwrap();
        assert_eq!(client.url().to_string(), url);
        assert_eq!(client.peer_addr().unwrap(), server.addr());
        drop(client);
        server.join();
    }
}

#[test]
fn what_follows_the_proxys_answer_is_the_servers() {
    let server = Server::raw(|mut stream| {
        read_head(&mut stream);
        let answers = "HTTP/1.0 204 Through\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno";
        stream.write_all(answers.as_bytes()).unwrap();
        // The request that it did not wait for.
        read_head(&mut stream);
        Peer { stream }.expect_end();
    });
    match error_of(&through(http(&server, ""), "ws://feed.test/")) {
        ClientError::Refused(refused) => assert_eq!(refused.body(), b"no"),
        other => panic!("{other:?}"),
    }
    server.join();
}

type Check = fn(&ProxyError) -> bool;

#[test]
fn p007_a_proxy_that_refuses_or_is_none_fails_the_connection() {
    let cases: [(&str, Check); 8] = [
        ("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", |e| e.status() == Some(403)),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\ncannot", |e| e.status() == Some(502)),
        ("HTTP/1.1 302 Elsewhere\r\nLocation: ws://b.test/\r\nContent-Length: 0\r\n\r\n", |e| {
            e.status() == Some(302)
        }),
        ("", |e| matches!(e, ProxyError::Ended)),
        ("HTTP/1.1 200 O", |e| matches!(e, ProxyError::Ended)),
        ("SSH-2.0-OpenSSH\r\n\r\n", |e| matches!(e, ProxyError::Head(_))),
        ("HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n", |e| matches!(e, ProxyError::Head(_))),
        ("\u{5}\u{0}", |e| matches!(e, ProxyError::Head(_))),
    ];
    for (answer, expected) in cases {
        let server = Server::raw(move |mut stream| {
            read_head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        // A proxy points nowhere, whatever it says.
        let builder = through(http(&server, ""), "ws://feed.test/").redirects(10);
        match error_of(&builder) {
            ClientError::Proxy(error) => assert!(expected(&error), "{answer:?}: {error:?}"),
            other => panic!("{answer:?}: {other:?}"),
        }
        server.join();
    }
}

#[test]
fn a_proxy_that_wants_a_login_says_so_with_its_challenge() {
    let server = Server::raw(|mut stream| {
        read_head(&mut stream);
        let answer = "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"p\"\r\n\
                      Retry-After: 7\r\nContent-Length: 5\r\n\r\nlogin";
        stream.write_all(answer.as_bytes()).unwrap();
        Peer { stream }.expect_end();
    });
    let error = error_of(&through(http(&server, "me:canary@"), "ws://feed.test/?canary"));
    assert_eq!(error.to_string(), "proxy refused the tunnel: 407 Who are you");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(!format!("{error:?}").contains("canary"));
    let ClientError::Proxy(ProxyError::Refused(refused)) = error else { panic!("{error:?}") };
    let challenge = refused.head().header_str("Proxy-Authenticate");
    assert_eq!((challenge, refused.body()), (Some("Basic realm=\"p\""), &b"login"[..]));
    server.join();
}

#[test]
fn a_proxy_that_says_nothing_or_too_much_meets_a_limit() {
    for trickle in [false, true] {
        let server = Server::raw(move |mut stream| {
            read_head(&mut stream);
            while trickle && stream.write_all(b"H").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
            if !trickle {
                Peer { stream }.expect_end();
            }
        });
        let start = Instant::now();
        let builder = through(http(&server, ""), "ws://feed.test/");
        let error = error_of(&builder.proxy_timeout(Some(SHORT)));
        assert!(matches!(error, ClientError::TimedOut(Deadline::Proxy)), "{error:?}");
        assert!(error.to_string().contains("`proxy_timeout`"));
        assert!((SHORT..PATIENCE).contains(&start.elapsed()));
        server.join();
    }
    let server = Server::raw(|mut stream| {
        read_head(&mut stream);
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while sent.is_ok() {
            sent = stream.write_all(b"X-Padding: again and again\r\n");
        }
    });
    let error = error_of(&through(http(&server, ""), "ws://feed.test/"));
    assert!(matches!(error, ClientError::Proxy(ProxyError::Head(_))), "{error:?}");
    server.join();
}

#[test]
fn p007_a_proxy_that_is_not_there() {
    let url = "ws://feed.test/";
    let dead = Refusing::new();
    let proxy = Proxy::http(&format!("http://{}", dead.addr())).unwrap();
    match error_of(&through(proxy, url)) {
        ClientError::Proxy(ProxyError::Connect { host, source }) => {
            assert_eq!(host, "127.0.0.1");
            assert_eq!(source.kind(), ErrorKind::ConnectionRefused);
        }
        other => panic!("{other:?}"),
    }
    let unknown = |_: &str, _: u16| Err(std::io::Error::other("unknown here"));
    let builder = Client::builder(url).proxy(Proxy::http("proxy.test:1").unwrap());
    let error = error_of(&builder.resolver(unknown));
    assert_eq!(error.to_string(), "proxy \"proxy.test\" not resolved");
    let hole = BlackHole::new();
    let proxy = Proxy::socks5(&format!("socks5h://{}", hole.addr())).unwrap();
    let error = error_of(&through(proxy, url).connect_timeout(Some(SHORT)));
    assert!(matches!(error, ClientError::TimedOut(Deadline::Connect)), "{error:?}");
}

#[test]
fn the_environment_chooses_and_makes_exceptions() {
    let server = Server::raw(|mut stream| {
        assert!(read_head(&mut stream).starts_with("CONNECT feed.test:80 "));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        serve(stream);
    });
    let value = server.addr().to_string();
    let proxy = Proxy::from_variables(move |name| match name {
        "http_proxy" => Some(value.clone()),
        "https_proxy" => Some("https://me:canary@p:1".into()),
        "no_proxy" => Some("inside.test".into()),
        _ => None,
    });
    drop(through(proxy.clone(), "ws://feed.test/").connect().unwrap());
    server.join();
    // An exception is looked up and reached directly.
    let direct = Server::raw(serve);
    let address = direct.addr();
    let builder = Client::builder("ws://a.inside.test/").proxy(proxy.clone());
    drop(builder.resolver(move |_: &str, _: u16| Ok(vec![address])).connect().unwrap());
    direct.join();

    let broken = Proxy::from_variables(|name| {
        (name == "ALL_PROXY").then(|| "https://me:canary@proxy.test:1".into())
    });
    let error = error_of(&through(broken.clone(), "ws://feed.test/"));
    assert!(error.to_string().starts_with("`ALL_PROXY` of the environment: "), "{error}");
    for text in [format!("{error:?} {error}"), format!("{proxy:?} {broken:?}")] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn no_proxy_is_none_and_a_named_one_has_exceptions() {
    let dead = Refusing::new();
    let never = Proxy::http(&format!("http://{}", dead.addr())).unwrap();
    for proxy in [Proxy::none(), never.except("x.test, 127.0.0.0/8")] {
        let server = Server::raw(serve);
        drop(server.builder().proxy(proxy).connect().unwrap());
        server.join();
    }
}

#[test]
fn s48_a_proxys_login_shows_nowhere() {
    for proxy in [
        Proxy::http("http://canary-user:canary-pass@proxy.test:1").unwrap(),
        Proxy::socks5("socks5h://canary-user:canary-pass@proxy.test").unwrap(),
    ] {
        let builder = Client::builder("ws://feed.test/").proxy(proxy.clone());
        let text = format!("{proxy:?} {builder:?}");
        assert!(!text.contains("canary") && text.contains("***@proxy.test"), "{text}");
    }
    let errors = [
        Proxy::http("socks5://canary@p").map(|_| ()),
        Proxy::http("http://a:canary@p/path").map(|_| ()),
        Proxy::http("http://canary%zz@p").map(|_| ()),
        Proxy::socks5("http://canary@p").map(|_| ()),
        Proxy::socks5("socks5://canary@p").map(|_| ()),
    ];
    for error in errors {
        let error: ProxyUrlError = error.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"), "{error}");
    }
}

/// Each server on the way is one to find the proxy for anew.
#[test]
fn redirects_go_through_the_proxy_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::http(&listener.local_addr().unwrap().to_string()).unwrap();
    let thread = thread::spawn(move || {
        for (host, location) in [("a.test", Some("http://b.test:81/x")), ("b.test", None)] {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(read_head(&mut stream).starts_with(&format!("CONNECT {host}:8")));
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            match location {
                None => serve(stream),
                Some(location) => {
                    read_head(&mut stream);
                    let answer = format!(
                        "HTTP/1.1 308 There\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
        }
    });
    let client = through(proxy, "ws://a.test/").redirects(1).connect().unwrap();
    assert_eq!(client.url().to_string(), "ws://b.test:81/x");
    drop(client);
    thread.join().unwrap();
}

/// P-005: behind a proxy "the client MUST assume [...] that each host name refers to a distinct
/// remote host", and one of its connections at a time is opened.
#[test]
fn p005_behind_a_proxy_a_host_and_port_count_as_an_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::http(&listener.local_addr().unwrap().to_string()).unwrap();
    let connect = |url: &'static str| {
        let builder = through(proxy.clone(), url);
        thread::spawn(move || builder.connect().unwrap())
    };
    let accept = || {
        let (mut stream, _) = listener.accept().unwrap();
        let target = read_head(&mut stream).split(' ').nth(1).unwrap().to_owned();
        (stream, target)
    };
    let open = |mut stream: TcpStream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let request = read_head(&mut stream);
        stream.write_all(answer(&request).as_bytes()).unwrap();
        stream
    };
    let first = connect("ws://same.test/1");
    let (waiting, target) = accept();
    assert_eq!(target, "same.test:80");
    // One to the same host stands in line while those to others pass by.
    let second = connect("ws://same.test/2");
    let others = [connect("ws://same.test:81/"), connect("ws://other.test/")];
    let mut passed: Vec<_> = (0..2).map(|_| accept()).collect();
    passed.sort_by(|(_, one), (_, other)| one.cmp(other));
    let targets: Vec<_> = passed.iter().map(|(_, target)| target.as_str()).collect();
    assert_eq!(targets, ["other.test:80", "same.test:81"]);
    let mut streams: Vec<_> = passed.into_iter().map(|(stream, _)| open(stream)).collect();
    others.into_iter().for_each(|other| drop(other.join().unwrap()));
    let late = through(proxy.clone(), "ws://same.test/3").connect_timeout(Some(SHORT));
    let error = error_of(&late);
    assert!(matches!(error, ClientError::TimedOut(Deadline::Turn)), "{error:?}");

    streams.push(open(waiting));
    let (stream, target) = accept();
    assert_eq!(target, "same.test:80");
    streams.push(open(stream));
    drop((first.join().unwrap(), second.join().unwrap()));
}

/// What is to be sent, and what is answered.
type Script = Vec<(Vec<u8>, Vec<u8>)>;

/// A SOCKS5 proxy that reads what it should be sent and answers each part byte by byte.
fn socks(script: Script, then: fn(TcpStream)) -> Server {
    Server::raw(move |mut stream| {
        for (expected, answer) in script {
            let mut sent = vec![0; expected.len()];
            stream.read_exact(&mut sent).unwrap();
            assert_eq!(sent, expected);
            for byte in answer {
                // Who refuses may be left before the end.
                let _ = stream.write_all(&[byte]);
            }
        }
        then(stream);
    })
}

fn socks_proxy(server: &Server, scheme: &str, login: &str) -> Proxy {
    Proxy::socks5(&format!("{scheme}://{login}{}", server.addr())).unwrap()
}

const GREETING: [u8; 3] = [5, 1, 0];
const BOUND: [u8; 10] = [5, 0, 0, 1, 192, 0, 2, 1, 0, 80];

fn name_request(name: &str, port: u16) -> Vec<u8> {
    let len = u8::try_from(name.len()).unwrap();
    [&[5, 1, 0, 3, len][..], name.as_bytes(), &port.to_be_bytes()].concat()
}

#[test]
fn p006_socks5_requests_as_literal_bytes() {
    let v4 = vec![5, 1, 0, 1, 192, 0, 2, 7, 0, 81];
    let v6 = [&[5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1, 0, 80]].concat();
    let by_name = [&[5, 0, 0, 3, 4][..], b"here", &[0, 80]].concat();
    let by_v6 = [&[5, 0, 0, 4][..], &[9; 18]].concat();
    let cases = [
        ("socks5h", "ws://feed.test/", name_request("feed.test", 80), BOUND.to_vec()),
        ("socks5h", "ws://192.0.2.7:81/", v4.clone(), by_name),
        ("socks5", "ws://192.0.2.7:81/", v4, by_v6),
        ("socks5", "ws://[2001:db8::1]/", v6, BOUND.to_vec()),
    ];
    for (scheme, url, request, answer) in cases {
        let script = vec![(GREETING.to_vec(), vec![5, 0]), (request, answer)];
        let server = socks(script, serve);
        drop(through(socks_proxy(&server, scheme, ""), url).connect().unwrap());
        server.join();
    }
}

#[test]
fn socks5_looks_names_up_here_and_tries_each_address() {
    let addresses: Vec<SocketAddr> =
        ["192.0.2.1:80", "192.0.2.2:80"].map(|it| it.parse().unwrap()).into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::socks5(&format!("socks5://{}", listener.local_addr().unwrap())).unwrap();
    let thread = thread::spawn(move || {
        for (last, reply) in [(1, 4), (2, 0)] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut greeting = [0; 3];
            stream.read_exact(&mut greeting).unwrap();
            stream.write_all(&[5, 0]).unwrap();
            let mut request = [0; 10];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(request, [5, 1, 0, 1, 192, 0, 2, last, 0, 80]);
            stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            if reply == 0 {
                serve(stream);
            }
        }
    });
    let builder = Client::builder("ws://feed.test/").proxy(proxy);
    let resolver = move |_: &str, _: u16| Ok(addresses.clone());
    drop(builder.resolver(resolver).connect().unwrap());
    thread.join().unwrap();
}

#[test]
fn socks5_logs_in_where_it_is_asked_to() {
    let greeting = vec![5, 2, 0, 2];
    let login = vec![1, 2, b'm', b'e', 6, b'c', b'a', b'n', b'a', b'r', b'y'];
    let request = (name_request("feed.test", 80), BOUND.to_vec());
    let url = "ws://feed.test/";

    let script = vec![(greeting.clone(), vec![5, 2]), (login.clone(), vec![1, 0]), request.clone()];
    let server = socks(script, serve);
    drop(through(socks_proxy(&server, "socks5h", "me:canary@"), url).connect().unwrap());
    server.join();

    // One that does not ask is not told.
    let server = socks(vec![(greeting.clone(), vec![5, 0]), request], serve);
    drop(through(socks_proxy(&server, "socks5h", "me:canary@"), url).connect().unwrap());
    server.join();

    let script = vec![(greeting, vec![5, 2]), (login, vec![1, 9])];
    let server = socks(script, |stream| Peer { stream }.expect_end());
    let error = error_of(&through(socks_proxy(&server, "socks5h", "me:canary@"), url));
    assert!(matches!(error, ClientError::Proxy(ProxyError::SocksLogin(9))), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("canary"));
    server.join();
}

#[test]
fn p007_each_reply_of_socks5_has_its_error() {
    let replies = [
        (1, SocksReply::GeneralFailure),
        (2, SocksReply::NotAllowed),
        (3, SocksReply::NetworkUnreachable),
        (4, SocksReply::HostUnreachable),
        (5, SocksReply::ConnectionRefused),
        (6, SocksReply::TtlExpired),
        (7, SocksReply::CommandNotSupported),
        (8, SocksReply::AddressTypeNotSupported),
        (9, SocksReply::Other(9)),
        (255, SocksReply::Other(255)),
    ];
    for (code, expected) in replies {
        let answer = vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        let script = vec![(GREETING.to_vec(), vec![5, 0]), (name_request("feed.test", 80), answer)];
        let server = socks(script, |_| {});
        let error = error_of(&through(socks_proxy(&server, "socks5h", ""), "ws://feed.test/"));
        let ClientError::Proxy(ProxyError::Socks(reply)) = error else { panic!("{error:?}") };
        assert_eq!(reply, expected);
        server.join();
    }
}

#[test]
fn p007_a_proxy_that_breaks_socks5_fails_the_connection() {
    let request = || name_request("feed.test", 80);
    let greeted = (GREETING.to_vec(), vec![5, 0]);
    let cases: [(Script, Check); 7] = [
        (vec![(GREETING.to_vec(), b"HTTP/1.1 400".to_vec())], |e| {
            matches!(e, ProxyError::SocksVersion(b'H'))
        }),
        (vec![(GREETING.to_vec(), vec![5, 255])], |e| matches!(e, ProxyError::SocksMethod(255))),
        // A login that was not offered.
        (vec![(GREETING.to_vec(), vec![5, 2])], |e| matches!(e, ProxyError::SocksMethod(2))),
        (vec![(GREETING.to_vec(), vec![5])], |e| matches!(e, ProxyError::Ended)),
        (vec![greeted.clone(), (request(), vec![4, 0, 0, 1])], |e| {
            matches!(e, ProxyError::SocksVersion(4))
        }),
        (vec![greeted.clone(), (request(), vec![5, 0, 0, 2])], |e| {
            matches!(e, ProxyError::SocksMalformed)
        }),
        (vec![greeted, (request(), BOUND[..9].to_vec())], |e| matches!(e, ProxyError::Ended)),
    ];
    for (n, (script, expected)) in cases.into_iter().enumerate() {
        let server = socks(script, |_| {});
        match error_of(&through(socks_proxy(&server, "socks5h", ""), "ws://feed.test/")) {
            ClientError::Proxy(error) => assert!(expected(&error), "{n}: {error:?}"),
            other => panic!("{n}: {other:?}"),
        }
        server.join();
    }
}
