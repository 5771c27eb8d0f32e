//! Requests of literal bytes on a real socket, and their answers.

use std::io::Write;
use std::net::SocketAddr;

use crate::raw_client::{RawClient, request};

/// An answer, whole: that of a connection which is open has no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its head, up to the empty line.
    pub head: String,
    /// What followed until the connection's end.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// All values of a header.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A request for an upgrade of this target.
#[must_use]
pub fn upgrade(target: &str, more: &str) -> String {
    request(more).replacen("/echo", target, 1)
}

/// What a client is answered that has sent all it will.
///
/// # Panics
/// If that is no answer.
pub fn answer(client: &mut RawClient) -> Answer {
    let head = client.head();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = if status == 101 { Vec::new() } else { client.rest() };
    Answer { status, head, body: String::from_utf8(body).unwrap() }
}

/// What a request is answered.
///
/// # Panics
/// If that is no answer.
#[must_use]
pub fn ask(addr: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut client = RawClient::silent(addr);
    client.send(request);
    answer(&mut client)
}

/// What a request is answered, also where it comes byte by byte, and where others follow it that
/// must not be answered.
///
/// # Panics
/// If the answers are no answers, or differ, or do not end the connection as they should.
#[must_use]
pub fn ask_all_ways(addr: SocketAddr, request: &str) -> Answer {
    let whole = ask(addr, request);
    let mut client = RawClient::silent(addr);
    for byte in request.as_bytes() {
        // What is refused at its beginning need not be taken to its end.
        if client.stream.write_all(&[*byte]).is_err() {
            break;
        }
    }
    assert_eq!(answer(&mut client), whole, "byte by byte: {request}");
    if whole.status != 101 {
        assert!(whole.headers("Connection").any(|value| value == "close"), "{whole:?}");
        assert_eq!(ask(addr, request.repeat(20)), whole, "pipelined: {request}");
    }
    whole
}
