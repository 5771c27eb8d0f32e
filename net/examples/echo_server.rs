//! Echoes text and binary messages.
//!
//! `cargo run --release -p wirewright --example echo_server -- 127.0.0.1:9001 [--threads N]
//! [--max-frame BYTES] [--max-message BYTES] [--no-compression | --shared-compression]
//! [--keep-alive SECONDS]`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use wirewright::{
    Caller, Compression, KeepAliveOptions, Listener, ListenerBuilder, OriginPolicy, Outcome, Reply,
    Service, UpgradeRequest,
};

struct Echo;

impl Service for Echo {
    fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
        // A peer that does not read is not read from, so that nothing piles up here.
        let _ = caller.write_text(text)?;
        Ok(Reply::Nothing)
    }

    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        let _ = caller.write_binary(bytes)?;
        Ok(Reply::Nothing)
    }
}

fn main() -> ExitCode {
    let (address, builder) = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("echo_server: {problem}");
            return ExitCode::from(64);
        }
    };
    let upgrade = |_: &UpgradeRequest| Ok(Echo);
    match builder.start(address.as_str(), upgrade) {
        Ok(listener) => {
            println!("listening on ws://{}", listener.local_addr());
            let listener = Arc::new(listener);
            #[cfg(unix)]
            if let Err(error) = stop_on_signals(&listener) {
                eprintln!("echo_server: signals end it at once: {error}");
            }
            listener.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("echo_server: cannot listen on {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The first SIGINT or SIGTERM ends the listener in good order, another one at once.
#[cfg(unix)]
fn stop_on_signals(listener: &Arc<Listener>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let listener = Arc::clone(listener);
    std::thread::spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            let graceful = Arc::clone(&listener);
            std::thread::spawn(move || graceful.shutdown(Duration::from_secs(10)));
            if signals.next().is_some() {
                listener.abort();
            }
        }
    });
    Ok(())
}

fn options(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(String, ListenerBuilder), String> {
    let mut address = None;
    // The Autobahn suite sends messages of up to 16 MiB in one frame, and of 65 536 fragments.
    // Whoever asks gets back what is theirs already, so that pages of any origin may.
    let mut builder = Listener::builder()
        .origins(OriginPolicy::any())
        .max_frame_size(16 << 20)
        .max_message_size(16 << 20)
        .max_fragments(100_000);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().ok_or(format!("{argument} wants a number"))?;
            value.parse::<usize>().map_err(|_| format!("{argument}: no number: {value}"))
        };
        builder = match argument.as_str() {
            "--threads" => builder.threads(number()?),
            "--max-frame" => builder.max_frame_size(number()?),
            "--max-message" => builder.max_message_size(number()? as u64),
            "--no-compression" => builder.compression(None),
            "--shared-compression" => builder.compression(Some(Compression::shared())),
            "--keep-alive" => builder.keep_alive(keep_alive(number()? as u64)),
            _ if argument.starts_with('-') => return Err(format!("unknown option {argument}")),
            _ if address.is_none() => {
                address = Some(argument);
                builder
            }
            _ => return Err(format!("one address, not also {argument}")),
        };
    }
    Ok((address.ok_or("an address to listen on is needed, such as 127.0.0.1:9001")?, builder))
}

/// Pings after so many seconds of silence.
fn keep_alive(seconds: u64) -> KeepAliveOptions {
    let mut options = KeepAliveOptions::default();
    options.interval = Some(Duration::from_secs(seconds));
    options
}
