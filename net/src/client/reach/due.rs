//! Points in time at which patience ends, and the options that set them.

use std::time::{Duration, Instant};

use crate::client::driver::deadline;
use crate::client::error::{ClientError, Deadline};

/// The end of the patience for one step, and whose option it is: its own or the one for all steps,
/// whichever comes first. No byte that arrives moves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    at: Option<Instant>,
    which: Deadline,
}

impl Due {
    /// For all steps together, from now on.
    pub(crate) fn total(timeout: Option<Duration>) -> Self {
        Self { at: deadline(timeout), which: Deadline::Total }
    }

    /// For one step of them, from now on.
    pub(crate) fn step(self, timeout: Option<Duration>, which: Deadline) -> Self {
        match (deadline(timeout), self.at) {
            (Some(step), Some(total)) if total <= step => self,
            (Some(step), _) => Self { at: Some(step), which },
            (None, _) => self,
        }
    }

    /// The same moment, missed for another reason.
    pub(super) fn because(self, which: Deadline) -> Self {
        match self.which {
            Deadline::Total => self,
            _ => Self { which, ..self },
        }
    }

    pub(super) const fn at(self) -> Option<Instant> {
        self.at
    }

    pub(crate) fn is_past(self) -> bool {
        crate::client::driver::is_past(self.at)
    }

    pub(super) const fn error(self) -> ClientError {
        ClientError::TimedOut(self.which)
    }
}
