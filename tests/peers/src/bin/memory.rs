//! What an idle connection costs a server in user space: after the handshake, and after one
//! message has been echoed on each.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use wirewright_peers::args::Args;
use wirewright_peers::frames::{self, BINARY, Frame, mask_key};
use wirewright_peers::process::{self, Memory, Server};
use wirewright_peers::servers::{self, Contestant};
use wirewright_peers::table::Table;
use wirewright_peers::{Result, stats};

const USAGE: &str = "memory [--servers NAME,…] [--server NAME='COMMAND {addr}']… \
    [--connections N] [--rounds N] [--json FILE]";

/// Batching changes no buffer that is worth a line, and the limit keeps no protocol state.
const DEFAULT: [&str; 4] = [
    "fastwebsockets",
    "tokio-websockets",
    "sockudo-ws",
    "tokio-tungstenite",
];

/// Files that this process and a server need beside the connections.
const SPARE_FILES: u64 = 64;

/// Bytes per connection at the two moments.
struct Cost {
    opened: Memory,
    echoed: Memory,
}

fn measure(contestant: &Contestant, connections: usize) -> Result<Cost> {
    let server = Server::start(&contestant.command, None)?;
    let before = settled(&server)?;
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut stream = TcpStream::connect(server.addr)?;
        frames::connect(&mut stream)?;
        streams.push(stream);
    }
    let opened = settled(&server)?;
    streams.iter_mut().try_for_each(echo)?;
    let echoed = settled(&server)?;
    let per_connection = |after: Memory| Memory {
        resident: (after.resident - before.resident) / connections as f64,
        reserved: (after.reserved - before.reserved) / connections as f64,
    };
    Ok(Cost {
        opened: per_connection(opened),
        echoed: per_connection(echoed),
    })
}

/// Some servers give memory back, or finish opening, a moment later.
fn settled(server: &Server) -> Result<Memory> {
    std::thread::sleep(Duration::from_millis(500));
    process::memory(server.pid())
}

fn echo(stream: &mut TcpStream) -> Result<()> {
    let payload = [7; 64];
    let mut message = Vec::new();
    let mask = Some(mask_key(0));
    Frame {
        fin: true,
        opcode: BINARY,
        mask,
        payload: &payload,
    }
    .write_to(&mut message);
    stream.write_all(&message)?;
    let mut echo = [0; 66];
    stream.read_exact(&mut echo)?;
    match frames::parse(&echo) {
        Some((_, echoed, [])) if echoed == payload => Ok(()),
        _ => Err("the echo differs from the message".into()),
    }
}

fn main() -> Result<()> {
    let mut args = Args::from_env();
    let contestants = servers::contestants(&mut args, &DEFAULT)?;
    let connections: usize = args.option("--connections")?.unwrap_or(10_000);
    let rounds: usize = args.option("--rounds")?.unwrap_or(3);
    let file = args
        .option("--json")?
        .unwrap_or_else(|| "memory.json".to_owned());
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    let limit = process::raise_file_limit()?;
    if limit < connections as u64 + SPARE_FILES {
        return Err(format!("{connections} connections do not fit {limit} open files").into());
    }

    let mut costs: Vec<Vec<Cost>> = contestants.iter().map(|_| Vec::new()).collect();
    for index in stats::interleave(contestants.len(), rounds) {
        eprintln!("{}", contestants[index].name);
        costs[index].push(measure(&contestants[index], connections)?);
    }

    let mut table = Table::new([
        "bytes per connection",
        "after the handshake",
        "after an echo",
        "reserved",
        "reserved after an echo",
    ]);
    let mut results = serde_json::Map::new();
    for (contestant, costs) in contestants.iter().zip(&costs) {
        let median = |field: fn(&Cost) -> f64| stats::median(costs.iter().map(field));
        let figures = [
            median(|cost| cost.opened.resident),
            median(|cost| cost.echoed.resident),
            median(|cost| cost.opened.reserved),
            median(|cost| cost.echoed.reserved),
        ];
        let cells = figures.iter().map(|figure| format!("{figure:.0}"));
        table.row(std::iter::once(contestant.name.clone()).chain(cells));
        results.insert(
            contestant.name.clone(),
            json!({
                "opened": figures[0], "echoed": figures[1],
                "reserved_opened": figures[2], "reserved_echoed": figures[3],
            }),
        );
    }
    println!("{}", table.markdown());
    let all = json!({ "connections": connections, "rounds": rounds, "servers": results });
    Ok(std::fs::write(file, format!("{all:#}\n"))?)
}
