//! Where a refusal points to, and whether to follow (RFC 9110 §15.4).

use iri_string::types::{UriAbsoluteStr, UriReferenceStr};
use wirewright_core::Uri;
use wirewright_core::handshake::Refused;

use super::failure::RedirectError;

/// More than this is a server that is wrong about itself.
pub(crate) const MOST: usize = 10;

/// The URI that an answer points to; `None` if it points nowhere.
pub(crate) fn target(from: &Uri, refused: &Refused) -> Result<Option<Uri>, RedirectError> {
    // 300 leaves the choice to people, 304 to 306 are no redirects.
    if !matches!(refused.status(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let mut values = refused.head().headers("Location");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(location), None) => {
            let location = str::from_utf8(location).map_err(|_| RedirectError::Location)?;
            resolve(from, location).map(Some)
        }
        // Two opinions on where to go are none.
        _ => Err(RedirectError::Location),
    }
}

/// What `location` means, seen from `from` (RFC 3986 §5.2).
fn resolve(from: &Uri, location: &str) -> Result<Uri, RedirectError> {
    let scheme = if from.is_secure() { "wss://" } else { "ws://" };
    let base = [scheme, from.authority(), from.path_and_query()].concat();
    let base = UriAbsoluteStr::new(&base).map_err(|_| RedirectError::Location)?;
    let location = UriReferenceStr::new(location).map_err(|_| RedirectError::Location)?;
    let resolved = location.resolve_against(base).to_string();
    let uri = to_websocket(&resolved)?.parse::<Uri>()?;
    // A password is the caller's to give, never a server's.
    let uri = match uri.is_same_origin(from) {
        true => uri.with_userinfo_of(from),
        false => uri,
    };
    if from.is_secure() && !uri.is_secure() {
        return Err(RedirectError::Downgrade(uri));
    }
    Ok(uri)
}

/// The same place in a WebSocket's terms, without fragment, which is for browsers to look at, and
/// without user information.
fn to_websocket(resolved: &str) -> Result<String, RedirectError> {
    let (scheme, rest) = resolved.split_once("://").ok_or(RedirectError::Scheme)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => "ws://",
        "wss" | "https" => "wss://",
        _ => return Err(RedirectError::Scheme),
    };
    let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
    let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    Ok([scheme, authority, resource].concat())
}

/// Whether a header of the caller's goes to a server that the caller did not name. Any other may
/// hold a key, whatever it is called.
pub(crate) fn is_harmless(name: &str) -> bool {
    ["accept-language", "origin", "user-agent"].iter().any(|it| name.eq_ignore_ascii_case(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s32_locations_seen_from_where_they_were_found() {
        let cases = [
            ("ws://a.test/x/y?q", "z", "ws://a.test/x/z"),
            ("ws://a.test/x/y?q", "/z?r", "ws://a.test/z?r"),
            ("ws://a.test/x/y?q", "?r", "ws://a.test/x/y?r"),
            ("ws://a.test/x/y", "../../../z", "ws://a.test/z"),
            ("ws://a.test:81/x", "//b.test/z", "ws://b.test/z"),
            ("ws://a.test/", "http://a.test/z", "ws://a.test/z"),
            ("ws://a.test/", "HTTPS://A.test", "wss://a.test/"),
            ("wss://a.test/", "https://b.test:444/z", "wss://b.test:444/z"),
            ("wss://a.test/", "wss://b.test/", "wss://b.test/"),
            ("wss://a.test/", "z#fragment", "wss://a.test/z"),
            ("ws://[2001:db8::1]:81/", "z", "ws://[2001:db8::1]:81/z"),
            // User information of a server's making is worth nothing.
            ("ws://a.test/", "ws://user:pass@b.test/", "ws://b.test/"),
            ("ws://me:mine@a.test/", "ws://user:pass@a.test/z", "ws://me:mine@a.test/z"),
            ("ws://me:mine@a.test/", "ws://b.test/", "ws://b.test/"),
            ("ws://me:mine@a.test/", "http://a.test:81/", "ws://a.test:81/"),
        ];
        for (from, location, expected) in cases {
            let expected: Uri = expected.parse().unwrap();
            assert_eq!(
                resolve(&from.parse().unwrap(), location),
                Ok(expected),
                "{from} {location}"
            );
        }
    }

    #[test]
    fn s32_locations_that_are_not_followed() {
        let from = "wss://a.test/x".parse().unwrap();
        for location in ["ws://a.test/x", "http://a.test/", "HTTP://b.test", "ws://u:p@a.test/"] {
            let error = resolve(&from, location).unwrap_err();
            assert!(matches!(error, RedirectError::Downgrade(_)), "{location}: {error:?}");
        }
        for location in ["ftp://a.test/", "mailto:a@a.test", "unix:/run/socket", "data:,x"] {
            assert_eq!(resolve(&from, location), Err(RedirectError::Scheme), "{location}");
        }
        for location in ["https://a b/", "/\u{e4}", "/a\tb", "https://[::1", "/\\b", "%zz"] {
            assert_eq!(resolve(&from, location), Err(RedirectError::Location), "{location:?}");
        }
        for location in ["https:///x", "https://a.test:0/", "https://a.test:99999/"] {
            let error = resolve(&from, location).unwrap_err();
            assert!(matches!(error, RedirectError::Url(_)), "{location}: {error:?}");
        }
    }
    /// Whatever a server says, what is made of it is a URI to go to, and no worse than the last.
    #[test]
    fn s32_no_location_leads_out_of_wss_or_brings_a_password() {
        let parts = [
            "http", "https", "ws", "wss", ":", "//", "/", "a.test", "b.test", "@", "u:p@", "[::1]",
            ":81", "?", "#", "..", ".", "%2f", "%", "\\", " ", "\t", "x", ";", "=", "&", "\u{e4}",
        ];
        let from: Uri = "wss://me:mine@a.test/x/y?z".parse().unwrap();
        // A linear congruential generator (Knuth's constants): any spread will do.
        let mut state = 1_u64;
        let mut followed = 0;
        for _ in 0..20_000 {
            let mut location = String::new();
            for _ in 0..8 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                location.push_str(parts[(state >> 33) as usize % parts.len()]);
            }
            let Ok(to) = resolve(&from, &location) else { continue };
            followed += 1;
            assert!(to.is_secure(), "{location}");
            let userinfo = to.is_same_origin(&from).then_some("me:mine");
            assert_eq!(to.userinfo(), userinfo, "{location}");
        }
        assert!(followed > 100, "{followed} of them were followed");
    }
}
