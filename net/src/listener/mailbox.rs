//! How other threads reach an event loop.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// `None` once the loop has ended, and nothing is read any more.
    commands: Mutex<Option<Vec<Command>>>,
    waker: Waker,
}

impl Mailbox {
    pub(crate) const fn new(waker: Waker) -> Self {
        Self { commands: Mutex::new(Some(Vec::new())), waker }
    }

    /// Leaves a letter. One for a loop that has ended is dropped, and a connection in it closed.
    pub(crate) fn send(&self, command: Command) {
        let mut commands = self.lock();
        let Some(commands) = &mut *commands else { return };
        commands.push(command);
        if let Err(error) = self.waker.wake() {
            // The loop reads its letters at the next event or timer too.
            tracing::error!(%error, "event loop could not be woken");
        }
    }

    /// Moves all letters into `to`, which keeps its capacity from time to time.
    pub(crate) fn take(&self, to: &mut Vec<Command>) {
        if let Some(commands) = &mut *self.lock() {
            std::mem::swap(commands, to);
        }
    }

    /// The loop ends: what it has not read goes, and so will all that still comes.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Command>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
