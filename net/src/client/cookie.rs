//! Cookies that a client sends (RFC 6265).

use std::fmt;

use wirewright_core::handshake::HandshakeMisuse;

/// A cookie to be sent with the handshake: a name, a value, and a path, which decides on its place
/// among others and on nothing else. `Debug` does not show the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    value: String,
    path: String,
}

impl Cookie {
    /// A cookie without a path. What cannot be sent is found when it is given to
    /// [`cookies`](crate::ClientBuilder::cookies).
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), path: String::new() }
    }

    /// With this path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), HandshakeMisuse> {
        // "cookie-name = token" (RFC 6265 §4.1.1).
        let is_tchar = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
        if self.name.is_empty() || !self.name.bytes().all(is_tchar) {
            return Err(HandshakeMisuse::CookieName(self.name.clone()));
        }
        // "cookie-value = *cookie-octet / ( DQUOTE *cookie-octet DQUOTE )"; "US-ASCII characters
        // excluding CTLs, whitespace DQUOTE, comma, semicolon, and backslash" (ibid.).
        let quoted = self.value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let (before, bare) = quoted.map_or((0, &*self.value), |value| (1, value));
        let is_octet = |c: u8| matches!(c, b'!'..=b'~') && !b"\",;\\".contains(&c);
        match bare.bytes().position(|c| !is_octet(c)) {
            Some(at) => {
                let (name, at) = (self.name.clone(), before + at);
                Err(HandshakeMisuse::CookieValue { name, at })
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The value of the header, cookies with the shortest path first; empty if there are none.
///
/// "cookie-string = cookie-pair *( ";" SP cookie-pair )" (RFC 6265 §4.2.1).
pub(super) fn header(mut cookies: Vec<Cookie>) -> Result<String, HandshakeMisuse> {
    cookies.iter().try_for_each(Cookie::check)?;
    cookies.sort_by_key(|cookie| cookie.path.len());
    let pairs = cookies.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value));
    Ok(pairs.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_by_the_length_of_their_paths() {
        let cookies = vec![
            Cookie::new("long", "1").path("/feed/deep"),
            Cookie::new("none", "\"quoted\""),
            Cookie::new("short", "").path("/"),
            Cookie::new("also-none", "a=b"),
        ];
        let expected = "none=\"quoted\"; also-none=a=b; short=; long=1";
        assert_eq!(header(cookies).unwrap(), expected);
        assert_eq!(header(Vec::new()).unwrap(), "");
    }

    #[test]
    fn s26_cookies_that_cannot_be_sent() {
        for name in ["", "a b", "a=b", "a;b", "a\r\nX: y", "\u{e4}", "\"a\""] {
            let error = header(vec![Cookie::new(name, "1")]).unwrap_err();
            assert_eq!(error, HandshakeMisuse::CookieName(name.into()));
        }
        let values = [
            ("a b", 1),
            ("a;b", 1),
            ("a,b", 1),
            ("a\"b", 1),
            ("\"", 0),
            ("\"a b\"", 2),
            ("\\", 0),
            ("\r\nX: y", 0),
            ("\0", 0),
            ("\u{7f}", 0),
            ("\u{e4}", 0),
        ];
        for (value, at) in values {
            let error = header(vec![Cookie::new("c", value)]).unwrap_err();
            assert_eq!(error, HandshakeMisuse::CookieValue { name: "c".into(), at }, "{value:?}");
            assert!(!format!("{:?}", Cookie::new("c", "canary")).contains("canary"));
        }
    }
}
