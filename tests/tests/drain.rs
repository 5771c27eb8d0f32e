//! A listener that shuts down under many connections: each is told, and what was queued arrives.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Caller, Listener, Reply};
use wirewright_core::Role;
use wirewright_tests::process::{allow_descriptors, setting};
use wirewright_tests::raw::frame;
use wirewright_tests::raw_client::{CLOSE, PATIENCE, RawClient};
use wirewright_tests::services::{Call, in_own_process, next, plain, start};

use crate::alone;

/// What a connection has queued at the end: a few small messages, or more than the system takes of
/// a peer that does not read.
const SMALL: (usize, usize) = (3, 1_000);
const LARGE: (usize, usize) = (60, 100_000);
/// One in so many has the large load.
const SELDOM: usize = 100;
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(10);

/// A peer with little memory of its own, as there are many.
struct Peer {
    stream: TcpStream,
    load: (usize, usize),
}

impl Peer {
    fn new(addr: SocketAddr, load: (usize, usize)) -> Self {
        let client = if load == LARGE { RawClient::narrow(addr) } else { RawClient::open(addr) };
        Self { stream: client.stream, load }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn frame(&mut self) -> (u8, Vec<u8>) {
        let [first, len] = self.take();
        let len = match len {
            126 => u64::from(u16::from_be_bytes(self.take())),
            127 => u64::from_be_bytes(self.take()),
            len => len.into(),
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        (first, payload)
    }

    /// All that was queued comes, then the Close and, once it is answered, the end.
    fn expect_all(mut self) {
        let (messages, size) = self.load;
        for number in 0..messages {
            let mut message = Vec::new();
            loop {
                let (first, part) = self.frame();
                message.extend(part);
                if first & 0x80 != 0 {
                    break;
                }
            }
            assert_eq!(message, vec![u8::try_from(number).unwrap(); size], "message {number}");
        }
        assert_eq!(self.frame(), (CLOSE, 1001_u16.to_be_bytes().to_vec()));
        self.stream.write_all(&frame(Role::Server, CLOSE, &1001_u16.to_be_bytes())).unwrap();
        assert_eq!(self.stream.read(&mut [0]).unwrap(), 0, "the end, and no reset");
    }
}

/// A listener, its callers as they open, and peers with what is queued for them.
fn loaded(connections: usize) -> (Listener, Vec<Peer>) {
    let (told, callers) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let builder = plain().threads(2).max_queued(16 << 20);
    let listener = start(builder, move |caller: &Caller, call: &Call<'_>| {
        if let Call::Open = call {
            told.lock().unwrap().send(caller.clone())?;
        }
        Ok(Reply::Nothing)
    });
    let peers = (0..connections).map(|number| {
        let load = if number % SELDOM == 0 { LARGE } else { SMALL };
        let peer = Peer::new(listener.local_addr(), load);
        let caller = next(&callers);
        for number in 0..load.0 {
            let _ = caller.write_binary(&vec![u8::try_from(number).unwrap(); load.1]).unwrap();
        }
        peer
    });
    let peers = peers.collect();
    (listener, peers)
}

/// The peers are served by a few threads; each waits for one of its own after another.
fn expect_all(peers: Vec<Peer>) {
    const THREADS: usize = 4;
    let mut shares: [Vec<Peer>; THREADS] = Default::default();
    for (number, peer) in peers.into_iter().enumerate() {
        shares[number % THREADS].push(peer);
    }
    thread::scope(|scope| {
        for share in shares {
            scope.spawn(move || share.into_iter().for_each(Peer::expect_all));
        }
    });
}

/// As many connections as were asked for, if there are descriptors: each takes two.
fn connections() -> usize {
    let wanted = setting("WIREWRIGHT_DRAIN", 1_000);
    let may = (allow_descriptors(2 * wanted + 200) - 200) / 2;
    usize::try_from(wanted.min(may)).unwrap()
}

#[test]
fn shutdown_loses_nothing_that_is_queued_for_many() {
    let _alone = alone();
    let test = "::shutdown_loses_nothing_that_is_queued_for_many";
    in_own_process(&[module_path!(), test].concat(), || {
        let (listener, peers) = loaded(connections());
        let count = peers.len();
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| expect_all(peers));
            listener.shutdown(2 * PATIENCE);
        });
        let took = start.elapsed();
        println!("drain: {count} connections that read were told and gone after {took:.2?}");
        assert!(took < 2 * PATIENCE, "it waited for nobody, {took:?}");
    });
}

#[test]
fn shutdown_of_many_ends_at_its_deadline_where_some_do_not_read() {
    let _alone = alone();
    let test = "::shutdown_of_many_ends_at_its_deadline_where_some_do_not_read";
    in_own_process(&[module_path!(), test].concat(), || {
        let (listener, mut peers) = loaded(connections());
        let count = peers.len();
        // Those with the large load neither read nor answer.
        let deaf: Vec<Peer> = peers.extract_if(.., |peer| peer.load == LARGE).collect();
        let deadline = Duration::from_secs(4);
        let start = Instant::now();
        let took = thread::scope(|scope| {
            scope.spawn(|| expect_all(peers));
            listener.shutdown(deadline);
            start.elapsed()
        });
        println!(
            "drain: {count} connections, {} of which do not read, were gone after {took:.2?} of \
             {deadline:?}",
            deaf.len(),
        );
        assert!(took >= deadline, "it gave up early, after {took:?}");
        assert!(took < deadline + Duration::from_secs(1) + SLACK, "it took {took:?}");
    });
}
