//! TLS in memory: a client's layer and a listener's, and whatever may happen to the bytes between.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects")]
#![expect(clippy::panic, reason = "a test says what it expects")]

#[path = "all/agreement.rs"]
mod agreement;
#[path = "all/certificates.rs"]
mod certificates;
#[path = "all/config_errors.rs"]
mod config_errors;
#[path = "all/data.rs"]
mod data;
#[path = "all/endings.rs"]
mod endings;
#[path = "all/handshakes.rs"]
mod handshakes;
#[path = "all/hostile.rs"]
mod hostile;
#[path = "all/identities.rs"]
mod identities;
#[path = "all/log.rs"]
mod log;
#[path = "all/names.rs"]
mod names;
#[path = "all/pair.rs"]
mod pair;
#[path = "all/plain_peer.rs"]
mod plain_peer;
#[path = "all/revocation.rs"]
mod revocation;
#[path = "all/verification.rs"]
mod verification;
