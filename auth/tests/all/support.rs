//! Requests, and what is answered to them.

use std::fmt::{Debug, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wirewright_core::Inbox;
use wirewright_core::handshake::{Acceptor, Rejection, Request};

/// A request for `target` with these header lines.
#[track_caller]
pub(crate) fn request(target: &str, lines: &[&str]) -> Request {
    request_bytes(target, &lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>())
}

#[track_caller]
pub(crate) fn request_bytes(target: &str, lines: &[&[u8]]) -> Request {
    let mut limits = wirewright_core::handshake::HandshakeLimits::default();
    (limits.max_head, limits.max_line) = (1 << 20, 1 << 20);
    let mut inbox = Inbox::new();
    inbox.extend(format!("GET {target} HTTP/1.1\r\nHost: server.example.com\r\n").as_bytes());
    for line in lines {
        inbox.extend(line);
        inbox.extend(b"\r\n");
    }
    inbox.extend(b"\r\n");
    Acceptor::new(limits).receive(&mut inbox).unwrap().expect("it is complete")
}

/// A header line with these for Basic.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The status, and the challenges.
pub(crate) fn answer(rejection: &Rejection) -> (u16, Vec<&str>) {
    let fields = rejection.headers().iter();
    let challenges = fields.filter(|(name, _)| *name == "WWW-Authenticate");
    (rejection.status(), challenges.map(|(_, value)| value).collect())
}

/// A directory of this test alone, removed in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wirewright-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A file with this in it.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// All that is logged, at all levels: a line for each event, which begins with the level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Runs `of` and keeps what it logs on this thread.
    pub(crate) fn keep<T>(&self, of: impl FnOnce() -> T) -> T {
        tracing::subscriber::with_default(self.clone(), of)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
