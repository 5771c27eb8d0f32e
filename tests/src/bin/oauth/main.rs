//! Our credentials and authenticators against an authorization server that nobody here wrote;
//! `tests/oauth/run.sh` runs it.
//!
//! `oauth SERVER CERTIFICATES`: the server's script, and the folder that
//! `tests/interop/certificates.sh` has filled.

mod admission;
mod faults;
mod grants;
mod server;

use std::process::ExitCode;

use server::Server;

type Outcome = Result<(), String>;

/// A case: its name, and what it does with the server.
type Case = (&'static str, fn(&Server) -> Outcome);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [script, certificates] = arguments.as_slice() else {
        eprintln!("usage: oauth SERVER CERTIFICATES");
        return ExitCode::from(64);
    };
    let server = match Server::start(script, certificates) {
        Ok(server) => server,
        Err(error) => {
            println!("FAILED, the server did not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (mut passed, mut failed) = (0, 0);
    for (name, run) in [grants::CASES, faults::CASES, admission::CASES].concat() {
        match run(&server) {
            Ok(()) => passed += 1,
            Err(problem) => {
                println!("FAILED {name}: {problem}");
                failed += 1;
            }
        }
    }
    println!("oauth oidc-provider {}: {passed} passed, {failed} failed", server.version);
    ExitCode::from(u8::from(failed > 0))
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}
