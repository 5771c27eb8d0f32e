//! What endpoints answer, as far as it is of use here.

use std::time::{Duration, SystemTime};

use secrecy::zeroize::Zeroizing;

use super::exchange::Received;

/// What an endpoint has answered, be it good or bad, but no redirect.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How long to wait before the next request (RFC 9110 §10.2.3).
    pub(crate) retry_after: Option<Duration>,
    /// How long the answer may be used (RFC 9111 §5.2.2); zero where it may not be stored.
    pub(crate) max_age: Option<Duration>,
    /// At most 64 KiB.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    pub(super) fn of(received: Received) -> Self {
        Self {
            status: received.status,
            retry_after: received.header("retry-after").and_then(retry_after),
            max_age: received.header("cache-control").and_then(max_age),
            body: received.body,
        }
    }
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // A date that is past asks for no wait.
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// `max-age` of `Cache-Control` (RFC 9111 §5.2.2).
fn max_age(value: &str) -> Option<Duration> {
    let mut directives = value.split(',').map(|it| it.trim().to_ascii_lowercase());
    directives.find_map(|directive| match directive.split_once('=') {
        None if matches!(directive.as_str(), "no-store" | "no-cache") => Some(Duration::ZERO),
        Some(("max-age", age)) => age.trim_matches('"').parse().ok().map(Duration::from_secs),
        _ => None,
    })
}
