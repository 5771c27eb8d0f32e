//! What this process spends in a while.

use std::time::Instant;

use wirewright_peers::{Result, process};

/// Set when the measurement begins.
pub struct Meter {
    start: Instant,
    cpu: (f64, f64),
    threads: Threads,
}

/// Times in µs, but for the first.
pub struct Spent {
    pub seconds: f64,
    pub user: f64,
    pub system: f64,
    /// Their sum for the threads that live still, which is exact however short it is.
    pub threads: f64,
    background: f64,
}

impl Meter {
    pub fn start() -> Result<Self> {
        Ok(Self {
            cpu: process::cpu_micros(std::process::id())?,
            threads: Threads::now()?,
            start: Instant::now(),
        })
    }

    pub fn stop(&self) -> Result<Spent> {
        let seconds = self.start.elapsed().as_secs_f64();
        let cpu = process::cpu_micros(std::process::id())?;
        let threads = Threads::now()?;
        Ok(Spent {
            seconds,
            user: cpu.0 - self.cpu.0,
            system: cpu.1 - self.cpu.1,
            threads: threads.all - self.threads.all,
            background: threads.background - self.threads.background,
        })
    }
}

impl Spent {
    /// Time of the thread that drives wirewright's idle clients, per second.
    pub fn background(&self) -> f64 {
        self.background / self.seconds
    }
}

struct Threads {
    all: f64,
    background: f64,
}

impl Threads {
    fn now() -> Result<Self> {
        let threads = process::threads()?;
        let ours = |name: &str| name.starts_with("wirewright-");
        let background = threads.iter().filter(|(name, _)| ours(name));
        Ok(Self {
            all: threads.iter().map(|(_, micros)| micros).sum(),
            background: background.map(|(_, micros)| micros).sum(),
        })
    }
}
