//! permessage-deflate (RFC 7692): what both ends agree on, and the two engines that do it.
//!
//! Negotiation is values in, values out ([`offer`], [`answer`], [`accept`]); `Compressor` and
//! `Inflater` know nothing of frames. A message's compressed bytes are the raw DEFLATE stream of
//! RFC 1951, flushed to a byte boundary, less the last four bytes `00 00 FF FF` (§7.2.1).
//!
//! ```text
//! negotiate:  offer ◄── parameters           (the header's grammar)
//! send:       compress ◄── matches (LZ77), blocks ◄── huffman
//! receive:    inflate ◄── symbols ◄── tables, bits
//! both:       takeover                       (who owns the engines between messages)
//! ```

mod bits;
mod blocks;
mod compress;
mod huffman;
mod inflate;
mod matches;
mod offer;
mod parameters;
mod symbols;
mod tables;
mod takeover;

pub(crate) use compress::Compressor;
pub(crate) use inflate::{InflateError, Inflater};
pub use offer::{Agreement, ExtensionError, Window, accept, answer, offer};
pub(crate) use takeover::{Deflation, Inflated, Inflation};
