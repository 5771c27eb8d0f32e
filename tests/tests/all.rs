//! The tests of wirewright, one module a subject.

mod client;
mod close;
mod cuts;
mod deflate_blocks;
mod deflate_offer;
mod docs;
mod frames_deflate;
mod frames_errors;
mod frames_fragments;
mod frames_header;
mod frames_oracle;
mod frames_sending;
mod fuzz_seeds;
mod handshake_client;
mod handshake_server;
mod handshake_tunnel;
mod inboxes;
mod keepalive;
#[cfg(unix)]
mod listener_accept;
mod listener_bulk;
mod listener_callers;
mod listener_deadlines;
mod listener_echo;
mod listener_pressure;
mod listener_refusals;
mod listener_shutdown;
mod mask;
mod memory;
mod messages;
mod pair;
mod retry;
mod streaming;
mod tidy;
mod uri;
