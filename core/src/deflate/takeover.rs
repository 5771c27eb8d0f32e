//! Who owns the compressor: a connection that keeps its window from message to message, or
//! whoever holds the buffers, for all connections in turn.

use alloc::{boxed::Box, vec::Vec};

use super::{Compressor, InflateError, Inflater, Window};
use crate::buffer::Usage;
use crate::config::Compression;

/// Where messages are inflated to.
#[derive(Debug, Default)]
pub(crate) struct Inflated {
    /// The message under way, or the one last delivered.
    pub(crate) bytes: Vec<u8>,
    /// An inflater that no message uses at present; lent to connections whose peer starts each
    /// message with an empty window.
    pub(crate) spare: Option<Box<Inflater>>,
    usage: Usage,
}

impl Inflated {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), spare: None, usage: Usage::new() }
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.usage.reached(self.bytes.len());
        self.bytes.clear();
    }

    /// Moves a message under way to `other`, which is empty; of a large buffer that holds little,
    /// the bytes alone.
    pub(crate) fn move_to(&mut self, other: &mut Self) {
        if self.bytes.capacity() / 4 > self.bytes.len().max(1024) {
            other.bytes.extend_from_slice(&self.bytes);
        } else if !self.bytes.is_empty() {
            core::mem::swap(&mut self.bytes, &mut other.bytes);
        }
        self.clear();
    }

    /// Gives memory back that a burst left behind.
    pub(crate) fn settle(&mut self) {
        self.usage.settle_empty(&mut self.bytes);
    }
}

/// The receiving side of permessage-deflate, as negotiated.
#[derive(Debug)]
pub(crate) struct Inflation {
    window: Window,
    /// Made at the first compressed message; a connection that never gets one pays nothing.
    inflater: Option<Box<Inflater>>,
}

impl Inflation {
    pub(crate) fn new(window: Window) -> Self {
        Self { window, inflater: None }
    }

    /// Appends what `input` inflates to, and the rest of the message if this is its `last` piece.
    pub(crate) fn inflate(
        &mut self,
        input: &[u8],
        last: bool,
        to: &mut Inflated,
        limit: u64,
    ) -> Result<(), InflateError> {
        let inflater = match &mut self.inflater {
            Some(inflater) => inflater,
            empty => {
                // A spare one of another window size would accept what was not agreed.
                let Window { bits, takeover } = self.window;
                let fitting = to.spare.take_if(|it| !takeover && it.window_bits() == bits);
                empty.insert(fitting.unwrap_or_else(|| Box::new(Inflater::new(bits))))
            }
        };
        inflater.inflate(input, &mut to.bytes, limit)?;
        if last {
            inflater.end_message(&mut to.bytes, limit)?;
            if !self.window.takeover {
                inflater.reset();
                to.spare = self.inflater.take();
            }
        }
        Ok(())
    }
}

/// The sending side of permessage-deflate, as negotiated.
#[derive(Debug)]
pub(crate) struct Deflation {
    level: u8,
    window: Window,
    pub(crate) threshold: usize,
    compressor: Option<Box<Compressor>>,
    /// Since [`release_idle`](Self::release_idle) was last asked.
    used: bool,
}

impl Deflation {
    /// `window` is what the peer allows; our own options may ask for less.
    pub(crate) fn new(ours: &Compression, window: Window) -> Self {
        let bits = window.bits.min(ours.send_window_bits);
        let takeover = window.takeover && ours.send_takeover;
        Self {
            level: ours.level,
            window: Window { bits, takeover },
            threshold: ours.threshold,
            compressor: None,
            used: false,
        }
    }

    /// One without a window between messages, for a message that many connections share.
    pub(crate) const fn forgetful(level: u8, bits: u8) -> Self {
        let window = Window { bits, takeover: false };
        Self { level, window, threshold: 0, compressor: None, used: false }
    }

    /// Level and window, where another connection with the same would send the same bytes.
    pub(crate) fn shareable(&self) -> Option<(u8, u8)> {
        self.forgets().then_some((self.level, self.window.bits))
    }

    /// Whether the peer's window forgets each message, so that one that grew may go as it is.
    pub(crate) fn forgets(&self) -> bool {
        !self.window.takeover
    }

    /// Appends the compressed form of `input`, a part of a message or its `last` one.
    pub(crate) fn compress(
        &mut self,
        input: &[u8],
        last: bool,
        out: &mut Vec<u8>,
        spare: &mut Option<Box<Compressor>>,
    ) {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            empty => {
                let (level, Window { bits, takeover }) = (self.level, self.window);
                let fitting = spare.take_if(|spare| !takeover && spare.fits(level, bits));
                empty.insert(fitting.unwrap_or_else(|| Box::new(Compressor::new(level, bits))))
            }
        };
        compressor.compress(input, last, out);
        self.used = true;
        if last && !self.window.takeover {
            compressor.reset();
            *spare = self.compressor.take();
        }
    }

    /// Between messages: gives the compressor back if it was not used since this was last asked.
    /// What is compressed next refers to nothing before it, which any receiver understands.
    pub(crate) fn release_idle(&mut self) {
        if !core::mem::take(&mut self.used) {
            self.compressor = None;
        }
    }
}
