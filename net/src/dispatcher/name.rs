//! The name that a message's value stands for, whatever its spelling.

/// `"on"` and the words of `value`, each with a capital letter: `un_subscribe`, `un subscribe` and
/// `un-subscribe` are `onUnSubscribe`, `unSubscribe` is `onUnsubscribe`. Words are of the letters
/// and digits of ASCII; whatever else there is stands between them.
#[must_use]
pub fn derived_name(value: &str) -> String {
    let mut name = String::with_capacity(2 + value.len());
    name.push_str("on");
    for word in value.split(|c: char| !c.is_ascii_alphanumeric()) {
        let at = name.len();
        name.push_str(word);
        name[at..].make_ascii_lowercase();
        if let Some(first) = name.get_mut(at..=at) {
            first.make_ascii_uppercase();
        }
    }
    name
}

/// Whether a value can have this derived name.
pub(super) fn is_derived(name: &str) -> bool {
    let words = name.strip_prefix("on");
    words.is_some_and(|words| {
        let begins = !words.starts_with(|c: char| c.is_ascii_lowercase());
        begins && words.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}
