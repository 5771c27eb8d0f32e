//! What the receiving side takes in: from the socket, through TLS if that is between, into the
//! inbox.

use std::io;
use std::sync::Arc;

use wirewright_core::KeepAliveAction;

use super::control::End;
use super::driver::Reader;
use super::receive::TakenIn;
use super::socket::{KernelTimeout, Socket};
use crate::secure::{Progress, Secure};

/// Room to ask for, so that a few missing bytes do not cost a call of their own.
const ROOM: usize = 256;

impl Reader {
    /// Receives what is there, of which `hint` bytes are wanted, without waiting.
    pub(super) fn take_in(&mut self, hint: usize) -> TakenIn {
        let more = self.inbox.has_more_at_hand();
        match self.receive(hint, |socket, _, space| socket.try_receive(space)) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !more {
                    return TakenIn::Nothing;
                }
                // What was left to be judged with what comes next is judged before waiting.
                self.inbox.received(0);
            }
            other => self.lost(other.err()),
        }
        TakenIn::Something
    }

    /// A wait was in vain: is anything overdue?
    #[cold]
    pub(super) fn look_at_timers(&mut self) {
        let (now, control) = (self.link.epoch.elapsed(), &self.link.control);
        if let Err(limit) = self.incoming.handle_timeout(now) {
            control.failed(limit.into());
            return;
        }
        if control.is_closed_by_us() {
            return;
        }
        match self.keep_alive.handle_timeout(now) {
            KeepAliveAction::None => {}
            KeepAliveAction::Ping(payload) => {
                self.sent_at_ping = self.link.counts.sent.bytes.value();
                control.owe_ping(payload);
            }
            // The Ping waits behind a message that the peer takes slowly, which proves it alive.
            KeepAliveAction::Dead
                if control.is_stuck()
                    && self.link.counts.sent.bytes.value() != self.sent_at_ping =>
            {
                self.keep_alive.activity(now);
            }
            KeepAliveAction::Dead => control.end(End::Silent),
        }
    }

    /// Says how many messages wait to be read.
    pub(super) fn count_ahead(&self) {
        self.link.counts.received.ahead.set(self.ahead.len() as u64);
    }

    /// Has `receive` fill the room there is, of which `hint` bytes are wanted, and takes in what
    /// came; `false` at the end of the stream.
    #[inline]
    pub(super) fn receive(
        &mut self,
        hint: usize,
        receive: impl FnOnce(&Socket, &mut KernelTimeout, &mut [u8]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        if let Some(end) = self.over.take() {
            self.link.control.end(end);
            return Ok(false);
        }
        let (inbox, hint) = match &self.link.secure {
            None => (&mut self.inbox, hint.max(ROOM)),
            // It counts what is open.
            Some(_) => (&mut self.wire, ROOM),
        };
        let space = inbox.space(hint);
        let room = space.len();
        let n = receive(&self.link.socket, &mut self.kernel, space)?;
        if n < room {
            inbox.received(n);
        } else {
            inbox.received_partly(n);
        }
        if n == 0 {
            return Ok(false);
        }
        self.link.counts.received.bytes.add(n as u64);
        self.now = self.link.epoch.elapsed();
        self.link.report_by(self.now);
        self.keep_alive.activity(self.now);
        Ok(self.open())
    }

    /// Opens what came over TLS; `false` if nothing further will come.
    #[inline]
    fn open(&mut self) -> bool {
        let Some(secure) = &self.link.secure else { return true };
        let before = self.inbox.unread().len();
        let opened = secure.open(&mut self.wire, &mut self.inbox);
        self.wire.settle();
        if secure.owes() {
            self.link.control.set_pending();
        }
        let end = match opened {
            Ok(Progress::Wait) => return true,
            Ok(Progress::Closed) => End::Dropped,
            Err(error) => End::Insecure(Arc::new(error)),
        };
        if self.inbox.unread().len() > before {
            // What came before it counts.
            self.over = Some(end);
            return true;
        }
        self.link.control.end(end);
        false
    }

    /// The stream has failed, or ended.
    #[cold]
    pub(super) fn lost(&self, error: Option<io::Error>) {
        let ended = self.link.secure.as_ref().map_or(Ok(()), Secure::ended);
        self.link.control.end(match (error, ended) {
            (Some(error), _) => End::network(&error),
            (None, Ok(())) => End::Dropped,
            (None, Err(cut_off)) => End::Insecure(Arc::new(cut_off)),
        });
    }
}
