//! How other threads reach an event loop.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::net::TcpStream;
use mio::{Token, Waker};
use wirewright_core::Layer;

use super::admission::{Held, Place};
use super::opening::Decision;
use super::revocation::Revocation;
use super::topics::Publication;

/// What a loop is asked to do.
pub(crate) enum Command {
    /// A connection that another loop accepted.
    Adopt(Newcomer),
    /// What somebody off the loop has decided on this connection's request.
    Decided(Token, Box<Decision>),
    /// Look at this connection: something was done to it that its loop must know.
    Look(Token),
    /// This connection subscribes.
    Subscribe(Token, Arc<str>),
    /// This connection does no longer.
    Unsubscribe(Token, Arc<str>),
    /// For the subscribers among its connections.
    Publish(Arc<Publication>),
    /// Close connections whose identities are no longer good.
    Revoke(Arc<Revocation>),
    /// Begin, or end, the loop's life.
    Stop(super::Stop),
}

/// A connection that was accepted and counted, and has no loop yet.
pub(crate) struct Newcomer {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) held: Held,
    pub(crate) place: Option<Box<Place>>,
    /// What is to lie between the socket and the connection.
    pub(crate) layer: Option<Box<dyn Layer>>,
}

/// A loop's letter box.
pub(crate) struct Mailbox {
    /// `None` once the loop has ended, and nothing is read any more.
    commands: Mutex<Option<Vec<Command>>>,
    waker: Waker,
}

impl Mailbox {
    pub(crate) const fn new(waker: Waker) -> Self {
        Self { commands: Mutex::new(Some(Vec::new())), waker }
    }

    /// Leaves a letter, or gives back one for a loop that has ended.
    pub(crate) fn send(&self, command: Command) -> Option<Command> {
        let mut commands = self.lock();
        let Some(commands) = &mut *commands else { return Some(command) };
        commands.push(command);
        if commands.len() > 1 {
            // It was woken for the first, and takes all at once.
            return None;
        }
        if let Err(error) = self.waker.wake() {
            // The loop reads its letters at the next event or timer too.
            tracing::error!(%error, "event loop could not be woken");
        }
        None
    }

    /// Moves all letters into `to`, which keeps its capacity from time to time.
    pub(crate) fn take(&self, to: &mut Vec<Command>) {
        if let Some(commands) = &mut *self.lock() {
            std::mem::swap(commands, to);
        }
    }

    /// The loop ends: what it has not read, and nothing that still comes.
    pub(crate) fn close(&self) -> Vec<Command> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Command>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}
