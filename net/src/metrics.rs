//! Counters and gauges through the facade `metrics`, for whatever exporter the program has.

/// Whether anything is counted for them: without the feature none of it is compiled.
pub(crate) const ON: bool = cfg!(feature = "metrics");
