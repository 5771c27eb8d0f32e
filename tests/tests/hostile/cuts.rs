//! An exchange that is cut off behind each of its bytes, on either side.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use wirewright::{Client, ClientError, KeepAliveOptions};
use wirewright_core::Role;
use wirewright_core::handshake::accept_key;
use wirewright_tests::raw;
use wirewright_tests::raw_client::{BINARY, CLOSE, PATIENCE, PING, RawClient, TEXT, request};
use wirewright_tests::services::until;

use super::builder;
use crate::alone;
use crate::probe::listen;

/// Messages, one of them in parts with a Ping between, and a Close.
fn frames(to: Role) -> Vec<u8> {
    let list: [(u8, &[u8]); 6] = [
        (TEXT, b"hello"),
        (0x02, b"in "),
        (PING, b"?"),
        (0x80, b"parts"),
        (BINARY, &[7; 130]),
        (CLOSE, b"\x03\xE8bye"),
    ];
    raw::frames(to, &list)
}

/// How a connection is cut off.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Reset,
    End,
    /// The end, and whatever the other side says is heard.
    Half,
}

const CUTS: [Cut; 3] = [Cut::Reset, Cut::End, Cut::Half];

#[test]
fn s17_a_listener_takes_an_end_behind_each_byte_of_an_exchange() {
    let _alone = alone();
    let (listener, seen) = listen(builder().threads(2).keep_alive(KeepAliveOptions::off()));
    let addr = listener.local_addr();
    let exchange = [request("").into_bytes(), frames(Role::Server)].concat();
    let mut other = RawClient::open(addr);
    for at in 0..=exchange.len() {
        for cut in CUTS {
            let mut client = RawClient::silent(addr);
            client.send(&exchange[..at]);
            match cut {
                Cut::Reset => client.reset(),
                Cut::End => drop(client),
                Cut::Half => {
                    client.half_close();
                    client.drain();
                }
            }
        }
        if at % 16 == 0 {
            other.barrier();
        }
    }
    until("each end was told", || seen.counts().0 == seen.counts().1 + 1);
    other.barrier();
    let opened = seen.counts().0;
    println!("hostile: {} cuts of an exchange, {opened} opened", 3 * exchange.len());
    assert!(opened > frames(Role::Server).len(), "heads that were whole were answered");
}

/// A server that sends so much of its answer and its frames, and cuts the connection off.
fn serve(listener: &TcpListener, at: usize, cut: Cut) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let bytes = [answer(&String::from_utf8(head).unwrap()), frames(Role::Client)].concat();
    stream.write_all(&bytes[..at.min(bytes.len())]).unwrap();
    match cut {
        Cut::Reset => end_by_reset(&stream),
        Cut::End => {}
        Cut::Half => {
            stream.shutdown(Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
}

fn end_by_reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

pub(super) fn answer(request: &str) -> Vec<u8> {
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = accept_key(key.as_bytes());
    let accept = str::from_utf8(&accept).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

/// What a client made of it: the messages that it read, and how it ended.
fn read_all(addr: SocketAddr) -> (Vec<Vec<u8>>, ClientError) {
    let builder = Client::builder(&format!("ws://{addr}/")).compression(None);
    let builder = builder.read_timeout(Some(PATIENCE)).handshake_timeout(Some(PATIENCE));
    let mut messages = Vec::new();
    let client = match builder.connect() {
        Ok(client) => client,
        Err(error) => return (messages, error),
    };
    loop {
        match client.read() {
            Ok(message) => messages.push(message.message().as_bytes().to_vec()),
            Err(error) => return (messages, error),
        }
    }
}

#[test]
fn a_client_takes_an_end_behind_each_byte_of_an_exchange() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let all = [b"hello".to_vec(), b"in parts".to_vec(), vec![7; 130]];
    // The answer's length does not depend on the key.
    let len = answer("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").len();
    let whole = len + frames(Role::Client).len();
    for at in 0..=whole {
        for cut in CUTS {
            let (messages, error) = thread::scope(|scope| {
                let client = scope.spawn(|| read_all(addr));
                serve(&listener, at, cut);
                client.join().unwrap()
            });
            let case = format!("{cut:?} behind byte {at}: {messages:?}, {error}");
            assert!(!error.is_timeout(), "it waits in vain: {case}");
            // A reset may overtake what was sent before it; nothing else may be missing.
            assert!(all.starts_with(&messages), "{case}");
            if at == whole && !matches!(cut, Cut::Reset) {
                assert_eq!(messages, all, "{case}");
                assert!(error.is_normal_close(), "{case}");
            }
        }
    }
}
