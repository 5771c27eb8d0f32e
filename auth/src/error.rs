//! What can be wrong with what this side was configured with.

use std::fmt;

/// An option, or a file that one names, that cannot be used. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    what: String,
    problem: String,
}

impl ConfigError {
    /// `what` is the option or the file's path; `problem` goes on "…: ", in lower case, without a
    /// full stop.
    pub(crate) fn new(what: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self { what: what.to_string(), problem: problem.to_string() }
    }

    /// The option, or the path of the file.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.problem)
    }
}

impl std::error::Error for ConfigError {}
