//! One message there and back, over and over: what a blocking client adds to a blocking socket.
//!
//! All clients talk to one echo server, each on a connection of its own, a burst at a time in
//! turn. The bare `TcpStream` sends a frame made in advance and reads as many bytes as the echo
//! has. Processor time is that of the calling thread; what drives idle clients in the background
//! is a thread of its own, on the same core, and has a line below the table.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};
use tungstenite::protocol::Role;
use wirewright::{Client, MessageBuf};
use wirewright_peers::args::Args;
use wirewright_peers::frames::{self, BINARY, Frame, mask_key};
use wirewright_peers::process::{self, Server};
use wirewright_peers::servers;
use wirewright_peers::stats::{interleave, median, spread};
use wirewright_peers::table::{Table, figure};
use wirewright_peers::{Result, contest::Contestant};

const USAGE: &str = "round-trip [--servers NAME | --server NAME='COMMAND {addr}'] \
    [--only CLIENT,…] [--size BYTES] [--rounds N] [--trips N] [--server-core N] \
    [--client-core N] [--json FILE]";

type Make = fn(SocketAddr, &[u8]) -> Result<Contestant>;

const CLIENTS: [(&str, Make); 4] = [
    ("TcpStream", bare),
    ("tungstenite", tungstenite),
    ("wirewright", |addr, payload| {
        wirewright("wirewright", true, addr, payload)
    }),
    ("wirewright without custody", |addr, payload| {
        wirewright("wirewright without custody", false, addr, payload)
    }),
];

/// The floor: the same bytes on the same socket, and nothing else.
fn bare(addr: SocketAddr, payload: &[u8]) -> Result<Contestant> {
    let mut stream = frames::open(addr)?;
    let (mut message, mut expected) = (Vec::new(), Vec::new());
    let mask = Some(mask_key(0));
    Frame {
        fin: true,
        opcode: BINARY,
        mask,
        payload,
    }
    .write_to(&mut message);
    Frame {
        fin: true,
        opcode: BINARY,
        mask: None,
        payload,
    }
    .write_to(&mut expected);
    let mut echo = vec![0; expected.len()];
    let run = move |_| {
        stream.write_all(&message)?;
        stream.read_exact(&mut echo)?;
        right(echo == expected)
    };
    Ok(Contestant {
        name: "TcpStream",
        run: Box::new(run),
    })
}

fn tungstenite(addr: SocketAddr, payload: &[u8]) -> Result<Contestant> {
    let stream = frames::open(addr)?;
    let mut socket = tungstenite::WebSocket::from_raw_socket(stream, Role::Client, None);
    let payload = bytes::Bytes::copy_from_slice(payload);
    let run = move |_| {
        socket.send(tungstenite::Message::Binary(payload.clone()))?;
        right(socket.read()?.into_data() == payload)
    };
    Ok(Contestant {
        name: "tungstenite",
        run: Box::new(run),
    })
}

fn wirewright(
    name: &'static str,
    custody: bool,
    addr: SocketAddr,
    payload: &[u8],
) -> Result<Contestant> {
    let client = Client::builder(&format!("ws://{addr}/")).custody(custody);
    let client = client.connect()?;
    let (payload, mut message) = (payload.to_vec(), MessageBuf::new());
    let run = move |_| {
        client.write_binary(&payload)?;
        right(client.read_into(&mut message)? && message.message().as_bytes() == payload)
    };
    Ok(Contestant {
        name,
        run: Box::new(run),
    })
}

fn right(echo: bool) -> Result<()> {
    if echo {
        Ok(())
    } else {
        Err("the echo differs from the message".into())
    }
}

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
    server: servers::Contestant,
    only: Option<Vec<String>>,
    size: usize,
    rounds: usize,
    trips: usize,
    server_core: usize,
    client_core: usize,
    json: String,
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let options = Options {
        server: servers::one(&mut args)?,
        only: args.list("--only")?,
        size: args.option("--size")?.unwrap_or(64),
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
fn clients(options: &Options, addr: SocketAddr) -> Result<Vec<Contestant>> {
    let payload: Vec<u8> = (0..options.size).map(|index| index as u8).collect();
    let wanted = |name: &str| match &options.only {
        Some(only) => only.iter().any(|one| one == name),
        None => true,
    };
    let chosen = CLIENTS.iter().filter(|(name, _)| wanted(name));
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

fn main() -> Result<()> {
    let options = options()?;
    let server = Server::start(&options.server.command, Some(options.server_core))?;
    process::pin_to(options.client_core)?;
    let mut clients = clients(&options, server.addr)?;
    for client in &mut clients {
        burst(client, options.trips)?;
    }
    let mut bursts: Vec<Vec<Burst>> = clients.iter().map(|_| Vec::new()).collect();
    let (start, before) = (Instant::now(), background()?);
    for index in interleave(clients.len(), options.rounds) {
        bursts[index].push(burst(&mut clients[index], options.trips)?);
    }
    let idle = (background()? - before) / start.elapsed().as_secs_f64();

    let mut table = Table::new([
        "client, µs",
        "p50",
        "least",
        "most",
        "p90",
        "p99",
        "cpu",
        "least",
        "most",
    ]);
    let mut results = serde_json::Map::new();
    for (client, bursts) in clients.iter().zip(&bursts) {
        let result = report(client, bursts, &mut table);
        results.insert(client.name.to_owned(), result);
    }
    println!("{}", table.markdown());
    println!("The background took {} µs of each second.", figure(idle));
    let all = json!({
        "size": options.size, "rounds": options.rounds, "trips": options.trips,
        "clients": results, "background_us_per_second": idle,
    });
    Ok(std::fs::write(options.json, format!("{all:#}\n"))?)
}
