//! What the tests share: ways to split an input, oracles, and a wire between two connections.

pub mod alloc;
#[cfg(feature = "net")]
pub mod canary;
#[cfg(feature = "net")]
pub mod certificates;
mod challenge;
#[cfg(feature = "net")]
pub mod duplex;
#[cfg(feature = "net")]
pub mod endpoint;
pub mod fuzzing;
mod fuzzing_auth;
mod fuzzing_handshake;
mod fuzzing_input;
mod fuzzing_keys;
mod fuzzing_tls;
mod fuzzing_tokens;
#[cfg(feature = "net")]
pub mod http;
pub mod inflate;
pub mod naive;
#[cfg(feature = "net")]
pub mod observer;
mod opening;
mod ops;
pub mod pair;
pub mod plan;
#[cfg(all(feature = "net", target_os = "linux"))]
pub mod process;
pub mod raw;
#[cfg(feature = "net")]
pub mod raw_client;
pub mod rng;
pub mod scramble;
pub mod seen;
#[cfg(feature = "net")]
pub mod services;
mod side;
pub mod splits;
pub mod tap;
#[cfg(feature = "net")]
pub mod tls_peer;
pub mod wire;
