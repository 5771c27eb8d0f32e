//! Both halves in one hand, for tests, fuzzers and single-threaded callers.

use core::time::Duration;

use crate::close::Close;
use crate::config::{Config, Role};
use crate::deflate::Agreement;
use crate::error::{Limit, Misuse, ReceiveError};
use crate::inbox::Inbox;
use crate::incoming::{Event, Incoming};
use crate::message::Message;
use crate::outbox::Outbox;
use crate::outgoing::{Outgoing, Sender};
use crate::reply::Reply;

/// A connection after its handshake, whose Pings, Closes and failures are answered by itself.
#[derive(Debug)]
pub struct Connection {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Connection {
    /// A connection with what the handshake agreed on.
    #[must_use]
    pub fn new(sender: Sender, config: &Config, agreement: Option<Agreement>) -> Self {
        let role = match sender {
            Sender::Client(_) => Role::Client,
            Sender::Server => Role::Server,
        };
        Self {
            incoming: Incoming::new(role, config, agreement),
            outgoing: Outgoing::new(sender, config, agreement),
        }
    }

    /// As [`Incoming::receive`]; what the event owes the peer is in `out` when this returns. Each
    /// Ping adds a Pong there: let what waits leave before reading on, or use the halves, and
    /// answer only the latest (RFC 6455 §5.5.3).
    ///
    /// # Errors
    /// As [`Incoming::receive`]; the peer's Close is in `out`.
    pub fn receive<'a>(
        &mut self,
        now: Duration,
        inbox: &'a mut Inbox,
        out: &mut Outbox,
    ) -> Result<Event<'a>, ReceiveError> {
        let event = self.incoming.receive(now, inbox);
        match &event {
            Ok(Event::Ping(payload)) => self.outgoing.reply(Reply::pong(payload), out),
            Ok(Event::Closed(close)) => self.outgoing.reply(close.reply(), out),
            Err(error) => self.outgoing.fail(error.close_code(), out),
            Ok(_) => {}
        }
        event
    }

    /// As [`Outgoing::send`].
    ///
    /// # Errors
    /// As [`Outgoing::send`].
    pub fn send(&mut self, message: Message<'_>, out: &mut Outbox) -> Result<(), Misuse> {
        self.outgoing.send(message, out)
    }

    /// As [`Outgoing::send_close`].
    ///
    /// # Errors
    /// As [`Outgoing::send_close`].
    pub fn send_close(&mut self, close: Close<'_>, out: &mut Outbox) -> Result<(), Misuse> {
        self.outgoing.send_close(close, out)
    }

    /// As [`Incoming::poll_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.incoming.poll_timeout()
    }

    /// As [`Incoming::handle_timeout`].
    ///
    /// # Errors
    /// As [`Incoming::handle_timeout`]; the peer's Close is in `out`.
    pub fn handle_timeout(&mut self, now: Duration, out: &mut Outbox) -> Result<(), Limit> {
        let result = self.incoming.handle_timeout(now);
        if let Err(limit) = result {
            self.outgoing.fail(limit.close_code(), out);
        }
        result
    }

    /// Whether both sides are done: a server closes the transport now, a client waits for the
    /// server to do so, for a while (RFC 6455 §7.1.1).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.incoming.is_done() && self.outgoing.is_close_sent()
    }

    /// The sending half, for what has no shorthand here.
    pub fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    /// The two halves, for two threads.
    #[must_use]
    pub fn split(self) -> (Incoming, Outgoing) {
        (self.incoming, self.outgoing)
    }
}
