//! The client that the Autobahn suite's fuzzing server tests:
//! `autobahn_client URL AGENT [--ca FILE]`, with the authority's certificate for a `wss` URL.
//!
//! It runs every case that the server has, echoing what it is sent until the server closes, and
//! has the report written at the end. `tests/autobahn/run.sh` runs it.
#![expect(clippy::print_stdout, reason = "a program for the command line")]

use std::process::ExitCode;
use std::time::Duration;

use wirewright::tls::{ClientTls, Trust};
use wirewright::{Client, ClientBuilder, ClientError, Limits, MessageBuf};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (url, agent, authority) = match arguments[..] {
        [url, agent] => (url, agent, None),
        [url, agent, "--ca", file] => (url, agent, Some(file)),
        _ => {
            println!("usage: autobahn_client ws://HOST:PORT AGENT [--ca FILE]");
            return ExitCode::FAILURE;
        }
    };
    match run(url.trim_end_matches('/'), agent, authority) {
        Ok(cases) => {
            println!("{cases} cases run");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str, agent: &str, authority: Option<&str>) -> Result<u32, Failure> {
    let tls = |file| ClientTls::builder().trust(Trust::pem_file(file)).build();
    let tls = authority.map(tls).transpose()?;
    let options = |path: &str| {
        let options = options(&format!("{url}/{path}"));
        tls.iter().fold(options, |options, tls| options.tls(tls.clone()))
    };
    let cases = options("getCaseCount").connect()?.read_text()?;
    let cases = cases.trim().parse().unwrap_or(0);
    for case in 1..=cases {
        // A case may well end in an error: what the suite makes of it stands in its report.
        if let Err(error) = echo(&options(&format!("runCase?case={case}&agent={agent}"))) {
            println!("case {case}: {error}");
        }
    }
    let report = options(&format!("updateReports?agent={agent}")).connect()?;
    match report.read() {
        Err(ClientError::Closed { .. }) | Ok(_) => Ok(cases),
        Err(error) => Err(error.into()),
    }
}

/// The suite sends frames of up to 16 MiB, and messages in more fragments than anybody needs.
fn options(url: &str) -> ClientBuilder {
    let mut limits = Limits::default();
    limits.max_fragments = u32::MAX;
    Client::builder(url)
        .limits(limits)
        .max_frame_size(16 << 20)
        .max_message_size(64 << 20)
        .read_timeout(Some(Duration::from_secs(60)))
}

fn echo(options: &ClientBuilder) -> Result<(), ClientError> {
    let client = options.connect()?;
    let mut message = MessageBuf::new();
    while client.read_into(&mut message)? {
        client.write_message(message.message())?;
    }
    Ok(())
}
