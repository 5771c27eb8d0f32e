//! Rounds of measurements in turn, and their medians as a table.

use serde_json::{Value, json};
use wirewright_peers::Result;
use wirewright_peers::stats::{interleave, median, spread};
use wirewright_peers::table::{Table, figure};

use crate::Options;
use crate::job::Job;

/// What each contestant's process saw in each round.
pub struct Rounds {
    names: Vec<String>,
    seen: Vec<Vec<Value>>,
}

/// What a column makes of the rounds.
#[derive(Clone, Copy)]
pub enum Of {
    Median,
    Least,
    Most,
}

/// A head, where the figure stands in what was seen, and what is made of it.
pub type Column = (&'static str, &'static str, Of);

impl Rounds {
    /// Has everybody do their job in each round.
    pub fn run(kind: &str, options: &Options, jobs: &[(String, Job)]) -> Result<Self> {
        let mut seen = vec![Vec::new(); jobs.len()];
        for index in interleave(jobs.len(), options.rounds) {
            seen[index].push(jobs[index].1.run(kind, options)?);
        }
        let names = jobs.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self { names, seen })
    }

    /// The figure of one contestant.
    pub fn value(&self, index: usize, key: &str, of: Of) -> f64 {
        let values = self.seen[index]
            .iter()
            .filter_map(|seen| seen[key].as_f64());
        match of {
            Of::Median => median(values),
            Of::Least => spread(values).0,
            Of::Most => spread(values).1,
        }
    }

    pub fn markdown(&self, title: &str, columns: &[Column]) -> String {
        let heads = columns.iter().map(|(head, ..)| *head);
        let mut table = Table::new(["client"].into_iter().chain(heads));
        for (index, name) in self.names.iter().enumerate() {
            let figures = columns
                .iter()
                .map(|(_, key, of)| figure(self.value(index, key, *of)));
            table.row(std::iter::once(name.clone()).chain(figures));
        }
        format!("### {title}\n\n{}", table.markdown())
    }

    /// Every round, for programs.
    pub fn json(&self) -> Value {
        let entries = self.names.iter().zip(&self.seen);
        let entries = entries.map(|(name, seen)| (name.clone(), json!(seen)));
        Value::Object(entries.collect())
    }
}

/// The contestants of `names` that are wanted, with what each is to do.
pub fn jobs(options: &Options, names: &[&str], job: &Job) -> Vec<(String, Job)> {
    let wanted = names.iter().filter(|name| options.wants(name));
    let with_job = |name: &&str| {
        let client = (*name).to_owned();
        let job = Job {
            client: client.clone(),
            ..job.clone()
        };
        (client, job)
    };
    wanted.map(with_job).collect()
}
