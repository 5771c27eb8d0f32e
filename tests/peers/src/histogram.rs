//! Latencies in buckets of one part in 64, so that a percentile costs no sorting and no memory.

const SUB_BITS: u32 = 6;
const SUB: usize = 1 << SUB_BITS;

/// Counts nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; SUB * 60],
            total: 0,
        }
    }
}

fn bucket(nanos: u64) -> usize {
    let top = 63 - (nanos | 1).leading_zeros();
    if top < SUB_BITS {
        return nanos as usize;
    }
    let shift = top - SUB_BITS;
    (shift as usize + 1) * SUB + ((nanos >> shift) as usize - SUB)
}

fn middle(bucket: usize) -> f64 {
    if bucket < SUB {
        return bucket as f64;
    }
    let shift = bucket / SUB - 1;
    let low = ((bucket % SUB + SUB) as u64) << shift;
    low as f64 + (1u64 << shift) as f64 / 2.0
}

impl Histogram {
    /// Counts `times` messages that took `nanos` each.
    pub fn add(&mut self, nanos: u64, times: u64) {
        self.buckets[bucket(nanos)] += times;
        self.total += times;
    }

    /// Counts what another has counted.
    pub fn append(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
        self.total += other.total;
    }

    /// Forgets everything: the warm-up is over.
    pub fn clear(&mut self) {
        self.buckets.fill(0);
        self.total = 0;
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency in µs that the share `quantile` of the messages does not exceed.
    #[must_use]
    pub fn micros(&self, quantile: f64) -> f64 {
        let rank = (self.total as f64 * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(index) / 1000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_two_percent() {
        let mut histogram = Histogram::default();
        for nanos in 1..=100_000 {
            histogram.add(nanos, 1);
        }
        for (quantile, micros) in [(0.5, 50.0), (0.9, 90.0), (0.99, 99.0), (0.0001, 0.01)] {
            let measured = histogram.micros(quantile);
            assert!(
                (measured / micros - 1.0f64).abs() < 0.02,
                "{measured} for {micros}"
            );
        }
        histogram.add(u64::MAX / 2, 1);
        assert_eq!(histogram.total(), 100_001);
    }
}
