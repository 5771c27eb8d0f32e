//! Bytes that a whole process may hold for peers that do not read, or do not finish.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bound on the bytes that all connections together hold: of messages that are incomplete, of
/// queues that wait for their peers, and of what was published and is not yet delivered. One value
/// may bound several listeners; by default each has a quarter of the memory there is.
///
/// Beyond it, a connection for which bytes wait already refuses messages with
/// [`SendError::Exhausted`](crate::SendError::Exhausted), and a message that is incomplete has the
/// connection ended that holds most: with 1013, or, if it does not read, at once, and
/// [`ConnectionError::Exhausted`](crate::ConnectionError::Exhausted); and then the next, until the
/// rest fits. What a peer takes at once, or sends in one piece, is never counted.
///
/// ```
/// use wirewright::{Budget, Listener};
///
/// let budget = Budget::bytes(256 << 20);
/// let public = Listener::builder().budget(budget.clone());
/// let internal = Listener::builder().budget(budget.clone());
/// assert_eq!((budget.max(), budget.used()), (256 << 20, 0));
/// # let _ = (public, internal);
/// ```
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

struct Shared {
    max: u64,
    used: AtomicU64,
}

/// What one holder has of a budget; given back when it is dropped, so that no path forgets to.
pub(crate) struct Charge {
    budget: Budget,
    bytes: u64,
}

/// Charges go by steps, so that a small message seldom costs an atomic operation.
const STEP: u64 = 4 * 1024;
/// Where the system does not say how much memory there is.
const UNKNOWN: u64 = 4 << 30;

impl Budget {
    /// So many bytes.
    #[must_use]
    pub fn bytes(max: u64) -> Self {
        Self(Arc::new(Shared { max, used: AtomicU64::new(0) }))
    }

    /// A quarter of the memory that this process may use: of the machine's, or of what its control
    /// group has. Where that cannot be told, 1 GiB.
    #[must_use]
    pub fn quarter_of_memory() -> Self {
        Self::bytes(memory().unwrap_or(UNKNOWN) / 4)
    }

    /// The bound.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.0.max
    }

    /// Bytes that are held now, rounded up to 4 KiB for each holder.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.used() > self.0.max
    }

    pub(crate) fn charge(&self) -> Charge {
        Charge { budget: self.clone(), bytes: 0 }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({} of {} bytes)", self.used(), self.0.max)
    }
}

impl Charge {
    /// Holds so many bytes from now on; whether all that is held is within the bound.
    pub(crate) fn set(&mut self, bytes: usize) -> bool {
        let bytes = (bytes as u64).next_multiple_of(STEP);
        let used = &self.budget.0.used;
        if bytes > self.bytes {
            used.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
        bytes == 0 || !self.budget.is_exceeded()
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn max(&self) -> u64 {
        self.budget.max()
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.budget.is_exceeded()
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.bytes, self.budget)
    }
}

/// Bytes of memory for this process.
fn memory() -> Option<u64> {
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse().ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.as_deref().and_then(total);
    group.into_iter().chain(machine).min()
}

/// The line `MemTotal:   16384 kB`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s35_charges_go_by_steps_and_are_given_back() {
        let budget = Budget::bytes(10 * STEP);
        let (mut one, mut other) = (budget.charge(), budget.charge());
        assert!(one.set(1));
        assert_eq!(budget.used(), STEP);
        assert!(one.set(usize::try_from(STEP).unwrap()));
        assert!(other.set(usize::try_from(9 * STEP).unwrap()));
        assert_eq!(budget.used(), 10 * STEP);
        assert!(!one.set(usize::try_from(STEP + 1).unwrap()), "one step too many");
        assert!(one.set(0), "who holds nothing is never in the way");
        drop(other);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn memory_is_read_from_what_the_system_says() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2 << 20));
        assert_eq!(total("MemTotal: lots"), None);
        assert!(Budget::quarter_of_memory().max() >= 1 << 20);
    }
}
