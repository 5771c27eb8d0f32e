//! Clients that nobody calls: what they take, and what keeping them alive takes.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use wirewright_peers::{Result, process};

use crate::connections::{self, Connection};
use crate::job::Job;
use crate::meter::Meter;

/// Buffers are given back, and custody changes hands, a moment later.
pub fn settle() {
    thread::sleep(Duration::from_millis(500));
}

fn memory() -> Result<process::Memory> {
    settle();
    process::memory(std::process::id())
}

pub fn run(job: &Job) -> Result<Value> {
    let before = memory()?;
    let mut connections: Vec<Box<dyn Connection>> = (0..job.clients)
        .map(|_| connections::open(job))
        .collect::<Result<_>>()?;
    let opened = memory()?;
    for connection in &mut connections {
        connections::check(job, &mut **connection)?;
    }
    let echoed = memory()?;
    let answered = || connections.iter().map(|one| one.answered()).sum::<u64>();
    let (meter, pongs) = (Meter::start()?, answered());
    thread::sleep(job.time());
    let (spent, pongs) = (meter.stop()?, answered() - pongs);
    let each = |bytes: f64| bytes / job.clients as f64;
    Ok(json!({
        "opened": each(opened.resident - before.resident),
        "echoed": each(echoed.resident - before.resident),
        "reserved": each(echoed.reserved - before.reserved),
        "threads": process::threads()?.len(),
        "pings": pongs as f64 / job.clients as f64 / spent.seconds,
        "cpu_us_per_second": spent.threads / spent.seconds,
        "background_us_per_second": spent.background(),
    }))
}
