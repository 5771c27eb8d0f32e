//! Echoes text and binary messages.
//!
//! `cargo run --release -p wirewright --example echo_server -- 127.0.0.1:9001 [--threads N]
//! [--max-frame BYTES] [--max-message BYTES] [--no-compression | --shared-compression]
//! [--keep-alive SECONDS] [--tls CERTIFICATE KEY] [--client-ca FILE [--client-may-have-none]]
//! [--tls-versions TLSv1.2,TLSv1.3]`
//!
//! With `--tls`, two PEM files, it listens for `wss`; with `--client-ca` only for clients whose
//! certificate comes from one of the authorities in that file, or that have none.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use wirewright::tls::{Identity, ServerTls, Trust};
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
    let options = options(std::env::args().skip(1));
    let (address, scheme, builder) = match options.and_then(Options::into_parts) {
        Ok(parts) => parts,
        Err(problem) => {
            eprintln!("echo_server: {problem}");
            return ExitCode::from(64);
        }
    };
    let upgrade = |_: &UpgradeRequest| Ok(Echo);
    match builder.start(address.as_str(), upgrade) {
        Ok(listener) => {
            println!("listening on {scheme}://{}", listener.local_addr());
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

struct Options {
    address: Option<String>,
    listener: ListenerBuilder,
    tls: Tls,
}

#[derive(Default)]
struct Tls {
    /// The files of the certificate and its key.
    identity: Option<(String, String)>,
    client_ca: Option<String>,
    client_may_have_none: bool,
    versions: Option<String>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    // The Autobahn suite sends messages of up to 16 MiB in one frame, and of 65 536 fragments.
    // Whoever asks gets back what is theirs already, so that pages of any origin may.
    let mut builder = Listener::builder()
        .origins(OriginPolicy::any())
        .max_frame_size(16 << 20)
        .max_message_size(16 << 20)
        .max_fragments(100_000);
    let (mut address, mut tls) = (None, Tls::default());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants another word"));
        let number = |value: String| {
            value.parse::<usize>().map_err(|_| format!("{argument}: no number: {value}"))
        };
        match argument.as_str() {
            "--threads" => builder = builder.threads(number(value()?)?),
            "--max-frame" => builder = builder.max_frame_size(number(value()?)?),
            "--max-message" => builder = builder.max_message_size(number(value()?)? as u64),
            "--no-compression" => builder = builder.compression(None),
            "--shared-compression" => builder = builder.compression(Some(Compression::shared())),
            "--keep-alive" => builder = builder.keep_alive(keep_alive(number(value()?)? as u64)),
            "--tls" => tls.identity = Some((value()?, value()?)),
            "--client-ca" => tls.client_ca = Some(value()?),
            "--client-may-have-none" => tls.client_may_have_none = true,
            "--tls-versions" => tls.versions = Some(value()?),
            _ if argument.starts_with('-') => return Err(format!("unknown option {argument}")),
            _ if address.is_none() => address = Some(argument),
            _ => return Err(format!("one address, not also {argument}")),
        }
    }
    Ok(Options { address, listener: builder, tls })
}

impl Options {
    /// The address, its scheme, and the listener's options.
    fn into_parts(self) -> Result<(String, &'static str, ListenerBuilder), String> {
        let address = self.address;
        let address = address.ok_or("an address to listen on is needed, such as 127.0.0.1:9001")?;
        Ok(match self.tls.layers()? {
            Some(layers) => (address, "wss", self.listener.tls(layers)),
            None => (address, "ws", self.listener),
        })
    }
}

impl Tls {
    fn layers(self) -> Result<Option<ServerTls>, String> {
        let Some((certificate, key)) = self.identity else {
            let other = self.client_ca.is_some() || self.versions.is_some();
            return if other { Err("options of TLS, and no --tls".into()) } else { Ok(None) };
        };
        let mut builder = ServerTls::builder().identity(Identity::pem_files(certificate, key));
        if let Some(file) = self.client_ca {
            let authorities = Trust::pem_file(file);
            builder = if self.client_may_have_none {
                builder.accept_client_certificates(authorities)
            } else {
                builder.require_client_certificates(authorities)
            };
        }
        if let Some(versions) = &self.versions {
            builder = builder.versions(versions.split(','));
        }
        builder.build().map(Some).map_err(|error| error.to_string())
    }
}

/// Pings after so many seconds of silence.
fn keep_alive(seconds: u64) -> KeepAliveOptions {
    let mut options = KeepAliveOptions::default();
    options.interval = Some(Duration::from_secs(seconds));
    options
}
