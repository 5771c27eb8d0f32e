//! The engines in memory: decoding and encoding, the same bytes for everybody, beside `memcpy`.

mod cases;
mod decoders;
mod encoders;
mod field;
mod instructions;
mod ours;

use cases::Case;
use serde_json::json;
use wirewright_peers::args::Args;
use wirewright_peers::contest::Timing;
use wirewright_peers::table::{Table, figure};
use wirewright_peers::{Result, process};

const USAGE: &str = "engine [--engines NAME,…] [--rows PART,…] [--row NAME] [--rounds N] \
    [--millis MS] [--batches N] [--instructions] [--core N] [--json FILE] [--list]";

struct Options {
    engines: Option<Vec<String>>,
    cases: Vec<Case>,
    timing: Timing,
    /// Count instructions instead of time.
    instructions: bool,
    json: String,
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let parts = args.list("--rows")?;
    let row: Option<String> = args.option("--row")?;
    let wanted = |case: &Case| {
        let name = case.name();
        row.as_ref().is_none_or(|row| name == *row)
            && parts
                .as_ref()
                .is_none_or(|parts| parts.iter().any(|part| name.contains(part)))
    };
    let options = Options {
        engines: args.list("--engines")?,
        cases: cases::all().into_iter().filter(wanted).collect(),
        timing: Timing::from_args(&mut args)?,
        instructions: args.flag("--instructions"),
        json: args
            .option("--json")?
            .unwrap_or_else(|| "engine.json".to_owned()),
    };
    if let Some(core) = args.option("--core")? {
        process::pin_to(core)?;
    }
    let list = args.flag("--list");
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;
    if list {
        options
            .cases
            .iter()
            .for_each(|case| println!("{}", case.name()));
        std::process::exit(0);
    }
    Ok(options)
}

fn main() -> Result<()> {
    let options = options()?;
    let mut table: Option<Table> = None;
    let mut results = Vec::new();
    for case in &options.cases {
        let (mut contestants, messages) = field::contestants(case, options.engines.as_deref())?;
        let names: Vec<&str> = contestants
            .iter()
            .map(|contestant| contestant.name)
            .collect();
        let row = case.name();
        let figures = if options.instructions {
            names
                .iter()
                .map(|name| instructions::per_message(name, &row, messages))
                .collect()
        } else {
            options.timing.medians(&mut contestants, messages)
        }?;
        let table = table.get_or_insert_with(|| {
            Table::new(std::iter::once(options.unit()).chain(names.iter().copied()))
        });
        eprintln!("{row}");
        table.row(std::iter::once(row.clone()).chain(options.cells(&names, &figures)));
        results.push(json!({
            "row": row,
            "bytes": case.size,
            "figures": names.iter().zip(&figures).collect::<std::collections::BTreeMap<_, _>>(),
        }));
    }
    println!(
        "{}",
        table.map_or_else(String::new, |table| table.markdown())
    );
    let all = json!({ "unit": options.unit(), "rounds": options.timing.rounds, "rows": results });
    Ok(std::fs::write(&options.json, format!("{all:#}\n"))?)
}

impl Options {
    fn unit(&self) -> &'static str {
        if self.instructions {
            "instructions per message"
        } else {
            "ns per message (× memcpy)"
        }
    }

    fn cells(&self, names: &[&str], figures: &[f64]) -> Vec<String> {
        let limit = names
            .iter()
            .position(|name| *name == "memcpy")
            .map(|at| figures[at]);
        let cell = |(name, value): (&&str, &f64)| match limit {
            // What memcpy needs in instructions says nothing: one of them moves 32 bytes.
            Some(limit) if *name != "memcpy" && !self.instructions => {
                format!("{} (×{:.2})", figure(*value), value / limit)
            }
            _ => figure(*value),
        };
        names.iter().zip(figures).map(cell).collect()
    }
}
