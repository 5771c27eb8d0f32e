//! The attackers. Each goes on until its connection is ended for it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use wirewright_core::Role;
use wirewright_tests::raw;
use wirewright_tests::raw_client::{BINARY, PATIENCE, PING, PONG, RawClient, TEXT, request};

use super::{ASSEMBLY, CLOSE, HANDSHAKE, LINGER, QUEUE, SILENCE};

/// A kind of attacker.
pub(super) struct Attacker {
    pub(super) name: &'static str,
    /// When its connection must have ended.
    pub(super) gone: Duration,
    /// What a listener may hold for one of them at any time.
    pub(super) held: u64,
    /// Returns when its connection has ended.
    pub(super) attack: fn(SocketAddr),
}

/// Of a connection after its handshake, beside what it has sent: see docs/SECURITY.md.
const BASE: u64 = 6 * 1024;
/// Of one before it.
const HEAD: u64 = 20 * 1024;
const NO_TIME: Duration = Duration::ZERO;
const DEAD: Duration = Duration::from_secs(2 * SILENCE.as_secs());
const STEP: Duration = Duration::from_millis(20);

const fn kind(name: &'static str, gone: Duration, held: u64, attack: fn(SocketAddr)) -> Attacker {
    Attacker { name, gone, held, attack }
}

pub(super) const KINDS: [Attacker; 20] = [
    kind("silent", HANDSHAKE, HEAD, silent),
    kind("slow head", HANDSHAKE, HEAD, slow_head),
    kind("head without an end", HANDSHAKE, HEAD, long_head),
    kind("half-open in the head", NO_TIME, HEAD, half_head),
    kind("silent once open", DEAD, BASE, silent_open),
    kind("half-open", NO_TIME, BASE, half_open),
    kind("message byte by byte", ASSEMBLY.saturating_add(LINGER), BASE, byte_by_byte),
    kind("header byte by byte", ASSEMBLY.saturating_add(LINGER), BASE, slow_fragments),
    kind("message without its end", DEAD, BASE + 50_000 * 5 / 4, unfinished),
    kind("never reads", DEAD, BASE + QUEUED, never_reads),
    kind("zero window", DEAD, BASE + QUEUED, zero_window),
    kind("ping flood", LINGER, BASE, |addr| flood(addr, &raw::frame(Role::Server, PING, b"flood"))),
    kind("pong flood", LINGER, BASE, |addr| flood(addr, &raw::frame(Role::Server, PONG, b"flood"))),
    kind("flood of empty fragments", LINGER, BASE, empty_fragments),
    kind("flood of small fragments", LINGER, BASE + 5_120, small_fragments),
    kind("never closes", CLOSE, BASE, never_closes),
    kind("talks on after our close", CLOSE, BASE, talks_on),
    kind("length of 63 bits", LINGER, BASE, |addr| header_only(addr, BINARY, u64::MAX >> 1)),
    kind("length of 64 bits", LINGER, BASE, |addr| header_only(addr, BINARY, u64::MAX)),
    kind("compression bomb", LINGER, BASE + BOMB, bomb),
];

/// Of a peer that does not read: its queue with a message that goes beyond the cap, in a buffer
/// that has grown by half as much again, and what was read of it and not yet handled.
const QUEUED: u64 = (QUEUE as u64 + 64 * 1024) * 3 / 2 + 128 * 1024;
/// A message at its limit of 1 MiB, while it is inflated, and what docs/SECURITY.md adds to it.
/// That is lent by the loop and held once for all of them, however.
const BOMB: u64 = (1 << 20) + 64 * 1024;

/// A connection that asks for the most that is usual, so that all that is made once is there.
pub(super) fn warm(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    client.frame(BINARY, [0; 60_000]);
    assert_eq!(client.message().len(), 60_000);
    client.close(1000);
    client.rest();
}

/// Waits for the end, and takes what comes before it.
fn wait(mut client: RawClient) {
    client.drain();
}

/// Sends on until nobody is there.
pub(super) fn send_until_gone(stream: &mut TcpStream, bytes: &[u8], pause: Duration) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE && stream.write_all(bytes).is_ok() {
        thread::sleep(pause);
    }
}

fn silent(addr: SocketAddr) {
    wait(RawClient::silent(addr));
}

fn slow_head(addr: SocketAddr) {
    let mut client = RawClient::silent(addr);
    for byte in request(&"X-Slow: y\r\n".repeat(90)).as_bytes() {
        if client.stream.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(STEP);
    }
    wait(client);
}

fn long_head(addr: SocketAddr) {
    let mut client = RawClient::silent(addr);
    let head = request(&format!("X-Long: {}\r\n", "y".repeat(7_000)).repeat(2));
    client.send(head.strip_suffix("\r\n").unwrap());
    wait(client);
}

fn half_head(addr: SocketAddr) {
    let mut client = RawClient::silent(addr);
    client.send(&request("")[..50]);
    client.half_close();
    wait(client);
}

/// Reads, so that it hears Pings, but answers none.
fn silent_open(addr: SocketAddr) {
    wait(RawClient::open(addr));
}

fn half_open(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    client.frame(TEXT, "hello");
    client.half_close();
    wait(client);
}

fn byte_by_byte(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    client.send(raw::header(Role::Server, BINARY, 60_000));
    send_until_gone(&mut client.stream, b"x", STEP);
}

fn slow_fragments(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    client.frame(0x01, "a");
    for byte in raw::frame(Role::Server, 0x00, b"b").into_iter().cycle() {
        if client.stream.write_all(&[byte]).is_err() {
            break;
        }
        thread::sleep(STEP);
    }
}

fn unfinished(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    client.send(raw::header(Role::Server, BINARY, 60_000));
    client.send([0; 50_000]);
    wait(client);
}

/// Has everything echoed, and takes none of it.
fn never_reads(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    let message = raw::frame(Role::Server, BINARY, &[1; 60_000]);
    send_until_gone(&mut client.stream, &message, Duration::ZERO);
}

/// The same with a window that is soon shut, and an order for as much as may be queued.
fn zero_window(addr: SocketAddr) {
    let mut client = RawClient::narrow(addr);
    client.frame(TEXT, "flood");
    let message = raw::frame(Role::Server, BINARY, &[1; 10_000]);
    send_until_gone(&mut client.stream, &message, Duration::ZERO);
}

/// Reads nothing either, until it is told that it is too much.
fn flood(addr: SocketAddr, frame: &[u8]) {
    let mut client = RawClient::open(addr);
    send_until_gone(&mut client.stream, &frame.repeat(100), Duration::ZERO);
}

fn empty_fragments(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    client.frame(0x01, "");
    send_until_gone(
        &mut client.stream,
        &raw::frame(Role::Server, 0x00, b"").repeat(100),
        Duration::ZERO,
    );
}

fn small_fragments(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    client.frame(0x02, "x");
    send_until_gone(
        &mut client.stream,
        &raw::frame(Role::Server, 0x00, b"x").repeat(100),
        Duration::ZERO,
    );
}

fn never_closes(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    client.frame(TEXT, "close");
    wait(client);
}

fn talks_on(addr: SocketAddr) {
    let mut client = RawClient::open(addr);
    client.frame(TEXT, "close");
    send_until_gone(&mut client.stream, &raw::frame(Role::Server, TEXT, b"and more"), STEP);
}

fn header_only(addr: SocketAddr, first: u8, len: u64) {
    let mut client = RawClient::open(addr);
    client.send(raw::header(Role::Server, first, len));
    send_until_gone(&mut client.stream, &[0; 1_000], STEP);
}

/// A message that inflates to some 30 MB: one zero, and references to it of the greatest length.
fn bomb(addr: SocketAddr) {
    let mut client = RawClient::silent(addr);
    client = client.upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let frame = raw::frame(Role::Server, 0xC2, &bomb_bytes());
    if client.stream.write_all(&frame).is_ok() {
        wait(client);
    }
}

pub(super) fn bomb_bytes() -> Vec<u8> {
    // RFC 1951 §3.2.6, most significant bit of a code first: a block of fixed codes that is not the
    // last, the literal 0, then pairs of length 258 (285) and distance 1 (0).
    let mut bits: Vec<u8> = vec![0, 1, 0];
    bits.extend([0, 0, 1, 1, 0, 0, 0, 0]);
    let pair = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
    bits.extend(pair.repeat(30_000));
    bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect()
}
