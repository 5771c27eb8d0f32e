//! What an idle connection costs a server in user space: after the handshake, and after one
//! message has been echoed on each.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use flate2::{FlushCompress, FlushDecompress};
use rustls::ClientConfig;
use serde_json::json;
use wirewright_peers::args::Args;
use wirewright_peers::frames::{self, BINARY, Frame, mask_key};
use wirewright_peers::process::{self, Memory, Server};
use wirewright_peers::servers::{self, Contestant, DEFLATE, TLS};
use wirewright_peers::table::Table;
use wirewright_peers::transport::Transport;
use wirewright_peers::{Result, stats, tls};

const USAGE: &str = "memory [--servers NAME,…] [--server NAME='COMMAND {addr}']… \
    [--connections N] [--rounds N] [--compression | --tls] [--json FILE]";

/// Batching changes no buffer that is worth a line, and the limit keeps no protocol state.
const DEFAULT: [&str; 4] = [
    "fastwebsockets",
    "tokio-websockets",
    "sockudo-ws",
    "tokio-tungstenite",
];

/// The limit is rustls alone.
const OVER_TLS: [&str; 3] = ["wirewright-tls", "limit-tls", "tokio-tungstenite-tls"];

/// The end of a flush, which is left out (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// Says that a message is compressed.
const RSV1: u8 = 0x40;

/// What a browser offers.
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// A message whose like services send all day.
const TEXT: &[u8] = br#"{"symbol":"EURUSD","bid":1.08431,"ask":1.08433,"time":1764150000123}"#;

/// Bytes per connection at the two moments.
struct Cost {
    opened: Memory,
    echoed: Memory,
}

/// What is done with each contestant.
struct Plan {
    connections: usize,
    compressed: bool,
    tls: Option<Arc<ClientConfig>>,
}

fn measure(contestant: &Contestant, plan: &Plan) -> Result<Cost> {
    let server = Server::start(&contestant.command, None)?;
    let before = settled(&server)?;
    let mut streams = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        let mut stream = Transport::connect(server.addr, plan.tls.as_ref())?;
        open(&mut stream, plan.compressed)?;
        streams.push(stream);
    }
    let opened = settled(&server)?;
    let echo = if plan.compressed { echo_deflated } else { echo };
    streams.iter_mut().try_for_each(echo)?;
    let echoed = settled(&server)?;
    let per_connection = |after: Memory| Memory {
        resident: (after.resident - before.resident) / plan.connections as f64,
        reserved: (after.reserved - before.reserved) / plan.connections as f64,
    };
    Ok(Cost {
        opened: per_connection(opened),
        echoed: per_connection(echoed),
    })
}

fn open(stream: &mut Transport, compressed: bool) -> Result<()> {
    let headers = if compressed { OFFER } else { "" };
    let head = frames::connect_with(stream, headers)?.to_ascii_lowercase();
    if head.contains("permessage-deflate") != compressed {
        return Err(format!("not what was offered: {head}").into());
    }
    Ok(())
}

/// Sends [`TEXT`] compressed, as the first message of a window, and gets it back as such a one.
fn echo_deflated(stream: &mut Transport) -> Result<()> {
    let mut deflate = flate2::Compress::new(flate2::Compression::default(), false);
    let mut payload = Vec::with_capacity(256);
    deflate.compress_vec(TEXT, &mut payload, FlushCompress::Sync)?;
    payload.truncate(payload.len().saturating_sub(TAIL.len()));
    let mut message = Vec::new();
    let frame = Frame {
        fin: true,
        opcode: frames::TEXT | RSV1,
        mask: Some(mask_key(0)),
        payload: &payload,
    };
    frame.write_to(&mut message);
    stream.write_all(&message)?;
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut echo = vec![0; usize::from(head[1])];
    stream.read_exact(&mut echo)?;
    if !matches!(head, [0xC1, ..=125]) {
        return Err(format!("not a short compressed text: {head:x?}").into());
    }
    echo.extend_from_slice(&TAIL);
    let mut text = Vec::with_capacity(256);
    flate2::Decompress::new(false).decompress_vec(&echo, &mut text, FlushDecompress::Sync)?;
    if text != TEXT {
        return Err("the echo differs from the message".into());
    }
    Ok(())
}

/// Some servers give memory back, or finish opening, a moment later.
fn settled(server: &Server) -> Result<Memory> {
    std::thread::sleep(Duration::from_millis(500));
    process::memory(server.pid())
}

fn echo(stream: &mut Transport) -> Result<()> {
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
        // The limit's, of which as much is left as the key is longer.
        _ if echo == message[..66] => Ok(stream.read_exact(&mut echo[..4])?),
        _ => Err("the echo differs from the message".into()),
    }
}

fn main() -> Result<()> {
    let mut args = Args::from_env();
    let plan = Plan {
        connections: args.option("--connections")?.unwrap_or(10_000),
        compressed: args.flag("--compression"),
        tls: args
            .flag("--tls")
            .then(|| tls::client_config(false))
            .transpose()?,
    };
    let contestants = match (plan.compressed, &plan.tls) {
        (true, _) => servers::among(&DEFLATE, &mut args, &DEFLATE)?,
        (false, Some(_)) => servers::among(&TLS, &mut args, &OVER_TLS)?,
        (false, None) => servers::contestants(&mut args, &DEFAULT)?,
    };
    let connections = plan.connections;
    let rounds: usize = args.option("--rounds")?.unwrap_or(3);
    let file = args
        .option("--json")?
        .unwrap_or_else(|| "memory.json".to_owned());
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    process::make_room_for(connections)?;

    let mut costs: Vec<Vec<Cost>> = contestants.iter().map(|_| Vec::new()).collect();
    for index in stats::interleave(contestants.len(), rounds) {
        eprintln!("{}", contestants[index].name);
        costs[index].push(measure(&contestants[index], &plan)?);
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
