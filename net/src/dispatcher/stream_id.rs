//! The id of a request in its reply.

use crate::listener::Reply;
use crate::message::Fields;

/// A reply that is a JSON object without the field `name` gets it, with the value `id`, which is
/// JSON as it stood in the request.
pub(super) fn add(reply: Reply, name: &str, id: &str) -> Reply {
    let Reply::Text(text) = reply else { return reply };
    let is_missing = Fields::of(&text, name, None).is_some_and(|fields| fields.first.is_none());
    if !is_missing {
        return Reply::Text(text);
    }
    // It is an object, so that this brace is its beginning.
    let Some((before, rest)) = text.split_once('{') else { return Reply::Text(text) };
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    // A name is JSON too, with its escapes.
    let name = serde_json::Value::from(name);
    Reply::Text(format!("{before}{{{name}:{id}{comma}{rest}"))
}
