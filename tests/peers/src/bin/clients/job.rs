//! What a client process is to do, and how it is told.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use wirewright_peers::Result;
use wirewright_peers::args::Args;
use wirewright_peers::process::{Server, spawn_on};
use wirewright_peers::servers::sibling;

use crate::Options;

/// One measurement, as the command line has it.
#[derive(Clone, Debug)]
pub struct Job {
    pub addr: SocketAddr,
    /// The contestant.
    pub client: String,
    /// Payload of a message.
    pub size: usize,
    /// Messages that may be on their way.
    pub in_flight: u64,
    /// Connections of the process.
    pub clients: usize,
    /// Threads that walk over them.
    pub threads: usize,
    pub seconds: f64,
    pub warm_up: f64,
    /// Silence in seconds before a client pings, for those that are told.
    pub keep_alive: f64,
    /// Milliseconds between two walks of a thread.
    pub pause: f64,
}

impl Job {
    pub fn from_args(args: &mut Args) -> Result<Self> {
        Ok(Self {
            addr: args
                .option("--addr")?
                .unwrap_or_else(|| ([127, 0, 0, 1], 0).into()),
            client: args.option("--client")?.unwrap_or_default(),
            size: args.option("--size")?.unwrap_or(64),
            in_flight: args.option("--in-flight")?.unwrap_or(32),
            clients: args.option("--clients")?.unwrap_or(1_000),
            threads: args.option("--threads")?.unwrap_or(4),
            seconds: args.option("--seconds")?.unwrap_or(2.0),
            warm_up: args.option("--warm-up")?.unwrap_or(0.5),
            keep_alive: args.option("--keep-alive")?.unwrap_or(1.0),
            pause: args.option("--pause")?.unwrap_or(0.0),
        })
    }

    /// The time of the measurement.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Has a process do this, against a server that nobody has used, and gives what it saw.
    pub fn run(&self, kind: &str, options: &Options) -> Result<Value> {
        eprintln!("{kind}: {}", self.client);
        let server = Server::start(&options.server.command, Some(options.server_core))?;
        let mut command = Command::new(sibling("clients")?);
        command
            .args(["--job", kind, "--client", &self.client])
            .args(["--addr", &server.addr.to_string()])
            .args(["--size", &self.size.to_string()])
            .args(["--in-flight", &self.in_flight.to_string()])
            .args(["--clients", &self.clients.to_string()])
            .args(["--threads", &self.threads.to_string()])
            .args(["--seconds", &self.seconds.to_string()])
            .args(["--warm-up", &self.warm_up.to_string()])
            .args(["--keep-alive", &self.keep_alive.to_string()])
            .args(["--pause", &self.pause.to_string()])
            .stderr(Stdio::inherit());
        let output = spawn_on(options.client_core, || command.output())?;
        if !output.status.success() {
            return Err(format!("{kind} failed with {}", self.client).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
