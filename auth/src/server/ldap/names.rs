//! Names of users in filters and out of DNs.

use ldap3::ldap_escape;

/// A filter with a user's name, which is nothing but a value in it (RFC 4515 §3).
pub(super) fn filter(template: &str, name: &str) -> String {
    // In one pass: a `?` in the name stays one.
    template.replace('?', &ldap_escape(name))
}

/// The filter for groups that have this member.
pub(super) fn member_filter(list: &str, attribute: &str, member: &str) -> String {
    format!("(&{list}({attribute}={}))", ldap_escape(member))
}

/// The value in the first part of a DN: of `uid=ann\, b+cn=x,ou=people` it is `ann, b` (RFC 4514
/// §2.3, §3). `None` for one that is not text.
pub(super) fn first_value(dn: &str) -> Option<String> {
    let (_, rest) = dn.split_once('=')?;
    let mut bytes = rest.trim_start_matches(' ').bytes().peekable();
    if bytes.peek() == Some(&b'#') {
        return None;
    }
    let mut value = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' | b'+' | b';' => break,
            b'\\' => {
                let first = bytes.next()?;
                let pair = hex(first).zip(bytes.peek().copied().and_then(hex));
                match pair {
                    Some((high, low)) => {
                        bytes.next();
                        value.push(high << 4 | low);
                    }
                    None => value.push(first),
                }
            }
            byte => value.push(byte),
        }
    }
    String::from_utf8(value).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// "attributedescription = attributetype options" (RFC 4512 §2.5): letters, digits, hyphens, the
/// dots of an OID and the semicolons before options.
pub(super) fn is_descriptor(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.;".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed)
}
