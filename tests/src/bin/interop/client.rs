//! The client, and the table of what it does.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use wirewright::{Client, ClientBuilder, ClientError, Compression, Message};

use crate::secured;

/// What any step may take.
const PATIENCE: Duration = Duration::from_secs(15);
const SIZES: [usize; 7] = [0, 1, 125, 126, 65_535, 65_536, 1 << 20];

pub(crate) type Outcome = Result<(), String>;

/// A case: its name, and what it does at a URL.
pub(crate) struct Case {
    name: String,
    run: Box<dyn Fn(&str) -> Outcome>,
}

pub(crate) fn case(name: impl Into<String>, run: impl Fn(&str) -> Outcome + 'static) -> Case {
    Case { name: name.into(), run: Box::new(run) }
}

/// Plays all of them; the last line counts.
pub(crate) fn run(name: &str, url: &str, cases: &[Case]) -> ExitCode {
    let mut failed = 0;
    for case in cases {
        if let Err(problem) = (case.run)(url) {
            println!("FAILED {name}, {}: {problem}", case.name);
            failed += 1;
        }
    }
    println!("interop {name} server: {} passed, {failed} failed", cases.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for deflate in [false, true] {
        let with = if deflate { "compressed" } else { "plain" };
        for size in SIZES {
            cases.push(case(format!("text of {size} bytes, {with}"), move |url| {
                echo(&open(url, deflate)?, &text(size))
            }));
            cases.push(case(format!("binary of {size} bytes, {with}"), move |url| {
                echo_binary(&open(url, deflate)?, &binary(size))
            }));
        }
        cases.push(case(format!("text in fragments, {with}"), move |url| {
            echo(&connect(&builder(url, deflate).outgoing_frame_size(1_000))?, &text(65_536))
        }));
        cases.push(case(format!("binary in fragments, {with}"), move |url| {
            echo_binary(&connect(&builder(url, deflate).outgoing_frame_size(999))?, &binary(65_535))
        }));
        cases.push(case(format!("fragments from the peer, {with}"), move |url| {
            let client = open(url, deflate)?;
            send(&client, "!fragments 70000")?;
            same(read(&client)?.as_bytes(), "f".repeat(70_000).as_bytes())
        }));
        cases.push(case(format!("1000 messages pipelined, {with}"), move |url| {
            pipeline(&open(url, deflate)?)
        }));
        cases.push(case(format!("compression as asked for, {with}"), move |url| {
            let client = open(url, deflate)?;
            let agreed = client.response().deflate().is_some();
            if agreed == deflate { Ok(()) } else { Err(format!("agreed on it: {agreed}")) }
        }));
    }
    cases.push(case("a ping of ours", |url| {
        let client = open(url, false)?;
        client.ping(b"are you there?").map_err(told)?;
        echo(&client, "behind the ping")
    }));
    cases.push(case("a ping of the peer's", |url| {
        let client = open(url, false)?;
        send(&client, "!ping hello")?;
        same(read(&client)?.as_bytes(), b"ponged hello")
    }));
    cases.push(case("a close of ours, with code and reason", closing));
    cases.push(case("a close of ours, without", |url| closing_at_once(&open(url, true)?)));
    cases.push(case("a close of the peer's, with code and reason", |url| {
        let client = open(url, false)?;
        send(&client, "!close 4002 enough of it")?;
        match client.read() {
            Err(ClientError::Closed { code, reason })
                if code.value() == 4002 && reason == "enough of it" =>
            {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    }));
    cases.extend(secured::cases());
    cases
}

/// libwebsockets' own test server has two services: numbers that go up, and a mirror of what
/// anybody draws, in texts of its own kind.
pub(crate) fn mirror_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for deflate in [false, true] {
        let with = if deflate { "compressed" } else { "plain" };
        cases.push(case(format!("numbers, {with}"), move |url| {
            let client = spoken(url, deflate, "dumb-increment-protocol")?;
            let mut last = None;
            for _ in 0..20 {
                let number: u32 = read(&client)?.trim().parse().map_err(told)?;
                if last.is_some_and(|last| number != last + 1) {
                    return Err(format!("{number} behind {last:?}"));
                }
                last = Some(number);
            }
            client.close().map_err(told)
        }));
        for size in [1, 125, 126, 1_000] {
            cases.push(case(format!("mirror of {size} bytes, {with}"), move |url| {
                echo(&spoken(url, deflate, "lws-mirror-protocol")?, &text(size))
            }));
        }
        cases.push(case(format!("a ping of ours, {with}"), move |url| {
            let client = spoken(url, deflate, "lws-mirror-protocol")?;
            client.ping(b"are you there?").map_err(told)?;
            echo(&client, "d #000000 1 2 3 4;")
        }));
        cases.push(case(format!("a close of ours, {with}"), move |url| {
            spoken(url, deflate, "lws-mirror-protocol")?.close().map_err(told)
        }));
    }
    cases
}

// --- steps ---------------------------------------------------------------------------------------

pub(crate) fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(crate) fn builder(url: &str, deflate: bool) -> ClientBuilder {
    let compression = deflate.then(Compression::default);
    let builder = match secured::client() {
        Some(tls) => Client::builder(url).tls(tls),
        None => Client::builder(url),
    };
    builder
        .compression(compression)
        .max_frame_size(16 << 20)
        .handshake_timeout(Some(PATIENCE))
        .read_timeout(Some(PATIENCE))
        .write_timeout(Some(PATIENCE))
        .close_timeout(Some(PATIENCE))
}

pub(crate) fn connect(builder: &ClientBuilder) -> Result<Client, String> {
    builder.connect().map_err(|error| format!("{error} ({error:?})"))
}

pub(crate) fn open(url: &str, deflate: bool) -> Result<Client, String> {
    connect(&builder(url, deflate))
}

fn spoken(url: &str, deflate: bool, protocol: &str) -> Result<Client, String> {
    connect(&builder(url, deflate).sub_protocols([protocol]).map_err(told)?)
}

/// Not all the same, and not too short for a compressor; of one to four bytes a character.
pub(crate) fn text(size: usize) -> String {
    let mut text = String::with_capacity(size);
    for number in 0.. {
        let next = ["a", "ü", "你", "🦀", "0", "line\n"][number % 6];
        if text.len() + next.len() > size {
            break;
        }
        text.push_str(next);
    }
    text.extend(std::iter::repeat_n('.', size - text.len()));
    text
}

pub(crate) fn binary(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * at / 7).to_le_bytes()[0]).collect()
}

pub(crate) fn send(client: &Client, text: &str) -> Outcome {
    client.write_text(text).map_err(told)
}

pub(crate) fn read(client: &Client) -> Result<String, String> {
    client.read_text().map_err(told)
}

fn same(found: &[u8], expected: &[u8]) -> Outcome {
    if found == expected {
        return Ok(());
    }
    let start = String::from_utf8_lossy(&found[..found.len().min(40)]).into_owned();
    Err(format!("{} bytes instead of {}: {start:?}", found.len(), expected.len()))
}

pub(crate) fn echo(client: &Client, message: &str) -> Outcome {
    send(client, message)?;
    same(read(client)?.as_bytes(), message.as_bytes())
}

pub(crate) fn echo_binary(client: &Client, message: &[u8]) -> Outcome {
    client.write_binary(message).map_err(told)?;
    same(&client.read_binary().map_err(told)?, message)
}

fn pipeline(client: &Client) -> Outcome {
    let message = |number: usize| format!("message {number} {}", "x".repeat(number % 300));
    for number in 0..1_000 {
        send(client, &message(number))?;
    }
    for number in 0..1_000 {
        let expected = message(number);
        client
            .read_with(|found: Message<'_>| same(found.as_bytes(), expected.as_bytes()))
            .map_err(told)??;
    }
    Ok(())
}

/// The server ends the transport, for which a client waits two seconds at most.
fn closing_at_once(client: &Client) -> Outcome {
    let start = Instant::now();
    client.close().map_err(told)?;
    let waited = start.elapsed() >= Duration::from_secs(2);
    if waited { Err("the server did not end the transport".into()) } else { Ok(()) }
}

/// The peer says over another connection what it received.
fn closing(url: &str) -> Outcome {
    let other = open(url, false)?;
    match open(url, false)?.close_with(4001, "that is all", Some(PATIENCE)) {
        // Another code is not typical (RFC 6455 §5.5.1); the client says so, and is closed as well.
        Ok(()) | Err(ClientError::CloseEcho { .. }) => {}
        Err(error) => return Err(told(error)),
    }
    let start = Instant::now();
    loop {
        send(&other, "!closed")?;
        let closed = read(&other)?;
        if closed == "4001 that is all" {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("the peer received {closed:?}"));
        }
    }
}
