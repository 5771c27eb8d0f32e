//! Accepting goes on, whatever peers and the system do.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wirewright_tests::raw_client::{RawClient, request};
use wirewright_tests::services::{in_own_process, plain, start_echo};

#[test]
fn s38_connections_reset_before_they_are_accepted_disturb_nobody() {
    let listener = start_echo(plain());
    let mut other = RawClient::open(listener.local_addr());
    for round in 0..200 {
        let client = RawClient::silent(listener.local_addr());
        if round % 2 == 0 {
            let mut client = client;
            client.send(&request("")[..round / 2]);
            client.reset();
        } else {
            client.reset();
        }
    }
    other.barrier();
    RawClient::open(listener.local_addr()).barrier();
}

/// Counts how often a listener says that accepting rests.
struct Rests;

static RESTS: AtomicUsize = AtomicUsize::new(0);

impl Subscriber for Rests {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn event(&self, _: &Event<'_>) {
        RESTS.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Processor time of this process.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

#[test]
#[cfg(target_os = "linux")]
fn s38_without_descriptors_accepting_rests_and_goes_on_when_there_are_some() {
    let test = "::s38_without_descriptors_accepting_rests_and_goes_on_when_there_are_some";
    in_own_process(&[module_path!(), test].concat(), || {
        tracing::subscriber::set_global_default(Rests).unwrap();
        let listener = start_echo(plain().threads(2));
        let addr = listener.local_addr();
        let mut other = RawClient::open(addr);
        let hard = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: hard }).unwrap();
        // All descriptors but one are taken; that one connects, and nobody can accept it. So do
        // forty more, one after another, from sockets that were there before.
        let spare = (0..8).map(|_| socket2_stream()).collect::<Vec<_>>();
        let mut taken = Vec::new();
        while let Ok(socket) = TcpListener::bind("127.0.0.1:0") {
            taken.push(socket);
        }
        for socket in &spare {
            socket.connect(&addr.into()).unwrap();
            // Each is an event of its own.
            other.barrier();
        }
        let (rests, time) = (RESTS.load(Ordering::Relaxed), used());
        assert!(rests > 0, "it had descriptors");
        thread::sleep(Duration::from_secs(1));
        let (rests, time) = (RESTS.load(Ordering::Relaxed) - rests, used() - time);
        assert!((5..=15).contains(&rests), "{rests} attempts a second");
        assert!(time < Duration::from_millis(200), "{time:?} of processor time a second");
        other.barrier();
        // There are some again: all that wait are accepted, without another event.
        taken.truncate(taken.len() / 2);
        for socket in spare {
            let mut client = RawClient::over(TcpStream::from(socket)).upgrade("");
            client.barrier();
        }
        drop(taken);
        RawClient::open(addr).barrier();
    });
}

fn socket2_stream() -> socket2::Socket {
    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap()
}

#[test]
fn s17_a_storm_of_connects_and_kills_leaves_the_listener_whole() {
    let listener = start_echo(plain().threads(4));
    let addr = listener.local_addr();
    thread::scope(|scope| {
        for thread in 0..4_usize {
            scope.spawn(move || {
                for round in 0..100 {
                    let mut client = RawClient::silent(addr);
                    match (thread + round) % 5 {
                        0 => client.reset(),
                        1 => client.half_close(),
                        2 => {
                            client.send(&request("")[..40]);
                            client.reset();
                        }
                        3 => client.upgrade("").reset(),
                        _ => client.upgrade("").barrier(),
                    }
                }
            });
        }
    });
    for _ in 0..8 {
        RawClient::open(addr).barrier();
    }
}
