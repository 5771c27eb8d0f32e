//! Both sides write all the time, through a relay whose buffers are tiny and whose pieces are cut
//! anywhere; nothing is lost, changed or stuck.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{
    Caller, Client, ClientBuilder, ClientError, Listener, Message, Outcome, Reply, SendError,
    Service,
};
use wirewright_tests::process::{Process, setting};
use wirewright_tests::raw_client::PATIENCE;
use wirewright_tests::rng::Dice;
use wirewright_tests::services::in_own_process;

use crate::alone;

/// Of each socket between the two, and a segment's size that goes with it: in loopback's own, of
/// 64 KiB, such a buffer holds none, and the system falls back to probing every 200 ms.
const BUFFER: usize = 8_192;
const SEGMENT: u32 = 1_000;
/// A sender that heeds back-pressure does not keep the queue full; one that does not is in
/// tests/tests/starved.rs.
const QUEUED: usize = 64 * 1024;
/// The message behind the last one.
const END: u64 = u64::MAX;

// --- messages that tell what they are ------------------------------------------------------------

/// Number `number` of a direction: mostly small, some of several frames, compressible in part.
fn message(number: u64, into: &mut Vec<u8>) {
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    let low = usize::from(number.to_le_bytes()[0]);
    let size = usize::try_from(scattered >> 32).unwrap() % [10, 200, 3_000, 50_000][low % 4];
    into.clear();
    into.extend(number.to_be_bytes());
    let noise = scattered.to_le_bytes();
    let step = 1 + low % 7;
    into.extend((0..size).map(|at| if at % step == 0 { noise[at / step % 8] } else { b'.' }));
}

/// What one direction has received, held against what was sent.
#[derive(Default)]
struct Check {
    number: u64,
    expected: Vec<u8>,
}

impl Check {
    /// Whether this was the last one.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let number = u64::from_be_bytes(*bytes.first_chunk().expect("a number"));
        if number == END {
            return true;
        }
        assert_eq!(number, self.number, "in order");
        message(number, &mut self.expected);
        assert!(bytes == self.expected, "message {number} is not what was sent");
        self.number += 1;
        false
    }
}

/// Messages and their bytes, over all connections.
#[derive(Default)]
struct Counts {
    up: AtomicU64,
    down: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    fn messages(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }
}

/// What the threads of a run share.
#[derive(Default)]
struct Run {
    over: AtomicBool,
    counts: Counts,
    failures: Mutex<Vec<String>>,
}

// --- the listener's side -------------------------------------------------------------------------

/// Checks what comes on the loop, while a thread of its own sends.
struct Duplex {
    run: Arc<Run>,
    check: Check,
}

impl Service for Duplex {
    fn on_open(&mut self, caller: &Caller) -> Outcome {
        let (run, caller) = (Arc::clone(&self.run), caller.clone());
        thread::spawn(move || push(&run, &caller));
        Ok(Reply::Nothing)
    }

    fn on_binary(&mut self, _: &Caller, bytes: &[u8]) -> Outcome {
        self.run.counts.up.fetch_add(1, Ordering::Relaxed);
        self.run.counts.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        // A panic of it closes the connection with 1011, which the client does not expect.
        self.check.take(bytes);
        Ok(Reply::Nothing)
    }

    fn on_error(&mut self, _: &Caller, error: &wirewright::ConnectionError) {
        self.run.failures.lock().unwrap().push(format!("listener: {error}"));
    }
}

fn push(run: &Run, caller: &Caller) {
    let mut bytes = Vec::new();
    let send = |bytes: &[u8]| {
        while let Err(SendError::Full { .. }) = caller.write_binary(bytes) {
            thread::sleep(Duration::from_millis(1));
        }
    };
    for number in 0.. {
        if run.over.load(Ordering::Relaxed) || !caller.is_open() {
            break;
        }
        message(number, &mut bytes);
        send(&bytes);
        while caller.queued() > QUEUED {
            thread::sleep(Duration::from_millis(1));
        }
        if number % 64 == 0 {
            let _ = caller.ping(&number.to_be_bytes());
        }
    }
    send(&END.to_be_bytes());
}

// --- the relay -----------------------------------------------------------------------------------

/// Where a client connects to instead; each connection has a relay of its own.
fn relay(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    narrow(&listener);
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (near, _) = listener.accept().unwrap();
        let far = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        narrow(&far);
        far.connect(&to.into()).unwrap();
        let far = TcpStream::from(far);
        let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
        thread::spawn(move || carry(&back.0, &back.1, 1));
        carry(&near, &far, 2);
    });
    addr
}

fn narrow(socket: &impl std::os::fd::AsFd) {
    let socket = socket2::SockRef::from(socket);
    socket.set_recv_buffer_size(BUFFER).unwrap();
    socket.set_send_buffer_size(BUFFER).unwrap();
    socket.set_tcp_mss(SEGMENT).unwrap();
}

/// Hands on what comes, in pieces of any size, until its end.
fn carry(mut from: &TcpStream, mut to: &TcpStream, seed: u64) {
    let _ = to.set_nodelay(true);
    let mut dice = Dice::new(seed);
    let mut piece = [0; BUFFER];
    loop {
        let most = if dice.one_in(20) { 1 + dice.below(4) } else { 1 + dice.below(BUFFER) };
        match from.read(&mut piece[..most]) {
            Ok(len @ 1..) if to.write_all(&piece[..len]).is_ok() => {}
            _ => break,
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

// --- the client's side ---------------------------------------------------------------------------

/// Writes and reads until the run is over, or something is not as it must be.
fn drive(client: &Client, run: &Run) -> Result<(), ClientError> {
    thread::scope(|scope| {
        let reader = scope.spawn(|| read(client, run));
        let written = write(client, run);
        let read = reader.join().unwrap();
        written.and(read)
    })?;
    client.close()
}

fn write(client: &Client, run: &Run) -> Result<(), ClientError> {
    let mut bytes = Vec::new();
    for number in 0.. {
        if run.over.load(Ordering::Relaxed) {
            break;
        }
        message(number, &mut bytes);
        client.write_binary(&bytes)?;
        if number % 64 == 0 {
            client.ping(b"here")?;
        }
    }
    client.write_binary(&END.to_be_bytes())
}

fn read(client: &Client, run: &Run) -> Result<(), ClientError> {
    let mut check = Check::default();
    while !client.read_with(|message: Message<'_>| {
        run.counts.down.fetch_add(1, Ordering::Relaxed);
        run.counts.bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
        check.take(message.as_bytes())
    })? {}
    Ok(())
}

/// A kind of connection.
struct Kind {
    name: &'static str,
    options: fn(ClientBuilder) -> ClientBuilder,
}

const KINDS: [Kind; 4] = [
    Kind { name: "plain", options: |builder| builder.compression(None) },
    Kind {
        name: "plain, small frames",
        options: |builder| builder.compression(None).outgoing_frame_size(700),
    },
    Kind { name: "compressed", options: |builder| builder },
    Kind { name: "compressed, small frames", options: |builder| builder.outgoing_frame_size(700) },
];

fn connect(addr: SocketAddr, kind: &Kind) -> Client {
    let builder = Client::builder(&format!("ws://{}/", relay(addr)));
    let builder = builder.send_buffer(Some(BUFFER)).receive_buffer(Some(BUFFER));
    let builder = builder.read_timeout(Some(PATIENCE)).write_timeout(Some(PATIENCE));
    (kind.options)(builder).connect().unwrap()
}

#[test]
fn both_sides_write_through_tiny_buffers_and_nothing_is_lost() {
    let _alone = alone();
    let test = "::both_sides_write_through_tiny_buffers_and_nothing_is_lost";
    in_own_process(&[module_path!(), test].concat(), || {
        let time = Duration::from_secs(setting("WIREWRIGHT_SOAK_SECONDS", 4));
        let run = Arc::new(Run::default());
        let served = Arc::clone(&run);
        let upgrade = move |_: &wirewright::UpgradeRequest| {
            Ok(Duplex { run: Arc::clone(&served), check: Check::default() })
        };
        let listener = Listener::builder().threads(2).start("127.0.0.1:0", upgrade).unwrap();
        let clients = KINDS.each_ref().map(|kind| connect(listener.local_addr(), kind));
        thread::scope(|scope| {
            for (kind, client) in KINDS.iter().zip(&clients) {
                let run = &run;
                scope.spawn(move || {
                    if let Err(error) = drive(client, run) {
                        let failure = format!("client, {}: {error} ({error:?})", kind.name);
                        run.failures.lock().unwrap().push(failure);
                    }
                });
            }
            watch(&run, time);
            run.over.store(true, Ordering::Relaxed);
        });
        listener.shutdown(PATIENCE);
        let failures = run.failures.lock().unwrap();
        assert!(failures.is_empty(), "{failures:#?}");
    });
}

/// So long without any progress is a standstill.
const STANDSTILL: Duration = Duration::from_secs(20);
/// What pages may be added once all is under way.
const PAGES: u64 = 64 << 20;

/// Looks on until the time is over, and tells how much there was.
fn watch(run: &Run, time: Duration) {
    let start = Instant::now();
    let (mut last, mut moved) = ((0, 0), start);
    let mut settled = None;
    while start.elapsed() < time && run.failures.lock().unwrap().is_empty() {
        thread::sleep(Duration::from_millis(200));
        let now = run.counts.messages();
        if now.0 != last.0 && now.1 != last.1 {
            (last, moved) = (now, Instant::now());
        }
        assert!(moved.elapsed() < STANDSTILL, "nothing moves: {now:?}");
        if start.elapsed() > time / 4 {
            settled.get_or_insert_with(|| Process::this().resident());
        }
    }
    let (up, down) = run.counts.messages();
    let bytes = run.counts.bytes.load(Ordering::Relaxed);
    let resident = Process::this().resident();
    let grown = resident.saturating_sub(settled.unwrap_or(resident));
    println!(
        "soak: {:.0?}, {up} messages up, {down} down, {} MiB in all; {} MiB resident, {} KiB more \
         than after a quarter of the time",
        start.elapsed(),
        bytes >> 20,
        resident >> 20,
        grown / 1024,
    );
    assert!(up > 100 && down > 100, "both sides write");
    assert!(grown < PAGES, "{grown} bytes more are resident");
}
