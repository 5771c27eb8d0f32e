//! Our end of exchanges with programs that nobody here wrote; `tests/interop/run.sh` runs it.
//!
//! ```text
//! interop serve [plain]    a listener that echoes and takes orders, until its standard input ends
//! interop client NAME URL  plays the table of cases against a server that does the same
//! interop mirror NAME URL  what libwebsockets' own test server can do
//! interop few NAME URL     what a server can do that handles one small message after another
//! interop keys NAME URL    the same, with changes of keys between
//! interop told URL         connects, and prints why that failed
//! ```
//!
//! Behind each of these `over DIR VERSIONS` says that it is over TLS, with the certificates in that
//! folder; a listener with `required` behind it accepts none without a certificate, and with
//! `unasked` asks for none; a client with `anonymous` shows none.
//!
//! The orders are texts. `!ping X`: send a Ping, and `ponged X` once it is answered; `!close CODE
//! REASON`: close; `!closed`: the last Close that any connection received; `!fragments N`: a text
//! of N letters in several frames; `!security`: what TLS has agreed on; `!report TEXT`: print it.

mod client;
mod secured;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let over = arguments.iter().position(|argument| *argument == "over");
    let (command, over) = arguments.split_at(over.unwrap_or(arguments.len()));
    match over {
        [] => {}
        [_, folder, versions, more @ ..] => secured::set(folder, versions, more),
        [_, ..] => return usage(),
    }
    match *command {
        ["serve"] => serve::run(true),
        ["serve", "plain"] => serve::run(false),
        ["client", name, url] => client::run(name, url, &client::cases()),
        ["mirror", name, url] => client::run(name, url, &client::mirror_cases()),
        ["few", name, url] => client::run(name, url, &secured::few_cases()),
        ["keys", name, url] => client::run(name, url, &secured::key_cases()),
        ["told", url] => secured::told(url),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: see the top of {}", file!());
    ExitCode::from(64)
}
