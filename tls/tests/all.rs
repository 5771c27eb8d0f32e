//! TLS in memory: a client's layer and a listener's, and whatever may happen to the bytes between.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects")]
#![expect(clippy::panic, reason = "a test says what it expects")]

#[path = "all/certificates.rs"]
mod certificates;
#[path = "all/data.rs"]
mod data;
#[path = "all/endings.rs"]
mod endings;
#[path = "all/handshakes.rs"]
mod handshakes;
#[path = "all/pair.rs"]
mod pair;
#[path = "all/plain_peer.rs"]
mod plain_peer;
