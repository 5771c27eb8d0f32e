//! Keys that sign tokens, and keys that verify them.

mod derivation;
mod file;
mod jwks;
mod pem;
mod pkcs12;
mod private;
mod public;
mod signing;
mod verifying;

pub use jwks::{JwkSet, JwksError};
pub use signing::SigningKey;
pub use verifying::VerifyingKey;
