//! Our end of exchanges with programs that nobody here wrote; `tests/interop/run.sh` runs it.
//!
//! ```text
//! interop serve [plain]    a listener that echoes and takes orders, until its standard input ends
//! interop client NAME URL  plays the table of cases against a server that does the same
//! interop mirror NAME URL  what libwebsockets' own test server can do
//! ```
//!
//! The orders are texts. `!ping X`: send a Ping, and `ponged X` once it is answered; `!close CODE
//! REASON`: close; `!closed`: the last Close that any connection received; `!fragments N`: a text
//! of N letters in several frames; `!report TEXT`: print it.

mod client;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve"] => serve::run(true),
        ["serve", "plain"] => serve::run(false),
        ["client", name, url] => client::run(name, url, &client::cases()),
        ["mirror", name, url] => client::run(name, url, &client::mirror_cases()),
        _ => {
            eprintln!("usage: interop serve [plain] | client NAME URL | mirror NAME URL");
            ExitCode::from(64)
        }
    }
}
