//! Medians for people, every round for programs.

use serde_json::{Value, json};
use wirewright_peers::stats::median;
use wirewright_peers::table::{self, Table, figure};

use crate::Options;

/// What one measurement gave; times in µs per delivery, of a publication in ms.
#[derive(Clone, Copy)]
pub struct Figures {
    pub publications: u64,
    pub per_second: f64,
    pub user: f64,
    pub system: f64,
    pub load: f64,
    pub p50: f64,
    pub p99: f64,
}

pub struct Result {
    pub bytes: usize,
    /// Per contestant, what each round gave.
    pub rounds: Vec<Vec<Figures>>,
}

type Column = (&'static str, &'static str, fn(&Figures) -> f64);

const COLUMNS: [Column; 7] = [
    ("deliveries/s", "per_second", |it| it.per_second),
    ("user µs", "user_us", |it| it.user),
    ("system µs", "system_us", |it| it.system),
    ("server µs", "server_us", |it| it.user + it.system),
    ("load µs", "load_us", |it| it.load),
    ("last, p50 ms", "p50_ms", |it| it.p50),
    ("last, p99 ms", "p99_ms", |it| it.p99),
];

impl Result {
    pub fn markdown(&self, options: &Options) -> String {
        let heads = COLUMNS.iter().map(|(head, ..)| *head);
        let mut table = Table::new(["server"].into_iter().chain(heads));
        for (contestant, rounds) in options.contestants.iter().zip(&self.rounds) {
            let figures = COLUMNS
                .iter()
                .map(|(.., field)| figure(median(rounds.iter().map(field))));
            table.row(std::iter::once(contestant.name.clone()).chain(figures));
        }
        let (connections, size) = (options.connections, table::bytes(self.bytes));
        format!("### {size} to {connections}\n\n{}", table.markdown())
    }

    fn json(&self, options: &Options) -> Value {
        let mut servers = serde_json::Map::new();
        for (contestant, rounds) in options.contestants.iter().zip(&self.rounds) {
            let mut entry = serde_json::Map::new();
            for (_, key, field) in COLUMNS {
                entry.insert(key.to_owned(), json!(median(rounds.iter().map(field))));
            }
            let rounds: Vec<Value> = rounds.iter().map(Figures::json).collect();
            entry.insert("rounds".to_owned(), json!(rounds));
            servers.insert(contestant.name.clone(), entry.into());
        }
        json!({ "bytes": self.bytes, "servers": servers })
    }
}

impl Figures {
    fn json(&self) -> Value {
        let mut round = serde_json::Map::new();
        round.insert("publications".to_owned(), json!(self.publications));
        for (_, key, field) in COLUMNS {
            round.insert(key.to_owned(), json!(field(self)));
        }
        round.into()
    }
}

pub fn write_json(options: &Options, results: &[Result]) -> std::io::Result<()> {
    let sizes = results.iter().map(|result| result.json(options));
    let all = json!({
        "connections": options.connections,
        "rounds": options.run.rounds,
        "seconds": options.run.seconds,
        "sizes": sizes.collect::<Vec<_>>(),
    });
    std::fs::write(&options.run.json, format!("{all:#}\n"))
}
