//! What is done for a client in the background's custody. Nothing here waits.

use std::time::Instant;

use super::driver::{Driver, LINGER, Reader, SLICE};
use super::link::Link;
use super::receive::TakenIn;

/// When the background is to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// When something happens, or at this time.
    Until(Option<Instant>),
    /// Soon, as there is more than others should wait for.
    Again,
    /// Never: the connection has ended.
    Over,
}

/// Receives for one client before another has its turn.
const BATCHES: usize = 16;

impl Driver {
    /// Receives what has come, up to the limit of what is read ahead, answers what is to be
    /// answered, and looks at the time.
    pub(super) fn serve(&self, reader: &mut Reader) -> Served {
        for _ in 0..BATCHES {
            let hint = self.parse(reader, true);
            self.flush_pending(&reader.link);
            if reader.link.control.has_ended() {
                return self.serve_end(reader);
            }
            if reader.ahead.is_full(reader.inbox.unread().len()) {
                // The server is held up, so that its silence proves nothing.
                return Served::Until(None);
            }
            if self.incoming.is_wanted() {
                // Who waits for the turn takes custody with it, unless its deadline is close.
                return Served::Until(Some(Instant::now() + SLICE));
            }
            if reader.take_in(hint) == TakenIn::Nothing {
                return self.serve_timers(reader);
            }
        }
        Served::Again
    }

    pub(super) fn serve_timers(&self, reader: &mut Reader) -> Served {
        // Whoever waits for long is to hold little; a call allocates once when it comes back.
        reader.inbox.release();
        reader.wire.release();
        reader.look_at_timers();
        reader.link.report();
        self.flush_pending(&reader.link);
        if reader.link.control.has_ended() {
            return self.serve_end(reader);
        }
        Served::Until(self.until(reader, None).earliest())
    }

    pub(super) fn flush_pending(&self, link: &Link) {
        if link.control.is_pending() {
            self.flush();
        }
    }

    /// As [`finish`](Self::finish), step by step.
    pub(super) fn serve_end(&self, reader: &mut Reader) -> Served {
        if self.is_to_recover(&reader.link) {
            self.shut(reader);
            self.begin_recovery(&reader.link);
            return Served::Over;
        }
        if !reader.finished
            && let Some((end, at)) = reader.link.control.how_it_ended()
            && end.is_said()
            && Instant::now() < at + LINGER
            && self.linger_on(reader)
        {
            return Served::Until(Some(at + LINGER));
        }
        self.shut(reader);
        Served::Over
    }

    /// Sends what is left to say and discards what came; whether there is still something to
    /// wait for.
    fn linger_on(&self, reader: &mut Reader) -> bool {
        for _ in 0..BATCHES {
            self.flush_pending(&reader.link);
            self.take_leave_after_all(&reader.link);
            match reader.link.socket.try_receive(reader.inbox.space(1)) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}
