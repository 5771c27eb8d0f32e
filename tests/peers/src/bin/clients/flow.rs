//! One connection, which a thread writes to as fast as it can while another reads the echoes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use serde_json::{Value, json};
use wirewright_peers::Result;

use crate::connections::{self, Reader, Writer};
use crate::job::Job;
use crate::meter::Meter;
use crate::tasks;

/// How far the writer may be ahead of the reader.
pub struct Gate {
    in_flight: u64,
    received: AtomicU64,
    /// What the writer sleeps until.
    wanted: AtomicU64,
}

impl Gate {
    fn new(in_flight: u64) -> Self {
        Self {
            in_flight: in_flight.max(1),
            received: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
        }
    }

    pub fn has_room(&self, sent: u64) -> bool {
        sent - self.received.load(Ordering::SeqCst) < self.in_flight
    }

    /// Another message has come: how many are that?
    pub fn count(&self) -> u64 {
        self.received.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Waits until another message may be sent after so many.
    fn wait(&self, sent: u64) {
        while !self.has_room(sent) {
            // Until half of them are back, so that not each of them costs a switch of threads.
            let wanted = sent - self.in_flight / 2;
            self.wanted.store(wanted, Ordering::SeqCst);
            if self.received.load(Ordering::SeqCst) < wanted {
                thread::park();
            }
        }
    }

    fn open(&self, writer: &Thread) {
        if self.count() == self.wanted.load(Ordering::SeqCst) {
            writer.unpark();
        }
    }
}

/// A thread whose failure is that of the measurement.
pub fn spawn(work: impl FnOnce() -> Result<()> + Send + 'static) -> JoinHandle<()> {
    thread::spawn(|| {
        if let Err(error) = work() {
            eprintln!("{error}");
            std::process::exit(1);
        }
    })
}

fn start(job: &Job, gate: &Arc<Gate>) -> Result<()> {
    let (writer, reader) = connections::open_split(job)?;
    let (size, to_reader) = (job.size, Arc::clone(gate));
    let gate = Arc::clone(gate);
    let writing = spawn(move || write(writer, size, &gate));
    let writer = writing.thread().clone();
    spawn(move || read(reader, size, &to_reader, &writer));
    Ok(())
}

fn write(mut writer: Box<dyn Writer>, size: usize, gate: &Gate) -> Result<()> {
    let [payload, ..] = connections::samples(size);
    for sent in 0.. {
        gate.wait(sent);
        writer.write(&payload)?;
    }
    Ok(())
}

fn read(mut reader: Box<dyn Reader>, size: usize, gate: &Gate, writer: &Thread) -> Result<()> {
    let mut whole = true;
    while whole {
        reader.read(&mut |echo| {
            whole &= echo.len() == size;
            gate.open(writer);
        })?;
    }
    Err("an echo is not as long as its message".into())
}

/// The job of the client process.
pub fn run(job: &Job) -> Result<Value> {
    let gate = Arc::new(Gate::new(job.in_flight));
    if job.client == tasks::NAME {
        tasks::start(job, &gate);
    } else {
        start(job, &gate)?;
    }
    thread::sleep(Duration::from_secs_f64(job.warm_up));
    let received = || gate.received.load(Ordering::SeqCst);
    let (meter, before) = (Meter::start()?, received());
    thread::sleep(job.time());
    let (spent, messages) = (meter.stop()?, received() - before);
    let per_message = |micros: f64| micros / messages.max(1) as f64;
    Ok(json!({
        "messages": messages,
        "per_second": messages as f64 / spent.seconds,
        "user_us": per_message(spent.user),
        "system_us": per_message(spent.system),
        "cpu_us": per_message(spent.user + spent.system),
        "background_us_per_second": spent.background(),
    }))
}
