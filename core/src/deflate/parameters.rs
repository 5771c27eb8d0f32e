//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1) and the parameters of
//! permessage-deflate in it (RFC 7692 §7.1).

use alloc::{borrow::Cow, string::String};

use super::offer::ExtensionError;

/// `client_max_window_bits`, the one parameter with an optional value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ClientBits {
    #[default]
    Absent,
    Supported,
    AtMost(u8),
}

/// The parameters of one permessage-deflate element.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parameters {
    pub(super) server_no_takeover: bool,
    pub(super) client_no_takeover: bool,
    pub(super) server_bits: Option<u8>,
    pub(super) client_bits: ClientBits,
}

impl Parameters {
    /// Reads to the end of an element; `None` if a parameter is unknown, repeated or invalid.
    pub(super) fn read(header: &mut Header<'_>) -> Result<Option<Self>, ExtensionError> {
        let mut parameters = Self::default();
        let mut valid = true;
        while let Some((name, value)) = header.parameter()? {
            valid &= parameters.set(name, value.as_deref()).is_some();
        }
        Ok(valid.then_some(parameters))
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Option<()> {
        match (name, value) {
            (SERVER_TAKEOVER, None) if !self.server_no_takeover => self.server_no_takeover = true,
            (CLIENT_TAKEOVER, None) if !self.client_no_takeover => self.client_no_takeover = true,
            (SERVER_BITS, Some(value)) if self.server_bits.is_none() => {
                self.server_bits = Some(window_bits(value)?);
            }
            (CLIENT_BITS, value) if self.client_bits == ClientBits::Absent => {
                self.client_bits = match value {
                    None => ClientBits::Supported,
                    Some(value) => ClientBits::AtMost(window_bits(value)?),
                };
            }
            _ => return None,
        }
        Some(())
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (RFC 7692
/// §7.1.2.1).
fn window_bits(value: &str) -> Option<u8> {
    match value.as_bytes() {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// A reader of `Sec-WebSocket-Extensions` that looks at each byte once:
///
/// ```text
/// list      = 1#extension                       ; RFC 6455 §9.1; # as in RFC 2616 §2.1
/// extension = token *( ";" token [ "=" ( token | quoted-string ) ] )
/// ```
pub(super) struct Header<'a> {
    rest: &'a str,
    /// Whether an element was read.
    any: bool,
}

impl<'a> Header<'a> {
    pub(super) const fn new(value: &'a str) -> Self {
        Self { rest: value, any: false }
    }

    /// The name of the next extension; `None` at the end.
    pub(super) fn extension(&mut self) -> Result<Option<&'a str>, ExtensionError> {
        // RFC 2616 §2.1: "null elements are allowed, but do not contribute to the count".
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.any = true;
        self.token().map(Some)
    }

    /// The next parameter of the extension at hand; `None` after its last.
    fn parameter(&mut self) -> Result<Option<Parameter<'a>>, ExtensionError> {
        self.skip_space();
        if self.rest.is_empty() || self.rest.starts_with(',') {
            return Ok(None);
        }
        if !self.skip(';') {
            return Err(ExtensionError::Malformed);
        }
        self.skip_space();
        let name = self.token()?;
        self.skip_space();
        if !self.skip('=') {
            return Ok(Some((name, None)));
        }
        self.skip_space();
        let value = if self.skip('"') { self.quoted()? } else { Cow::Borrowed(self.token()?) };
        Ok(Some((name, Some(value))))
    }

    /// At the end: the list must have had an element.
    pub(super) const fn finish(&self) -> Result<(), ExtensionError> {
        if self.any { Ok(()) } else { Err(ExtensionError::Malformed) }
    }

    fn token(&mut self) -> Result<&'a str, ExtensionError> {
        let end = self.rest.bytes().position(|b| !is_token(b)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(ExtensionError::Malformed);
        }
        // All before `end` is ASCII, so that `end` is a boundary.
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(token)
    }

    /// The rest of a quoted string: "When using the quoted-string syntax variant, the value after
    /// quoted-string unescaping MUST conform to the 'token' ABNF" (RFC 6455 §9.1).
    fn quoted(&mut self) -> Result<Cow<'a, str>, ExtensionError> {
        let mut value = String::new();
        let mut bytes = self.rest.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            let byte = match byte {
                b'"' if !value.is_empty() => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Cow::Owned(value));
                }
                b'\\' => bytes.next().ok_or(ExtensionError::Malformed)?.1,
                byte => byte,
            };
            if !is_token(byte) {
                return Err(ExtensionError::Malformed);
            }
            value.push(char::from(byte));
        }
        Err(ExtensionError::Malformed)
    }

    fn skip(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }
}

type Parameter<'a> = (&'a str, Option<Cow<'a, str>>);

/// A character of a token (RFC 2616 §2.2): visible ASCII less the separators.
const fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z'
        | b'^'..=b'z' | b'|' | b'~')
}

pub(super) const SERVER_TAKEOVER: &str = "server_no_context_takeover";
pub(super) const CLIENT_TAKEOVER: &str = "client_no_context_takeover";
pub(super) const SERVER_BITS: &str = "server_max_window_bits";
pub(super) const CLIENT_BITS: &str = "client_max_window_bits";
pub(super) const MIN_BITS: u8 = 8;
pub(super) const MAX_BITS: u8 = 15;
