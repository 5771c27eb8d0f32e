//! A few threads, each with a share of the clients: it writes to all of them, then reads from all
//! of them, over and over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wirewright_peers::Result;
use wirewright_peers::histogram::Histogram;

use crate::connections::{self, Connection};
use crate::flow::spawn;
use crate::job::Job;
use crate::meter::Meter;

/// What all the threads are at.
#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    trips: AtomicU64,
}

const MEASURED: u8 = 1;
const OVER: u8 = 2;

fn walk(shared: &Shared, job: &Job, share: &mut [Box<dyn Connection>]) -> Result<Histogram> {
    let (size, pause) = (job.size, Duration::from_secs_f64(job.pause / 1000.0));
    let [payload, ..] = connections::samples(size);
    let mut times = Histogram::default();
    loop {
        let phase = shared.phase.load(Ordering::Relaxed);
        if phase == OVER {
            return Ok(times);
        }
        let start = Instant::now();
        for connection in &mut *share {
            connection.write(&payload)?;
        }
        let mut whole = 0;
        for connection in &mut *share {
            connection.read(&mut |echo| whole += usize::from(echo.len() == size))?;
        }
        if whole != share.len() {
            return Err("an echo is not as long as its message".into());
        }
        shared.trips.fetch_add(whole as u64, Ordering::Relaxed);
        if phase == MEASURED {
            times.add(start.elapsed().as_nanos() as u64, 1);
        }
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
}

pub fn run(job: &Job) -> Result<Value> {
    let mut connections = connections::open_all(job)?;
    let shared = Arc::new(Shared::default());
    let threads = job.threads.max(1);
    let (sender, histograms) = std::sync::mpsc::channel();
    for thread in (1..=threads).rev() {
        let part = connections.len() / thread;
        let mut share = connections.split_off(connections.len() - part);
        let (shared, sender, job) = (Arc::clone(&shared), sender.clone(), job.clone());
        spawn(move || Ok(sender.send(walk(&shared, &job, &mut share)?)?));
    }
    drop(sender);
    thread::sleep(Duration::from_secs_f64(job.warm_up));
    shared.phase.store(MEASURED, Ordering::Relaxed);
    let (meter, before) = (Meter::start()?, shared.trips.load(Ordering::Relaxed));
    thread::sleep(job.time());
    let (spent, after) = (meter.stop()?, shared.trips.load(Ordering::Relaxed));
    shared.phase.store(OVER, Ordering::Relaxed);
    let mut times = Histogram::default();
    histograms.iter().for_each(|part| times.append(&part));
    let trips = (after - before).max(1) as f64;
    Ok(json!({
        "per_second": trips / spent.seconds,
        "user_us": spent.user / trips,
        "system_us": spent.system / trips,
        "cpu_us": (spent.user + spent.system) / trips,
        "walk_p50_ms": times.micros(0.5) / 1000.0,
        "walk_p99_ms": times.micros(0.99) / 1000.0,
        "walks": times.total(),
        "background_us_per_second": spent.background(),
    }))
}
