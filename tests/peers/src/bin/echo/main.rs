//! Echo over loopback: the server on one core, the load on the other, everybody in one run.

mod report;
mod rows;

use std::process::{Command, Stdio};

use rows::Row;
use serde_json::Value;
use wirewright_peers::args::Args;
use wirewright_peers::process::{Server, spawn_on};
use wirewright_peers::{Result, process, stats};

const USAGE: &str = "echo [--servers NAME,…] [--server NAME='COMMAND {addr}']… [--rows NAME,…] \
    [--rounds N] [--seconds S] [--warm-up S] [--server-core N] [--load-core N] \
    [--json FILE] [--list]";

/// The echo servers that `peer-server` holds.
const PEERS: [&str; 9] = [
    "limit",
    "fastwebsockets",
    "fastwebsockets-batched",
    "tokio-websockets",
    "tokio-websockets-batched",
    "sockudo-ws",
    "sockudo-ws-batched",
    "tokio-tungstenite",
    "tokio-tungstenite-batched",
];

/// A server to measure: how it is called and how it is started.
struct Contestant {
    name: String,
    command: String,
}

struct Options {
    contestants: Vec<Contestant>,
    rows: Vec<Row>,
    rounds: usize,
    seconds: f64,
    warm_up: f64,
    server_core: usize,
    load_core: usize,
    json: String,
}

/// The program beside this one.
fn sibling(name: &str) -> Result<String> {
    let path = std::env::current_exe()?.with_file_name(name);
    Ok(path.to_str().ok_or("the path is not UTF-8")?.to_owned())
}

/// External servers first: theirs are the columns that the reader looks for.
fn contestants(args: &mut Args) -> Result<Vec<Contestant>> {
    let mut contestants = Vec::new();
    for server in args.options("--server")? {
        let (name, command) = server
            .split_once('=')
            .ok_or("--server wants NAME=COMMAND")?;
        contestants.push(Contestant {
            name: name.to_owned(),
            command: command.to_owned(),
        });
    }
    let chosen = args.list("--servers")?;
    let program = sibling("peer-server")?;
    for name in chosen.unwrap_or_else(|| PEERS.map(str::to_owned).to_vec()) {
        if name == "none" {
            continue;
        }
        if !PEERS.contains(&name.as_str()) {
            return Err(format!("no such server: {name}").into());
        }
        let command = format!("{program} {name} {{addr}}");
        contestants.push(Contestant { name, command });
    }
    Ok(contestants)
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let options = Options {
        contestants: contestants(&mut args)?,
        rows: rows::chosen(args.list("--rows")?)?,
        rounds: args.option("--rounds")?.unwrap_or(5),
        seconds: args.option("--seconds")?.unwrap_or(2.0),
        warm_up: args.option("--warm-up")?.unwrap_or(0.5),
        server_core: args.option("--server-core")?.unwrap_or(0),
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
    let server = Server::start(&contestant.command, Some(options.server_core))?;
    let mut load = Command::new(sibling("load")?);
    load.arg(server.addr.to_string())
        .args(["--connections", &row.connections.to_string()])
        .args(["--in-flight", &row.in_flight.to_string()])
        .args(["--size", &row.size.to_string()])
        .args(["--seconds", &options.seconds.to_string()])
        .args(["--warm-up", &options.warm_up.to_string()])
        .args(["--server-pid", &server.pid().to_string()])
        .stderr(Stdio::inherit());
    if contestant.name == "limit" {
        load.arg("--masked-echo");
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
