//! The value of `WWW-Authenticate`: what a refused client is to show (RFC 9110 §11.6.1).

use wirewright_core::handshake::Rejection;

use crate::ConfigError;

/// A scheme and its parameters, known to be a header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    scheme: &'static str,
    realm: String,
    rest: String,
}

impl Challenge {
    /// `Basic realm="websocket", charset="UTF-8"` (RFC 7617 §2, §2.1).
    pub(crate) fn basic() -> Self {
        Self::new("Basic").and("charset", "UTF-8")
    }

    /// `Bearer realm="websocket"` (RFC 6750 §3).
    pub(crate) fn bearer() -> Self {
        Self::new("Bearer")
    }

    fn new(scheme: &'static str) -> Self {
        Self { scheme, realm: quoted("websocket"), rest: String::new() }
    }

    /// With another realm.
    pub(crate) fn realm(mut self, realm: &str) -> Result<Self, ConfigError> {
        let problem = match realm.bytes().find(|byte| !matches!(byte, b' '..=b'~')) {
            Some(byte) => format!("{realm:?} holds {byte:#04x}, which is not printable ASCII"),
            None if realm.trim().is_empty() => "is empty".into(),
            None => {
                self.realm = quoted(realm);
                return Ok(self);
            }
        };
        Err(ConfigError::new("realm", problem))
    }

    /// With one more parameter, whose value is printable ASCII.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        for part in [", ", name, "=", &quoted(value)] {
            self.rest.push_str(part);
        }
        self
    }

    fn text(&self) -> String {
        format!("{} realm={}{}", self.scheme, self.realm, self.rest)
    }

    /// 401 with this challenge.
    pub(crate) fn unauthorized(&self) -> Rejection {
        // Every part was checked to be a header's value.
        Rejection::unauthorized(&self.text()).unwrap_or_else(Rejection::from)
    }

    /// Another refusal with this challenge; "a server MAY generate [it] in other response messages
    /// to indicate that supplying credentials [...] might affect the response" (RFC 9110 §11.6.1).
    pub(crate) fn beside(&self, rejection: Rejection) -> Rejection {
        rejection.header("WWW-Authenticate", &self.text()).unwrap_or_else(Rejection::from)
    }
}

/// A quoted-string; "a sender SHOULD NOT generate a quoted-pair in a quoted-string except where
/// necessary to quote DQUOTE and backslash" (RFC 9110 §5.6.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
