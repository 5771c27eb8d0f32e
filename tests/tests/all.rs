//! The tests of wirewright, one module a subject.

mod deflate_offer;
mod keepalive;
mod retry;
