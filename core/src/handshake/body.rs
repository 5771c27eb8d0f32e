//! The body of an answer that refuses: as much of it as is worth keeping.

use alloc::vec::Vec;

use super::head::{Head, ascii, trim};
use crate::inbox::Inbox;

/// Collects a body (RFC 9112 §6.3) up to a limit.
#[derive(Debug)]
pub(super) struct Body {
    content: Vec<u8>,
    /// Bytes of content that are still kept.
    room: usize,
    framing: Framing,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// All bytes until the connection ends.
    UntilEnd,
    /// The line that gives a chunk's size is next (RFC 9112 §7.1).
    ChunkSize,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// So many bytes of the CRLF behind a chunk.
    ChunkEnd(u8),
    Complete,
}

impl Body {
    /// The body that follows `head` in an answer to `GET`.
    pub(super) fn new(status: u16, head: &Head, limit: usize) -> Self {
        let framing = match status {
            204 | 304 => Framing::Complete,
            _ => framing(head),
        };
        Self { content: Vec::new(), room: limit, framing }
    }

    /// Takes what there is; `true` when the body is complete or the limit reached.
    pub(super) fn receive(&mut self, inbox: &mut Inbox) -> bool {
        loop {
            if self.room == 0 {
                self.framing = Framing::Complete;
            }
            let unread = inbox.unread();
            let done = match &mut self.framing {
                Framing::Complete | Framing::Length(0) => return true,
                _ if unread.is_empty() => return false,
                Framing::UntilEnd => {
                    let n = unread.len().min(self.room);
                    self.content.extend_from_slice(&unread[..n]);
                    self.room -= n;
                    n
                }
                Framing::Length(left) | Framing::Chunk(left @ 1..) => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let n = unread.len().min(self.room).min(most);
                    self.content.extend_from_slice(&unread[..n]);
                    self.room -= n;
                    *left -= n as u64;
                    n
                }
                Framing::Chunk(0) => {
                    self.framing = Framing::ChunkEnd(2);
                    0
                }
                Framing::ChunkEnd(left) => {
                    *left -= 1;
                    if *left == 0 {
                        self.framing = Framing::ChunkSize;
                    }
                    1
                }
                Framing::ChunkSize => match chunk_size(unread) {
                    ChunkSize::Partial => return false,
                    // The trailers behind the last chunk are of no interest.
                    ChunkSize::Invalid | ChunkSize::Complete(_, 0) => {
                        self.framing = Framing::Complete;
                        0
                    }
                    ChunkSize::Complete(n, size) => {
                        self.framing = Framing::Chunk(size);
                        n
                    }
                },
            };
            inbox.consume(done);
        }
    }

    pub(super) fn into_content(self) -> Vec<u8> {
        self.content
    }
}

/// How the end of the body is found (RFC 9112 §6.3): a transfer coding goes before a length, and
/// what cannot be made sense of lasts until the connection ends.
fn framing(head: &Head) -> Framing {
    if head.header("Transfer-Encoding").is_some() {
        let chunked = head.tokens("Transfer-Encoding").last();
        let chunked = chunked.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        return if chunked { Framing::ChunkSize } else { Framing::UntilEnd };
    }
    match content_length(head) {
        Ok(Some(length)) => Framing::Length(length),
        Ok(None) | Err(InvalidLength) => Framing::UntilEnd,
    }
}

/// `Content-Length`, if all its lines and elements say the same (RFC 9110 §8.6).
pub(super) fn content_length(head: &Head) -> Result<Option<u64>, InvalidLength> {
    let mut length = None;
    for value in head.headers("Content-Length") {
        for value in ascii(value).ok_or(InvalidLength)?.split(',').map(trim) {
            // "Content-Length = 1*DIGIT": the parser of integers would take a sign.
            if !value.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(InvalidLength);
            }
            let value = value.parse().map_err(|_| InvalidLength)?;
            if length.is_some_and(|length| length != value) {
                return Err(InvalidLength);
            }
            length = Some(value);
        }
    }
    Ok(length)
}

/// A `Content-Length` that is no number, or several numbers.
pub(super) struct InvalidLength;

enum ChunkSize {
    Partial,
    Invalid,
    /// Bytes of the line, and the size that it gives.
    Complete(usize, u64),
}

/// Reads a line such as `1a;name=value\r\n`.
fn chunk_size(bytes: &[u8]) -> ChunkSize {
    // A line is read anew whenever more of it arrives; this long, and it is not worth it.
    let line = &bytes[..bytes.len().min(MAX_CHUNK_LINE)];
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((n, size))) => ChunkSize::Complete(n, size),
        Ok(httparse::Status::Partial) if line.len() < MAX_CHUNK_LINE => ChunkSize::Partial,
        _ => ChunkSize::Invalid,
    }
}

const MAX_CHUNK_LINE: usize = 128;
