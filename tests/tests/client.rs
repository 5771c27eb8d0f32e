//! The blocking client against a server that does what the test says, byte by byte.

mod closing;
mod custody;
mod duplex;
mod handlers;
mod handshake;
mod peer;
mod reading;
mod recovery;
mod steady;
mod violations;
mod writing;
