//! A connection while it is being opened: socket, buffers, and until when to wait.

use std::io;
use std::sync::Arc;

use wirewright_core::{Inbox, Layer, Outbox};

use super::due::Due;
use super::line::Place;
use crate::client::error::ClientError;
use crate::client::socket::{Socket, Ways};
use crate::secure::{Progress, Secure, broken};

/// A layer with the bytes on its far side: received and not yet open, sealed and not yet sent.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) secure: Secure,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
}

/// What an inbox begins with: a batch of small messages in one receive.
const INBOX: usize = 16 * 1024;
/// Bytes of a handshake of TLS that belong together, at most: its longest message.
const MAX_OPENING: usize = 64 * 1024;
/// Room to ask for, so that a few missing bytes do not cost a call of their own.
const ROOM: usize = 256;

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) socket: Socket,
    /// What the other end has sent and nobody has read yet.
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    /// What lies between the two and the socket, once there is TLS.
    pub(crate) secured: Option<Secured>,
    /// For the step under way.
    pub(crate) due: Due,
    /// Given up with the rest when the connection is open or has failed (RFC 6455 §4.1).
    _place: Option<Place>,
}

impl Secured {
    pub(crate) fn into_parts(self) -> (Option<Secure>, (Inbox, Outbox)) {
        (Some(self.secure), (self.inbox, self.outbox))
    }
}

impl Wire {
    pub(super) fn new(socket: Socket, due: Due, place: Option<Place>) -> Self {
        let (inbox, outbox) = (Inbox::with_capacity(INBOX), Outbox::new());
        Self { socket, inbox, outbox, secured: None, due, _place: place }
    }

    /// Puts a layer between the socket and what goes over it from now on, and does its handshake.
    pub(crate) fn secure(&mut self, layer: Box<dyn Layer>) -> Result<(), ClientError> {
        // What a proxy has sent behind its answer is the server's, and not open yet.
        let inbox = std::mem::replace(&mut self.inbox, Inbox::with_capacity(INBOX));
        self.secured =
            Some(Secured { secure: Secure::new(layer, MAX_OPENING), inbox, outbox: Outbox::new() });
        loop {
            let opened = self.open();
            // An alert, if that was an error, which says more than what sending it may meet.
            let sent = self.send();
            let progress = opened?;
            sent?;
            if self.secured.as_ref().is_none_or(|secured| secured.secure.is_open()) {
                return Ok(());
            }
            if progress == Progress::Closed || !self.fill()? {
                return Err(self.cut_off());
            }
        }
    }

    /// Opens what has arrived.
    fn open(&mut self) -> Result<Progress, ClientError> {
        let Some(secured) = &mut self.secured else { return Ok(Progress::Wait) };
        Ok(secured.secure.open(&mut secured.inbox, &mut self.inbox).map_err(Arc::new)?)
    }

    /// The stream has ended in the midst of a handshake.
    fn cut_off(&self) -> ClientError {
        let ended = self.secured.as_ref().map_or(Ok(()), |secured| secured.secure.ended());
        match ended {
            Ok(()) => ClientError::Network(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => Arc::new(error).into(),
        }
    }

    /// Sends all of the outbox.
    pub(crate) fn send(&mut self) -> Result<(), ClientError> {
        loop {
            let leaving = match &mut self.secured {
                None => &mut self.outbox,
                Some(Secured { secure, outbox, .. }) => {
                    let sealed = secure.seal(&mut self.outbox, outbox);
                    sealed.map_err(|error| ClientError::Network(broken(error)))?;
                    outbox
                }
            };
            let Some(bytes) = leaving.poll_transmit() else { return Ok(()) };
            match self.socket.try_send(bytes) {
                Ok(n) => leaving.transmitted(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Ways { read: false, write: true })?;
                }
                Err(error) => return Err(ClientError::Network(error)),
            }
        }
    }

    /// Receives something; `false` at the end of the stream.
    pub(crate) fn receive(&mut self) -> Result<bool, ClientError> {
        if self.secured.is_none() {
            return self.fill();
        }
        let before = self.inbox.unread().len();
        loop {
            let opened = self.open();
            self.send()?;
            let progress = opened?;
            if self.inbox.unread().len() > before {
                return Ok(true);
            }
            if progress == Progress::Closed || !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// Receives something as it comes over the socket; `false` at the end of the stream.
    fn fill(&mut self) -> Result<bool, ClientError> {
        loop {
            let inbox = self.secured.as_mut().map_or(&mut self.inbox, |secured| &mut secured.inbox);
            match self.socket.try_receive(inbox.space(ROOM)) {
                Ok(n) => {
                    inbox.received(n);
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
