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
        // One to three bytes, of which `from_utf8` has found that they begin a code point.
        let rest = &bytes[error.valid_up_to()..];
        *self = rest.first().copied().map_or_else(Self::default, Self::open);
        self.close(rest.get(1..).unwrap_or_default())?;
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

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use super::{InvalidUtf8, Utf8Validator};

    /// Whether `bytes` are the beginning of some text, and whether they are text.
    fn oracle(bytes: &[u8]) -> (bool, bool) {
        match core::str::from_utf8(bytes) {
            Ok(_) => (true, true),
            Err(error) => (error.error_len().is_none(), false),
        }
    }

    /// In these pieces, each judged as the oracle judges all up to its end.
    #[track_caller]
    fn check(pieces: &[&[u8]]) {
        let (mut validator, mut so_far) = (Utf8Validator::default(), Vec::new());
        for piece in pieces {
            so_far.extend_from_slice(piece);
            let (begins, is_text) = oracle(&so_far);
            assert_eq!(validator.push(piece).is_ok(), begins, "{pieces:02X?}");
            if !begins {
                return;
            }
            assert_eq!(validator.finish().is_ok(), is_text, "{pieces:02X?}");
        }
    }

    fn check_all_splits(bytes: &[u8]) {
        check(&[bytes]);
        check(&bytes.chunks(1).collect::<Vec<_>>());
        for at in 1..bytes.len() {
            let (left, right) = bytes.split_at(at);
            check(&[left, right]);
            for at in 1..right.len() {
                check(&[left, &right[..at], &right[at..]]);
            }
        }
    }

    /// Every byte that some rule treats apart from its neighbours.
    const EDGES: [u8; 28] = [
        0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC,
        0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFC, 0xFE, 0xFF,
    ];

    #[test]
    fn p072_every_pair_and_every_edge() {
        for first in 0..=255 {
            check_all_splits(&[first]);
            for second in 0..=255 {
                check_all_splits(&[first, second]);
            }
        }
        for a in EDGES {
            for b in EDGES {
                for c in EDGES {
                    check_all_splits(&[a, b, c]);
                    for d in EDGES {
                        check(&[&[a, b, c, d]]);
                        check(&[&[a], &[b], &[c], &[d]]);
                        check(&[&[a, b], &[c, d]]);
                    }
                }
            }
        }
    }

    #[test]
    fn p072_every_code_point() {
        let mut bytes = [0; 4];
        for point in '\0'..=char::MAX {
            let text = point.encode_utf8(&mut bytes).as_bytes();
            let mut validator = Utf8Validator::default();
            for (at, byte) in text.chunks(1).enumerate() {
                assert_eq!(validator.finish().is_ok(), at == 0);
                assert_eq!(validator.push(byte), Ok(()));
            }
            assert_eq!(validator.finish(), Ok(()));
        }
    }

    #[test]
    fn p091_refused_at_the_first_bad_byte() {
        let cases: &[(&[u8], usize)] = &[
            (&[0xC0, 0x80], 0),
            (&[0xED, 0xA0, 0x80], 1),
            (&[0xED, 0xBF, 0xBF], 1),
            (&[0xF4, 0x90, 0x80, 0x80], 1),
            (&[0xF0, 0x8F, 0xBF, 0xBF], 1),
            (&[0xE0, 0x9F, 0xBF], 1),
            (&[0xF5], 0),
            (&[0x80], 0),
            (&[0xCE, 0xBA, 0xE1, 0xBD, 0xB9, 0xED, 0xA0, 0x80], 6),
        ];
        for (bytes, bad) in cases {
            for at in 0..=*bad {
                let mut validator = Utf8Validator::default();
                assert_eq!(validator.push(&bytes[..at]), Ok(()));
                assert_eq!(validator.push(&bytes[at..=*bad]), Err(InvalidUtf8));
            }
        }
        // A byte order mark and noncharacters are text; a tail that is missing is not.
        for text in ["\u{FEFF}", "\u{FFFF}", "\u{FFFE}", "\u{10FFFF}", "\0"] {
            check_all_splits(text.as_bytes());
        }
        for tail in 1..=3 {
            let mut validator = Utf8Validator::default();
            assert_eq!(validator.push(&"\u{10FFFF}".as_bytes()[..tail]), Ok(()));
            assert_eq!(validator.finish(), Err(InvalidUtf8));
        }
    }

    #[test]
    fn p072_long_text_with_an_error_anywhere() {
        let text: String =
            "aé\u{FFFF}€😀 plain ASCII in between".chars().cycle().take(300).collect();
        for at in 0..=text.len() {
            let (left, right) = text.as_bytes().split_at(at);
            check(&[left, right]);
            let mut broken = text.clone().into_bytes();
            for bad in [0xFF, 0xC0, 0x80, b'a'] {
                if let Some(byte) = broken.get_mut(at) {
                    *byte = bad;
                }
                check(&[&broken]);
                check(&broken.chunks(7).collect::<Vec<_>>());
            }
        }
    }
}
