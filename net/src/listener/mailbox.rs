//! How other threads reach an event loop.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use mio::net::TcpStream;
use mio::{Token, Waker};

/// What a loop is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// A connection that another loop accepted.
    Adopt(TcpStream, SocketAddr),
    /// Look at this connection: a Close was sent on it.
    Look(Token),
    /// Begin, or end, the loop's life.
    Stop(super::Stop),
}

/// A loop's letter box.
#[derive(Debug)]
pub(crate) struct Mailbox {
    commands: Mutex<Vec<Command>>,
    waker: Waker,
}

impl Mailbox {
    pub(crate) const fn new(waker: Waker) -> Self {
        Self { commands: Mutex::new(Vec::new()), waker }
    }

    pub(crate) fn send(&self, command: Command) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        if let Err(error) = self.waker.wake() {
            // The loop reads its letters at the next event or timer too.
            tracing::error!(%error, "event loop could not be woken");
        }
    }

    /// Moves all letters into `to`, which keeps its capacity from time to time.
    pub(crate) fn take(&self, to: &mut Vec<Command>) {
        std::mem::swap(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner), to);
    }
}
