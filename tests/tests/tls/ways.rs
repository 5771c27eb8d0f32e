//! TLS through what lies between: proxies, and a Unix socket. The far end is verified, whoever is
//! in the middle.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use wirewright::tls::ServerTls;
use wirewright::{ClientBuilder, ClientError, Listener, Proxy};
use wirewright_tests::certificates::authority;
use wirewright_tests::services::{plain, start_echo};

use super::{VERSIONS, client_of};
use crate::client::peer::read_head;

/// What a proxy says to its client before the way is free.
type Greet = fn(&mut TcpStream);

/// A proxy that leads everybody to one place, for so many connections.
fn proxy(to: SocketAddr, connections: usize, greet: Greet) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for _ in 0..connections {
            let (mut client, _) = listener.accept().unwrap();
            thread::spawn(move || {
                greet(&mut client);
                let server = TcpStream::connect(to).unwrap();
                let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone());
                let up = to_server.unwrap();
                thread::spawn(move || pump(from_client, up, |to| to.shutdown(Shutdown::Write)));
                pump(server, client, |to| to.shutdown(Shutdown::Write));
            });
        }
    });
    addr
}

fn pump<T: Write>(mut from: impl Read, mut to: T, end: impl FnOnce(&T) -> io::Result<()>) {
    let _ = io::copy(&mut from, &mut to);
    let _ = end(&to);
}

fn connect(client: &mut TcpStream) {
    let head = read_head(client);
    assert!(head.starts_with("CONNECT feed.test:443 "), "{head}");
    client.write_all(b"HTTP/1.1 200 Through\r\n\r\n").unwrap();
}

fn socks(client: &mut TcpStream) {
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting, [5, 1, 0]);
    client.write_all(&[5, 0]).unwrap();
    let mut request = [0; 5 + 9 + 2];
    client.read_exact(&mut request).unwrap();
    assert_eq!(request[..5], [5, 1, 0, 3, 9]);
    assert_eq!(&request[5..14], b"feed.test");
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
}

fn serving(name: &str, version: &str) -> Listener {
    let identity = authority().issue(&[name]).identity();
    let tls = ServerTls::builder().identity(identity).versions([version]).build().unwrap();
    start_echo(plain().max_message_size(1 << 20).tls(tls))
}

#[track_caller]
fn passes(builder: &ClientBuilder) {
    let client = builder.connect().unwrap();
    assert!(client.is_secure());
    for len in [0, 100, 300_000] {
        let message = super::pattern(len, 3);
        client.write_binary(&message).unwrap();
        assert!(client.read_binary().unwrap() == message);
    }
    client.close().unwrap();
}

#[track_caller]
fn is_refused(builder: &ClientBuilder) {
    match builder.connect() {
        Err(ClientError::Tls(error)) => {
            assert!(error.to_string().contains("not for feed.test"), "{error}");
            assert!(!error.is_transient());
        }
        other => panic!("{other:?}"),
    }
}

/// Neither the proxy's name nor its address is what the certificate has to be for.
#[test]
fn s33_behind_a_proxy_the_target_is_verified() {
    for version in VERSIONS {
        let right = serving("feed.test", version);
        let wrong = serving("localhost", version);
        type Way = fn(SocketAddr) -> Proxy;
        let ways: [(Greet, Way); 2] = [
            (connect, |addr| Proxy::http(&format!("http://localhost:{}", addr.port())).unwrap()),
            (socks, |addr| Proxy::socks5(&format!("socks5h://127.0.0.1:{}", addr.port())).unwrap()),
        ];
        for (greet, way) in ways {
            let nobody = |host: &str, port| match host {
                "localhost" => Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]),
                _ => panic!("{host} was looked up"),
            };
            let through = |to: &Listener| {
                let at = proxy(to.local_addr(), 1, greet);
                client_of("wss://feed.test/").proxy(way(at)).resolver(nobody)
            };
            passes(&through(&right));
            is_refused(&through(&wrong));
        }
    }
}

#[test]
#[cfg(unix)]
fn s33_behind_a_unix_socket_the_host_of_the_url_is_verified() {
    use std::os::unix::net::UnixListener;
    use wirewright_tests::certificates::Folder;

    for version in VERSIONS {
        for (name, fits) in [("feed.test", true), ("localhost", false)] {
            let folder = Folder::new();
            let path = folder.path().join("socket");
            let unix = UnixListener::bind(&path).unwrap();
            let behind = serving(name, version);
            let to = behind.local_addr();
            let way = thread::spawn(move || {
                let (client, _) = unix.accept().unwrap();
                let server = TcpStream::connect(to).unwrap();
                let (from_client, up) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pump(from_client, up, |to| to.shutdown(Shutdown::Write)));
                pump(server, client, |to| to.shutdown(Shutdown::Write));
            });
            let builder = client_of("wss://feed.test/").unix_socket(&path);
            if fits {
                passes(&builder);
            } else {
                is_refused(&builder);
            }
            way.join().unwrap();
        }
    }
}
