//! Messages into compressed messages (RFC 7692 §7.2.1).

use alloc::vec::Vec;
use core::fmt;

use flate2::{Compress, Compression, FlushCompress};

/// One direction's compressor.
pub(crate) struct Compressor {
    deflate: Compress,
    level: u8,
    window_bits: u8,
}

impl Compressor {
    /// A compressor with an empty window; `level` 0–9, `window_bits` 9–15.
    pub(crate) fn new(level: u8, window_bits: u8) -> Self {
        let (level, window_bits) = (level.min(9), window_bits.clamp(9, 15));
        let deflate =
            Compress::new_with_window_bits(Compression::new(level.into()), false, window_bits);
        Self { deflate, level, window_bits }
    }

    /// Whether this one does what `new` with these arguments would.
    pub(crate) fn fits(&self, level: u8, window_bits: u8) -> bool {
        self.level == level.min(9) && self.window_bits == window_bits.clamp(9, 15)
    }

    /// Appends `input`, compressed, to `out`: whole bytes, from which all of `input` can be had
    /// again. With `end_of_message` they lack the last four, which the receiver adds (§7.2.1).
    pub(crate) fn compress(&mut self, input: &[u8], end_of_message: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let mut rest = input;
        loop {
            let spare = out.capacity() - out.len();
            if spare < TAIL.len() + 2 {
                out.reserve((rest.len() / 2).max(64));
                continue;
            }
            let (before_in, before_out) = (self.deflate.total_in(), out.len());
            // Neither a bad parameter nor bad state is possible, and there is no third error.
            let _ = self.deflate.compress_vec(rest, out, FlushCompress::Sync);
            let taken = usize::try_from(self.deflate.total_in() - before_in).unwrap_or(rest.len());
            rest = &rest[taken..];
            // "If deflate returns with avail_out == 0, this function must be called again".
            if out.len() - before_out < spare {
                break;
            }
        }
        if end_of_message {
            self.end(start, out);
        }
    }

    /// Forgets the window: the next message refers to none before it.
    pub(crate) fn reset(&mut self) {
        self.deflate.reset();
    }

    fn end(&mut self, start: usize, out: &mut Vec<u8>) {
        // "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end" (§7.2.1).
        if out[start..].ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        } else {
            // Nothing new since the last flush, which zlib does not repeat: §7.2.3.6.
            out.push(0);
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compressor(level {}, window {} bits)", self.level, self.window_bits)
    }
}

const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
