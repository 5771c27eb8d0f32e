//! Connections that end in every way they can, and what is left of them.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Client, KeepAliveOptions, Listener};
use wirewright_tests::process::{Process, setting};
use wirewright_tests::raw_client::{CLOSE, RawClient, TEXT, request};
use wirewright_tests::services::{in_own_process, until};

use crate::alone;
use crate::probe::{Probe, listen};

/// How a connection is killed.
type Kill = fn(SocketAddr);

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

fn half_head(addr: SocketAddr) -> RawClient {
    let mut client = RawClient::silent(addr);
    client.send(&request("")[..70]);
    client
}

/// With a part of a message sent: its first byte, the length it claims, and what there is of it.
fn mid_message(addr: SocketAddr, first: u8, len: u64, part: &[u8]) -> RawClient {
    let mut client = RawClient::silent(addr).upgrade(OFFER);
    client.send(wirewright_tests::raw::header(wirewright_core::Role::Server, first, len));
    client.send(part);
    client
}

fn connect(addr: SocketAddr) -> Client {
    Client::connect(&format!("ws://{addr}/")).unwrap()
}

const KILLS: [Kill; 16] = [
    |addr| RawClient::silent(addr).reset(),
    |addr| drop(RawClient::silent(addr)),
    |addr| half_head(addr).reset(),
    |addr| drop(half_head(addr)),
    // The whole head, without waiting for its answer.
    |addr| {
        let mut client = RawClient::silent(addr);
        client.send(request(OFFER));
        client.reset();
    },
    // A head that is refused.
    |addr| {
        let mut client = RawClient::silent(addr);
        client.send("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
        client.reset();
    },
    |addr| RawClient::silent(addr).upgrade(OFFER).reset(),
    |addr| drop(RawClient::silent(addr).upgrade(OFFER)),
    |addr| mid_message(addr, 0x82, 60_000, &[1; 10_000]).reset(),
    |addr| mid_message(addr, 0x01, 4, b"part").reset(),
    // Compressed, and cut off.
    |addr| mid_message(addr, 0xC1, 40_000, &[0xF2; 2_000]).reset(),
    |addr| {
        let mut client = RawClient::open(addr);
        client.close(1000);
        client.reset();
    },
    // Our Close is not answered.
    |addr| {
        let mut client = RawClient::open(addr);
        client.frame(TEXT, "close");
        assert_eq!(client.receive().0, CLOSE);
        client.reset();
    },
    |addr| drop(connect(addr)),
    |addr| connect(addr).abort(),
    |addr| connect(addr).close().unwrap(),
];

/// While as much is queued for it as may be: dearer, and so not every time.
fn kill_with_a_full_queue(addr: SocketAddr) {
    let mut client = RawClient::narrow(addr);
    client.frame(TEXT, "flood");
    let _ = client.receive();
    client.reset();
}

fn kill(addr: SocketAddr, connects: usize) {
    const THREADS: usize = 4;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for number in (thread..connects).step_by(THREADS) {
                    match number % 131 {
                        130 => kill_with_a_full_queue(addr),
                        _ => KILLS[number % KILLS.len()](addr),
                    }
                }
            });
        }
    });
}

/// Numbers that are back where they were, however many connections there have been.
#[derive(Debug, PartialEq)]
struct Holds {
    descriptors: usize,
    threads: usize,
}

fn holds() -> Holds {
    let this = Process::this();
    Holds { descriptors: this.descriptors(), threads: this.threads() }
}

/// A loop's timers keep room for 16 wake-ups in each of 1 024 places once they had them: 384 KiB,
/// whatever came. The rest is a margin.
const ROOM: u64 = 512 * 1024;
/// Of pages that this process's allocators keep, those of the clients included.
const PAGES: u64 = 48 << 20;

#[test]
fn s17_connections_that_are_killed_in_every_way_leave_nothing_behind() {
    let _alone = alone();
    let test = "::s17_connections_that_are_killed_in_every_way_leave_nothing_behind";
    in_own_process(&[module_path!(), test].concat(), || {
        let connects = usize::try_from(setting("WIREWRIGHT_CONNECTS", 5_000)).unwrap();
        let short = Duration::from_millis(500);
        let builder = Listener::builder().threads(1).keep_alive(KeepAliveOptions::off());
        let builder = builder.handshake_timeout(short).close_timeout(short).max_queued(64 * 1024);
        let (listener, seen) = listen(builder);
        let addr = listener.local_addr();
        let mut probe = Probe::new(addr);
        // Each way once or more, so that what is made once is there.
        kill(addr, 300);
        until("the first are gone", || seen.counts().0 == seen.counts().1 + 1);
        thread::sleep(2 * short);
        probe.zero();
        let (before, resident, start) = (holds(), Process::this().resident(), Instant::now());
        kill(addr, connects);
        let took = start.elapsed();
        until("all descriptors and threads are back", || holds() == before);
        until("each end was told", || seen.counts().0 == seen.counts().1 + 1);
        // What the wheel still holds of them goes when its time comes.
        thread::sleep(2 * short);
        let held = probe.held();
        let pages = Process::this().resident().saturating_sub(resident);
        println!(
            "leaks: {connects} connects in {took:.1?}, {} opened; {before:?} before and after; \
             the loop holds {held} bytes more, {} KiB more are resident",
            seen.counts().0,
            pages / 1024,
        );
        assert!(held <= ROOM, "{held} bytes are held");
        assert!(pages <= PAGES, "{pages} bytes more are resident");
    });
}

/// Both ends: the clients are in their own process's custody, which answers the Pings.
#[test]
fn what_compresses_is_given_back_while_connections_are_idle() {
    const CLIENTS: u64 = 100;
    let _alone = alone();
    let mut pings = KeepAliveOptions::default();
    pings.interval = Some(Duration::from_millis(200));
    let (listener, _) = listen(Listener::builder().threads(1).keep_alive(pings));
    let addr = listener.local_addr();
    let text = "some words that are said again and again ".repeat(20);
    let mut probe = Probe::new(addr);
    probe.zero();
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(addr)).collect();
    let echo = || {
        for client in &clients {
            client.write_text(&text).unwrap();
            assert_eq!(client.read_text().unwrap(), text);
        }
    };
    echo();
    let used = probe.held() / CLIENTS;
    let mut idle = used;
    until("nobody's compressor is there", || {
        idle = probe.held() / CLIENTS;
        idle + 60 * 1024 < used
    });
    println!("leaks: a compressed connection held {used} bytes, and {idle} once idle");
    echo();
}
