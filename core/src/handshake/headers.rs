//! Header fields to be sent: what cannot be sent cannot be held.

use alloc::string::String;
use core::fmt;

use super::HandshakeMisuse;

/// Header fields for a request or an answer of ours, beside those that the handshake itself
/// writes.
///
/// Names and values are checked as they come in, so that nothing that was accepted can break out
/// of its line. `Debug` shows names only: values may be anybody's secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Lines as they are sent, `Name: value\r\n` each.
    lines: String,
}

impl Headers {
    /// No fields, no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: String::new() }
    }

    /// Adds a field behind those there are, of the same name too. White space around the value is
    /// dropped (RFC 9110 §5.5).
    ///
    /// # Errors
    /// [`HandshakeMisuse::HeaderName`] for a name that is not a token (RFC 9110 §5.1),
    /// [`HandshakeMisuse::HeaderValue`] for a value with control characters or bytes outside
    /// ASCII, [`HandshakeMisuse::ReservedHeader`] for one that the handshake writes: `Host`,
    /// `Connection`, `Upgrade`, `Content-Length`, `Transfer-Encoding`, `Sec-WebSocket-*`.
    pub fn append(&mut self, name: &str, value: &str) -> Result<(), HandshakeMisuse> {
        check_name(name)?;
        let value = check_value(name, value)?;
        self.push(name, value);
        Ok(())
    }

    /// Replaces all fields of this name, in any case of its letters, by one.
    ///
    /// # Errors
    /// As [`append`](Self::append); the fields are then as they were.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), HandshakeMisuse> {
        check_name(name)?;
        let value = check_value(name, value)?;
        self.remove(name);
        self.push(name, value);
        Ok(())
    }

    /// Removes all fields of this name.
    pub fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.retain(|other| !other.eq_ignore_ascii_case(name));
        }
    }

    /// Removes all fields but those for whose name `keep` says so.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let mut kept = Self::new();
        let fields = self.iter().filter(|(name, _)| keep(name));
        fields.for_each(|(name, value)| kept.push(name, value));
        *self = kept;
    }

    /// The value of the first field of this name, in any case of its letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        // Every line was written by `push`, so that each has both delimiters.
        self.lines.split_terminator("\r\n").filter_map(|line| line.split_once(": "))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines as they are sent.
    pub(super) fn lines(&self) -> &str {
        &self.lines
    }

    /// Adds a field that is known to be well-formed.
    pub(super) fn push(&mut self, name: &str, value: &str) {
        push_line(&mut self.lines, name, value);
    }

    /// [`set`](Self::set) for each of `others`, of whose names those given twice stay both.
    pub(super) fn replace(&mut self, others: &Self) {
        others.iter().for_each(|(name, _)| self.remove(name));
        self.extend(others);
    }

    pub(super) fn extend(&mut self, others: &Self) {
        self.lines.push_str(&others.lines);
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Appends `name: value\r\n`.
pub(super) fn push_line(lines: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        lines.push_str(part);
    }
}

/// "1*tchar" (RFC 9110 §5.6.2): visible ASCII without separators, as RFC 6455 §4.1 wants
/// sub-protocols to be.
pub(super) fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

fn check_name(name: &str) -> Result<(), HandshakeMisuse> {
    if !is_token(name) {
        return Err(HandshakeMisuse::HeaderName(name.into()));
    }
    // Some gateways read `_` as `-`.
    let plain = name.to_ascii_lowercase().replace('_', "-");
    if RESERVED.contains(&plain.as_str()) || plain.starts_with("sec-websocket-") {
        return Err(HandshakeMisuse::ReservedHeader(name.into()));
    }
    Ok(())
}

fn check_value<'a>(name: &str, value: &'a str) -> Result<&'a str, HandshakeMisuse> {
    let is_allowed = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    match value.bytes().position(|byte| !is_allowed(byte)) {
        Some(at) => Err(HandshakeMisuse::HeaderValue { name: name.into(), at }),
        None => Ok(value.trim_matches([' ', '\t'])),
    }
}

/// Beside `Sec-WebSocket-*`: a second one of these would contradict ours, or frame a body.
const RESERVED: [&str; 5] =
    ["connection", "content-length", "host", "transfer-encoding", "upgrade"];
