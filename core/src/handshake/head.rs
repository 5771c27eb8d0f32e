//! Heads of requests and answers (RFC 9112): each byte is looked at once as it arrives, and once
//! more when the head is complete.

use alloc::{boxed::Box, vec, vec::Vec};
use core::{fmt, str};

use super::{Fault, HandshakeLimits};
use crate::inbox::Inbox;

/// The header fields of a request or an answer that was received, in one piece of memory.
///
/// `Debug` shows names only: values may be anybody's secret.
#[derive(Clone)]
pub struct Head {
    /// From the start line to the empty line.
    bytes: Box<[u8]>,
    fields: Box<[Field]>,
}

impl Head {
    /// The first value of this field, in any case of its letters, without white space around it.
    ///
    /// Bytes, as a value may hold any but control characters (RFC 9110 §5.5).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers(name).next()
    }

    /// The first value of this field as text. `None` too for a value with bytes outside ASCII:
    /// where absence would grant something, ask [`header`](Self::header).
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.header(name).and_then(ascii)
    }

    /// All values of this field, in the order received.
    pub fn headers<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        let fields = self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value)
    }

    /// All fields, in the order received, names as written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| (self.text(field.name), self.slice(field.value)))
    }

    /// The elements of this field where it is a list of tokens, over all its lines; empty elements
    /// are passed over, as is a line that is not text (RFC 9110 §5.6.1).
    pub fn tokens<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h str> {
        let lines = self.headers(name).filter_map(ascii);
        lines.flat_map(|line| line.split(',')).map(trim).filter(|token| !token.is_empty())
    }

    /// Whether [`tokens`](Self::tokens) has this one, in any case of its letters.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|other| other.eq_ignore_ascii_case(token))
    }

    /// The one value of this field; an error if there are several.
    pub(super) fn only(&self, name: &str) -> Result<Option<&[u8]>, Several> {
        let mut values = self.headers(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Several),
        }
    }

    /// A part of the head that the parser knows to be text.
    pub(super) fn text(&self, span: Span) -> &str {
        ascii(self.slice(span)).unwrap_or_default()
    }

    fn slice(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    pub(super) fn request(complete: Complete) -> Result<(Self, RequestLine), HeadError> {
        let Complete { bytes, fields } = complete;
        let mut fields = vec![httparse::EMPTY_HEADER; fields];
        let mut request = httparse::Request::new(&mut fields);
        whole(request.parse(&bytes), &bytes)?;
        let span = |text: Option<&str>| text.map(|text| Span::of(text.as_bytes(), &bytes));
        let line = RequestLine {
            method: span(request.method).ok_or(HeadError::StartLine)?,
            target: span(request.path).ok_or(HeadError::StartLine)?,
            minor: request.version.ok_or(HeadError::StartLine)?,
        };
        let fields = spans(request.headers, &bytes);
        Ok((Self { bytes, fields }, line))
    }

    pub(super) fn response(complete: Complete) -> Result<(Self, StatusLine), HeadError> {
        let Complete { bytes, fields } = complete;
        let mut fields = vec![httparse::EMPTY_HEADER; fields];
        let mut response = httparse::Response::new(&mut fields);
        whole(response.parse(&bytes), &bytes)?;
        let line = StatusLine {
            status: response.code.ok_or(HeadError::StartLine)?,
            reason: Span::of(response.reason.unwrap_or_default().as_bytes(), &bytes),
            minor: response.version.ok_or(HeadError::StartLine)?,
        };
        let fields = spans(response.headers, &bytes);
        Ok((Self { bytes, fields }, line))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Why a head cannot be accepted: not HTTP as RFC 9112 has it, or over one of
/// [`HandshakeLimits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A line that ends in LF alone. RFC 9112 §2.2 lets a recipient accept it; the difference of
    /// opinion with a proxy is what smuggling lives on.
    #[error("line feed without a carriage return before it")]
    BareLineFeed,
    /// "A recipient of such a bare CR MUST consider that element to be invalid" (RFC 9112 §2.2).
    #[error("carriage return without a line feed after it")]
    BareCarriageReturn,
    /// NUL or another control character: "field values containing CR, LF, or NUL characters are
    /// invalid and dangerous" (RFC 9110 §5.5). The first byte of TLS on a plain port is one too.
    #[error("control character {0:#04x} in the head")]
    Control(u8),
    /// "A server that receives an obs-fold in a request message [...] MUST either reject the
    /// message [...] or replace each" (RFC 9112 §5.2).
    #[error("header line folded")]
    Folded,
    /// A name that is not a token, or with white space before the colon (RFC 9112 §5.1).
    #[error("header name is not a token with a colon after it")]
    HeaderName,
    /// A request line or status line that is none (RFC 9112 §3, §4).
    #[error("start line is not HTTP")]
    StartLine,
    /// An HTTP version that is neither 1.0 nor 1.1.
    #[error("HTTP version is neither 1.0 nor 1.1")]
    Version,
    /// The request line, mostly for its target.
    #[error("start line of over {max} bytes, the limit of `max_line`")]
    StartLineLength {
        /// The limit.
        max: usize,
    },
    /// One header line.
    #[error("header line of over {max} bytes, the limit of `max_line`")]
    LineLength {
        /// The limit.
        max: usize,
    },
    /// All lines together.
    #[error("head of over {max} bytes, the limit of `max_head`")]
    HeadLength {
        /// The limit.
        max: usize,
    },
    /// The number of header lines.
    #[error("head of over {max} header lines, the limit of `max_headers`")]
    HeaderCount {
        /// The limit.
        max: usize,
    },
}

impl HeadError {
    /// Whether the peer broke HTTP or went past a limit of ours.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::StartLineLength { .. }
            | Self::LineLength { .. }
            | Self::HeadLength { .. }
            | Self::HeaderCount { .. } => Fault::Limit,
            _ => Fault::Peer,
        }
    }
}

/// Finds the end of a head in an inbox, however it is split, looking at each byte once.
#[derive(Debug)]
pub(super) struct HeadReader {
    limits: HandshakeLimits,
    /// Bytes that heads may still have: interim answers count with the one that they precede.
    room: usize,
    /// Bytes of the inbox that were looked at and end no head.
    scanned: usize,
    /// Where in the inbox the line under way begins.
    line: usize,
    /// Lines that are complete.
    lines: usize,
    /// Whether an empty line may still be passed over before the first.
    leading_line: bool,
}

/// A head that has its end: `fields` lines between the first and the empty one.
pub(super) struct Complete {
    bytes: Box<[u8]>,
    fields: usize,
}

impl HeadReader {
    /// Reads a request: "a server [...] SHOULD ignore at least one empty line (CRLF) received
    /// prior to the request-line" (RFC 9112 §2.2).
    pub(super) const fn request(limits: HandshakeLimits) -> Self {
        // A span holds offsets of 32 bits.
        let most = u32::MAX as usize;
        let room = if limits.max_head < most { limits.max_head } else { most };
        Self { limits, room, scanned: 0, line: 0, lines: 0, leading_line: true }
    }

    /// Reads an answer.
    pub(super) const fn response(limits: HandshakeLimits) -> Self {
        Self { leading_line: false, ..Self::request(limits) }
    }

    pub(super) const fn limits(&self) -> &HandshakeLimits {
        &self.limits
    }

    /// Takes a complete head out of `inbox`, and leaves what follows it; `None` until there is
    /// one. The inbox must hold what it held at the last call, and may hold more.
    pub(super) fn receive(&mut self, inbox: &mut Inbox) -> Result<Option<Complete>, HeadError> {
        let Some(end) = self.scan(inbox.unread())? else { return Ok(None) };
        let bytes = inbox.unread()[..end].into();
        let complete = Complete { bytes, fields: self.lines.saturating_sub(1) };
        inbox.consume(end);
        *self = Self { room: self.room - end, ..Self::response(self.limits) };
        Ok(Some(complete))
    }

    /// The end of the head, behind its empty line.
    fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        let end = bytes.len().min(self.room);
        while self.scanned < end {
            let at = self.scanned;
            let after_cr = at > self.line && bytes[at - 1] == b'\r';
            self.scanned += 1;
            match bytes[at] {
                b'\n' if !after_cr => return Err(HeadError::BareLineFeed),
                b'\n' if at - self.line > 1 => self.end_line(at + 1)?,
                b'\n' if self.lines > 0 => return Ok(Some(at + 1)),
                b'\n' if self.leading_line => {
                    self.leading_line = false;
                    self.line = at + 1;
                }
                b'\n' => return Err(HeadError::StartLine),
                _ if after_cr => return Err(HeadError::BareCarriageReturn),
                b'\r' => {}
                byte => self.in_line(at, byte)?,
            }
        }
        if bytes.len() >= self.room {
            return Err(HeadError::HeadLength { max: self.limits.max_head });
        }
        Ok(None)
    }

    /// Judges a byte that is neither CR nor LF.
    fn in_line(&self, at: usize, byte: u8) -> Result<(), HeadError> {
        let max = self.limits.max_line;
        match byte {
            b'\t' | b' ' if at == self.line && self.lines > 0 => Err(HeadError::Folded),
            b'\t' | b' '..=b'~' | 0x80.. if at - self.line < max => Ok(()),
            b'\t' | b' '..=b'~' | 0x80.. if self.lines == 0 => {
                Err(HeadError::StartLineLength { max })
            }
            b'\t' | b' '..=b'~' | 0x80.. => Err(HeadError::LineLength { max }),
            _ => Err(HeadError::Control(byte)),
        }
    }

    /// A line that is not empty ends before `next`.
    fn end_line(&mut self, next: usize) -> Result<(), HeadError> {
        self.line = next;
        self.lines += 1;
        let max = self.limits.max_headers;
        if self.lines - 1 > max { Err(HeadError::HeaderCount { max }) } else { Ok(()) }
    }
}

/// A part of a head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Where `part` stands in `whole`, of which it is a slice.
    fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        // The reader passes no head of over `u32::MAX` bytes; what is no slice of `whole`, such as
        // an empty literal, becomes an empty part at its end.
        let offset = |at: usize| u32::try_from(at.min(whole.len())).unwrap_or(u32::MAX);
        Self { start: offset(start), end: offset(start.saturating_add(part.len())) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLine {
    pub(super) method: Span,
    pub(super) target: Span,
    pub(super) minor: u8,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct StatusLine {
    pub(super) status: u16,
    pub(super) reason: Span,
    pub(super) minor: u8,
}

/// A field that may stand once stands several times.
pub(super) struct Several;

/// `bytes` as text, if they are ASCII.
pub(super) fn ascii(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() { str::from_utf8(bytes).ok() } else { None }
}

/// Without the white space that RFC 9110 §5.6.3 allows around an element.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The reader found the end of the head, and the parser must not find another.
fn whole(parsed: httparse::Result<usize>, bytes: &[u8]) -> Result<(), HeadError> {
    let expected = Ok(httparse::Status::Complete(bytes.len()));
    match parsed {
        _ if parsed == expected => Ok(()),
        Err(httparse::Error::HeaderName) => Err(HeadError::HeaderName),
        Err(httparse::Error::Version) if has_other_version(bytes) => Err(HeadError::Version),
        _ => Err(HeadError::StartLine),
    }
}

/// Whether the first line speaks of an HTTP version that is neither 1.0 nor 1.1; the parser says
/// `Version` of whatever it finds in its place.
fn has_other_version(head: &[u8]) -> bool {
    let mut words = head.trim_ascii_start().split(|&byte| matches!(byte, b' ' | b'\r'));
    words.by_ref().take(3).any(|word| match word {
        b"HTTP/1.0" | b"HTTP/1.1" => false,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] => {
            major.is_ascii_digit() && minor.is_ascii_digit()
        }
        _ => false,
    })
}

fn spans(headers: &[httparse::Header<'_>], bytes: &[u8]) -> Box<[Field]> {
    let field = |header: &httparse::Header<'_>| Field {
        name: Span::of(header.name.as_bytes(), bytes),
        value: Span::of(header.value, bytes),
    };
    headers.iter().map(field).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-19: every turn of the reader's loop moves `scanned` by one and none moves it back, so
    /// that it says how many bytes were looked at; the parser comes once, when there is a head.
    #[test]
    fn s19_each_byte_is_scanned_once() {
        let text = b"GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n";
        let mut reader = HeadReader::request(HandshakeLimits::default());
        let mut inbox = Inbox::new();
        for (n, &byte) in text.iter().enumerate() {
            assert_eq!(reader.scanned, n);
            assert!(reader.receive(&mut inbox).unwrap().is_none());
            assert_eq!(reader.scanned, n);
            inbox.extend(&[byte]);
            if n + 1 < text.len() {
                assert!(reader.receive(&mut inbox).unwrap().is_none());
            }
        }
        let complete = reader.receive(&mut inbox).unwrap().unwrap();
        assert_eq!((&*complete.bytes, complete.fields), (&text[..], 2));
    }

    /// An inbox with less in it than at the last call is the caller's mistake, and no panic.
    #[test]
    fn a_smaller_inbox_is_waited_for() {
        let mut reader = HeadReader::request(HandshakeLimits::default());
        let mut inbox = Inbox::new();
        inbox.extend(b"GET / HTTP/1.1\r\n");
        assert!(reader.receive(&mut inbox).unwrap().is_none());
        inbox.consume(10);
        assert!(reader.receive(&mut inbox).unwrap().is_none());
        assert!(reader.receive(&mut Inbox::new()).unwrap().is_none());
    }

    #[test]
    fn spans_of_what_is_no_part_are_empty() {
        let head = Head { bytes: b"abc".as_slice().into(), fields: Box::new([]) };
        assert_eq!(head.text(Span::of(b"", b"abc")), "");
        assert_eq!(head.text(Span::of(&head.bytes[1..2], &head.bytes)), "b");
    }
}
