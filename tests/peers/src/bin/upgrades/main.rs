//! Connections that are opened, upgraded and reset, over and over: what a handshake costs a server.

mod load;

use std::sync::Arc;
use std::time::{Duration, Instant};

use load::Load;
use rustls::ClientConfig;
use serde_json::json;
use wirewright_peers::args::Args;
use wirewright_peers::process::{self, Server};
use wirewright_peers::run::Run;
use wirewright_peers::servers::{self, Contestant, TLS};
use wirewright_peers::table::{Table, figure};
use wirewright_peers::{Result, stats, tls};

const USAGE: &str = "upgrades [--tls [--resumed]] [--servers NAME,…] \
    [--server NAME='COMMAND {addr}']… [--in-flight N] [--rounds N] [--seconds S] \
    [--warm-up S] [--server-core N] [--load-core N] [--json FILE]";

/// Batching is of no use to a handshake.
const DEFAULT: [&str; 5] = [
    "limit",
    "fastwebsockets",
    "tokio-websockets",
    "sockudo-ws",
    "tokio-tungstenite",
];

/// The limit is rustls alone.
const OVER_TLS: [&str; 3] = ["wirewright-tls", "limit-tls", "tokio-tungstenite-tls"];

/// What each connection begins with.
#[derive(Clone, Copy, PartialEq)]
enum Security {
    None,
    Full,
    Resumed,
}

struct Options {
    security: Security,
    contestants: Vec<Contestant>,
    in_flight: usize,
    warm_up: f64,
    run: Run,
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let security = match (args.flag("--tls"), args.flag("--resumed")) {
        (false, false) => Security::None,
        (false, true) => return Err("without --tls there is nothing to resume".into()),
        (true, false) => Security::Full,
        (true, true) => Security::Resumed,
    };
    let contestants = match security {
        Security::None => servers::contestants(&mut args, &DEFAULT)?,
        _ => servers::among(&TLS, &mut args, &OVER_TLS)?,
    };
    let options = Options {
        security,
        contestants,
        in_flight: args.option("--in-flight")?.unwrap_or(16),
        warm_up: args.option("--warm-up")?.unwrap_or(0.3),
        run: Run::from_args(&mut args, "upgrades", 5, 2.0)?,
    };
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    Ok(options)
}

impl Security {
    fn config(self) -> Result<Option<Arc<ClientConfig>>> {
        let config = || tls::client_config(self == Self::Resumed);
        (self != Self::None).then(config).transpose()
    }
}

/// Upgrades a second; user and system time of the server, and time of the load, for each in µs.
type Figures = [f64; 4];

fn measure(options: &Options, contestant: &Contestant) -> Result<Figures> {
    let server = Server::start(&contestant.command, Some(options.run.server_core))?;
    let mut load = Load::start(server.addr, options.security.config()?, options.in_flight)?;
    let warm_up = Duration::from_secs_f64(options.warm_up);
    load.run(Instant::now() + warm_up)?;
    // The first have no session to resume: on a busy machine that takes longer.
    while load.upgrades < 4 * options.in_flight as u64 {
        load.run(Instant::now() + warm_up)?;
    }

    let cpu = || process::cpu_micros(server.pid());
    (load.upgrades, load.resumed) = (0, 0);
    let (start, before, own) = (Instant::now(), cpu()?, process::thread_micros()?);
    load.run(start + Duration::from_secs_f64(options.run.seconds))?;
    let (seconds, after) = (start.elapsed().as_secs_f64(), cpu()?);
    let own = process::thread_micros()? - own;

    let resumed = if options.security == Security::Resumed {
        load.upgrades
    } else {
        0
    };
    if load.resumed != resumed {
        return Err(format!("{} of {} sessions resumed", load.resumed, load.upgrades).into());
    }
    let upgrades = load.upgrades.max(1) as f64;
    let (user, system) = (after.0 - before.0, after.1 - before.1);
    let [user, system, own] = [user, system, own].map(|micros| micros / upgrades);
    Ok([upgrades / seconds, user, system, own])
}

fn main() -> Result<()> {
    let options = options()?;
    process::raise_file_limit()?;
    process::pin_to(options.run.load_core)?;
    let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); options.contestants.len()];
    for index in stats::interleave(options.contestants.len(), options.run.rounds) {
        let contestant = &options.contestants[index];
        eprintln!("{}", contestant.name);
        rounds[index].push(measure(&options, contestant)?);
    }
    let mut table = Table::new(["server", "upgrades/s", "user µs", "system µs", "load µs"]);
    let mut results = serde_json::Map::new();
    for (contestant, rounds) in options.contestants.iter().zip(&rounds) {
        let medians = [0, 1, 2, 3].map(|at| stats::median(rounds.iter().map(|round| round[at])));
        let cells = medians.map(figure);
        table.row(std::iter::once(contestant.name.clone()).chain(cells));
        let [per_second, user, system, load] = medians;
        let entry = json!({
            "per_second": per_second, "user_us": user, "system_us": system, "load_us": load,
            "rounds": rounds,
        });
        results.insert(contestant.name.clone(), entry);
    }
    println!("{}", table.markdown());
    let all = json!({ "in_flight": options.in_flight, "servers": results });
    Ok(std::fs::write(&options.run.json, format!("{all:#}\n"))?)
}
