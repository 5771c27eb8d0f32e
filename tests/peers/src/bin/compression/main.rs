//! permessage-deflate in memory: JSON messages compressed and inflated, with their framing.
//!
//! Everybody compresses at level 6 with a window of 15 bits. The server compresses and the
//! client inflates, so that no masking is measured. `zlib-rs` alone, without frames, is the
//! library under all of the peers.

mod ours;
mod peers;
mod texts;

use std::hint::black_box;

use peers::{Deflate, Inflate};
use serde_json::json;
use texts::Case;
use wirewright_peers::args::Args;
use wirewright_peers::contest::{Contestant, Timing};
use wirewright_peers::table::{Table, figure};
use wirewright_peers::{Result, process};

const USAGE: &str = "compression [--engines NAME,…] [--rounds N] [--millis MS] [--batches N] \
    [--core N] [--json FILE]";

struct Field {
    case: Case,
    only: Option<Vec<String>>,
    contestants: Vec<Contestant>,
    /// Compressed bytes per message, where the contestant compresses.
    sizes: Vec<f64>,
}

impl Field {
    fn is_wanted(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.iter().any(|wanted| wanted == name))
    }

    /// `tried` sends every message once, to be checked; `engine` is measured.
    fn compressor(
        &mut self,
        name: &'static str,
        mut tried: impl Deflate,
        mut engine: impl Deflate + 'static,
    ) -> Result<()> {
        if !self.is_wanted(name) {
            return Ok(());
        }
        for text in &self.case.texts {
            tried.send(text)?;
        }
        self.sizes
            .push(self.case.check(name, &tried.into_written()?)?);
        let texts = self.case.texts.clone();
        let run = move |count| {
            for text in texts.iter().cycle().take(count) {
                engine.send(black_box(text))?;
            }
            Ok(())
        };
        self.contestants.push(Contestant {
            name,
            run: Box::new(run),
        });
        Ok(())
    }

    fn inflater(&mut self, name: &'static str, mut engine: impl Inflate + 'static) -> Result<()> {
        if !self.is_wanted(name) {
            return Ok(());
        }
        let (texts, mut index, mut right) = (&self.case.texts, 0, true);
        engine.receive(texts.len(), |message| {
            right &= message == texts[index % texts.len()].as_bytes();
            index += 1;
        })?;
        if !right {
            return Err(format!("{name} inflates wrongly").into());
        }
        let run = move |count| {
            engine.receive(count, |message| {
                black_box(message);
            })
        };
        self.contestants.push(Contestant {
            name,
            run: Box::new(run),
        });
        Ok(())
    }

    fn compressors(&mut self) -> Result<()> {
        let case = &self.case.clone();
        self.compressor("zlib-rs", peers::Zlib::new(case), peers::Zlib::new(case))?;
        self.compressor(
            "wirewright",
            ours::Sender::new(case),
            ours::Sender::new(case),
        )?;
        let sockudo = || peers::SockudoSender::new(case);
        self.compressor("sockudo-ws", sockudo(), sockudo())?;
        self.compressor(
            "yawc",
            peers::Yawc::tried(case)?,
            peers::Yawc::sending(case)?,
        )
    }

    fn inflaters(&mut self) -> Result<()> {
        let case = &self.case.clone();
        self.inflater("zlib-rs", peers::Unzlib::new(case)?)?;
        self.inflater("wirewright", ours::Receiver::new(case)?)?;
        self.inflater("sockudo-ws", peers::SockudoReceiver::new(case)?)?;
        self.inflater("yawc", peers::Yawc::receiving(case)?)
    }
}

fn main() -> Result<()> {
    let mut args = Args::from_env();
    let only = args.list("--engines")?;
    let timing = Timing::from_args(&mut args)?;
    let file = args
        .option("--json")?
        .unwrap_or_else(|| "compression.json".to_owned());
    if let Some(core) = args.option("--core")? {
        process::pin_to(core)?;
    }
    args.finish().map_err(|error| format!("{error}\n{USAGE}"))?;

    let mut table: Option<Table> = None;
    let mut results = Vec::new();
    for case in texts::all() {
        for task in ["compress", "inflate"] {
            let (only, messages) = (only.clone(), case.texts.len());
            let case = case.clone();
            let name = format!("{task} {}", case.name());
            let mut field = Field {
                case,
                only,
                contestants: Vec::new(),
                sizes: Vec::new(),
            };
            match task {
                "compress" => field.compressors()?,
                _ => field.inflaters()?,
            }
            let medians = timing.medians(&mut field.contestants, messages)?;
            let names: Vec<&str> = field.contestants.iter().map(|one| one.name).collect();
            let table = table.get_or_insert_with(|| {
                Table::new(std::iter::once("ns per message").chain(names.iter().copied()))
            });
            let cell = |(index, nanos): (usize, &f64)| match field.sizes.get(index) {
                Some(size) => format!("{} ({size:.0} B)", figure(*nanos)),
                None => figure(*nanos),
            };
            let cells = medians.iter().enumerate().map(cell);
            table.row(std::iter::once(name.clone()).chain(cells));
            results.push(json!({
                "row": name,
                "nanos": names.iter().zip(&medians).collect::<std::collections::BTreeMap<_, _>>(),
                "compressed_bytes": field.sizes,
            }));
        }
    }
    println!(
        "{}",
        table.map_or_else(String::new, |table| table.markdown())
    );
    let all = json!({ "rounds": timing.rounds, "level": 6, "window_bits": 15, "rows": results });
    Ok(std::fs::write(file, format!("{all:#}\n"))?)
}
