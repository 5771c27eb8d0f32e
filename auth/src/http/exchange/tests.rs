use std::io::{self, Read, Write};

use super::{Failure, MAX_BODY, exchange};

/// A server that says what it says, some bytes at a time.
struct Script<'a> {
    answer: &'a [u8],
    at_once: usize,
    sent: Vec<u8>,
}

impl Read for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.at_once.min(buffer.len()).min(self.answer.len());
        let (now, later) = self.answer.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.answer = later;
        Ok(count)
    }
}

impl Write for Script<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Status and body, or a word for what failed; the same however the answer is cut.
#[track_caller]
fn outcome(answer: &[u8]) -> Result<(u16, Vec<u8>), String> {
    let outcomes = [1, 2, 7, 100_000].map(|at_once| {
        let mut script = Script { answer, at_once, sent: Vec::new() };
        let outcome = exchange(&mut script, b"request");
        assert_eq!(script.sent, b"request");
        match outcome {
            Ok(received) => Ok((received.status, received.body.to_vec())),
            Err(Failure::Io(error)) => Err(format!("{:?}", error.kind())),
            Err(Failure::Protocol(problem)) => Err(problem.to_owned()),
            Err(Failure::TooLarge(status)) => Err(format!("too large: {status}")),
        }
    });
    let [first, others @ ..] = outcomes;
    assert!(others.iter().all(|other| *other == first), "{first:?} {others:?}");
    first
}

#[test]
fn rfc9112_6_3_bodies_end_where_they_say() {
    let table: [(&str, u16, &str); 11] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", 200, "hello"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
        ("HTTP/1.0 200\r\n\r\nuntil the end", 200, "until the end"),
        ("HTTP/1.1 204 No Content\r\n\r\nnot a body", 204, ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, ""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
             3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            200,
            "abcde",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n",
            200,
            "a",
        ),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\nx", 503, "x"),
        (
            "HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            200,
            "x",
        ),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok"),
    ];
    for (answer, status, body) in table {
        assert_eq!(outcome(answer.as_bytes()), Ok((status, body.into())), "{answer}");
    }
}

#[test]
fn rfc9112_6_3_answers_that_are_none_are_refused() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let table = [
        (String::new(), "UnexpectedEof"),
        ("HTTP/1.1 200 OK\r\n".into(), "UnexpectedEof"),
        ("SSH-2.0-OpenSSH_9.9\r\n\r\n".into(), "its head is not one"),
        ("HTTP/2 200\r\n\r\n".into(), "its head is not one"),
        ("HTTP/1.1 999 So\r\n\r\n".into(), "its status is not one"),
        ("HTTP/1.1 101 Switching\r\n\r\n".into(), "switches to a protocol that nobody asked for"),
        (format!("{ok}A B: c\r\n\r\n"), "its head is not one"),
        (format!("{ok}{}\r\n", "A: b\r\n".repeat(101)), "its head has over 100 lines"),
        (format!("{ok}A: {}\r\n\r\n", "b".repeat(20_000)), "its head has over 16 KiB"),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000), "its head has over 16 KiB"),
        (format!("{ok}Content-Length: 5\r\n\r\nhell"), "UnexpectedEof"),
        (format!("{ok}Content-Length: -5\r\n\r\n"), "its length is not one number"),
        (format!("{ok}Content-Length: \r\n\r\n"), "its length is not one number"),
        ("\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".into(), "its head is incomplete"),
        (
            format!("{ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "it has several transfer codings",
        ),
        (format!("{ok}Content-Length: 5, 5\r\n\r\nhello"), "its length is not one number"),
        (
            format!("{ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
            "its length is not one number",
        ),
        (
            format!("{ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "it has both a length and a transfer coding",
        ),
        (
            format!("{ok}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            "its transfer coding is not `chunked`",
        ),
        (
            format!("{ok}Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            "the size of a chunk is not one",
        ),
        (
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n"),
            "a chunk is longer than its size",
        ),
        (format!("{ok}Transfer-Encoding: chunked\r\n\r\n5\r\nabc"), "UnexpectedEof"),
    ];
    for (answer, problem) in table {
        assert_eq!(outcome(answer.as_bytes()), Err(problem.into()), "{answer}");
    }
}

#[test]
fn s47_bodies_over_64_kib_are_refused_in_every_framing() {
    let (fits, over) = ("x".repeat(MAX_BODY), "x".repeat(MAX_BODY + 1));
    let framings: [fn(&str) -> String; 4] = [
        |body| format!("HTTP/1.1 500 No\r\n\r\n{body}"),
        |body| format!("HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        |body| {
            let size = body.len();
            format!(
                "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n\
                 {size:x}\r\n{body}\r\n0\r\n\r\n"
            )
        },
        |body| {
            let chunks = body.as_bytes().chunks(1024).map(|chunk| {
                format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk))
            });
            let chunks = chunks.collect::<String>();
            format!("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        },
    ];
    for framing in framings {
        assert_eq!(outcome(framing(&fits).as_bytes()), Ok((500, fits.clone().into())));
        assert_eq!(outcome(framing(&over).as_bytes()), Err("too large: 500".into()));
    }
    // Nothing is held for what is only claimed.
    let claims = [
        "Content-Length: 99999999999999999999999999",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff",
    ];
    for claim in claims {
        let answer = format!("HTTP/1.1 500 No\r\n{claim}\r\n\r\n");
        assert_eq!(outcome(answer.as_bytes()), Err("too large: 500".into()), "{claim}");
    }
}

/// A connection that its peer has closed, after a word or without one.
struct Closed(&'static [u8]);

impl Read for Closed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn refusal_of_who_does_not_listen_is_heard() {
    let refusal = b"HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n";
    assert!(
        matches!(exchange(Closed(refusal), b"request"), Ok(received) if received.status == 413)
    );
    let Err(Failure::Io(error)) = exchange(Closed(b""), b"request") else {
        panic!("nothing was said");
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
