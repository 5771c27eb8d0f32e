//! The attackers. Each goes on until its connection is ended for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{ClientConnection, SignatureScheme};
use wirewright_tests::certificates::{Authority, Issued, authority, stranger};
use wirewright_tests::raw_client::{PATIENCE, RawClient};
use wirewright_tests::tls_peer::{client_config, dialled, parts};

use super::local;

/// A kind of attacker.
pub(super) struct Attacker {
    pub(super) name: &'static str,
    /// What it is counted as.
    pub(super) refused: Refused,
    /// Returns when its connection has ended.
    pub(super) attack: fn(SocketAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// At once.
    Tls,
    /// When the time is over.
    Deadline,
}

use Refused::{Deadline, Tls};

const fn kind(name: &'static str, refused: Refused, attack: fn(SocketAddr)) -> Attacker {
    Attacker { name, refused, attack }
}

pub(super) const KINDS: [Attacker; 30] = [
    kind("silent", Deadline, |addr| local(addr).drain()),
    kind("hello byte by byte", Deadline, slow_hello),
    kind("half a header", Deadline, |addr| says(addr, &[22, 3, 1])),
    kind("half a record", Deadline, half_record),
    kind("hello in one-byte records, then silent", Deadline, fragments),
    kind("hello, then silent", Deadline, |addr| says(addr, &hello("TLSv1.3"))),
    kind("hello of 1.2, then silent", Deadline, |addr| says(addr, &hello("TLSv1.2"))),
    kind("long message, but for its end", Deadline, long_message),
    kind("handshake done, then silent", Deadline, |addr| open(addr, "TLSv1.3")),
    kind("handshake of 1.2 done, then silent", Deadline, |addr| open(addr, "TLSv1.2")),
    kind("plain http", Tls, |addr| says(addr, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")),
    kind("garbage", Tls, |addr| says(addr, &[0xAA; 4000])),
    kind("hello of ssl 2", Tls, |addr| says(addr, &[0x80, 0x2E, 1, 0, 2, 0, 0x15, 0, 0, 0, 16])),
    kind("hello of ssl 3", Tls, |addr| says(addr, &old_hello(0))),
    kind("hello of tls 1.1", Tls, |addr| says(addr, &old_hello(2))),
    kind("record too long", Tls, |addr| says(addr, &[22, 3, 1, 0xFF, 0xFF])),
    kind("message too long", Tls, endless_message),
    kind("empty records", Tls, |addr| floods(addr, &[22, 3, 3, 0, 0])),
    kind("empty data", Tls, |addr| floods(addr, &[23, 3, 3, 0, 0])),
    kind("flood of ChangeCipherSpec", Tls, |addr| floods(addr, &[20, 3, 3, 0, 1, 1])),
    kind("flood of it behind a hello", Tls, |addr| floods_behind(addr, &[20, 3, 3, 0, 1, 1])),
    kind("flood of warnings", Tls, |addr| floods(addr, &[21, 3, 3, 0, 2, 1, 90])),
    kind("flood of them behind a hello", Tls, |addr| floods_behind(addr, WARNING)),
    kind("fatal alert", Tls, |addr| says(addr, &[21, 3, 3, 0, 2, 2, 40])),
    kind("goodbye instead of a hello", Deadline, |addr| says(addr, GOODBYE)),
    kind("goodbye behind a hello of 1.3", Tls, |addr| goodbye_behind(addr, "TLSv1.3")),
    kind("goodbye behind a hello of 1.2", Deadline, |addr| goodbye_behind(addr, "TLSv1.2")),
    kind("ends within the hello", Tls, half_hello),
    kind("100 certificates that nobody needs", Tls, useless_chain),
    kind("100 certificates in a row", Tls, long_chain),
];

const GOODBYE: &[u8] = &[21, 3, 3, 0, 2, 1, 0];
const WARNING: &[u8] = &[21, 3, 3, 0, 2, 1, 90];
const STEP: Duration = Duration::from_millis(20);

/// What rustls says first.
pub(super) fn hello(version: &str) -> Vec<u8> {
    let config = Arc::new(client_config(version));
    let mut connection = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// The first record's payload, each byte in a record of its own.
pub(super) fn one_byte_records(hello: &[u8]) -> Vec<u8> {
    hello[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect()
}

pub(super) fn first_record(client: &mut RawClient) -> Vec<u8> {
    let mut header = [0; 5];
    client.stream.read_exact(&mut header).unwrap();
    let mut record = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    client.stream.read_exact(&mut record).unwrap();
    [&header[..], &record].concat()
}

/// A hello without extensions, of version 3.`minor`.
fn old_hello(minor: u8) -> Vec<u8> {
    let body = [&[3, minor][..], &[7; 32], &[0, 0, 4, 0xC0, 0x13, 0, 0x2F, 1, 0]].concat();
    let len = u8::try_from(body.len()).unwrap();
    [&[22, 3, minor, 0, len + 4, 1, 0, 0, len][..], &body].concat()
}

/// Sends this and no more.
fn says(addr: SocketAddr, bytes: &[u8]) {
    let mut client = local(addr);
    client.send(bytes);
    client.drain();
}

/// Sends on until nobody is there.
fn floods(addr: SocketAddr, record: &[u8]) {
    let mut client = local(addr);
    flood(&mut client.stream, record);
    client.drain();
}

fn floods_behind(addr: SocketAddr, record: &[u8]) {
    let mut client = local(addr);
    client.send(hello("TLSv1.2"));
    flood(&mut client.stream, record);
    client.drain();
}

fn flood(stream: &mut TcpStream, record: &[u8]) {
    let many = record.repeat(10_000 / record.len());
    let start = Instant::now();
    while start.elapsed() < PATIENCE && stream.write_all(&many).is_ok() {}
}

fn slow_hello(addr: SocketAddr) {
    let mut client = local(addr);
    for byte in hello("TLSv1.3") {
        if client.stream.write_all(&[byte]).is_err() {
            break;
        }
        thread::sleep(STEP);
    }
    client.drain();
}

fn half_record(addr: SocketAddr) {
    let record = [&[22, 3, 1, 0x40, 0, 1, 0, 0x3F, 0xFC][..], &[3; 12_000]].concat();
    says(addr, &record);
}

fn fragments(addr: SocketAddr) {
    says(addr, &one_byte_records(&hello("TLSv1.3")));
}

/// Nearly as much as is kept of a handshake, but for the last byte.
fn long_message(addr: SocketAddr) {
    says(addr, &message(32_000, 31_999));
}

/// A hello that claims `len` bytes, and so many of them.
fn message(len: usize, there: usize) -> Vec<u8> {
    let [.., a, b, c] = len.to_be_bytes();
    let message = [&[1, a, b, c][..], &vec![3; there]].concat();
    let records = message.chunks(16_384).flat_map(|part| {
        let [.., high, low] = part.len().to_be_bytes();
        [&[22, 3, 1, high, low][..], part].concat()
    });
    records.collect()
}

fn endless_message(addr: SocketAddr) {
    let mut client = local(addr);
    let bytes = message(0xFF_FFFF, 4 << 20);
    let _ = client.stream.write_all(&bytes);
    client.drain();
}

fn half_hello(addr: SocketAddr) {
    let mut client = local(addr);
    client.send(&hello("TLSv1.3")[..50]);
    client.half_close();
    client.drain();
}

fn goodbye_behind(addr: SocketAddr, version: &str) {
    let mut client = local(addr);
    client.send(hello(version));
    first_record(&mut client);
    client.send(GOODBYE);
    client.drain();
}

/// Asks for nothing over what it has opened.
fn open(addr: SocketAddr, version: &str) {
    dialled(addr, client_config(version)).drain();
}

/// All that a peer may leave unfinished, each in a connection that goes on.
pub(super) fn unfinished(addr: SocketAddr) -> Vec<RawClient> {
    let said = [
        vec![],
        vec![22],
        vec![22, 3, 1],
        vec![22, 3, 1, 0x40, 0, 1, 0, 0x3F, 0xFC, 3, 3],
        hello("TLSv1.2"),
        hello("TLSv1.3"),
        one_byte_records(&hello("TLSv1.3")),
        one_byte_records(&hello("TLSv1.3")[..100]),
        message(32_000, 31_999),
        message(40_000, 20_000),
        [&hello("TLSv1.2")[..], WARNING].concat(),
        [&hello("TLSv1.2")[..], GOODBYE].concat(),
        GOODBYE.to_vec(),
    ];
    said.into_iter()
        .flat_map(|said| (0..4).map(move |_| said.clone()))
        .map(|said| {
            let mut client = local(addr);
            client.send(said);
            client
        })
        .collect()
}

/// Shows a chain that is not even in order.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn shows(addr: SocketAddr, issued: &Issued) {
    let mut config = client_config("TLSv1.3");
    let (chain, key) = parts(issued);
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    config.client_auth_cert_resolver = Arc::new(Shows(Arc::new(CertifiedKey::new(chain, key))));
    // It takes its own handshake for done before the other end has judged.
    dialled(addr, config).drain();
}

fn useless_chain(addr: SocketAddr) {
    static CHAIN: OnceLock<Issued> = OnceLock::new();
    let chain = CHAIN.get_or_init(|| {
        let own = stranger().issue(&["client"]);
        (0..99).fold(own, |chain, n| chain.with(&Authority::new(&format!("useless {n}")).pem()))
    });
    shows(addr, chain);
}

/// Each has issued the one before it, and the last one is trusted.
fn long_chain(addr: SocketAddr) {
    static CHAIN: OnceLock<Issued> = OnceLock::new();
    let chain = CHAIN.get_or_init(|| {
        let mut pems = Vec::new();
        let mut last = authority().below("0");
        for n in 1..99 {
            pems.push(last.pem());
            last = last.below(&n.to_string());
        }
        pems.push(last.pem());
        pems.iter().rev().fold(last.issue(&["client"]), |chain, pem| chain.with(pem))
    });
    shows(addr, chain);
}
