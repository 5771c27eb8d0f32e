//! Clients at work: one that is written to and read from by two threads, and a thousand in one
//! process.
//!
//! Every measurement has a server and a client process of its own. The latter is this program
//! again, told by `--job` what to do; it prints one line of JSON.

mod connections;
mod duplex;
mod flow;
mod idle;
mod job;
mod many;
mod meter;
mod one;
mod report;
mod tasks;
mod walk;

use job::Job;
use wirewright_peers::Result;
use wirewright_peers::args::Args;
use wirewright_peers::process;
use wirewright_peers::servers::{self, Contestant};

const USAGE: &str = "clients --mode duplex|many [--servers NAME | --server \
    NAME='COMMAND {addr}'] [--only CLIENT,…] [--rounds N] [--seconds S] [--warm-up S] \
    [--server-core N] [--client-core N|any] [--json FILE]\n  \
    duplex: [--bytes N,…] [--in-flight N]\n  \
    many: [--parts idle,walk,one] [--clients N] [--threads N] [--pause MS] \
    [--keep-alive S]";

struct Options {
    mode: String,
    server: Contestant,
    only: Option<Vec<String>>,
    rounds: usize,
    server_core: usize,
    client_core: Option<usize>,
    json: String,
    sizes: Vec<usize>,
    parts: Vec<String>,
    job: Job,
}

impl Options {
    fn wants(&self, client: &str) -> bool {
        match &self.only {
            Some(only) => only.iter().any(|one| one == client),
            None => true,
        }
    }
}

fn options(mut args: Args) -> Result<Options> {
    let core: Option<String> = args.option("--client-core")?;
    let client_core = match core.as_deref() {
        None => Some(1),
        Some("any") => None,
        Some(core) => Some(core.parse()?),
    };
    let list = |given: Option<Vec<String>>, usual: [&str; 3]| {
        given.unwrap_or_else(|| usual.map(str::to_owned).to_vec())
    };
    let sizes = list(args.list("--bytes")?, ["20", "1024", "16384"]);
    let options = Options {
        mode: args.option("--mode")?.ok_or(USAGE)?,
        server: servers::one(&mut args)?,
        only: args.list("--only")?,
        rounds: args.option("--rounds")?.unwrap_or(5),
        server_core: args.option("--server-core")?.unwrap_or(0),
        client_core,
        json: args
            .option("--json")?
            .unwrap_or_else(|| "clients.json".to_owned()),
        sizes: sizes
            .iter()
            .map(|size| size.parse())
            .collect::<Result<_, _>>()?,
        parts: list(args.list("--parts")?, ["idle", "walk", "one"]),
        job: Job::from_args(&mut args)?,
    };
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    Ok(options)
}

/// The client process: does its job and says what it saw.
fn work(kind: &str, mut args: Args) -> Result<()> {
    let job = Job::from_args(&mut args)?;
    args.finish()?;
    let seen = match kind {
        "duplex" => flow::run(&job),
        "idle" => idle::run(&job),
        "walk" => walk::run(&job),
        "one" => one::run(&job),
        _ => Err(format!("no such job: {kind}").into()),
    };
    println!("{}", seen?);
    // Threads may still be at work, and need not end well.
    std::process::exit(0);
}

fn main() -> Result<()> {
    let mut args = Args::from_env();
    process::raise_file_limit()?;
    if let Some(kind) = args.option::<String>("--job")? {
        return work(&kind, args);
    }
    let options = options(args)?;
    let results = match options.mode.as_str() {
        "duplex" => duplex::compare(&options)?,
        "many" => many::compare(&options)?,
        mode => return Err(format!("no such mode: {mode}\n{USAGE}").into()),
    };
    Ok(std::fs::write(&options.json, format!("{results:#}\n"))?)
}
