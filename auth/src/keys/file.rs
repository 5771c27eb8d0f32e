//! Files that hold keys.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use crate::ConfigError;

/// The most bytes that a file of keys may have.
const MAX_FILE: u64 = 1024 * 1024;

/// Reads a file that may be a secret, and has `parse` make something of it.
pub(super) fn load<T>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, ConfigError> {
    let fail = |problem: String| ConfigError::new(path.display(), problem);
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| {
            // Room for all at once: what a growing buffer leaves behind is not wiped.
            let length = file.metadata()?.len().min(MAX_FILE);
            bytes.reserve_exact(usize::try_from(length).unwrap_or_default() + 1);
            file.take(MAX_FILE + 1).read_to_end(&mut bytes)
        })
        .map_err(|error| fail(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(fail(format!("is longer than {MAX_FILE} bytes, too long for a file of keys")));
    }
    parse(&bytes).map_err(fail)
}
