//! Peers that mean harm, over real sockets: who is gone when, what is held for them meanwhile, and
//! what others notice of it.

mod attackers;
mod cuts;
mod honest;
mod servers;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Compression, KeepAliveOptions, Listener, ListenerBuilder};
use wirewright_tests::services::{limits, until};

use crate::alone;
use crate::probe::{Probe, listen};
use attackers::{Attacker, KINDS};
use honest::{Crowd, Trips};

const HANDSHAKE: Duration = Duration::from_secs(2);
const CLOSE: Duration = Duration::from_secs(1);
const ASSEMBLY: Duration = Duration::from_secs(1);
/// Silence before a Ping, and then before the end.
const SILENCE: Duration = Duration::from_secs(1);
/// What a listener waits after its last word for the peer to end the connection.
const LINGER: Duration = Duration::from_secs(2);
const QUEUE: usize = 256 * 1024;

/// What a busy machine may add to a deadline and a second: threads of the tests and of others want
/// the same processors. A deadline that is not kept at all takes minutes.
const SLACK: Duration = Duration::from_secs(8);

/// The default options with shorter deadlines and a shorter queue.
fn builder() -> ListenerBuilder {
    let mut config = limits(|limits| limits.max_assembly_time = ASSEMBLY);
    config.compression = Some(Compression::default());
    let mut keep_alive = KeepAliveOptions::default();
    (keep_alive.interval, keep_alive.timeout) = (Some(SILENCE), Some(SILENCE));
    Listener::builder()
        .config(config)
        .handshake_timeout(HANDSHAKE)
        .close_timeout(CLOSE)
        .keep_alive(keep_alive)
        .max_queued(QUEUE)
}

/// Attackers of each kind in the table.
const EACH: u64 = 16;

/// One kind of attacker: how long the last one was there, and what was held for each at most.
fn ordeal(attacker: &Attacker) -> (Duration, u64) {
    let (listener, seen) = listen(builder().threads(1));
    let addr = listener.local_addr();
    let mut probe = Probe::new(addr);
    // The loop's own buffers, and room for so many connections, are no cost of an attacker's.
    thread::scope(|scope| {
        (0..EACH).for_each(|_| drop(scope.spawn(|| attackers::warm(addr))));
    });
    until("the warm-up is over", || seen.counts().0 == seen.counts().1 + 1);
    probe.zero();
    let (mut held, mut longest) = (0, Duration::ZERO);
    thread::scope(|scope| {
        let attacks = (0..EACH).map(|_| {
            scope.spawn(move || {
                let start = Instant::now();
                (attacker.attack)(addr);
                start.elapsed()
            })
        });
        let attacks: Vec<_> = attacks.collect();
        while !attacks.iter().all(thread::ScopedJoinHandle::is_finished) {
            held = held.max(probe.held());
            thread::sleep(Duration::from_millis(50));
        }
        for attack in attacks {
            longest = longest.max(attack.join().unwrap());
        }
    });
    until("all are gone", || seen.counts().0 == seen.counts().1 + 1);
    (longest, held / EACH)
}

#[test]
fn attackers_are_gone_by_their_deadline_and_little_is_held_for_them() {
    const AT_ONCE: usize = 6;
    let _alone = alone();
    let start = Instant::now();
    let mut failed = Vec::new();
    for kinds in KINDS.chunks(AT_ONCE) {
        let results: Vec<_> = thread::scope(|scope| {
            let ordeals: Vec<_> = kinds.iter().map(|kind| scope.spawn(|| ordeal(kind))).collect();
            ordeals.into_iter().map(|ordeal| ordeal.join().unwrap()).collect()
        });
        for (kind, (longest, held)) in kinds.iter().zip(results) {
            println!(
                "hostile: {:28} gone after {longest:6.2?} of {:5.2?}; {held:6} of {:6} bytes held \
                 for each",
                kind.name, kind.gone, kind.held
            );
            if longest > kind.gone + Duration::from_secs(1) + SLACK || held > kind.held {
                failed.push(kind.name);
            }
        }
    }
    println!("hostile: the table took {:.1?}", start.elapsed());
    assert!(failed.is_empty(), "there too long, or too dear: {failed:?}");
}

/// What clients see while attackers of all kinds besiege a listener, each of whom comes again as
/// soon as it is thrown out.
fn under_siege(crowd: &Crowd, addr: SocketAddr) -> Trips {
    const TIME: Duration = Duration::from_secs(5);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for attacker in &KINDS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    (attacker.attack)(addr);
                }
            });
        }
        // Once all kinds are at work.
        thread::sleep(Duration::from_millis(500));
        drop(crowd.take());
        thread::sleep(TIME);
        let trips = crowd.take();
        over.store(true, Ordering::Relaxed);
        trips
    })
}

/// The attackers' own threads take the same processors, so that the clients' figures are held
/// against those that they have while another listener is besieged.
#[test]
fn honest_clients_notice_nothing_of_attackers() {
    const CLIENTS: usize = 100;
    const CALM: Duration = Duration::from_secs(2);
    /// What a busy machine may add: a turn of the scheduler for each thread there is.
    const FLOOR: Duration = Duration::from_millis(100);
    let _alone = alone();
    let (listener, seen) = listen(builder().threads(2));
    let (other, _) = listen(builder().threads(2));
    let crowd = Crowd::start(listener.local_addr(), CLIENTS);
    thread::sleep(CALM);
    let calm = crowd.take();
    let elsewhere = under_siege(&crowd, other.local_addr());
    let siege = under_siege(&crowd, listener.local_addr());
    let errors = crowd.end();
    println!("hostile: {CLIENTS} honest clients alone: {calm}");
    println!("hostile: while another listener is besieged: {elsewhere}");
    println!(
        "hostile: among {} attackers, {} connections of which were opened: {siege}",
        KINDS.len(),
        seen.counts().0 - CLIENTS,
    );
    assert_eq!(errors, Vec::<String>::new(), "honest clients had errors");
    assert_eq!(siege.clients(), CLIENTS, "each of them went on");
    assert!(siege.p99() <= FLOOR.max(2 * elsewhere.p99()), "{siege} after {elsewhere}");
}
