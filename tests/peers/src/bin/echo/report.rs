//! Medians for people, every round for programs.

use serde_json::{Value, json};
use wirewright_peers::servers::Contestant;
use wirewright_peers::stats::median;
use wirewright_peers::table::{Table, figure};

use crate::Options;
use crate::rows::Row;

pub struct Result<'a> {
    pub row: &'a Row,
    pub contestants: &'a [Contestant],
    /// Per contestant, what the load said in each round.
    pub rounds: Vec<Vec<Value>>,
}

const COLUMNS: [(&str, &str); 7] = [
    ("user µs", "user_us"),
    ("system µs", "system_us"),
    ("messages/s", "per_second"),
    ("p50 µs", "p50_us"),
    ("p90 µs", "p90_us"),
    ("p99 µs", "p99_us"),
    ("p99.9 µs", "p999_us"),
];

impl Result<'_> {
    fn median(&self, contestant: usize, key: &str) -> f64 {
        let rounds = self.rounds[contestant].iter();
        median(rounds.filter_map(|round| round[key].as_f64()))
    }

    pub fn markdown(&self) -> String {
        let heads = COLUMNS.iter().map(|(head, _)| *head);
        let mut table = Table::new(["server"].into_iter().chain(heads));
        for (index, contestant) in self.contestants.iter().enumerate() {
            let figures = COLUMNS
                .iter()
                .map(|(_, key)| figure(self.median(index, key)));
            table.row(std::iter::once(contestant.name.clone()).chain(figures));
        }
        format!("### {}\n\n{}", self.row.title(), table.markdown())
    }

    fn json(&self) -> Value {
        let mut servers = serde_json::Map::new();
        for (index, contestant) in self.contestants.iter().enumerate() {
            let mut entry = serde_json::Map::new();
            for (_, key) in COLUMNS {
                entry.insert(key.to_owned(), json!(self.median(index, key)));
            }
            entry.insert("rounds".to_owned(), json!(self.rounds[index]));
            servers.insert(contestant.name.clone(), entry.into());
        }
        json!({
            "row": self.row.name(),
            "connections": self.row.connections,
            "in_flight": self.row.in_flight,
            "size": self.row.size,
            "servers": servers,
        })
    }
}

pub fn write_json(options: &Options, results: &[Result]) -> std::io::Result<()> {
    let all = json!({
        "rounds": options.rounds,
        "seconds": options.seconds,
        "rows": results.iter().map(Result::json).collect::<Vec<_>>(),
    });
    std::fs::write(&options.json, format!("{all:#}\n"))
}
