//! A strict reader of `WWW-Authenticate` (RFC 9110 §11.6.1).

use wirewright_core::handshake::Rejection;

/// A challenge: "auth-scheme [ 1*SP ( token68 / #auth-param ) ]" (RFC 9110 §11.3), of parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

/// A challenge of this scheme with these parameters, in order.
pub(crate) fn of(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
    let parameters = parameters.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Challenge { scheme: scheme.to_owned(), parameters: parameters.collect() }
}

impl Challenge {
    /// The only challenge of a rejection.
    #[track_caller]
    pub(crate) fn of(rejection: &Rejection) -> Self {
        let fields = rejection.headers().iter();
        let fields = fields.filter(|(name, _)| name.eq_ignore_ascii_case("WWW-Authenticate"));
        let values: Vec<&str> = fields.map(|(_, value)| value).collect();
        let [value] = values[..] else { panic!("not one challenge: {values:?}") };
        Self::read(value).unwrap_or_else(|| panic!("not a challenge: {value:?}"))
    }

    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = token(text)?;
        let mut rest = rest.strip_prefix(' ')?.trim_start_matches(' ');
        let mut parameters = Vec::new();
        loop {
            let (name, behind) = token(rest)?;
            let (value, behind) = quoted_string(behind.strip_prefix('=')?)?;
            if parameters.iter().any(|(other, _)| other == name) {
                return None;
            }
            parameters.push((name.to_owned(), value));
            if behind.is_empty() {
                return Some(Self { scheme: scheme.to_owned(), parameters });
            }
            let blank = [' ', '\t'];
            rest = behind.trim_start_matches(blank).strip_prefix(',')?.trim_start_matches(blank);
        }
    }
}

/// "token = 1*tchar" (RFC 9110 §5.6.2), and what is behind it.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(it);
    let end = text.find(|it| !is_allowed(it)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// "quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE" (RFC 9110 §5.6.4), and what is behind.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?.chars();
    let mut value = String::new();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(rest.next().filter(|it| matches!(it, '\t' | ' '..='~'))?),
            it @ ('\t' | ' '..='~') => value.push(it),
            _ => return None,
        }
    }
}
