//! One client at work in a process that holds others, which are idle.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wirewright_peers::{Result, process};

use crate::connections::{self, Connection};
use crate::idle;
use crate::job::Job;
use crate::meter::Meter;

/// Trips for so long: their times in µs.
fn trips(time: Duration, size: usize, one: &mut dyn Connection) -> Result<Vec<f64>> {
    let [payload, ..] = connections::samples(size);
    let (start, mut times) = (Instant::now(), Vec::new());
    loop {
        let before = start.elapsed();
        if before >= time && !times.is_empty() {
            return Ok(times);
        }
        let mut whole = false;
        one.write(&payload)?;
        one.read(&mut |echo| whole = echo.len() == size)?;
        if !whole {
            return Err("an echo is not as long as its message".into());
        }
        times.push((start.elapsed() - before).as_nanos() as f64 / 1000.0);
    }
}

pub fn run(job: &Job) -> Result<Value> {
    let mut connections = connections::open_all(job)?;
    let (one, _) = connections.split_first_mut().ok_or("no clients")?;
    idle::settle();
    trips(Duration::from_secs_f64(job.warm_up), job.size, &mut **one)?;
    let (meter, cpu) = (Meter::start()?, process::thread_micros()?);
    let mut times = trips(job.time(), job.size, &mut **one)?;
    let (spent, cpu) = (meter.stop()?, process::thread_micros()? - cpu);
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize);
    Ok(json!({
        "trips": times.len(),
        "p50_us": at(0.5),
        "p99_us": at(0.99),
        "cpu_us": cpu / times.len() as f64,
        "background_us_per_second": spent.background(),
    }))
}
