//! Connections that are opened, upgraded and reset, over and over: what a handshake costs a server.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use serde_json::json;
use wirewright_peers::args::Args;
use wirewright_peers::frames;
use wirewright_peers::process::{self, Server};
use wirewright_peers::servers::{self, Contestant};
use wirewright_peers::table::{Table, figure};
use wirewright_peers::{Result, stats};

const USAGE: &str = "upgrades [--servers NAME,…] [--server NAME='COMMAND {addr}']… \
    [--in-flight N] [--rounds N] [--seconds S] [--warm-up S] [--server-core N] [--load-core N] \
    [--json FILE]";

/// Batching is of no use to a handshake.
const DEFAULT: [&str; 5] = [
    "limit",
    "fastwebsockets",
    "tokio-websockets",
    "sockudo-ws",
    "tokio-tungstenite",
];

struct Options {
    contestants: Vec<Contestant>,
    in_flight: usize,
    rounds: usize,
    seconds: f64,
    warm_up: f64,
    server_core: usize,
    load_core: usize,
    json: String,
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let options = Options {
        contestants: servers::contestants(&mut args, &DEFAULT)?,
        in_flight: args.option("--in-flight")?.unwrap_or(16),
        rounds: args.option("--rounds")?.unwrap_or(5),
        seconds: args.option("--seconds")?.unwrap_or(2.0),
        warm_up: args.option("--warm-up")?.unwrap_or(0.3),
        server_core: args.option("--server-core")?.unwrap_or(0),
        load_core: args.option("--load-core")?.unwrap_or(1),
        json: args
            .option("--json")?
            .unwrap_or_else(|| "upgrades.json".to_owned()),
    };
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    Ok(options)
}

/// One connection from its first to its last. It is reset, so that no port waits for a minute.
fn upgrade(addr: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    frames::connect(&mut stream)?;
    Ok(set_socket_linger(&stream, Some(Duration::ZERO))?)
}

/// Upgrades a second, and user and system time of the server for each in µs.
type Figures = [f64; 3];

fn measure(options: &Options, contestant: &Contestant) -> Result<Figures> {
    let server = Server::start(&contestant.command, Some(options.server_core))?;
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let work = || -> std::result::Result<(), String> {
        while !over.load(Ordering::Relaxed) {
            upgrade(server.addr).map_err(|error| error.to_string())?;
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.in_flight).map(|_| scope.spawn(work)).collect();
        thread::sleep(Duration::from_secs_f64(options.warm_up));
        let (start, cpu) = (Instant::now(), process::cpu_micros(server.pid())?);
        let before = count.load(Ordering::Relaxed);
        thread::sleep(Duration::from_secs_f64(options.seconds));
        let upgrades = (count.load(Ordering::Relaxed) - before).max(1) as f64;
        let (seconds, after) = (
            start.elapsed().as_secs_f64(),
            process::cpu_micros(server.pid())?,
        );
        over.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().map_err(|_| "a worker panicked")??;
        }
        let (user, system) = (after.0 - cpu.0, after.1 - cpu.1);
        Ok([upgrades / seconds, user / upgrades, system / upgrades])
    })
}

fn main() -> Result<()> {
    let options = options()?;
    process::raise_file_limit()?;
    process::pin_to(options.load_core)?;
    let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); options.contestants.len()];
    for index in stats::interleave(options.contestants.len(), options.rounds) {
        let contestant = &options.contestants[index];
        eprintln!("{}", contestant.name);
        rounds[index].push(measure(&options, contestant)?);
    }
    let mut table = Table::new(["server", "upgrades/s", "user µs", "system µs"]);
    let mut results = serde_json::Map::new();
    for (contestant, rounds) in options.contestants.iter().zip(&rounds) {
        let medians = [0, 1, 2].map(|at| stats::median(rounds.iter().map(|round| round[at])));
        let cells = medians.map(figure);
        table.row(std::iter::once(contestant.name.clone()).chain(cells));
        let [per_second, user, system] = medians;
        let entry = json!({
            "per_second": per_second, "user_us": user, "system_us": system, "rounds": rounds,
        });
        results.insert(contestant.name.clone(), entry);
    }
    println!("{}", table.markdown());
    let all = json!({ "in_flight": options.in_flight, "servers": results });
    Ok(std::fs::write(&options.json, format!("{all:#}\n"))?)
}
