//! The claims of a token, each of the type that it must have (RFC 7519 §4).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{JwtError, token};
use crate::Scopes;

/// Claims that were signed. One of the wrong type is an error, and never as good as absent.
pub(super) struct Claims(Map<String, Value>);

/// The last second of the year 9999, up to which dates can be written (RFC 3339 §1).
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

impl Claims {
    pub(super) fn parse(part: &str) -> Result<Self, JwtError> {
        token::object("claims", part).map(Self)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, JwtError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// A NumericDate, "the number of seconds from 1970-01-01T00:00:00Z [...] non-integer values can
    /// be represented" (RFC 7519 §2).
    pub(super) fn date(&self, name: &str) -> Result<Option<Duration>, JwtError> {
        let number = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(_) => return Err(wrong_type(name)),
        };
        let date = match (number.as_u64(), number.as_f64()) {
            (Some(seconds), _) => Some(Duration::from_secs(seconds)),
            (None, Some(seconds)) => Duration::try_from_secs_f64(seconds).ok(),
            (None, None) => None,
        };
        match date.filter(|date| *date <= LAST_SECOND) {
            Some(date) => Ok(Some(date)),
            None => Err(wrong_type(name)),
        }
    }

    /// A string, or an array of strings (RFC 7519 §4.1.3); `None` where there is neither.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<&str>>, JwtError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(vec![text])),
            Some(Value::Array(items)) => {
                let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                items.map(Some).ok_or_else(|| wrong_type(name))
            }
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// Scopes in one string, with spaces between (RFC 8693 §4.2), or as an array.
    pub(super) fn scopes(&self, name: &str) -> Result<Vec<String>, JwtError> {
        let lists = self.list(name)?.unwrap_or_default();
        Ok(match self.0.get(name) {
            Some(Value::Array(_)) => lists.into_iter().map(str::to_owned).collect(),
            _ => lists.into_iter().flat_map(Scopes::split).collect(),
        })
    }

    /// A claim of any type as text: a string as it is, anything else as JSON without white space.
    pub(super) fn any(&self, name: &str) -> Option<String> {
        self.0.get(name).map(as_text)
    }

    /// All of them as text.
    pub(super) fn attributes(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(name, value)| (name.clone(), as_text(value))).collect()
    }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn wrong_type(name: &str) -> JwtError {
    JwtError::ClaimType(name.into())
}
