//! TLS for wirewright's connections: rustls behind `wirewright_core`'s seam of bytes, without
//! sockets.
