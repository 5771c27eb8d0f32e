//! One message there and back, over and over: what a blocking client adds to a blocking socket.
//!
//! All clients talk to one echo server, each on a connection of its own, a burst at a time in
//! turn. The bare `TcpStream` sends a frame made in advance and reads as many bytes as the echo
//! has.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::json;
use tungstenite::protocol::Role;
use wirewright::{Client, MessageBuf};
use wirewright_peers::args::Args;
use wirewright_peers::frames::{self, BINARY, Frame, mask_key};
use wirewright_peers::histogram::Histogram;
use wirewright_peers::process::{self, Server};
use wirewright_peers::servers;
use wirewright_peers::stats::{interleave, median};
use wirewright_peers::table::{Table, figure};
use wirewright_peers::{Result, contest::Contestant};

const USAGE: &str = "round-trip [--servers NAME | --server NAME='COMMAND {addr}'] [--size BYTES] \
    [--rounds N] [--trips N] [--server-core N] [--client-core N] [--json FILE]";

fn connect(addr: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    frames::connect(&mut stream)?;
    Ok(stream)
}

/// The floor: the same bytes on the same socket, and nothing else.
fn bare(addr: SocketAddr, payload: &[u8]) -> Result<Contestant> {
    let mut stream = connect(addr)?;
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
    let stream = connect(addr)?;
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

fn wirewright(addr: SocketAddr, payload: &[u8]) -> Result<Contestant> {
    let client = Client::connect(&format!("ws://{addr}/"))?;
    let (payload, mut message) = (payload.to_vec(), MessageBuf::new());
    let run = move |_| {
        client.write_binary(&payload)?;
        right(client.read_into(&mut message)? && message.message().as_bytes() == payload)
    };
    Ok(Contestant {
        name: "wirewright",
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

/// One burst: its percentiles in µs.
fn burst(contestant: &mut Contestant, trips: usize) -> Result<[f64; 3]> {
    let mut latencies = Histogram::default();
    for _ in 0..trips {
        let start = Instant::now();
        (contestant.run)(1)?;
        latencies.add(start.elapsed().as_nanos() as u64, 1);
    }
    Ok([0.5, 0.9, 0.99].map(|quantile| latencies.micros(quantile)))
}

fn main() -> Result<()> {
    let mut args = Args::from_env();
    let servers = servers::contestants(&mut args, &[])?;
    let size = args.option("--size")?.unwrap_or(64);
    let rounds = args.option("--rounds")?.unwrap_or(21);
    let trips = args.option("--trips")?.unwrap_or(5_000);
    let server_core = args.option("--server-core")?.unwrap_or(0);
    let client_core = args.option("--client-core")?.unwrap_or(1);
    let file = args
        .option("--json")?
        .unwrap_or_else(|| "round-trip.json".to_owned());
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;

    let fallback = format!(
        "{} fastwebsockets {{addr}}",
        servers::sibling("peer-server")?
    );
    let command = servers
        .first()
        .map_or(fallback, |server| server.command.clone());
    let server = Server::start(&command, Some(server_core))?;
    process::pin_to(client_core)?;
    let payload: Vec<u8> = (0..size).map(|index: usize| index as u8).collect();
    let make = [bare, tungstenite, wirewright];
    let mut clients = make
        .map(|make| make(server.addr, &payload))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;

    for client in &mut clients {
        burst(client, trips)?;
    }
    let mut bursts = vec![Vec::new(); clients.len()];
    for index in interleave(clients.len(), rounds) {
        bursts[index].push(burst(&mut clients[index], trips)?);
    }

    let mut table = Table::new(["client, µs", "p50", "p90", "p99"]);
    let mut results = serde_json::Map::new();
    for (client, bursts) in clients.iter().zip(&bursts) {
        let medians = [0, 1, 2].map(|at| median(bursts.iter().map(|burst: &[f64; 3]| burst[at])));
        table.row(std::iter::once(client.name.to_owned()).chain(medians.map(figure)));
        results.insert(
            client.name.to_owned(),
            json!({ "p50_us": medians[0], "p90_us": medians[1], "p99_us": medians[2] }),
        );
    }
    println!("{}", table.markdown());
    let all = json!({ "size": size, "rounds": rounds, "trips": trips, "clients": results });
    Ok(std::fs::write(file, format!("{all:#}\n"))?)
}
