//! One message there and back, over and over: what a blocking client adds to a blocking socket.
//!
//! All clients talk to one echo server, each on a connection of its own, a burst at a time in
//! turn. The bare `TcpStream` sends a frame made in advance and reads as many bytes as the echo
//! has. Processor time is that of the calling thread; what drives idle clients in the background
//! is a thread of its own, on the same core, and has a line below the table.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};
use wirewright_peers::args::Args;
use wirewright_peers::process::{self, Server};
use wirewright_peers::servers;
use wirewright_peers::stats::{interleave, median, spread};
use wirewright_peers::table::{self, Table, figure};
use wirewright_peers::{Result, contest::Contestant, trips};

const USAGE: &str = "round-trip [--tls] [--servers NAME | --server NAME='COMMAND {addr}'] \
    [--only CLIENT,…] [--size BYTES,…] [--rounds N] [--trips N] [--server-core N] \
    [--client-core N] [--json FILE]";

/// From this size on, fewer trips make a round.
const LARGE: usize = 16 * 1024;

/// What one burst took.
struct Burst {
    /// p50, p90 and p99 in µs.
    latencies: [f64; 3],
    /// The thread's time per trip in µs.
    cpu: f64,
}

fn burst(contestant: &mut Contestant, trips: usize) -> Result<Burst> {
    // Not in buckets: what the clients differ by is less than one of them is wide.
    let mut latencies = Vec::with_capacity(trips);
    let before = process::thread_micros()?;
    for _ in 0..trips {
        let start = Instant::now();
        (contestant.run)(1)?;
        latencies.push(start.elapsed().as_nanos() as f64 / 1000.0);
    }
    let cpu = (process::thread_micros()? - before) / trips as f64;
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies.get((trips as f64 * share) as usize).copied();
    Ok(Burst {
        latencies: [0.5, 0.9, 0.99].map(|share| at(share).unwrap_or_default()),
        cpu,
    })
}

struct Options {
    tls: bool,
    server: servers::Contestant,
    only: Option<Vec<String>>,
    sizes: Vec<usize>,
    rounds: usize,
    trips: usize,
    server_core: usize,
    client_core: usize,
    json: String,
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let tls = args.flag("--tls");
    let sizes = args
        .list("--size")?
        .unwrap_or_else(|| vec!["64".to_owned()]);
    let options = Options {
        tls,
        server: if tls {
            servers::one_over_tls(&mut args)?
        } else {
            servers::one(&mut args)?
        },
        only: args.list("--only")?,
        sizes: sizes
            .iter()
            .map(|size| size.parse())
            .collect::<Result<_, _>>()?,
        rounds: args.option("--rounds")?.unwrap_or(21),
        trips: args.option("--trips")?.unwrap_or(5_000),
        server_core: args.option("--server-core")?.unwrap_or(0),
        client_core: args.option("--client-core")?.unwrap_or(1),
        json: args
            .option("--json")?
            .unwrap_or_else(|| "round-trip.json".to_owned()),
    };
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    Ok(options)
}

/// Those that are wanted, connected.
fn clients(options: &Options, addr: SocketAddr, size: usize) -> Result<Vec<Contestant>> {
    let payload: Vec<u8> = (0..size).map(|index| index as u8).collect();
    let wanted = |name: &str| match &options.only {
        Some(only) => only.iter().any(|one| one == name),
        None => true,
    };
    let chosen = trips::clients(options.tls)
        .iter()
        .filter(|(name, _)| wanted(name));
    let clients: Vec<_> = chosen
        .map(|(_, make)| make(addr, &payload))
        .collect::<Result<_>>()?;
    if clients.is_empty() {
        return Err("no such client".into());
    }
    Ok(clients)
}

/// One client's line in the table, and its entry in the file.
fn report(client: &Contestant, bursts: &[Burst], table: &mut Table) -> Value {
    let of = |field: &dyn Fn(&Burst) -> f64| median(bursts.iter().map(field));
    let latencies = [0, 1, 2].map(|at| of(&|burst| burst.latencies[at]));
    let (low, high) = spread(bursts.iter().map(|burst| burst.latencies[0]));
    let cpu = of(&|burst| burst.cpu);
    let (least, most) = spread(bursts.iter().map(|burst| burst.cpu));
    let [p50, p90, p99] = latencies;
    let figures = [p50, low, high, p90, p99, cpu, least, most].map(figure);
    table.row(std::iter::once(client.name.to_owned()).chain(figures));
    json!({
        "p50_us": p50, "p50_min_us": low, "p50_max_us": high, "p90_us": p90, "p99_us": p99,
        "cpu_us": cpu, "cpu_min_us": least, "cpu_max_us": most,
    })
}

/// Time of the threads that no client calls from, in µs.
fn background() -> Result<f64> {
    let threads = process::threads()?;
    let others = threads.iter().filter(|(name, _)| name != "round-trip");
    Ok(others.map(|(_, micros)| micros).sum())
}

/// All clients with one size: prints the table, and gives the entry in the file.
fn measure(options: &Options, addr: SocketAddr, size: usize) -> Result<Value> {
    // A large message takes so much longer that fewer do.
    let trips = options.trips.div_ceil(1 + size / LARGE);
    let mut clients = clients(options, addr, size)?;
    for client in &mut clients {
        burst(client, trips)?;
    }
    let mut bursts: Vec<Vec<Burst>> = clients.iter().map(|_| Vec::new()).collect();
    let (start, before) = (Instant::now(), background()?);
    for index in interleave(clients.len(), options.rounds) {
        bursts[index].push(burst(&mut clients[index], trips)?);
    }
    let idle = (background()? - before) / start.elapsed().as_secs_f64();

    let heads = ["p50", "least", "most", "p90", "p99", "cpu", "least", "most"];
    let first = format!("client, {}, µs", table::bytes(size));
    let mut table = Table::new([first.as_str()].into_iter().chain(heads));
    let mut results = serde_json::Map::new();
    for (client, bursts) in clients.iter().zip(&bursts) {
        let result = report(client, bursts, &mut table);
        results.insert(client.name.to_owned(), result);
    }
    println!("{}", table.markdown());
    println!("The background took {} µs of each second.\n", figure(idle));
    Ok(json!({
        "size": size, "trips": trips, "clients": results, "background_us_per_second": idle,
    }))
}

fn main() -> Result<()> {
    let options = options()?;
    let server = Server::start(&options.server.command, Some(options.server_core))?;
    process::pin_to(options.client_core)?;
    let sizes = options
        .sizes
        .iter()
        .map(|size| measure(&options, server.addr, *size));
    let all = json!({ "rounds": options.rounds, "sizes": sizes.collect::<Result<Vec<_>>>()? });
    Ok(std::fs::write(options.json, format!("{all:#}\n"))?)
}
