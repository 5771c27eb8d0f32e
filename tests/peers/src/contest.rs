//! Interleaved rounds of in-memory work.

use std::time::{Duration, Instant};

use crate::Result;
use crate::args::Args;
use crate::stats::{interleave, median};

/// Somebody at work on a case.
pub struct Contestant {
    /// What the column is called.
    pub name: &'static str,
    /// Does the work of that many messages.
    pub run: Box<dyn FnMut(usize) -> Result<()>>,
}

/// How long and how often is measured.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Rounds, of which the median counts.
    pub rounds: usize,
    /// One contestant's share of a round.
    pub time: Duration,
    /// A fixed amount of work instead of a time, for tools that count instructions.
    pub batches: Option<usize>,
}

impl Timing {
    /// Takes `--rounds`, `--millis` and `--batches`.
    ///
    /// # Errors
    /// When one of them does not parse.
    pub fn from_args(args: &mut Args) -> Result<Self> {
        Ok(Self {
            rounds: args.option("--rounds")?.unwrap_or(9),
            time: Duration::from_millis(args.option("--millis")?.unwrap_or(20)),
            batches: args.option("--batches")?,
        })
    }

    /// Median nanoseconds per message of each contestant, who work on `messages` at a time.
    ///
    /// # Errors
    /// What a contestant fails with.
    pub fn medians(&self, contestants: &mut [Contestant], messages: usize) -> Result<Vec<f64>> {
        let mut rounds = vec![Vec::new(); contestants.len()];
        for index in interleave(contestants.len(), self.rounds) {
            rounds[index].push(self.measure(&mut contestants[index], messages)?);
        }
        Ok(rounds.into_iter().map(median).collect())
    }

    fn measure(&self, contestant: &mut Contestant, messages: usize) -> Result<f64> {
        let start = Instant::now();
        let mut batches = 0;
        let enough = |batches| match self.batches {
            Some(wanted) => batches >= wanted,
            None => start.elapsed() >= self.time,
        };
        while !enough(batches) {
            (contestant.run)(messages)?;
            batches += 1;
        }
        Ok(start.elapsed().as_nanos() as f64 / (batches * messages).max(1) as f64)
    }
}
