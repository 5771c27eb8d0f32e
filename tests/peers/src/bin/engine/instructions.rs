//! Instructions per message, which do not depend on the machine's mood: this program runs itself
//! under callgrind with two amounts of work, and the difference is what the work costs.

use std::process::Command;

use wirewright_peers::Result;

/// Enough that a buffer that grows once does not show.
const BATCHES: [usize; 2] = [2, 6];

/// Callgrind counts `rep movsb`, with which glibc copies from 2 KiB on, as an instruction per
/// byte. Without it a copy counts as the loads and stores that it is.
const TUNABLES: &str = "glibc.cpu.x86_rep_movsb_threshold=1000000000";

/// What `engine` needs for one message of `row`, of which a batch holds `messages`.
pub fn per_message(engine: &str, row: &str, messages: usize) -> Result<f64> {
    let [few, many] = BATCHES.map(|batches| collected(engine, row, batches));
    Ok((many? - few?) / ((BATCHES[1] - BATCHES[0]) * messages) as f64)
}

fn collected(engine: &str, row: &str, batches: usize) -> Result<f64> {
    let output = Command::new("valgrind")
        .env("GLIBC_TUNABLES", TUNABLES)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([
            "--engines",
            engine,
            "--row",
            row,
            "--rounds",
            "1",
            "--json",
            "/dev/null",
        ])
        .args(["--batches", &batches.to_string()])
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    match count {
        Some((_, count)) if output.status.success() => Ok(count.trim().parse()?),
        _ => Err(format!("{engine} on {row} under callgrind: {said}").into()),
    }
}
