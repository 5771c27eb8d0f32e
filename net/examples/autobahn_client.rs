//! The client that the Autobahn suite's fuzzing server tests: `autobahn_client URL AGENT`.
//!
//! It runs every case that the server has, echoing what it is sent until the server closes, and
//! has the report written at the end. `tests/autobahn/run.sh` runs it.
#![expect(clippy::print_stdout, reason = "a program for the command line")]

use std::process::ExitCode;
use std::time::Duration;

use wirewright::{Client, ClientBuilder, ClientError, Limits, MessageBuf};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, agent] = args.as_slice() else {
        println!("usage: autobahn_client ws://HOST:PORT AGENT");
        return ExitCode::FAILURE;
    };
    match run(url.trim_end_matches('/'), agent) {
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

fn run(url: &str, agent: &str) -> Result<u32, ClientError> {
    let cases = Client::connect(&format!("{url}/getCaseCount"))?.read_text()?;
    let cases = cases.trim().parse().unwrap_or(0);
    for case in 1..=cases {
        // A case may well end in an error: what the suite makes of it stands in its report.
        if let Err(error) = echo(&options(&format!("{url}/runCase?case={case}&agent={agent}"))) {
            println!("case {case}: {error}");
        }
    }
    let report = Client::connect(&format!("{url}/updateReports?agent={agent}"))?;
    match report.read() {
        Err(ClientError::Closed { .. }) | Ok(_) => Ok(cases),
        Err(error) => Err(error),
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
