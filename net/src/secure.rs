//! A layer such as TLS between a socket and a connection's bytes, used by two threads at once: one
//! opens what arrives, the other seals what is to leave.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wirewright_core::{Inbox, Layer, LayerError, LayerState, Outbox, Security};

/// A layer, under a lock that is held for the cryptography of one record and never across a system
/// call.
///
/// Whoever seals has the sender's turn, so that what is sealed leaves in the order in which it was
/// sealed. What opening has to say (an alert, the answer to a key update) waits here for whoever
/// has that turn next, and goes before all that is sealed later.
pub(crate) struct Secure {
    shared: Mutex<Shared>,
    /// Whether something waits there.
    owes: AtomicBool,
    /// Bytes of the layer's handshake that belong together and are kept, at most.
    max_opening: usize,
}

struct Shared {
    layer: Box<dyn Layer>,
    /// What opening has to say.
    out: Outbox,
}

/// How far opening got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All records that were there are open.
    Wait,
    /// The peer has said goodbye.
    Closed,
}

/// So much is sealed before it is written: several records a system call.
const BATCH: usize = 64 * 1024;

impl Secure {
    pub(crate) fn new(layer: Box<dyn Layer>, max_opening: usize) -> Self {
        let shared = Shared { layer, out: Outbox::new() };
        Self { shared: Mutex::new(shared), owes: AtomicBool::new(false), max_opening }
    }

    /// Opens all records there are in `wire`. What is left there is less than a record, or less
    /// than a message of a handshake.
    pub(crate) fn open(&self, wire: &mut Inbox, plain: &mut Inbox) -> Result<Progress, LayerError> {
        loop {
            let mut shared = self.lock();
            let Shared { layer, out } = &mut *shared;
            let opened = layer.open(wire.unread_mut(), plain, out);
            self.owes.store(!out.is_empty(), Ordering::Release);
            let is_open = layer.is_open();
            drop(shared);
            let opened = opened?;
            wire.consume(opened.consumed);
            match opened.next {
                LayerState::More => {}
                LayerState::Wait if !is_open && wire.unread().len() > self.max_opening => {
                    let max = self.max_opening;
                    return Err(LayerError::permanent(format!(
                        "handshake has a message of more than {max} bytes"
                    )));
                }
                LayerState::Wait => return Ok(Progress::Wait),
                LayerState::Closed => return Ok(Progress::Closed),
            }
        }
    }

    /// Moves what opening has to say to `wire`, and seals what waits in `plain` behind it, until
    /// there is enough for a write.
    pub(crate) fn seal(&self, plain: &mut Outbox, wire: &mut Outbox) -> Result<(), LayerError> {
        self.take_owed(wire);
        while wire.len() < BATCH
            && let Some(bytes) = plain.poll_transmit()
        {
            let sealed = self.seal_one(bytes, wire)?;
            plain.transmitted(sealed);
        }
        Ok(())
    }

    /// As [`seal`](Self::seal), of what lies elsewhere; how much of it was taken.
    pub(crate) fn seal_slice(&self, plain: &[u8], wire: &mut Outbox) -> Result<usize, LayerError> {
        let mut taken = 0;
        while wire.len() < BATCH && taken < plain.len() {
            taken += self.seal_one(&plain[taken..], wire)?;
        }
        Ok(taken)
    }

    /// Seals all of it, however much that is.
    pub(crate) fn seal_all(&self, plain: &mut Outbox, wire: &mut Outbox) -> Result<(), LayerError> {
        while let Some(bytes) = plain.poll_transmit() {
            let sealed = self.seal_one(bytes, wire)?;
            plain.transmitted(sealed);
        }
        Ok(())
    }

    fn seal_one(&self, plain: &[u8], wire: &mut Outbox) -> Result<usize, LayerError> {
        let mut shared = self.lock();
        self.move_owed(&mut shared, wire);
        shared.layer.seal(plain, wire)
    }

    /// Whether opening has something to say.
    #[inline]
    pub(crate) fn owes(&self) -> bool {
        self.owes.load(Ordering::Acquire)
    }

    /// Moves what opening has to say to `wire`; for whoever has the sender's turn.
    #[inline]
    pub(crate) fn take_owed(&self, wire: &mut Outbox) {
        if self.owes() {
            let mut shared = self.lock();
            self.move_owed(&mut shared, wire);
        }
    }

    /// Says goodbye behind what was sealed.
    pub(crate) fn close(&self, wire: &mut Outbox) {
        let mut shared = self.lock();
        self.move_owed(&mut shared, wire);
        shared.layer.close(wire);
    }

    /// Whether the layer's handshake is done.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().layer.is_open()
    }

    /// The stream has ended; an error if the peer has not said so beforehand.
    pub(crate) fn ended(&self) -> Result<(), LayerError> {
        self.lock().layer.ended()
    }

    pub(crate) fn security(&self) -> Security {
        self.lock().layer.security()
    }

    fn move_owed(&self, shared: &mut Shared, wire: &mut Outbox) {
        if !shared.out.is_empty() {
            shared.out.move_to(wire);
            shared.out.release();
            self.owes.store(false, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // After a panic of the layer its next answer is an error, or bytes that the peer refuses.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What cannot be sealed cannot be sent.
pub(crate) fn broken(error: LayerError) -> io::Error {
    io::Error::other(error)
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure").finish_non_exhaustive()
    }
}
