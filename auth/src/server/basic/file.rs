//! Users in a file of TOML.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime};

use secrecy::zeroize::Zeroizing;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::users::Entry;
use crate::ConfigError;

/// Bytes that a file may have: 16 MiB.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// A file that was changed less than this before it was read may change again without a later time:
/// clocks of file systems tick, some of them every second or two.
const TICK: Duration = Duration::from_secs(2);

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Fingerprint {
    /// That of the file that there is.
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::new(&metadata))
    }

    fn new(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { modified: metadata.modified().ok(), length: metadata.len(), inode }
    }

    /// Whether a change from now on will show.
    pub(crate) fn is_settled(&self) -> bool {
        // A time to come is as good as one that has passed.
        let distance = |at: SystemTime| at.elapsed().unwrap_or_else(|ahead| ahead.duration());
        self.modified.is_some_and(|at| distance(at) >= TICK)
    }
}

/// The users in a file, in order.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, ConfigError> {
    let error = |problem: &dyn std::fmt::Display| ConfigError::new(path.display(), problem);
    let file = File::open(path).map_err(|cause| error(&format_args!("cannot be read: {cause}")))?;
    // It holds secrets, and is no longer needed once they are where they belong.
    let mut text = Zeroizing::new(String::new());
    let length = file.take(MAX_FILE + 1).read_to_string(&mut text);
    match length.map_err(|cause| error(&format_args!("cannot be read: {cause}")))? as u64 {
        0..=MAX_FILE => parse(path, &text),
        _ => Err(error(&format_args!("has more than {MAX_FILE} bytes"))),
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let source = Source { path, text };
    let document = DeTable::parse(text).map_err(|error| {
        // What the parser says may quote the line, and with it a password.
        source.error(&error.span().unwrap_or_default(), "is not TOML")
    })?;
    let document = document.get_ref();
    let nested = ["ballerina", "auth", "users"];
    let mut entries = Vec::new();
    for list in [find(document, &["users"]), find(document, &nested)].into_iter().flatten() {
        let users = list.get_ref().as_array();
        let users = users.ok_or_else(|| source.error(&list.span(), "users are not a list"))?;
        for user in users {
            entries.push(source.entry(user, entries.len() + 1)?);
        }
    }
    match entries.is_empty() {
        true => Err(ConfigError::new(path.display(), "names no users, as `[[users]]` does")),
        false => Ok(entries),
    }
}

fn find<'t, 'i>(table: &'t DeTable<'i>, path: &[&str]) -> Option<&'t Spanned<DeValue<'i>>> {
    let (first, rest) = path.split_first()?;
    let value = table.get(*first)?;
    if rest.is_empty() { Some(value) } else { find(value.get_ref().as_table()?, rest) }
}

/// A file, for errors to name a place in it.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn entry(&self, user: &Spanned<DeValue<'_>>, number: usize) -> Result<Entry, ConfigError> {
        let error = |span: &Range<usize>, problem: &str| {
            self.error(span, format_args!("user {number}: {problem}"))
        };
        let table = user.get_ref().as_table();
        let table = table.ok_or_else(|| error(&user.span(), "is not a table"))?;
        let known = ["username", "password", "scopes"];
        if let Some((key, _)) = table.iter().find(|(key, _)| !known.contains(&&**key.get_ref())) {
            let problem = format!("has a key that is none of {known:?}");
            return Err(error(&key.span(), &problem));
        }
        let text = |key: &str| match table.get(key) {
            None => Err(error(&user.span(), &format!("has no {key}"))),
            Some(value) => value
                .get_ref()
                .as_str()
                .ok_or_else(|| error(&value.span(), &format!("its {key} is not a string"))),
        };
        let scopes = table.get("scopes").map_or(Some(Vec::new()), |value| scopes(value.get_ref()));
        let scopes = scopes.ok_or_else(|| {
            error(&user.span(), "its scopes are not strings with something in them")
        })?;
        Ok(Entry {
            place: self.place(&user.span(), format_args!("user {number}")),
            name: text("username")?.to_owned(),
            password: text("password")?.into(),
            scopes,
        })
    }

    fn error(&self, span: &Range<usize>, problem: impl std::fmt::Display) -> ConfigError {
        ConfigError::new(format_args!("{}, line {}", self.path.display(), self.line(span)), problem)
    }

    fn place(&self, span: &Range<usize>, what: impl std::fmt::Display) -> String {
        format!("{}, line {}: {what}", self.path.display(), self.line(span))
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(span.start);
        before.filter(|byte| **byte == b'\n').count() + 1
    }
}

/// One string, or a list of such.
fn scopes(value: &DeValue<'_>) -> Option<Vec<String>> {
    let owned = |scope: &str| (!scope.is_empty()).then(|| scope.to_owned());
    match (value.as_str(), value.as_array()) {
        (Some(scope), _) => owned(scope).map(|scope| vec![scope]),
        (None, Some(list)) => {
            list.iter().map(|scope| scope.get_ref().as_str().and_then(owned)).collect()
        }
        (None, None) => None,
    }
}
