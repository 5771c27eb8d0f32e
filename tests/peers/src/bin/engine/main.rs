//! The engines in memory: decoding and encoding, the same bytes for everybody, beside `memcpy`.

mod cases;
mod decoders;
mod encoders;
mod field;
mod ours;

use cases::Case;
use serde_json::json;
use wirewright_peers::args::Args;
use wirewright_peers::contest::Timing;
use wirewright_peers::table::{Table, figure};
use wirewright_peers::{Result, process};

const USAGE: &str = "engine [--engines NAME,…] [--rows PART,…] [--rounds N] [--millis MS] \
    [--batches N] [--core N] [--json FILE] [--list]";

struct Options {
    engines: Option<Vec<String>>,
    cases: Vec<Case>,
    timing: Timing,
    json: String,
}

fn options() -> Result<Options> {
    let mut args = Args::from_env();
    let parts = args.list("--rows")?;
    let wanted = |case: &Case| {
        let name = case.name();
        parts
            .as_ref()
            .is_none_or(|parts| parts.iter().any(|part| name.contains(part)))
    };
    let options = Options {
        engines: args.list("--engines")?,
        cases: cases::all().into_iter().filter(wanted).collect(),
        timing: Timing::from_args(&mut args)?,
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
        let medians = options.timing.medians(&mut contestants, messages)?;
        let names: Vec<&str> = contestants
            .iter()
            .map(|contestant| contestant.name)
            .collect();
        let table = table.get_or_insert_with(|| {
            Table::new(std::iter::once("ns per message (× memcpy)").chain(names.iter().copied()))
        });
        table.row(std::iter::once(case.name()).chain(cells(&names, &medians)));
        eprintln!("{}", case.name());
        results.push(json!({
            "row": case.name(),
            "bytes": case.size,
            "nanos": names.iter().zip(&medians).collect::<std::collections::BTreeMap<_, _>>(),
        }));
    }
    println!(
        "{}",
        table.map_or_else(String::new, |table| table.markdown())
    );
    let all = json!({ "rounds": options.timing.rounds, "rows": results });
    Ok(std::fs::write(&options.json, format!("{all:#}\n"))?)
}

fn cells(names: &[&str], medians: &[f64]) -> Vec<String> {
    let limit = names
        .iter()
        .position(|name| *name == "memcpy")
        .map(|at| medians[at]);
    let cell = |(name, nanos): (&&str, &f64)| match limit {
        Some(limit) if *name != "memcpy" => format!("{} (×{:.2})", figure(*nanos), nanos / limit),
        _ => figure(*nanos),
    };
    names.iter().zip(medians).map(cell).collect()
}
