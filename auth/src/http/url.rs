//! URLs of endpoints.

use std::fmt;

use wirewright_core::Uri;

use crate::error::ConfigError;

/// The parts of the URL, which are those of a WebSocket's (RFC 6455 §3, RFC 9110 §4.2).
pub(super) fn parse(url: &str) -> Result<Uri, ConfigError> {
    // Of a URL that cannot be read, nothing can be shown: any part may be a secret.
    let error = |problem: &dyn fmt::Display| ConfigError::new("URL of an endpoint", problem);
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let scheme = match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => "ws",
        _ if scheme.eq_ignore_ascii_case("https") => "wss",
        _ => return Err(error(&"is neither `http` nor `https`")),
    };
    // "The endpoint URI MUST NOT include a fragment component" (RFC 6749 §3.2).
    if rest.contains('#') {
        return Err(error(&"has a fragment, which an endpoint does not (RFC 6749 §3.2)"));
    }
    let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|problem| error(&problem))?;
    if uri.userinfo().is_some() {
        return Err(error(&"has user information; give credentials as such"));
    }
    Ok(uri)
}

/// The URL without its query, which may hold secrets.
pub(super) fn shown(uri: &Uri) -> String {
    let scheme = if uri.is_secure() { "https" } else { "http" };
    let path = uri.path_and_query();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{scheme}://{}{path}", uri.authority())
}
