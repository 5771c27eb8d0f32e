//! JSON that has one meaning only.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep arrays and objects may be inside one another.
const MAX_DEPTH: usize = 16;

/// A text that is not JSON, or not an object, or more than one: "The Claim Names within a JWT
/// Claims Set MUST be unique" (RFC 7519 §4), of those of a header and of a key too (RFC 7515 §4,
/// RFC 7517 §4). Shows nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one JSON object: {0}")]
pub struct JsonError(String);

/// Reads an object in which no name is given twice, at any depth, and none is deeper than 16.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    // Names are looked at first, values read second: what reads values keeps the last of a name.
    let mut names = serde_json::Deserializer::from_slice(bytes);
    Unique { depth: MAX_DEPTH }.deserialize(&mut names).map_err(problem)?;
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(JsonError("another kind of value".into())),
        Err(error) => Err(problem(error)),
    }
}

/// The library tells what it has expected and where, and not what it has found, but for what the
/// visitor says.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn problem(error: serde_json::Error) -> JsonError {
    JsonError(error.to_string())
}

/// Passes over a value whose objects have each name once.
#[derive(Clone, Copy)]
struct Unique {
    depth: usize,
}

impl Unique {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| E::custom(format!("deeper than {MAX_DEPTH}")))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut names = BTreeSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name given twice"));
            }
            fields.next_value_seed(inner)?;
        }
        Ok(())
    }
}
