//! How long to wait before the next attempt to connect (RFC 6455 §7.2.3).

use core::time::Duration;

/// A back-off: a table of fields and pure functions on it. Who connects counts the attempts,
/// throws the dice and waits.
///
/// "It is RECOMMENDED that clients use some sort of backoff [...] This can be accomplished by
/// choosing a random value [...] the subsequent reconnections SHOULD be delayed by increasingly
/// longer amounts of time, using a method such as truncated binary exponential backoff" (§7.2.3):
/// this is the default.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    /// Attempts after the first; `None`, the default, for no end of them.
    pub max_count: Option<u32>,
    /// The delay before the first of them; 1 s by default.
    pub interval: Duration,
    /// What each delay is multiplied by to give the next; 2 by default. Below 1, and what is not
    /// a number, counts as 1.
    pub factor: f64,
    /// The longest delay; 30 s by default.
    pub max_interval: Duration,
    /// Take a random part of each delay, so that clients which lost the same server do not come
    /// back at once. On by default.
    pub jitter: bool,
    /// How long a connection must have lived for the count to begin anew; 5 s by default. A
    /// server that accepts and drops is not asked faster for having accepted.
    pub healthy_after: Duration,
    /// The longest that a server may ask us to wait (`Retry-After`); 5 minutes by default.
    pub max_retry_after: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_count: None,
            interval: Duration::from_secs(1),
            factor: 2.0,
            max_interval: Duration::from_secs(30),
            jitter: true,
            healthy_after: Duration::from_secs(5),
            max_retry_after: Duration::from_secs(300),
        }
    }
}

impl Retry {
    /// The delay before attempt number `attempt`, counted from 0 and without the first, which is
    /// no retry: `min(interval × factor^attempt, max_interval)`, of which jitter takes the part
    /// `random / 2^64`. `None`: no more attempts.
    #[must_use]
    pub fn delay(&self, attempt: u32, random: u64) -> Option<Duration> {
        if self.max_count.is_some_and(|max| attempt >= max) {
            return None;
        }
        let delay = self.longest(attempt);
        Some(if self.jitter { part(delay, random) } else { delay })
    }

    /// The same where the server's refusal said `Retry-After`: first what it asks for, up to
    /// [`max_retry_after`](Self::max_retry_after), and then the delay, as others were told the
    /// same.
    #[must_use]
    pub fn delay_after(&self, attempt: u32, random: u64, asked: Duration) -> Option<Duration> {
        let delay = self.delay(attempt, random)?;
        Some(delay.saturating_add(asked.min(self.max_retry_after)))
    }

    /// The number of the next attempt, when a connection that took `attempt` retries to open was
    /// lost after `lived`.
    #[must_use]
    pub fn attempt_after(&self, attempt: u32, lived: Duration) -> u32 {
        if lived >= self.healthy_after { 0 } else { attempt }
    }

    fn longest(&self, attempt: u32) -> Duration {
        // `max` takes 1 where the other is not a number.
        let growth = power(self.factor.max(1.0), attempt);
        // A delay that does not grow is exact, and zero does not grow by an infinite factor.
        if growth == 1.0 || self.interval.is_zero() {
            return self.interval.min(self.max_interval);
        }
        let seconds = self.interval.as_secs_f64() * growth;
        // What is no `Duration` is over any.
        Duration::try_from_secs_f64(seconds)
            .map_or(self.max_interval, |it| it.min(self.max_interval))
    }
}

/// `base^exponent` by squaring; too large is infinite. (`f64::powi` is not in `core`.)
fn power(mut base: f64, mut exponent: u32) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    result
}

/// `whole × random / 2^64`, to a 2^-32nd part.
fn part(whole: Duration, random: u64) -> Duration {
    // At most 94 bits times 32.
    let nanos = (whole.as_nanos() * u128::from(random >> 32)) >> 32;
    // Less than `whole`, which is a `Duration`.
    Duration::from_nanos_u128(nanos)
}
