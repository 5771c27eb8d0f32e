//! Services for a listener under test: one closure for all callbacks.

use std::env;
use std::fmt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use wirewright::{
    Caller, Close, Config, ConnectionError, KeepAliveOptions, Listener, ListenerBuilder, Outcome,
    Reply, RunOn, Service, UpgradeService,
};

use crate::raw_client::PATIENCE;

/// A call of a service. It prints itself as a line for a log.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the callback of the same name")]
pub enum Call<'a> {
    Open,
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close(Close<'a>),
    Error(&'a ConnectionError),
    Idle,
    Drain,
    Expired,
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => write!(f, "open"),
            Self::Text(text) => write!(f, "text {text}"),
            Self::Binary(bytes) => write!(f, "binary {}", bytes.escape_ascii()),
            Self::Ping(bytes) => write!(f, "ping {}", bytes.escape_ascii()),
            Self::Pong(bytes) => write!(f, "pong {}", bytes.escape_ascii()),
            Self::Close(close) => write!(f, "close {}", close.code().value()),
            Self::Error(error) => write!(f, "error {error}"),
            Self::Idle => write!(f, "idle"),
            Self::Drain => write!(f, "drain"),
            Self::Expired => write!(f, "expired"),
        }
    }
}

/// A service that is one closure, for the callbacks that most services have.
#[derive(Debug)]
pub struct By<F>(pub F);

impl<F> Service for By<F>
where
    F: FnMut(&Caller, Call<'_>) -> Outcome + Send + 'static,
{
    fn on_open(&mut self, caller: &Caller) -> Outcome {
        (self.0)(caller, Call::Open)
    }

    fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
        (self.0)(caller, Call::Text(text))
    }

    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        (self.0)(caller, Call::Binary(bytes))
    }

    fn on_ping(&mut self, caller: &Caller, payload: &[u8]) -> Outcome {
        (self.0)(caller, Call::Ping(payload))
    }

    fn on_pong(&mut self, caller: &Caller, payload: &[u8]) -> Outcome {
        (self.0)(caller, Call::Pong(payload))
    }

    fn on_close(&mut self, caller: &Caller, close: Close<'_>) {
        let _ = (self.0)(caller, Call::Close(close));
    }

    fn on_error(&mut self, caller: &Caller, error: &ConnectionError) {
        let _ = (self.0)(caller, Call::Error(error));
    }
}

/// As [`By`], with the callbacks that few services have.
#[derive(Debug)]
pub struct Every<F> {
    /// All callbacks.
    pub call: F,
    /// Where they run.
    pub runs_on: RunOn,
    /// Whether that goes for control frames.
    pub control: bool,
}

impl<F> Service for Every<F>
where
    F: FnMut(&Caller, Call<'_>) -> Outcome + Send + 'static,
{
    fn on_open(&mut self, caller: &Caller) -> Outcome {
        (self.call)(caller, Call::Open)
    }

    fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
        (self.call)(caller, Call::Text(text))
    }

    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        (self.call)(caller, Call::Binary(bytes))
    }

    fn on_ping(&mut self, caller: &Caller, payload: &[u8]) -> Outcome {
        (self.call)(caller, Call::Ping(payload))?;
        Ok(Reply::Pong)
    }

    fn on_close(&mut self, caller: &Caller, close: Close<'_>) {
        let _ = (self.call)(caller, Call::Close(close));
    }

    fn on_error(&mut self, caller: &Caller, error: &ConnectionError) {
        let _ = (self.call)(caller, Call::Error(error));
    }

    fn on_idle_timeout(&mut self, caller: &Caller) -> Outcome {
        (self.call)(caller, Call::Idle)
    }

    fn on_drain(&mut self, caller: &Caller) -> Outcome {
        (self.call)(caller, Call::Drain)
    }

    fn on_expired(&mut self, caller: &Caller) -> Outcome {
        (self.call)(caller, Call::Expired)
    }

    fn runs_on(&self) -> RunOn {
        self.runs_on
    }

    fn wants_control_frames(&self) -> bool {
        self.control
    }
}

/// A listener whose services are [`Every`], what they are called, and their callers.
///
/// # Panics
/// If there is no port left.
pub fn start_every<F>(
    builder: ListenerBuilder,
    runs_on: RunOn,
    call: F,
) -> (Listener, Receiver<String>, Receiver<Caller>)
where
    F: Fn(&Caller, &Call<'_>) -> Outcome + Clone + Send + Sync + 'static,
{
    let (log, calls) = mpsc::channel();
    let (callers, open) = mpsc::channel();
    let senders = Mutex::new((log, callers));
    let upgrade = move |_: &wirewright::UpgradeRequest| {
        let ((log, callers), call) = (senders.lock().unwrap().clone(), call.clone());
        let call = move |caller: &Caller, event: Call<'_>| {
            let _ = log.send(event.to_string());
            if let Call::Open = event {
                let _ = callers.send(caller.clone());
            }
            call(caller, &event)
        };
        Ok::<_, wirewright::Rejection>(Every { call, runs_on, control: false })
    };
    (builder.start("127.0.0.1:0", upgrade).unwrap(), calls, open)
}

/// Sends messages back and answers pings.
///
/// # Errors
/// If a message cannot be sent.
pub fn echo(caller: &Caller, call: &Call<'_>) -> Outcome {
    let _ = match *call {
        Call::Text(text) => caller.write_text(text)?,
        Call::Binary(bytes) => caller.write_binary(bytes)?,
        Call::Ping(_) => return Ok(Reply::Pong),
        _ => return Ok(Reply::Nothing),
    };
    Ok(Reply::Nothing)
}

/// What every connection of a listener calls, one after another; each gets a clone of `log`.
pub fn logged<F>(log: Sender<String>, call: F) -> impl UpgradeService
where
    F: Fn(&Caller, &Call<'_>) -> Outcome + Clone + Send + Sync + 'static,
{
    // A sender is not shared between loops but cloned for each connection.
    let log = Mutex::new(log);
    move |_: &wirewright::UpgradeRequest| {
        let (log, call) = (log.lock().unwrap().clone(), call.clone());
        Ok(By(move |caller: &Caller, event: Call<'_>| {
            let _ = log.send(event.to_string());
            call(caller, &event)
        }))
    }
}

/// The next line of a log.
///
/// # Panics
/// If none comes.
#[must_use]
pub fn next<T>(log: &Receiver<T>) -> T {
    log.recv_timeout(PATIENCE).expect("a call of the service")
}

/// The next lines of a log are these.
///
/// # Panics
/// If they are not.
pub fn expect_calls(log: &Receiver<String>, lines: &[&str]) {
    for line in lines {
        assert_eq!(next(log), *line, "of {lines:?}");
    }
}

/// Options for one loop, without compression, keep-alive or complaints of slow callbacks.
pub fn plain() -> ListenerBuilder {
    let builder = Listener::builder().threads(1).compression(None);
    // A busy machine holds up anything.
    builder.keep_alive(KeepAliveOptions::off()).slow_callback(None)
}

/// An echo listener with these options.
///
/// # Panics
/// If there is no port left.
#[must_use]
pub fn start_echo(builder: ListenerBuilder) -> Listener {
    start(builder, echo)
}

/// A listener whose connections all do the same.
///
/// # Panics
/// If there is no port left.
pub fn start<F>(builder: ListenerBuilder, call: F) -> Listener
where
    F: Fn(&Caller, &Call<'_>) -> Outcome + Clone + Send + Sync + 'static,
{
    start_at("127.0.0.1:0", builder, call)
}

/// The same at this address.
///
/// # Panics
/// If the address is not free.
pub fn start_at<F>(addr: &str, builder: ListenerBuilder, call: F) -> Listener
where
    F: Fn(&Caller, &Call<'_>) -> Outcome + Clone + Send + Sync + 'static,
{
    let upgrade = move |_: &wirewright::UpgradeRequest| {
        let call = call.clone();
        Ok(By(move |caller: &Caller, event: Call<'_>| call(caller, &event)))
    };
    builder.start(addr, upgrade).unwrap()
}

/// The engine's options without compression and with other limits.
#[must_use]
pub fn limits(change: impl FnOnce(&mut wirewright::Limits)) -> Config {
    let mut config = Config::server();
    config.compression = None;
    change(&mut config.limits);
    config
}

/// Waits for something that no channel tells of.
///
/// # Panics
/// If it does not come about.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

const ALONE: &str = "WIREWRIGHT_TESTS_ALONE";

/// Runs a test's body in a process of its own, for what counts or limits the whole process's
/// resources. `test` is the calling test's path.
///
/// # Panics
/// If the body does.
pub fn in_own_process(test: &str, body: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return body();
    }
    // libtest names tests without the binary's name.
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    let exe = env::current_exe().unwrap();
    let run = Command::new(exe).args([name, "--exact", "--nocapture"]).env(ALONE, "1").output();
    let run = run.unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let ran = said.contains("1 passed");
    assert!(run.status.success() && ran, "{said}{}", String::from_utf8_lossy(&run.stderr));
    // For whoever asked for what the test measures.
    print!("{said}");
}
