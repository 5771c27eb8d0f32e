//! One request and its answer (RFC 9112), over any stream.

use std::io::{self, BufRead, BufReader, Read, Write};

use secrecy::zeroize::Zeroizing;

/// The most bytes of body that are taken in.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// The most bytes of heads, interim answers and trailers included.
const MAX_HEAD: usize = 16 * 1024;
/// The most header lines of an answer.
const MAX_HEADERS: usize = 100;

/// An answer as it came.
pub(super) struct Received {
    pub(super) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Received {
    /// The value of the first field of this name, in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    Protocol(&'static str),
    TooLarge(u16),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Sends `request` and takes in what is answered; the connection is of no use afterwards.
pub(super) fn exchange(stream: impl Read + Write, request: &[u8]) -> Result<Received, Failure> {
    let mut reader = BufReader::new(stream);
    let stream = reader.get_mut();
    let sent = stream.write_all(request).and_then(|()| stream.flush());
    let mut lines = Lines { left: MAX_HEAD };
    let mut head = lines.head(&mut reader);
    // Who has closed the connection may have said why before: a refusal, or TLS's alert.
    if let (Err(Failure::Io(heard)), Err(error)) = (&head, sent)
        && heard.get_ref().is_none()
    {
        return Err(Failure::Io(error));
    }
    let (status, headers) = loop {
        let (status, headers) = parse(&head?)?;
        // "A client MUST be able to parse one or more 1xx responses received prior to a final
        // response" (RFC 9110 §15.2); there is no switching of protocols here.
        match status {
            101 => return Err(Failure::Protocol("switches to a protocol that nobody asked for")),
            100..=199 => head = lines.head(&mut reader),
            _ => break (status, headers),
        }
    };
    let mut received = Received { status, headers, body: Zeroizing::default() };
    received.body = match framing(&received)? {
        Framing::Length(length) => by_length(&mut reader, length, status)?,
        Framing::Chunks => by_chunks(&mut reader, lines, status)?,
        Framing::Close => until_close(&mut reader, status)?,
    };
    Ok(received)
}

/// Reads lines, of which there are only so many bytes.
struct Lines {
    left: usize,
}

impl Lines {
    /// Lines up to the empty one, which is included.
    fn head(&mut self, reader: &mut impl BufRead) -> Result<Vec<u8>, Failure> {
        let mut head = Vec::new();
        loop {
            let line = self.line(reader)?;
            head.extend_from_slice(&line);
            if matches!(line.as_slice(), b"\r\n" | b"\n") {
                return Ok(head);
            }
        }
    }

    fn line(&mut self, reader: &mut impl BufRead) -> Result<Vec<u8>, Failure> {
        let mut line = Vec::new();
        reader.take(self.left as u64).read_until(b'\n', &mut line)?;
        self.left -= line.len();
        match line.last() {
            Some(b'\n') => Ok(line),
            _ if self.left == 0 => Err(Failure::Protocol("its head has over 16 KiB")),
            _ => Err(Failure::Io(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn parse(head: &[u8]) -> Result<(u16, Vec<(String, String)>), Failure> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let problem = match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => None,
        Ok(httparse::Status::Partial) => Some("its head is incomplete"),
        Err(httparse::Error::TooManyHeaders) => Some("its head has over 100 lines"),
        Err(_) => Some("its head is not one"),
    };
    match (problem, response.code) {
        (None, Some(status @ 100..=599)) => {
            let fields = response.headers.iter().map(|field| {
                let value = String::from_utf8_lossy(field.value).trim().to_owned();
                (field.name.to_ascii_lowercase(), value)
            });
            Ok((status, fields.collect()))
        }
        (problem, _) => Err(Failure::Protocol(problem.unwrap_or("its status is not one"))),
    }
}

/// How a body ends (RFC 9112 §6.3).
enum Framing {
    Length(usize),
    Chunks,
    Close,
}

fn framing(received: &Received) -> Result<Framing, Failure> {
    if matches!(received.status, 204 | 304) {
        return Ok(Framing::Length(0));
    }
    let values = |name| received.headers.iter().filter(move |(other, _)| other == name);
    let mut lengths = values("content-length").map(|(_, value)| value);
    let mut codings = values("transfer-encoding").map(|(_, value)| value);
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Framing::Close),
        (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => match codings.next() {
            None => Ok(Framing::Chunks),
            Some(_) => Err(Failure::Protocol("it has several transfer codings")),
        },
        (None, Some(_)) => Err(Failure::Protocol("its transfer coding is not `chunked`")),
        (Some(_), Some(_)) => Err(Failure::Protocol("it has both a length and a transfer coding")),
        (Some(length), None) => {
            let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number || lengths.any(|other| other != length) {
                return Err(Failure::Protocol("its length is not one number"));
            }
            // What is no number of bytes that could be held is over any limit.
            Ok(Framing::Length(length.parse().unwrap_or(usize::MAX)))
        }
    }
}

type Body = Zeroizing<Vec<u8>>;

fn by_length(reader: &mut impl Read, length: usize, status: u16) -> Result<Body, Failure> {
    if length > MAX_BODY {
        return Err(Failure::TooLarge(status));
    }
    let mut body = Zeroizing::new(vec![0; length]);
    reader.read_exact(&mut body)?;
    Ok(body)
}

/// RFC 9112 §7.1.
fn by_chunks(reader: &mut impl BufRead, mut lines: Lines, status: u16) -> Result<Body, Failure> {
    let mut body = Body::default();
    loop {
        let line = lines.line(reader)?;
        let size = match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((_, size))) => usize::try_from(size),
            _ => return Err(Failure::Protocol("the size of a chunk is not one")),
        };
        let size = size.unwrap_or(usize::MAX);
        if size == 0 {
            // "The trailer section" is of no use here, and is over with an empty line.
            while lines.line(reader)?.len() > 2 {}
            return Ok(body);
        }
        if size > MAX_BODY - body.len() {
            return Err(Failure::TooLarge(status));
        }
        reader.take(size as u64).read_to_end(&mut body)?;
        let mut end = [0; 2];
        reader.read_exact(&mut end)?;
        if end != *b"\r\n" {
            return Err(Failure::Protocol("a chunk is longer than its size"));
        }
        // Many small chunks have many lines, which are no head.
        lines.left = MAX_HEAD;
    }
}

fn until_close(reader: &mut impl Read, status: u16) -> Result<Body, Failure> {
    let mut body = Body::default();
    reader.take(MAX_BODY as u64 + 1).read_to_end(&mut body)?;
    if body.len() > MAX_BODY {
        return Err(Failure::TooLarge(status));
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
