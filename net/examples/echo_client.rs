//! Sends messages to an echo server one at a time, checks what comes back, and prints how long the
//! round trips took.
//!
//! `cargo run --release -p wirewright --example echo_client -- ws://127.0.0.1:9001
//! [--messages N] [--size BYTES] [--ca FILE] [--identity CERTIFICATE KEY]`
//!
//! A `wss` server is trusted if one of the platform's authorities vouches for it, or with `--ca`
//! one of those in that PEM file; `--identity` is what it is shown where it asks for a certificate.
#![expect(clippy::print_stdout, reason = "a program for the command line")]

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use wirewright::tls::{ClientTlsBuilder, Identity, Trust};
use wirewright::{Client, MessageBuf};

struct Options {
    url: String,
    /// Where it is to be other than by default.
    tls: Option<ClientTlsBuilder>,
    messages: usize,
    size: usize,
}

const USAGE: &str = "usage: echo_client ws://HOST:PORT [--messages N] [--size BYTES] [--ca FILE] \
                     [--identity CERTIFICATE KEY]";

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("echo_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut builder = Client::builder(&options.url);
    if let Some(tls) = &options.tls {
        builder = builder.tls(tls.build()?);
    }
    let client = builder.connect()?;
    println!("connected to {} ({})", options.url, client.peer_addr()?);
    if let Some(security) = client.security() {
        println!("{}, {}", security.protocol, security.cipher_suite);
    }

    let mut message: Vec<u8> = (0..options.size).map(|at| at.to_le_bytes()[0]).collect();
    let mut echo = MessageBuf::new();
    let mut trips = Vec::with_capacity(options.messages);
    let start = Instant::now();
    for number in 0..options.messages {
        // No two messages in a row are the same, so that none can stand for another.
        for (byte, digit) in message.iter_mut().zip(number.to_le_bytes()) {
            *byte = digit;
        }
        let sent = Instant::now();
        client.write_binary(&message)?;
        if !client.read_into(&mut echo)? {
            return Err(format!("closed by the server after {number} messages").into());
        }
        trips.push(sent.elapsed());
        if echo.message().as_bytes() != message {
            return Err(format!("echo of message {number} is not what was sent").into());
        }
    }
    let took = start.elapsed();
    client.close()?;

    println!(
        "{} messages of {} bytes echoed in {took:.2?}, {:.0} a second",
        options.messages,
        options.size,
        options.messages as f64 / took.as_secs_f64(),
    );
    trips.sort_unstable();
    let share = |per_mille: usize| trips.get((trips.len() * per_mille / 1000).min(trips.len() - 1));
    println!(
        "round trip in µs: p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
        micros(share(500)),
        micros(share(900)),
        micros(share(990)),
        micros(share(999)),
        micros(trips.last()),
    );
    Ok(())
}

fn micros(trip: Option<&Duration>) -> String {
    trip.map_or_else(|| "-".into(), |trip| format!("{:.1}", trip.as_secs_f64() * 1e6))
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options { url: String::new(), tls: None, messages: 10_000, size: 64 };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs another word"));
        let number = |value: String| -> Result<usize, Box<dyn Error>> {
            Ok(value.parse().map_err(|error| format!("{arg} {value}: {error}"))?)
        };
        match arg.as_str() {
            "--messages" => options.messages = number(value()?)?.max(1),
            "--size" => options.size = number(value()?)?,
            "--ca" => {
                let tls = options.tls.unwrap_or_default().trust(Trust::pem_file(value()?));
                options.tls = Some(tls);
            }
            "--identity" => {
                let identity = Identity::pem_files(value()?, value()?);
                options.tls = Some(options.tls.unwrap_or_default().identity(identity));
            }
            "--help" | "-h" => return Err(USAGE.into()),
            _ if options.url.is_empty() && !arg.starts_with('-') => options.url = arg,
            _ => return Err(format!("unknown argument {arg}; {USAGE}").into()),
        }
    }
    if options.url.is_empty() { Err(USAGE.into()) } else { Ok(options) }
}
