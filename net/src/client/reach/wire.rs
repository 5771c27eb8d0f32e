//! A connection while it is being opened: socket, buffers, and until when to wait.

use std::io;

use wirewright_core::{Inbox, Outbox};

use super::due::Due;
use super::line::Place;
use crate::client::error::ClientError;
use crate::client::socket::{Socket, Ways};

/// What an inbox begins with: a batch of small messages in one receive.
const INBOX: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) socket: Socket,
    /// What the other end has sent and nobody has read yet.
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    /// For the step under way.
    pub(crate) due: Due,
    /// Given up with the rest when the connection is open or has failed (RFC 6455 §4.1).
    _place: Option<Place>,
}

impl Wire {
    pub(super) fn new(socket: Socket, due: Due, place: Option<Place>) -> Self {
        let (inbox, outbox) = (Inbox::with_capacity(INBOX), Outbox::new());
        Self { socket, inbox, outbox, due, _place: place }
    }

    /// Sends all of the outbox.
    pub(crate) fn send(&mut self) -> Result<(), ClientError> {
        while let Some(bytes) = self.outbox.poll_transmit() {
            match self.socket.try_send(bytes) {
                Ok(n) => self.outbox.transmitted(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Ways { read: false, write: true })?;
                }
                Err(error) => return Err(ClientError::Network(error)),
            }
        }
        Ok(())
    }

    /// Receives something; `false` at the end of the stream.
    pub(crate) fn receive(&mut self) -> Result<bool, ClientError> {
        loop {
            match self.socket.try_receive(self.inbox.space(1)) {
                Ok(n) => {
                    self.inbox.received(n);
                    return Ok(n > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Ways { read: true, write: false })?;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(ClientError::Network(error)),
            }
        }
    }

    fn wait(&self, ways: Ways) -> Result<(), ClientError> {
        let ready = self.socket.wait(ways, self.due.at()).map_err(ClientError::Network)?;
        // Bytes that trickle in keep nobody waiting beyond the deadline.
        if self.due.is_past() || !(ready.read || ready.write) {
            return Err(self.due.error());
        }
        Ok(())
    }
}
