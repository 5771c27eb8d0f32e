//! A thousand clients in one process: idle, at work, and one at work among idle ones.

use serde_json::{Map, Value};
use wirewright_peers::Result;
use wirewright_peers::table::{Table, figure};

use crate::Options;
use crate::connections::{BARE, KEPT_ALIVE, OURS, TUNGSTENITE, WITHOUT_CUSTODY};
use crate::job::Job;
use crate::report::{Column, Of, Rounds, jobs};

const IDLE: [Column; 6] = [
    ("bytes after the handshake", "opened", Of::Median),
    ("after an echo", "echoed", Of::Median),
    ("threads", "threads", Of::Median),
    ("pings/s each", "pings", Of::Median),
    ("process µs/s", "cpu_us_per_second", Of::Median),
    ("background µs/s", "background_us_per_second", Of::Median),
];

const WALK: [Column; 9] = [
    ("trips/s", "per_second", Of::Median),
    ("least", "per_second", Of::Least),
    ("most", "per_second", Of::Most),
    ("user µs", "user_us", Of::Median),
    ("system µs", "system_us", Of::Median),
    ("both µs", "cpu_us", Of::Median),
    ("walk p50 ms", "walk_p50_ms", Of::Median),
    ("p99 ms", "walk_p99_ms", Of::Median),
    ("background µs/s", "background_us_per_second", Of::Median),
];

pub fn compare(options: &Options) -> Result<Value> {
    let mut results = Map::new();
    for part in &options.parts {
        let result = match part.as_str() {
            "idle" => idle(options)?,
            "walk" => walk(options)?,
            "one" => one(options)?,
            part => return Err(format!("no such part: {part}").into()),
        };
        results.insert(part.clone(), result);
    }
    Ok(results.into())
}

fn idle(options: &Options) -> Result<Value> {
    let job = &options.job;
    let clients = [TUNGSTENITE, OURS, KEPT_ALIVE, WITHOUT_CUSTODY];
    let rounds = Rounds::run("idle", options, &jobs(options, &clients, job))?;
    let title = format!(
        "{} idle clients, pinging after {} s with keep-alive",
        job.clients, job.keep_alive
    );
    println!("{}", rounds.markdown(&title, &IDLE));
    Ok(rounds.json())
}

fn walk(options: &Options) -> Result<Value> {
    let job = &options.job;
    let clients = [BARE, TUNGSTENITE, OURS, WITHOUT_CUSTODY];
    let rounds = Rounds::run("walk", options, &jobs(options, &clients, job))?;
    let pause = match job.pause {
        0.0 => String::new(),
        pause => format!(" and pause {pause} ms"),
    };
    let title = format!(
        "{} threads walk over {} clients, {} B there and back{pause}",
        job.threads, job.clients, job.size
    );
    println!("{}", rounds.markdown(&title, &WALK));
    Ok(rounds.json())
}

/// Each contestant twice: by itself, and with the others idle beside it.
fn one(options: &Options) -> Result<Value> {
    let clients = [BARE, TUNGSTENITE, OURS, KEPT_ALIVE];
    let mut all = Vec::new();
    for (name, job) in jobs(options, &clients, &options.job) {
        let alone = Job {
            clients: 1,
            ..job.clone()
        };
        all.push((name.clone(), alone));
        all.push((format!("{name} among {}", job.clients), job));
    }
    let rounds = Rounds::run("one", options, &all)?;
    let mut table = Table::new([
        "client, µs",
        "p50",
        "least",
        "most",
        "p99",
        "cpu",
        "background/s",
        "ratio of p50",
    ]);
    for (index, (name, _)) in all.iter().enumerate() {
        let of = |key, of| rounds.value(index, key, of);
        let p50 = of("p50_us", Of::Median);
        let alone = rounds.value(index - index % 2, "p50_us", Of::Median);
        let figures = [
            p50,
            of("p50_us", Of::Least),
            of("p50_us", Of::Most),
            of("p99_us", Of::Median),
            of("cpu_us", Of::Median),
            of("background_us_per_second", Of::Median),
            p50 / alone,
        ];
        table.row(std::iter::once(name.clone()).chain(figures.map(figure)));
    }
    println!("### One client at work\n\n{}", table.markdown());
    Ok(rounds.json())
}
