//! Compressed messages into messages (RFC 7692 §7.2.2).

use alloc::vec::Vec;
use core::fmt;

use flate2::{Decompress, FlushDecompress};

/// Why a message does not inflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// Not a DEFLATE stream, or one that refers to what is not in the window.
    Corrupt,
    /// More bytes than the limit.
    TooBig,
}

/// One direction's inflater. After an error it is dead.
pub(crate) struct Inflater {
    inflate: Decompress,
}

impl Inflater {
    pub(crate) fn new(window_bits: u8) -> Self {
        Self {
            inflate: Decompress::new_with_window_bits(false, window_bits.clamp(9, 15)),
        }
    }

    pub(crate) fn inflate(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<(), InflateError> {
        let mut rest = input;
        loop {
            if u64::try_from(out.len()).unwrap_or(u64::MAX) > limit {
                return Err(InflateError::TooBig);
            }
            if out.capacity() == out.len() {
                out.reserve(4096);
            }
            let (before, len) = (self.inflate.total_in(), out.len());
            self.inflate
                .decompress_vec(rest, out, FlushDecompress::Sync)
                .map_err(|_| InflateError::Corrupt)?;
            let taken = usize::try_from(self.inflate.total_in() - before).unwrap_or(rest.len());
            rest = &rest[taken..];
            if out.len() < out.capacity() || (taken == 0 && out.len() == len) {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn end_message(
        &mut self,
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<(), InflateError> {
        self.inflate(&[0x00, 0x00, 0xFF, 0xFF], out, limit)
    }

    pub(crate) fn reset(&mut self) {
        self.inflate.reset(false);
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}
