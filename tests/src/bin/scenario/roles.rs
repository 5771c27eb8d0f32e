//! The two ends: a listener that echoes, and a client that is satisfied with nothing less.

use std::io::Read;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{
    Caller, Client, ClientError, KeepAliveOptions, Listener, Outcome, Reply, Service,
};
use wirewright_tests::process::{Process, limit_descriptors};

/// What a step may take where an error makes the other end wait in vain.
const PATIENCE: Duration = Duration::from_millis(1500);
const LEFT_OVER: u8 = 3;
/// What the thread that drives a process's idle clients keeps open, whoever comes and goes.
const BACKGROUND: usize = 3;
const WRONG: u8 = 4;

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["listen"] => listen(),
        ["listen", "--descriptors", most] => {
            limit_descriptors(most.parse().expect("a number of descriptors"));
            listen()
        }
        ["client", url] => client(url),
        _ => {
            eprintln!("usage: scenario listen [--descriptors N] | scenario client URL");
            ExitCode::from(64)
        }
    }
}

// --- the listener --------------------------------------------------------------------------------

struct Echo;

impl Service for Echo {
    fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
        let _ = caller.write_text(text)?;
        Ok(Reply::Nothing)
    }

    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        let _ = caller.write_binary(bytes)?;
        Ok(Reply::Nothing)
    }
}

fn listen() -> ExitCode {
    let before = Process::this().descriptors();
    let builder = Listener::builder()
        .threads(1)
        .handshake_timeout(PATIENCE)
        .close_timeout(PATIENCE)
        .keep_alive(KeepAliveOptions::off());
    let listener = match builder.start("127.0.0.1:0", |_: &wirewright::UpgradeRequest| Ok(Echo)) {
        Ok(listener) => listener,
        Err(error) => {
            println!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {}", listener.local_addr());
    // Nothing is said there: its end is what is waited for.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    listener.shutdown(PATIENCE);
    drop(listener);
    settled(before, ExitCode::SUCCESS)
}

// --- the client ----------------------------------------------------------------------------------

enum Failure {
    Typed(ClientError),
    Wrong(String),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Typed(error)
    }
}

fn client(url: &str) -> ExitCode {
    let before = Process::this().descriptors();
    let status = match exchange(url) {
        Ok(()) => {
            println!("ok");
            ExitCode::SUCCESS
        }
        Err(Failure::Typed(error)) => {
            println!("error: {error}: {error:?}");
            ExitCode::FAILURE
        }
        Err(Failure::Wrong(what)) => {
            println!("wrong: {what}");
            return ExitCode::from(WRONG);
        }
    };
    settled(before + BACKGROUND, status)
}

fn exchange(url: &str) -> Result<(), Failure> {
    let client = Client::builder(url)
        .connect_timeout(Some(PATIENCE))
        .handshake_timeout(Some(PATIENCE))
        .read_timeout(Some(PATIENCE))
        .write_timeout(Some(PATIENCE))
        .close_timeout(Some(PATIENCE))
        .connect()?;
    for (number, size) in [0, 1, 125, 126, 5_000, 70_000].into_iter().cycle().take(20).enumerate() {
        let digit = b'0' + u8::try_from(number).unwrap_or(0);
        let message = vec![digit; size];
        let same = if number % 2 == 0 {
            client.write_binary(&message)?;
            client.read_binary()? == message
        } else {
            let text = String::from_utf8_lossy(&message);
            client.write_text(&text)?;
            client.read_text()? == text
        };
        if !same {
            return Err(Failure::Wrong(format!("echo of message {number}, of {size} bytes")));
        }
        if number == 10 {
            client.ping(b"are you there?")?;
        }
    }
    client.close()?;
    Ok(())
}

/// The status, unless more descriptors are open than before. Another thread's may take a moment.
fn settled(before: usize, status: ExitCode) -> ExitCode {
    let start = Instant::now();
    loop {
        let after = Process::this().descriptors();
        if after <= before {
            println!("descriptors: {before} before, {after} after");
            return status;
        }
        if start.elapsed() > PATIENCE {
            println!("descriptors left over: {before} before, {after} after");
            return ExitCode::from(LEFT_OVER);
        }
        thread::sleep(Duration::from_millis(5));
    }
}
