//! The tests of wirewright, one module a subject.

mod cuts;
mod deflate_offer;
mod handshake_client;
mod handshake_server;
mod keepalive;
mod pair;
mod retry;
mod uri;
