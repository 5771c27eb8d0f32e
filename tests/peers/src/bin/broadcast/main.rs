//! One message to ten thousand: a server sends each message it gets to all its connections.

mod audience;
mod report;

use std::time::{Duration, Instant};

use audience::Audience;
use report::Figures;
use wirewright_peers::args::Args;
use wirewright_peers::histogram::Histogram;
use wirewright_peers::process::{self, Server};
use wirewright_peers::run::Run;
use wirewright_peers::servers::{self, BROADCAST, Contestant};
use wirewright_peers::{Result, stats};

const USAGE: &str = "broadcast [--servers NAME,…] [--server NAME='COMMAND {addr}']… \
    [--connections N] [--bytes N,…] [--rounds N] [--seconds S] [--warm-up S] \
    [--server-core N] [--load-core N] [--json FILE]";

struct Options {
    contestants: Vec<Contestant>,
    connections: usize,
    sizes: Vec<usize>,
    warm_up: f64,
    run: Run,
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let sizes = args.list("--bytes")?;
    let sizes = sizes.unwrap_or_else(|| vec!["100".to_owned(), "1024".to_owned()]);
    let options = Options {
        contestants: servers::among(&BROADCAST, &mut args, &BROADCAST)?,
        connections: args.option("--connections")?.unwrap_or(10_000),
        sizes: sizes
            .iter()
            .map(|size| size.parse())
            .collect::<Result<_, _>>()?,
        warm_up: args.option("--warm-up")?.unwrap_or(1.0),
        run: Run::from_args(&mut args, "broadcast", 3, 5.0)?,
    };
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    Ok(options)
}

/// One measurement: a fresh server, everybody connected, a warm-up, and publications one by one.
fn measure(options: &Options, contestant: &Contestant, bytes: usize) -> Result<Figures> {
    let server = Server::start(&contestant.command, Some(options.run.server_core))?;
    let mut audience = Audience::open(server.addr, options.connections, bytes)?;
    publish_for(options.warm_up, &mut audience)?;
    let before = (
        process::cpu_micros(server.pid())?,
        process::thread_micros()?,
    );
    let start = Instant::now();
    let times = publish_for(options.run.seconds, &mut audience)?;
    let seconds = start.elapsed().as_secs_f64();
    let after = (
        process::cpu_micros(server.pid())?,
        process::thread_micros()?,
    );
    audience.close()?;
    let deliveries = times.total() as f64 * options.connections as f64;
    Ok(Figures {
        publications: times.total(),
        per_second: deliveries / seconds,
        user: (after.0.0 - before.0.0) / deliveries,
        system: (after.0.1 - before.0.1) / deliveries,
        load: (after.1 - before.1) / deliveries,
        p50: times.micros(0.5) / 1000.0,
        p99: times.micros(0.99) / 1000.0,
    })
}

/// Publishes for that long, once at least: how long each publication took to the last delivery.
fn publish_for(seconds: f64, audience: &mut Audience) -> Result<Histogram> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut times = Histogram::default();
    loop {
        times.add(audience.publish()?.as_nanos() as u64, 1);
        if Instant::now() >= end {
            return Ok(times);
        }
    }
}

fn main() -> Result<()> {
    let options = options()?;
    process::make_room_for(options.connections)?;
    process::pin_to(options.run.load_core)?;
    let mut results = Vec::new();
    for &bytes in &options.sizes {
        let mut rounds = vec![Vec::new(); options.contestants.len()];
        for index in stats::interleave(options.contestants.len(), options.run.rounds) {
            let contestant = &options.contestants[index];
            eprintln!("{bytes} B: {}", contestant.name);
            let figures = measure(&options, contestant, bytes)
                .map_err(|error| format!("{}: {error}", contestant.name))?;
            rounds[index].push(figures);
        }
        let result = report::Result { bytes, rounds };
        println!("{}", result.markdown(&options));
        results.push(result);
        // After every size: a run that is cut short keeps what it has.
        report::write_json(&options, &results)?;
    }
    Ok(())
}
