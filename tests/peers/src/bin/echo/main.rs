//! Echo over loopback: the server on one core, the load on the other, everybody in one run.

mod report;
mod rows;

use std::process::{Command, Stdio};

use rows::Row;
use serde_json::Value;
use wirewright_peers::args::Args;
use wirewright_peers::process::{Cores, Server, spawn_on};
use wirewright_peers::servers::{self, Contestant, PEERS, TLS, sibling};
use wirewright_peers::{Result, process, stats};

const USAGE: &str = "echo [--tls] [--servers NAME,…] [--server NAME='COMMAND {addr}']… \
    [--rows NAME,…] [--rounds N] [--seconds S] [--warm-up S] [--server-core N,…] [--load-core N] \
    [--json FILE] [--list]";

struct Options {
    tls: bool,
    contestants: Vec<Contestant>,
    rows: Vec<Row>,
    rounds: usize,
    seconds: f64,
    warm_up: f64,
    server_core: Cores,
    load_core: usize,
    json: String,
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let tls = args.flag("--tls");
    let contestants = match tls {
        true => servers::among(&TLS, &mut args, &TLS)?,
        false => servers::contestants(&mut args, &PEERS)?,
    };
    let options = Options {
        tls,
        contestants,
        rows: rows::chosen(args.list("--rows")?, tls)?,
        rounds: args.option("--rounds")?.unwrap_or(5),
        seconds: args.option("--seconds")?.unwrap_or(2.0),
        warm_up: args.option("--warm-up")?.unwrap_or(0.5),
        server_core: args
            .option("--server-core")?
            .unwrap_or(Cores::from(Some(0))),
        load_core: args.option("--load-core")?.unwrap_or(1),
        json: args
            .option("--json")?
            .unwrap_or_else(|| "echo.json".to_owned()),
    };
    let list = args.flag("--list");
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    if list {
        options
            .rows
            .iter()
            .for_each(|row| println!("{}", row.name()));
        std::process::exit(0);
    }
    Ok(options)
}

/// One measurement: a fresh server, a warm-up, and the figures of the load.
fn measure(options: &Options, contestant: &Contestant, row: &Row) -> Result<Value> {
    let server = Server::start(&contestant.command, options.server_core)?;
    let mut load = Command::new(sibling("load")?);
    load.arg(server.addr.to_string())
        .args(["--connections", &row.connections.to_string()])
        .args(["--in-flight", &row.in_flight.to_string()])
        .args(["--size", &row.size.to_string()])
        .args(["--seconds", &options.seconds.to_string()])
        .args(["--warm-up", &options.warm_up.to_string()])
        .args(["--server-pid", &server.pid().to_string()])
        .stderr(Stdio::inherit());
    if contestant.name.starts_with("limit") {
        load.arg("--masked-echo");
    }
    if options.tls {
        load.arg("--tls");
    }
    let output = spawn_on(Some(options.load_core), || load.output())?;
    if !output.status.success() {
        return Err(format!("the load failed against {}", contestant.name).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn main() -> Result<()> {
    let options = options()?;
    process::raise_file_limit()?;
    // This process only waits, but where it wakes up must not be the server's core.
    process::pin_to(options.load_core)?;
    let mut results = Vec::new();
    for row in &options.rows {
        let mut rounds = vec![Vec::new(); options.contestants.len()];
        for index in stats::interleave(options.contestants.len(), options.rounds) {
            let contestant = &options.contestants[index];
            eprintln!("{}: {}", row.name(), contestant.name);
            rounds[index].push(measure(&options, contestant, row)?);
        }
        let result = report::Result {
            row,
            contestants: &options.contestants,
            rounds,
        };
        println!("{}", result.markdown());
        results.push(result);
        // After every row: a run that is cut short keeps what it has.
        report::write_json(&options, &results)?;
    }
    Ok(())
}
