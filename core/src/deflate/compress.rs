//! Messages into compressed messages (RFC 7692 §7.2.1).
//!
//! An engine of our own, because messages are small: zlib clears 128 KiB of hash table to forget
//! a window and thereby takes longer than for the message, and it cannot keep to a window of 256
//! bytes.

use alloc::vec::Vec;
use core::fmt;

use super::blocks::Writer;
use super::matches::{Matches, Symbol};

/// One direction's compressor.
pub(crate) struct Compressor {
    matches: Matches,
    /// Of the block under way; empty between calls.
    symbols: Vec<Symbol>,
    level: u8,
    window_bits: u8,
}

impl Compressor {
    /// A compressor with an empty window; `level` 0–9, `window_bits` 8–15.
    pub(crate) fn new(level: u8, window_bits: u8) -> Self {
        let (level, window_bits) = (level.min(9), window_bits.clamp(8, 15));
        Self { matches: Matches::new(level, window_bits), symbols: Vec::new(), level, window_bits }
    }

    /// Whether this one does what `new` with these arguments would.
    pub(crate) fn fits(&self, level: u8, window_bits: u8) -> bool {
        self.level == level.min(9) && self.window_bits == window_bits.clamp(8, 15)
    }

    /// Appends `input`, compressed, to `out`: whole bytes, from which all of `input` can be had
    /// again. With `end_of_message` they lack the last four, which the receiver adds (§7.2.1).
    pub(crate) fn compress(&mut self, input: &[u8], end_of_message: bool, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        if self.level == 0 {
            writer.stored(input);
        } else {
            let mut rest = input;
            while !rest.is_empty() {
                let before = rest.len();
                rest = self.matches.search(rest, &mut self.symbols);
                writer.block(&self.symbols, self.matches.last(before - rest.len()));
                self.symbols.clear();
            }
        }
        // "If the resulting data does not end with an empty DEFLATE block with no compression [...]
        // append [one] to the tail end. Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the
        // tail end" (§7.2.1). Of an empty message there is nothing but its first byte (§7.2.3.6).
        writer.flush();
        if !end_of_message {
            out.extend_from_slice(&[0x00, 0x00, 0xFF, 0xFF]);
        }
    }

    /// Forgets the window: the next message refers to none before it.
    pub(crate) fn reset(&mut self) {
        self.matches.reset();
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compressor(level {}, window {} bits)", self.level, self.window_bits)
    }
}

#[cfg(test)]
mod tests;
