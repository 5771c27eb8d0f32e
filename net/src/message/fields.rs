//! Fields at the top of a JSON object, without the rest of it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Two fields of an object, as they stand there: of a message, the one that says what it is and
/// the one that says which request it belongs to. Nothing else of it is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) first: Option<&'a RawValue>,
    pub(crate) second: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    /// The two fields of this text; `None` if it is not a JSON object, from its first byte to its
    /// last. Of a name that stands there twice it is the last, as it is for whoever reads the
    /// whole.
    pub(crate) fn of(text: &'a str, first: &str, second: Option<&str>) -> Option<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let fields = Names { first, second }.deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(fields)
    }
}

struct Names<'n> {
    first: &'n str,
    second: Option<&'n str>,
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Fields<'de>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key_seed(Name)? {
            if name == self.first {
                fields.first = Some(map.next_value()?);
            } else if Some(&*name) == self.second {
                fields.second = Some(map.next_value()?);
            } else {
                let IgnoredAny = map.next_value()?;
            }
        }
        Ok(fields)
    }
}

/// A name, borrowed where no escape is in the way.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cow<'de, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// The string that a value is; `None` if it is none.
pub(crate) fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    let mut json = serde_json::Deserializer::from_str(value.get());
    Name.deserialize(&mut json).ok()
}

/// What a request and its reply have in common: a string whatever its escapes, anything else as
/// it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id<'a> {
    String(Cow<'a, str>),
    Other(Cow<'a, str>),
}

impl<'a> Id<'a> {
    /// The value of the field `name` in this text.
    pub(crate) fn of(text: &'a str, name: &str) -> Option<Self> {
        let value = Fields::of(text, name, None)?.first?;
        Some(match string(value) {
            Some(string) => Self::String(string),
            None => Self::Other(value.get().into()),
        })
    }

    pub(crate) fn into_owned(self) -> Id<'static> {
        match self {
            Self::String(id) => Id::String(id.into_owned().into()),
            Self::Other(id) => Id::Other(id.into_owned().into()),
        }
    }
}
