//! What a connection has of its own where options ask for it: rates, silence, an age, streams.

use std::time::Duration;

use tracing::Span;

use super::expiry::Expiry;
use super::streams::Streams;
use super::tuning::{Rate, Tuning, WhenExceeded};
use crate::error::ConnectionError;

/// One word on connections that have nothing of it.
#[derive(Default)]
pub(crate) struct Pacing {
    pub(crate) streams: Streams,
    /// When the peer must have answered our Close.
    pub(crate) close_by: Option<Duration>,
    /// When the connection has lived long enough.
    pub(crate) expires: Option<Duration>,
    /// When its identity ceases to be valid, where that is of any consequence.
    pub(crate) identity: Option<Expiry>,
    /// When the peer may be read from again.
    pub(crate) rested: Option<Duration>,
    pub(crate) idle: Option<Idle>,
    pub(crate) messages: Option<Bucket>,
    pub(crate) bytes: Option<Bucket>,
    /// The connection's, where somebody wants to see it.
    pub(crate) span: Option<Span>,
}

impl Pacing {
    /// What a new connection needs, if anything; `id` tells it from others.
    pub(crate) fn new(tuning: &Tuning, id: u64, now: Duration) -> Option<Box<Self>> {
        let spread = tuning.lifetime_spread.mul_f64(fraction(id));
        let lifetime = tuning.max_lifetime.map(|lifetime| lifetime.saturating_sub(spread));
        let pacing = Self {
            expires: lifetime.map(|lifetime| now.saturating_add(lifetime)),
            idle: Idle::new(tuning, now),
            messages: tuning.message_rate.map(Bucket::new),
            bytes: tuning.byte_rate.map(Bucket::new),
            ..Self::default()
        };
        let needed = pacing.expires.is_some()
            || pacing.idle.is_some()
            || pacing.messages.is_some()
            || pacing.bytes.is_some();
        needed.then(|| Box::new(pacing))
    }

    /// The time of the next thing to do.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if self.close_by.is_some() {
            return self.close_by;
        }
        let idle = self.idle.as_ref().and_then(Idle::due);
        let identity = self.identity.as_ref().map(|expiry| expiry.at);
        [self.expires, identity, self.rested, idle].into_iter().flatten().min()
    }

    /// So many bytes came; whether that is within the rate.
    pub(crate) fn read(
        &mut self,
        bytes: u64,
        now: Duration,
        tuning: &Tuning,
    ) -> Result<bool, ConnectionError> {
        let Some(bucket) = &mut self.bytes else { return Ok(true) };
        bucket.spend(bytes, now);
        if !bucket.is_overdrawn(now) {
            return Ok(true);
        }
        if tuning.when_exceeded == WhenExceeded::Close {
            return Err(ConnectionError::ByteRate { per_second: bucket.rate.per_second });
        }
        Ok(false)
    }

    /// How many messages may be handled now; the last of them is one too many where that ends the
    /// connection.
    pub(crate) fn allowance(&self, now: Duration, tuning: &Tuning) -> u32 {
        let Some(bucket) = &self.messages else { return u32::MAX };
        let room = bucket.room(now);
        match tuning.when_exceeded {
            WhenExceeded::Close => room.saturating_add(1),
            WhenExceeded::Pause => room.max(1),
        }
    }

    /// So many messages were handled.
    pub(crate) fn handled(&mut self, messages: u32, now: Duration) {
        if let Some(bucket) = &mut self.messages
            && messages > 0
        {
            bucket.spend(messages.into(), now);
        }
    }

    /// All that may be handled was: `Err` if that ends the connection.
    pub(crate) fn spent(&self, tuning: &Tuning) -> Result<(), ConnectionError> {
        match &self.messages {
            Some(bucket) if tuning.when_exceeded == WhenExceeded::Close => {
                Err(ConnectionError::MessageRate { per_second: bucket.rate.per_second })
            }
            _ => Ok(()),
        }
    }

    /// The peer is not read from until both rates allow it.
    pub(crate) fn rest(&mut self) {
        let buckets = [&self.messages, &self.bytes].into_iter().flatten();
        self.rested = buckets.map(Bucket::ready).max();
    }
}

/// A bucket that refills as time goes by: it is told by the time at which it will be full.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    full_at: Duration,
}

const SECOND: u128 = 1_000_000_000;

impl Bucket {
    fn new(rate: Rate) -> Self {
        let rate = Rate { per_second: rate.per_second.max(1), burst: rate.burst.max(1) };
        Self { rate, full_at: Duration::ZERO }
    }

    /// How long so much takes to refill.
    fn time(&self, amount: u64) -> Duration {
        let nanos = (u128::from(amount) * SECOND).div_ceil(u128::from(self.rate.per_second));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn spend(&mut self, amount: u64, now: Duration) {
        self.full_at = self.full_at.max(now).saturating_add(self.time(amount));
    }

    fn missing(&self, now: Duration) -> Duration {
        self.full_at.saturating_sub(now)
    }

    fn is_overdrawn(&self, now: Duration) -> bool {
        self.missing(now) > self.time(self.rate.burst.into())
    }

    /// How much there is.
    fn room(&self, now: Duration) -> u32 {
        let left = self.time(self.rate.burst.into()).saturating_sub(self.missing(now));
        let room = left.as_nanos() * u128::from(self.rate.per_second) / SECOND;
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    /// When there is something again.
    fn ready(&self) -> Duration {
        let whole = self.time(self.rate.burst.into());
        self.full_at.saturating_add(self.time(1)).saturating_sub(whole)
    }
}

/// Watches for silence.
#[derive(Debug)]
pub(crate) struct Idle {
    timeout: Option<Duration>,
    close: Option<Duration>,
    /// The last message, in either direction.
    last: Duration,
    /// The silence that was last told of.
    told: Duration,
}

/// What silence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing yet.
    Short,
    /// To tell the service.
    Tell,
    /// To close.
    Close,
}

impl Idle {
    fn new(tuning: &Tuning, now: Duration) -> Option<Self> {
        let Tuning { idle_timeout: timeout, idle_close: close, .. } = *tuning;
        let timeout = timeout.filter(|timeout| !timeout.is_zero());
        timeout.or(close).map(|_| Self { timeout, close, last: now, told: now })
    }

    /// There was a message.
    pub(crate) fn touch(&mut self, at: Duration) {
        self.last = self.last.max(at);
    }

    fn due(&self) -> Option<Duration> {
        let tell = self.timeout.map(|timeout| self.last.max(self.told).saturating_add(timeout));
        let close = self.close.map(|close| self.last.saturating_add(close));
        [tell, close].into_iter().flatten().min()
    }

    pub(crate) fn check(&mut self, now: Duration) -> Silence {
        if self.close.is_some_and(|close| self.last.saturating_add(close) <= now) {
            self.close = None;
            return Silence::Close;
        }
        let since = self.last.max(self.told);
        match self.timeout {
            Some(timeout) if since.saturating_add(timeout) <= now => {
                // One that comes late does not make up for those it has missed.
                self.told = since.saturating_add(timeout).max(now.saturating_sub(timeout));
                Silence::Tell
            }
            _ => Silence::Short,
        }
    }
}

/// A number from 0 to 1 for each id: those of neighbours lie far apart, and all evenly.
fn fraction(id: u64) -> f64 {
    // Fibonacci hashing: multiples of the golden ratio.
    let [a, b, c, d, ..] = id.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn s40_a_bucket_holds_its_burst_and_refills_at_its_rate() {
        for (per_second, burst) in [(1, 1), (3, 7), (1000, 10), (u32::MAX, u32::MAX), (0, 0)] {
            let mut bucket = Bucket::new(Rate { per_second, burst });
            let Rate { per_second, burst } = bucket.rate;
            let now = millis(5000);
            assert_eq!(bucket.room(now), burst);
            bucket.spend(burst.into(), now);
            assert_eq!((bucket.room(now), bucket.is_overdrawn(now)), (0, false));
            assert!(bucket.room(bucket.ready()) >= 1);
            let later = now + millis(1000);
            let refilled = u64::from(bucket.room(later));
            assert_eq!(refilled, u64::from(per_second.min(burst)));
            bucket.spend(refilled + 1, later);
            assert!(bucket.is_overdrawn(later) || per_second > 1_000_000);
        }
    }

    #[test]
    fn silence_is_told_of_again_and_again_and_closed_once() {
        let tuning = Tuning {
            idle_timeout: Some(millis(100)),
            idle_close: Some(millis(350)),
            ..Tuning::default()
        };
        let mut idle = Idle::new(&tuning, millis(0)).unwrap();
        let mut told = Vec::new();
        while let Some(due) = idle.due() {
            match idle.check(due) {
                Silence::Short => panic!("woken for nothing"),
                Silence::Tell => told.push(due),
                Silence::Close => break,
            }
            if told.len() == 1 {
                idle.touch(due + millis(50));
            }
        }
        assert_eq!(told, [100, 250, 350, 450].map(millis));
        assert_eq!(idle.due(), Some(millis(550)));
    }

    #[test]
    fn lifetimes_of_connections_opened_together_lie_apart() {
        let tuning = Tuning {
            max_lifetime: Some(millis(1000)),
            lifetime_spread: millis(1000),
            ..Tuning::default()
        };
        let ends = (1..=100).map(|id| Pacing::new(&tuning, id, millis(0)).unwrap());
        let mut ends: Vec<_> = ends.map(|pacing| pacing.expires.unwrap()).collect();
        ends.sort_unstable();
        assert!(ends.windows(2).all(|pair| pair[1] - pair[0] < millis(30)), "{ends:?}");
    }
}
