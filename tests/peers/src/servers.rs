//! Which servers take part: those of `peer-server` and any other program.

use crate::Result;
use crate::args::Args;

/// Room for every message of the comparisons.
pub const MAX_MESSAGE: usize = 16 << 20;

/// The echo servers that `peer-server` holds.
pub const PEERS: [&str; 9] = [
    "limit",
    "fastwebsockets",
    "fastwebsockets-batched",
    "tokio-websockets",
    "tokio-websockets-batched",
    "sockudo-ws",
    "sockudo-ws-batched",
    "tokio-tungstenite",
    "tokio-tungstenite-batched",
];

/// Those that send each message to everybody.
pub const BROADCAST: [&str; 3] = [
    "wirewright-broadcast",
    "tokio-tungstenite-broadcast",
    "sockudo-ws-broadcast",
];

/// Those that echo compressed. The other peers cannot.
pub const DEFLATE: [&str; 2] = ["sockudo-ws-deflate", "yawc-deflate"];

/// Those that echo over TLS, wirewright's among them: one profile has built them all.
pub const TLS: [&str; 4] = [
    "wirewright-tls",
    "limit-tls",
    "tokio-tungstenite-tls",
    "tokio-tungstenite-tls-batched",
];

/// A server to measure: how it is called and how it is started.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// The line in the table.
    pub name: String,
    /// As [`Server::start`](crate::process::Server::start) takes it.
    pub command: String,
}

/// The program beside this one.
///
/// # Errors
/// When this program's path is unknown or not UTF-8.
pub fn sibling(name: &str) -> Result<String> {
    let path = std::env::current_exe()?.with_file_name(name);
    Ok(path.to_str().ok_or("the path is not UTF-8")?.to_owned())
}

/// Takes `--server NAME=COMMAND`, any number of them, and `--servers NAME,…` (`none` for none;
/// without it those of `default`). External servers come first: theirs are the figures that the
/// reader looks for.
///
/// # Errors
/// When a name is unknown.
pub fn contestants(args: &mut Args, default: &[&str]) -> Result<Vec<Contestant>> {
    among(&PEERS, args, default)
}

/// As [`contestants`], from other servers of `peer-server`.
///
/// # Errors
/// When a name is not among those `known`.
pub fn among(known: &[&str], args: &mut Args, default: &[&str]) -> Result<Vec<Contestant>> {
    let mut contestants = Vec::new();
    for server in args.options("--server")? {
        let (name, command) = server
            .split_once('=')
            .ok_or("--server wants NAME=COMMAND")?;
        contestants.push(Contestant {
            name: name.to_owned(),
            command: command.to_owned(),
        });
    }
    let program = sibling("peer-server")?;
    let default = || default.iter().map(|name| (*name).to_owned()).collect();
    for name in args.list("--servers")?.unwrap_or_else(default) {
        if name == "none" {
            continue;
        }
        if !known.contains(&name.as_str()) {
            return Err(format!("no such server: {name}").into());
        }
        let command = format!("{program} {name} {{addr}}");
        contestants.push(Contestant { name, command });
    }
    Ok(contestants)
}

/// Takes the one server that clients are measured against: the first of those named, without any
/// fastwebsockets.
///
/// # Errors
/// As [`contestants`].
pub fn one(args: &mut Args) -> Result<Contestant> {
    let named = contestants(args, &[])?.into_iter().next();
    let usual = || -> Result<Contestant> {
        Ok(Contestant {
            name: "fastwebsockets".to_owned(),
            command: format!("{} fastwebsockets {{addr}}", sibling("peer-server")?),
        })
    };
    named.map_or_else(usual, Ok)
}

/// As [`one`], over TLS, where wirewright's is the usual one.
///
/// # Errors
/// As [`contestants`].
pub fn one_over_tls(args: &mut Args) -> Result<Contestant> {
    let named = among(&TLS, args, &["wirewright-tls"])?.into_iter().next();
    Ok(named.ok_or("a server is needed")?)
}
