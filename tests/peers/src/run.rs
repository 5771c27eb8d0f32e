//! How often and how long a server is measured, and where.

use crate::Result;
use crate::args::Args;

/// What the programs that start servers have in common.
#[derive(Clone, Debug)]
pub struct Run {
    /// Rounds, of which the medians count.
    pub rounds: usize,
    /// The length of one measurement.
    pub seconds: f64,
    /// The core of the server.
    pub server_core: usize,
    /// The core of the load.
    pub load_core: usize,
    /// Where the results go.
    pub json: String,
}

impl Run {
    /// Takes `--rounds`, `--seconds`, `--server-core`, `--load-core` and `--json`; `program` is
    /// what the file is named for by default.
    ///
    /// # Errors
    /// When one of them does not parse.
    pub fn from_args(args: &mut Args, program: &str, rounds: usize, seconds: f64) -> Result<Self> {
        let json = args.option("--json")?;
        Ok(Self {
            rounds: args.option("--rounds")?.unwrap_or(rounds),
            seconds: args.option("--seconds")?.unwrap_or(seconds),
            server_core: args.option("--server-core")?.unwrap_or(0),
            load_core: args.option("--load-core")?.unwrap_or(1),
            json: json.unwrap_or_else(|| format!("{program}.json")),
        })
    }
}
