//! A listener without descriptors to accept with, in a process of its own.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use wirewright_tests::process::{Process, allow_descriptors};
use wirewright_tests::raw_client::{RawClient, request};
use wirewright_tests::services::until;

use crate::alone;

const MOST: usize = 256;
const CLIENTS: usize = 1_000;
/// So many wait with the system at a time, which remembers 128 connections that nobody accepts.
const QUEUE: usize = 100;
/// So many leave at a time, and get in.
const ROUND: usize = 80;
/// What a busy machine may add to a second.
const SLACK: Duration = Duration::from_secs(4);

/// The listener of `scenario`, held to few descriptors.
struct Starved {
    child: Child,
    addr: SocketAddr,
}

impl Starved {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scenario"));
        command.args(["listen", "--descriptors", &MOST.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        // Nothing follows until its end, so that no byte is lost with the buffer.
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, addr }
    }

    fn process(&self) -> Process {
        Process::of(self.child.id())
    }

    /// Tells it to end, which it does well unless it left descriptors open.
    fn end(mut self) {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
    }
}

#[test]
fn s38_a_thousand_clients_for_few_descriptors_are_served_in_turn() {
    let _alone = alone();
    assert!(allow_descriptors(4_096) > CLIENTS as u64 + 100, "this test needs descriptors itself");
    let starved = Starved::start();
    let mut all = (0..CLIENTS).map(|_| {
        let mut client = RawClient::silent(starved.addr);
        client.send(request(""));
        client
    });
    let mut waiting: VecDeque<RawClient> = all.by_ref().take(MOST + QUEUE).collect();
    until("it has all the descriptors it may", || starved.process().descriptors() == MOST);

    // It rests instead of trying again and again.
    let before = starved.process().processor_time();
    thread::sleep(Duration::from_secs(1));
    let idle = starved.process().processor_time() - before;
    assert!(idle < Duration::from_millis(200), "{idle:?} of processor time a second");

    // The system hands them out in the order in which they came; in each round some of those that
    // are served leave, and as many that wait get in.
    let mut inside: Vec<RawClient> = Vec::new();
    let mut served = 0;
    let mut longest = Duration::ZERO;
    // What it holds beside connections is not known here, but is little.
    let mut room = MOST - 16;
    while !waiting.is_empty() {
        for mut client in waiting.drain(..room.min(waiting.len())) {
            assert!(client.head().starts_with("HTTP/1.1 101 "));
            inside.push(client);
            served += 1;
        }
        if served + waiting.len() < CLIENTS {
            waiting.extend(all.by_ref().take(QUEUE - waiting.len().min(QUEUE)));
        }
        let start = Instant::now();
        room = inside.len().min(ROUND);
        inside.drain(..room).for_each(RawClient::reset);
        if let Some(next) = waiting.front_mut() {
            assert_eq!(next.stream.peek(&mut [0]).unwrap(), 1);
            longest = longest.max(start.elapsed());
        }
    }
    assert_eq!(served, CLIENTS);
    println!(
        "descriptors: {served} clients for {MOST}; {idle:?} of processor time in a second \
         without any; accepted again at most {longest:?} after there was room",
    );
    assert!(longest < Duration::from_secs(1) + SLACK, "accepted after {longest:?}");
    drop(inside);
    starved.end();
}
