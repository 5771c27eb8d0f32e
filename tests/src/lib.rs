//! What the tests share: ways to split an input, oracles, and a wire between two connections.

mod ops;
pub mod pair;
pub mod plan;
pub mod rng;
pub mod seen;
mod side;
pub mod tap;
pub mod wire;
