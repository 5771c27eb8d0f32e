//! The authorization server, and what it is told to do.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use wirewright::auth::{HttpOptions, OAuth2Grant};

/// Whom tokens are for that are asked for with `resource`, as JWT.
pub(crate) const FEED: &str = "https://feed.example";

pub(crate) struct Server {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pub(crate) issuer: String,
    pub(crate) version: String,
    certificates: PathBuf,
}

impl Server {
    pub(crate) fn start(script: &str, certificates: &str) -> io::Result<Self> {
        let mut child = Command::new("node")
            .args([script, certificates])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        let mut pipes = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        let mut ready = String::new();
        pipes.1.read_line(&mut ready)?;
        let words: Vec<&str> = ready.split_whitespace().collect();
        let ["ready", issuer, version] = words[..] else {
            return Err(io::Error::other(format!("it says {ready:?}")));
        };
        let (issuer, version) = (issuer.to_owned(), version.to_owned());
        let (pipes, certificates) = (Mutex::new(pipes), certificates.into());
        Ok(Self { child, pipes, issuer, version, certificates })
    }

    /// Has it do something, and waits for its answer.
    pub(crate) fn order(&self, order: &str) -> Result<String, String> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(pipes.0, "{order}").map_err(super::told)?;
        let mut answer = String::new();
        pipes.1.read_line(&mut answer).map_err(super::told)?;
        match answer.trim() {
            "" => Err(format!("{order}: it has ended")),
            error if error.starts_with("error") => Err(format!("{order}: {error}")),
            answer => Ok(answer.to_owned()),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.issuer.clone() + path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.certificates.join(name)
    }

    /// How it is reached: over TLS, with an authority of its own.
    pub(crate) fn http(&self) -> HttpOptions {
        HttpOptions::new().roots_file(self.file("ca.pem")).request_timeout(Duration::from_secs(10))
    }

    /// The grant of a client itself.
    pub(crate) fn client_credentials(&self, client: &str) -> OAuth2Grant {
        OAuth2Grant::client_credentials(self.url("/token"), client, secret(client))
            .http(self.http())
            .scopes(["feed:read"])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What each client has, with characters that must be encoded.
pub(crate) fn secret(client: &str) -> String {
    format!("secret of {client}: &=+% \"\\")
}
