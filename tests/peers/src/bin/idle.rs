//! What idle connections cost a server that keeps them alive: processor time and wake-ups, while
//! all that happens are its Pings and their Pongs.

use std::time::{Duration, Instant};

use serde_json::json;
use wirewright_peers::args::Args;
use wirewright_peers::crowd::Crowd;
use wirewright_peers::frames;
use wirewright_peers::process::{self, Server};
use wirewright_peers::run::Run;
use wirewright_peers::servers::{self, Contestant};
use wirewright_peers::table::{Table, figure};
use wirewright_peers::{Result, stats};

const USAGE: &str = "idle --server NAME='COMMAND {addr}'… [--connections N] [--rounds N] \
    [--seconds S] [--server-core N] [--load-core N] [--json FILE]";

struct Options {
    contestants: Vec<Contestant>,
    connections: usize,
    run: Run,
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let options = Options {
        // None of the peers pings by itself.
        contestants: servers::contestants(&mut args, &[])?,
        connections: args.option("--connections")?.unwrap_or(10_000),
        run: Run::from_args(&mut args, "idle", 1, 60.0)?,
    };
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    Ok(options)
}

/// Opens them over `time`, so that their Pings do not come all at once either.
fn open(server: &Server, connections: usize, time: Duration) -> Result<Crowd> {
    let (start, mut crowd) = (Instant::now(), Crowd::new()?);
    for index in 0..connections {
        crowd.add(frames::open(server.addr)?)?;
        let due = time.mul_f64(index as f64 / connections as f64);
        crowd.answer_for(due.saturating_sub(start.elapsed()))?;
    }
    Ok(crowd)
}

/// For each connection and second: processor time in µs, Pings, and wake-ups of the server.
type Figures = [f64; 3];

fn measure(options: &Options, contestant: &Contestant) -> Result<Figures> {
    let server = Server::start(&contestant.command, Some(options.run.server_core))?;
    let time = Duration::from_secs_f64(options.run.seconds);
    // A server's first second has more to do than those that follow.
    let opening = time.min(Duration::from_secs(25));
    let mut crowd = open(&server, options.connections, opening)?;
    crowd.answer_for(Duration::from_secs(1))?;
    crowd.pings = 0;
    let before = process::activity(server.pid())?;
    crowd.answer_for(time)?;
    let after = process::activity(server.pid())?;
    let per = options.connections as f64 * options.run.seconds;
    let pings = crowd.pings as f64;
    let figures = [
        after.micros - before.micros,
        pings,
        after.wake_ups - before.wake_ups,
    ];
    Ok(figures.map(|figure| figure / per))
}

fn main() -> Result<()> {
    let options = options()?;
    process::make_room_for(options.connections)?;
    process::pin_to(options.run.load_core)?;
    let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); options.contestants.len()];
    for index in stats::interleave(options.contestants.len(), options.run.rounds) {
        let contestant = &options.contestants[index];
        eprintln!("{}", contestant.name);
        rounds[index].push(measure(&options, contestant)?);
    }
    let mut table = Table::new([
        "per connection and second",
        "CPU µs",
        "pings",
        "wake-ups",
        "CPU µs per ping",
    ]);
    let mut results = serde_json::Map::new();
    for (contestant, rounds) in options.contestants.iter().zip(&rounds) {
        let [cpu, pings, wake_ups] =
            [0, 1, 2].map(|at| stats::median(rounds.iter().map(|round| round[at])));
        let cells = [cpu, pings, wake_ups, cpu / pings].map(figure);
        table.row(std::iter::once(contestant.name.clone()).chain(cells));
        let entry = json!({ "cpu_us": cpu, "pings": pings, "wake_ups": wake_ups });
        results.insert(contestant.name.clone(), entry);
    }
    println!("{}", table.markdown());
    let all = json!({ "connections": options.connections, "servers": results });
    Ok(std::fs::write(&options.run.json, format!("{all:#}\n"))?)
}
