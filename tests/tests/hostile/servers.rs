//! Servers that mean harm, against a client: each ends with an error of its kind, in time, and
//! with little held.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Client, ClientError, KeepAliveOptions, Limits};
use wirewright_core::Role;
use wirewright_tests::alloc::Meter;
use wirewright_tests::raw;
use wirewright_tests::raw_client::{BINARY, PATIENCE, PING, PONG};

use super::attackers::{bomb_bytes, send_until_gone};
use super::cuts::answer;
use super::{ASSEMBLY, CLOSE, SLACK};
use crate::alone;

/// What the client does.
#[derive(Clone, Copy)]
enum Doing {
    Reading,
    Writing,
    Closing,
}

struct Server {
    name: &'static str,
    script: fn(&mut Peer),
    doing: Doing,
    /// How the error that it ends with begins.
    error: &'static str,
}

const fn kind(
    name: &'static str,
    script: fn(&mut Peer),
    doing: Doing,
    error: &'static str,
) -> Server {
    Server { name, script, doing, error }
}

/// All deadlines of the client.
const SHORT: Duration = Duration::from_secs(1);
/// What it holds beside a message: buffers for what is received and sent, of 64 KiB and less.
const HELD: u64 = 256 * 1024;
const MESSAGE: u64 = 1 << 20;

const KINDS: [Server; 14] = [
    kind("silent", wait, Doing::Reading, "TimedOut(Handshake)"),
    kind("head byte by byte", slow_head, Doing::Reading, "TimedOut(Handshake)"),
    kind("head without an end", long_head, Doing::Reading, "Handshake("),
    kind("silent once open", silent_open, Doing::Reading, "TimedOut(KeepAlive)"),
    kind("message byte by byte", slow_message, Doing::Reading, "Limit("),
    kind("ping flood", |s| flood(s, PING, b"flood"), Doing::Reading, "Limit("),
    kind("pong flood", |s| flood(s, PONG, b"flood"), Doing::Reading, "Limit("),
    kind("flood of empty fragments", fragments, Doing::Reading, "Limit("),
    kind("length of 63 bits", |s| header(s, u64::MAX >> 1), Doing::Reading, "Limit("),
    kind("length of 64 bits", |s| header(s, u64::MAX), Doing::Reading, "Violation("),
    kind("compression bomb", bomb, Doing::Reading, "Limit("),
    kind("never reads", silent_open, Doing::Writing, "TimedOut(KeepAlive)"),
    kind("never closes", silent_open, Doing::Closing, "TimedOut(Close)"),
    kind("talks on after our close", talk, Doing::Closing, "TimedOut(Close)"),
];

/// The server's end.
struct Peer {
    stream: TcpStream,
    /// The client has gone.
    over: Arc<AtomicBool>,
}

fn request(peer: &mut Peer) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        peer.stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// While the client is there; what it sends is not read.
fn wait(peer: &mut Peer) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE && !peer.over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
        // One that resets the connection is gone, too.
        if peer.stream.take_error().unwrap().is_some() {
            break;
        }
    }
}

fn open(peer: &mut Peer) {
    let request = request(peer);
    peer.stream.write_all(&answer(&request)).unwrap();
}

fn slow_head(peer: &mut Peer) {
    for byte in answer(&request(peer)).iter().take(100) {
        if peer.stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    wait(peer);
}

fn long_head(peer: &mut Peer) {
    let _ = request(peer);
    let _ = peer.stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n");
    send_until_gone(&mut peer.stream, &b"X-Long: y\r\n".repeat(50), Duration::ZERO);
}

fn silent_open(peer: &mut Peer) {
    open(peer);
    wait(peer);
}

fn slow_message(peer: &mut Peer) {
    open(peer);
    let _ = peer.stream.write_all(&raw::header(Role::Client, BINARY, 60_000));
    send_until_gone(&mut peer.stream, b"x", Duration::from_millis(20));
}

fn flood(peer: &mut Peer, first: u8, payload: &[u8]) {
    open(peer);
    let frames = raw::frame(Role::Client, first, payload).repeat(100);
    send_until_gone(&mut peer.stream, &frames, Duration::ZERO);
}

fn fragments(peer: &mut Peer) {
    open(peer);
    let _ = peer.stream.write_all(&raw::frame(Role::Client, 0x01, b""));
    send_until_gone(
        &mut peer.stream,
        &raw::frame(Role::Client, 0x00, b"").repeat(100),
        Duration::ZERO,
    );
}

fn header(peer: &mut Peer, len: u64) {
    open(peer);
    let _ = peer.stream.write_all(&raw::header(Role::Client, BINARY, len));
    wait(peer);
}

fn bomb(peer: &mut Peer) {
    let answer = String::from_utf8(answer(&request(peer))).unwrap();
    let agreed = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let answer = answer.replace("\r\n\r\n", agreed);
    peer.stream.write_all(answer.as_bytes()).unwrap();
    let _ = peer.stream.write_all(&raw::frame(Role::Client, 0xC2, &bomb_bytes()));
    wait(peer);
}

fn talk(peer: &mut Peer) {
    open(peer);
    let message = raw::frame(Role::Client, BINARY, &[1; 100]);
    send_until_gone(&mut peer.stream, &message, Duration::from_millis(20));
}

/// The error with which a client ends.
fn meet(addr: SocketAddr, doing: Doing) -> Result<(), ClientError> {
    let mut keep_alive = KeepAliveOptions::default();
    (keep_alive.interval, keep_alive.timeout) = (Some(SHORT / 2), Some(SHORT / 2));
    let mut limits = Limits::default();
    (limits.max_assembly_time, limits.max_message_size) = (ASSEMBLY, MESSAGE);
    let client = Client::builder(&format!("ws://{addr}/"))
        .limits(limits)
        .handshake_timeout(Some(SHORT))
        // Later than keep-alive, which covers a writer that waits, too.
        .write_timeout(Some(SHORT * 4))
        .close_timeout(Some(CLOSE))
        .keep_alive(keep_alive)
        .connect()?;
    match doing {
        Doing::Reading => loop {
            client.read_with(|_| ())?;
        },
        Doing::Writing => loop {
            client.write_binary(&[1; 60_000])?;
        },
        Doing::Closing => client.close(),
    }
}

/// A client's error, how long it took, and the most that it held.
fn ordeal(server: &Server) -> (String, Duration, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let script = server.script;
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        script(&mut Peer { stream, over: told });
    });
    let (start, meter) = (Instant::now(), Meter::new());
    let error = meet(addr, server.doing).unwrap_err();
    let (took, peak) = (start.elapsed(), meter.peak());
    over.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    (format!("{error:?}"), took, peak)
}

#[test]
fn hostile_servers_end_in_an_error_of_their_kind_in_time() {
    let _alone = alone();
    let mut failed = Vec::new();
    thread::scope(|scope| {
        let ordeals: Vec<_> = KINDS.iter().map(|kind| scope.spawn(|| ordeal(kind))).collect();
        for (kind, ordeal) in KINDS.iter().zip(ordeals) {
            let (error, took, held) = ordeal.join().unwrap();
            println!("hostile: server, {:24} {error}, after {took:.2?}, {held} bytes", kind.name);
            let most = if kind.name.ends_with("bomb") { HELD + MESSAGE } else { HELD };
            let in_time = took <= SHORT + Duration::from_secs(1) + SLACK;
            if !error.starts_with(kind.error) || !in_time || held > most {
                failed.push(kind.name);
            }
        }
    });
    assert!(failed.is_empty(), "another error, too late, or too dear: {failed:?}");
}
