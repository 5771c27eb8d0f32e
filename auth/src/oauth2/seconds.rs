//! Numbers of seconds, as servers write them.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Seconds that are a number, whole or not, or a string that holds one; none where it is neither.
/// What is below zero is zero, what no `u64` holds is its greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Option<Duration>);

impl Seconds {
    fn of(value: &Value) -> Option<Duration> {
        let number = match value {
            Value::Number(number) => match number.as_u64() {
                Some(whole) => return Some(Duration::from_secs(whole)),
                None => number.as_f64()?,
            },
            Value::String(text) => match text.trim().parse() {
                Ok(whole) => return Some(Duration::from_secs(whole)),
                Err(_) => text.trim().parse().ok()?,
            },
            _ => return None,
        };
        // "inf" and "NaN" are numbers to Rust.
        let seconds = Some(number).filter(|number| number.is_finite())?.max(0.0);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(u64::MAX)))
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Self::of(&Value::deserialize(deserializer)?)))
    }
}
