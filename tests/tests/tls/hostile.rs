//! Peers that mean harm before the 101 (S-20, S-37): who is gone when, what is held for them
//! meanwhile, what is counted, and what others notice.

mod attackers;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Caller, Client, Listener, Outcome, Reply};
use wirewright_tests::alloc::Meter;
use wirewright_tests::certificates::{authority, server_tls};
use wirewright_tests::raw_client::RawClient;
use wirewright_tests::services::{Call, plain, start, until};

use super::towards;
use attackers::{Attacker, KINDS, Refused};

/// From the accept to the 101.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// Attackers of a kind at once.
const EACH: u64 = 8;
/// What a busy machine may add. A deadline that is not kept at all takes minutes.
const SLACK: Duration = Duration::from_secs(15);
/// What is held for a connection before its 101, at most.
const HELD: u64 = 64 * 1024;

thread_local! {
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

/// A listener that asks for certificates, has one loop and says what that holds.
fn listen() -> Listener {
    let tls = server_tls().accept_client_certificates(authority().trust()).build().unwrap();
    let builder = plain().tls(tls).handshake_timeout(HANDSHAKE).max_handshakes(1024);
    start(builder, |_: &Caller, call: &Call<'_>| -> Outcome {
        Ok(match call {
            Call::Text("zero") => {
                METER.set(Some(Meter::new()));
                Reply::Text("done".to_owned())
            }
            Call::Text(_) => {
                let held = METER.with_borrow(|meter| meter.as_ref().map_or(0, Meter::held));
                Reply::Text(held.to_string())
            }
            _ => Reply::Nothing,
        })
    })
}

fn held(probe: &Client) -> u64 {
    probe.write_text("held").unwrap();
    probe.read_text().unwrap().parse().unwrap()
}

/// Several of one kind: how long the last one was there, what was held for each at most, and how
/// many were counted.
/// Whoever asks meanwhile is answered.
fn ordeal(attacker: &Attacker) -> (Duration, u64, u64) {
    let listener = listen();
    let addr = listener.local_addr();
    let probe = towards(&listener).connect().unwrap();
    // What the loop makes once is no cost of an attacker's.
    (attacker.attack)(addr);
    until("the first one is gone", || listener.stats().handshaking == 0);
    let before = listener.stats().refused;
    probe.write_text("zero").unwrap();
    assert_eq!(probe.read_text().unwrap(), "done");
    let (mut most, mut longest) = (0, Duration::ZERO);
    thread::scope(|scope| {
        let attacks = (0..EACH).map(|_| {
            scope.spawn(|| {
                let start = Instant::now();
                (attacker.attack)(addr);
                start.elapsed()
            })
        });
        let attacks: Vec<_> = attacks.collect();
        while !attacks.iter().all(thread::ScopedJoinHandle::is_finished) {
            most = most.max(held(&probe));
            thread::sleep(Duration::from_millis(10));
        }
        for attack in attacks {
            longest = longest.max(attack.join().unwrap());
        }
    });
    until("all are gone", || listener.stats().handshaking == 0);
    let after = listener.stats().refused;
    let counted = match attacker.refused {
        Refused::Tls => after.tls - before.tls,
        Refused::Deadline => after.deadline - before.deadline,
    };
    // And somebody new is let in.
    towards(&listener).connect().unwrap().close().unwrap();
    probe.close().unwrap();
    (longest, most / EACH, counted)
}

#[test]
fn s20_s37_who_attacks_the_handshake_is_gone_in_time_and_little_is_held() {
    let mut failed = Vec::new();
    for kinds in KINDS.chunks(10) {
        let results: Vec<_> = thread::scope(|scope| {
            let ordeals: Vec<_> = kinds.iter().map(|kind| scope.spawn(|| ordeal(kind))).collect();
            ordeals.into_iter().map(|ordeal| ordeal.join().unwrap()).collect()
        });
        for (kind, (longest, held, counted)) in kinds.iter().zip(results) {
            println!(
                "tls: {:38} gone after {longest:6.2?}; {held:6} bytes held; {counted} counted",
                kind.name
            );
            let gone = if kind.refused == Refused::Tls { Duration::ZERO } else { HANDSHAKE };
            if longest > gone + SLACK || held > HELD || counted != EACH {
                failed.push(kind.name);
            }
        }
    }
    assert!(failed.is_empty(), "there too long, too dear or not counted: {failed:?}");
}

/// Whoever waits costs no time: what is left in a buffer is not looked at again and again.
#[test]
#[cfg(target_os = "linux")]
fn s37_nothing_spins_while_peers_say_nothing() {
    use wirewright_tests::process::Process;
    use wirewright_tests::services::in_own_process;

    const TIME: Duration = Duration::from_secs(2);
    in_own_process(concat!(module_path!(), "::s37_nothing_spins_while_peers_say_nothing"), || {
        let tls = server_tls().build().unwrap();
        let builder = plain().tls(tls).handshake_timeout(Duration::from_secs(600));
        let listener = start(builder, |_: &Caller, _: &Call<'_>| Ok(Reply::Nothing));
        let waiting = attackers::unfinished(listener.local_addr());
        let begun = |stats: wirewright::ListenerStats| stats.accepted;
        let all = waiting.len() as u64;
        until("all are accepted", || begun(listener.stats()) == all);
        // A round trip, so that what was sent before is handled.
        towards(&listener).connect().unwrap().close().unwrap();
        let before = Process::this().processor_time();
        thread::sleep(TIME);
        let used = Process::this().processor_time() - before;
        assert!(used < TIME / 5, "{used:?} of {TIME:?}");
        drop(waiting);
    });
}

/// `ClientHello` in records of one byte each, which is allowed (RFC 8446 §5.1).
#[test]
fn s37_a_hello_in_records_of_one_byte_is_answered() {
    let listener = listen();
    for hello in [attackers::hello("TLSv1.2"), attackers::hello("TLSv1.3")] {
        let mut client = RawClient::silent(listener.local_addr());
        client.send(attackers::one_byte_records(&hello));
        let first = attackers::first_record(&mut client);
        assert_eq!((first[0], first[5]), (22, 2), "no ServerHello: {first:?}");
    }
}

fn local(addr: SocketAddr) -> RawClient {
    RawClient::silent(addr)
}
