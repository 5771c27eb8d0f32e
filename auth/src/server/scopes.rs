//! What somebody may do, and what is asked of them.

/// Which scopes let somebody in: any one of a list, or none is asked for.
///
/// A scope is compared byte for byte. It may be any text, such as a group of a directory; those of
/// bearer tokens are held to RFC 6749 §3.3 where they are configured.
///
/// ```
/// use wirewright_auth::Scopes;
///
/// let scopes = Scopes::any_of(["feed:read", "admin"]);
/// assert!(scopes.admit(&["admin".into(), "audit".into()]));
/// assert!(!scopes.admit(&["audit".into()]));
/// // Whoever is known is let in.
/// assert!(Scopes::none().admit(&[]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    any_of: Option<Vec<String>>,
}

impl Scopes {
    /// None are asked for: it is enough to be known. This is the default.
    #[must_use]
    pub const fn none() -> Self {
        Self { any_of: None }
    }

    /// One of these is to be had. Of an empty list nobody has one, so that nobody is let in.
    pub fn any_of<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self { any_of: Some(scopes.into_iter().map(Into::into).collect()) }
    }

    /// The scopes that one text names: "a list of space-delimited, case-sensitive strings" (RFC
    /// 6749 §3.3).
    #[must_use]
    pub fn split(text: &str) -> Vec<String> {
        text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
    }

    /// Whether somebody who has `actual` is let in.
    #[must_use]
    pub fn admit(&self, actual: &[String]) -> bool {
        let is_one = |scopes: &Vec<String>| scopes.iter().any(|scope| actual.contains(scope));
        self.any_of.as_ref().is_none_or(is_one)
    }

    /// The scopes of which one is to be had; none if none are asked for.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.any_of.iter().flatten().map(String::as_str)
    }
}

impl From<&str> for Scopes {
    /// This one scope is to be had.
    fn from(scope: &str) -> Self {
        Self::any_of([scope])
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Scopes {
    fn from(scopes: [S; N]) -> Self {
        Self::any_of(scopes)
    }
}

impl<S: Into<String>> From<Vec<S>> for Scopes {
    fn from(scopes: Vec<S>) -> Self {
        Self::any_of(scopes)
    }
}

/// "scope-token = 1*( %x21 / %x23-5B / %x5D-7E )" (RFC 6749 §3.3).
pub(crate) fn is_scope_token(scope: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    !scope.is_empty() && scope.bytes().all(is_allowed)
}
