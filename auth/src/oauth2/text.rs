//! What servers say for people to read.

/// The most characters that are kept of it.
const MAX: usize = 200;

/// Text of a server's as it may stand in an error or a log: of bounded length, and in the
/// characters that RFC 6749 §5.2 allows it; others show by their number.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(MAX) {
        match character {
            ' '..='~' => shown.push(character),
            _ => shown.extend(character.escape_unicode()),
        }
    }
    if text.chars().nth(MAX).is_some() {
        shown.push_str("...");
    }
    shown
}
