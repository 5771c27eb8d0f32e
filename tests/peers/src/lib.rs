//! What the measuring programs share: arguments, frames made by hand, processes, statistics.

pub mod args;
pub mod bare;
pub mod contest;
pub mod crowd;
pub mod frames;
pub mod histogram;
pub mod process;
pub mod run;
pub mod servers;
pub mod stats;
pub mod table;
pub mod tls;
pub mod transport;
pub mod trips;
pub mod wire;

/// Any failure ends a measurement: there is nobody to recover for.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
