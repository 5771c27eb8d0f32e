//! Two threads on one client, in a table for each size of message.

use serde_json::{Value, json};
use wirewright_peers::Result;
use wirewright_peers::table::bytes;

use crate::Options;
use crate::connections::{BARE, OURS, TUNGSTENITE, WITHOUT_CUSTODY};
use crate::job::Job;
use crate::report::{Column, Of, Rounds, jobs};
use crate::tasks;

const CLIENTS: [&str; 5] = [BARE, TUNGSTENITE, tasks::NAME, OURS, WITHOUT_CUSTODY];

const COLUMNS: [Column; 6] = [
    ("messages/s", "per_second", Of::Median),
    ("least", "per_second", Of::Least),
    ("most", "per_second", Of::Most),
    ("user µs", "user_us", Of::Median),
    ("system µs", "system_us", Of::Median),
    ("both µs", "cpu_us", Of::Median),
];

pub fn compare(options: &Options) -> Result<Value> {
    let mut results = Vec::new();
    for &size in &options.sizes {
        let job = Job {
            size,
            ..options.job.clone()
        };
        let rounds = Rounds::run("duplex", options, &jobs(options, &CLIENTS, &job))?;
        let title = format!("{}, {} in flight", bytes(size), job.in_flight);
        println!("{}", rounds.markdown(&title, &COLUMNS));
        results.push(json!({ "size": size, "clients": rounds.json() }));
    }
    Ok(json!({ "in_flight": options.job.in_flight, "rows": results }))
}
