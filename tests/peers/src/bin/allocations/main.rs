//! How often memory is asked for while a message is echoed over TLS, each time around.
//!
//! rustls asks for some by itself: its own line says how often, for as many bytes. One message is
//! in flight, and what counts is the one thread of a server or a client.

mod echoes;

use std::net::SocketAddr;
use std::sync::mpsc;

use serde_json::json;
use wirewright_peers::args::Args;
use wirewright_peers::table::{self, Table, figure};
use wirewright_peers::{Result, trips};
use wirewright_tests::alloc::Meter;

const USAGE: &str = "allocations [--size BYTES,…] [--warm-up MESSAGES] [--messages MESSAGES] \
    [--json FILE]";

/// Which messages are counted: so many, behind those in which buffers find their size.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    size: usize,
    warm_up: usize,
    messages: usize,
}

/// Counts allocations of the thread that it is asked on.
pub struct Count {
    span: Span,
    seen: usize,
    meter: Option<Meter>,
    result: mpsc::Sender<u64>,
}

impl Count {
    /// Another message is there, the last of the warm-up's, or the last of all.
    pub fn message(&mut self) {
        self.seen += 1;
        if self.seen == self.span.warm_up {
            self.meter = Some(Meter::new());
        } else if self.seen == self.span.warm_up + self.span.messages
            && let Some(meter) = self.meter.take()
        {
            // Nobody asks any more when the program has failed.
            let _ = self.result.send(meter.allocations());
        }
    }
}

/// Starts a server that counts with what it is given, and says where it listens.
type Start = fn(Count) -> Result<SocketAddr>;

const SERVERS: [(&str, Start); 3] = [
    ("rustls, server", echoes::bare),
    ("wirewright, server", echoes::wirewright),
    ("tokio-tungstenite, server", echoes::tokio_tungstenite),
];

/// Allocations per message of a server.
fn server(start: Start, span: Span) -> Result<f64> {
    let (result, results) = mpsc::channel();
    let addr = start(Count {
        span,
        seen: 0,
        meter: None,
        result,
    })?;
    echoes::drive(addr, span)?;
    Ok(results.try_recv()? as f64 / span.messages as f64)
}

/// Allocations per message of a client.
fn client(make: trips::Make, span: Span) -> Result<f64> {
    let (result, results) = mpsc::channel();
    let unheard = Count {
        span,
        seen: 0,
        meter: None,
        result,
    };
    let payload = vec![7; span.size];
    let mut client = make(echoes::wirewright(unheard)?, &payload)?;
    (0..span.warm_up).try_for_each(|_| (client.run)(1))?;
    let meter = Meter::new();
    (0..span.messages).try_for_each(|_| (client.run)(1))?;
    drop(results);
    Ok(meter.allocations() as f64 / span.messages as f64)
}

fn main() -> Result<()> {
    let mut args = Args::from_env();
    let usual = || {
        ["20", "1024", "16384", "1048576"]
            .map(str::to_owned)
            .to_vec()
    };
    let sizes = args.list("--size")?.unwrap_or_else(usual);
    let sizes: Vec<usize> = sizes
        .iter()
        .map(|size| size.parse())
        .collect::<Result<_, _>>()?;
    let warm_up = args.option("--warm-up")?.unwrap_or(100);
    let messages = args.option("--messages")?.unwrap_or(200);
    let file = args
        .option("--json")?
        .unwrap_or_else(|| "allocations.json".to_owned());
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;

    let spans: Vec<_> = sizes
        .iter()
        .map(|&size| Span {
            size,
            warm_up,
            messages,
        })
        .collect();
    let heads = sizes.iter().map(|size| table::bytes(*size));
    let first = "allocations per message".to_owned();
    let mut table = Table::new([first].into_iter().chain(heads));
    let mut results = serde_json::Map::new();
    let mut row = |name: String, counts: Vec<f64>| {
        let cells = counts.iter().copied().map(figure);
        table.row([name.clone()].into_iter().chain(cells));
        results.insert(name, json!(counts));
    };
    for (name, start) in SERVERS {
        let counts = spans.iter().map(|span| server(start, *span));
        row(name.to_owned(), counts.collect::<Result<_>>()?);
    }
    for (name, make) in trips::clients(true) {
        let counts = spans.iter().map(|span| client(*make, *span));
        row(format!("{name}, client"), counts.collect::<Result<_>>()?);
    }
    println!("{}", table.markdown());
    let all = json!({ "sizes": sizes, "messages": messages, "allocations": results });
    Ok(std::fs::write(file, format!("{all:#}\n"))?)
}
