//! UTF-8 in pieces (RFC 6455 §5.6, §8.1).

/// The bytes so far are no prefix of any UTF-8 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

/// Validates text that arrives in pieces: each byte is looked at once, and the first that cannot
/// go on is refused at once, however the text was cut.
///
/// Between pieces it holds the two facts that the next byte depends on: how many bytes the open
/// code point wants, and the range of the next. Invariant: `need == 0`, or `low..=high` lies
/// within `80..=BF`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Utf8Validator {
    need: u8,
    low: u8,
    high: u8,
}

impl Utf8Validator {
    pub(crate) const fn new() -> Self {
        Self { need: 0, low: 0, high: 0 }
    }

    /// Takes the next piece.
    #[inline]
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = if self.need == 0 { chunk } else { self.close(chunk)? };
        if rest.len() <= SHORT && rest.is_ascii() {
            return Ok(());
        }
        self.bulk(rest)
    }

    /// The text ends here: no code point may be open.
    pub(crate) const fn finish(&self) -> Result<(), InvalidUtf8> {
        if self.need == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }

    /// Whether the bytes so far are text by themselves.
    pub(crate) const fn is_boundary(&self) -> bool {
        self.need == 0
    }

    /// Feeds the open code point; gives back what is behind it.
    fn close<'a>(&mut self, chunk: &'a [u8]) -> Result<&'a [u8], InvalidUtf8> {
        let mut rest = chunk;
        while let (1.., [byte, tail @ ..]) = (self.need, rest) {
            if !(self.low..=self.high).contains(byte) {
                return Err(InvalidUtf8);
            }
            *self = Self { need: self.need - 1, low: 0x80, high: 0xBF };
            rest = tail;
        }
        Ok(rest)
    }

    /// Validates from a boundary on.
    fn bulk(&mut self, bytes: &[u8]) -> Result<(), InvalidUtf8> {
        let Err(error) = simdutf8::compat::from_utf8(bytes) else {
            return Ok(());
        };
        // A length means a byte that cannot be; none, that the end came too early.
        if error.error_len().is_some() {
            return Err(InvalidUtf8);
        }
        // At most three bytes, of which `from_utf8` has found that they begin a code point.
        if let [lead, tail @ ..] = &bytes[error.valid_up_to()..] {
            *self = Self::open(*lead);
            self.close(tail)?;
        }
        Ok(())
    }

    /// What may follow the first byte of a code point (Unicode §3.9, table 3-7): no overlong
    /// form, no surrogate, nothing above U+10FFFF.
    const fn open(lead: u8) -> Self {
        let (need, low, high) = match lead {
            0xC2..=0xDF => (1, 0x80, 0xBF),
            0xE0 => (2, 0xA0, 0xBF),
            0xED => (2, 0x80, 0x9F),
            0xE1..=0xEF => (2, 0x80, 0xBF),
            0xF0 => (3, 0x90, 0xBF),
            0xF1..=0xF3 => (3, 0x80, 0xBF),
            0xF4 => (3, 0x80, 0x8F),
            // Not a first byte: nothing may follow it.
            _ => (1, 1, 0),
        };
        Self { need, low, high }
    }
}

/// Up to here a plain loop is done before the dispatch to SIMD code is.
const SHORT: usize = 64;
