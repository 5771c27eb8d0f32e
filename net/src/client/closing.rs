//! The closing handshake (RFC 6455 §7.1.2) from this side.

use std::time::{Duration, Instant};

use wirewright_core::{Close, CloseCode};

use super::control::End;
use super::driver::{Driver, SLICE, deadline, is_past};
use super::error::{ClientError, Deadline};
use super::receive::NoMore;

impl Driver {
    /// Sends a Close and waits for the server's, and then for the server to end the connection.
    pub(super) fn close(
        &self,
        close: Close<'_>,
        timeout: Option<Duration>,
    ) -> Result<(), ClientError> {
        let deadline = deadline(timeout);
        let result = match self.send_close(close, deadline) {
            Ok(()) => self.await_close(close.code(), deadline),
            Err(error @ ClientError::Misuse(_)) => return Err(error),
            Err(ClientError::TimedOut(Deadline::Write | Deadline::WriteUnfinished)) => {
                Self::give_up(&self.link(), End::GivenUp);
                Err(ClientError::TimedOut(Deadline::Close))
            }
            Err(error) => Err(error),
        };
        // What was lost before is not to come back, either.
        let end = self.link().control.how_it_ended();
        self.abandon(end.map_or_else(ClientError::dropped, |(end, _)| end.into_error()));
        self.leave();
        result
    }

    fn send_close(&self, close: Close<'_>, deadline: Option<Instant>) -> Result<(), ClientError> {
        self.with_turn(deadline, |writer, deadline| {
            writer.outgoing.send_close(close, &mut writer.outbox)?;
            writer.link.counts.sent.closes.add(1);
            writer.link.control.set_closed_by_us();
            self.transmit(writer, deadline)
        })
        .map_err(|failed| failed.error)
    }

    /// Receives up to the server's Close. Messages before it are kept for those who still read,
    /// as many as are read ahead.
    fn await_close(&self, sent: CloseCode, deadline: Option<Instant>) -> Result<(), ClientError> {
        loop {
            // One turn for one batch: other readers may want what came.
            let Some(mut turn) = self.incoming.acquire(deadline) else { break };
            self.enter(&turn);
            let hint = self.parse(&mut turn, false);
            match self.more(&mut turn, hint, deadline) {
                Ok(()) if is_past(deadline) => break,
                Ok(()) => continue,
                Err(NoMore::Late) => break,
                Err(NoMore::Ended) => self.finish(&mut turn, deadline),
            };
            match turn.link.control.how_it_ended() {
                Some((End::Closed { code, .. }, _)) if code == sent => return Ok(()),
                Some((End::Closed { code: echoed, .. }, _)) => {
                    return Err(ClientError::CloseEcho { sent, echoed });
                }
                Some((End::Dropped | End::Network(..), _)) => {
                    return Err(ClientError::CloseUnanswered);
                }
                Some((end, _)) => return Err(end.into_error()),
                None => break,
            }
        }
        Self::give_up(&self.link(), End::GivenUp);
        Err(ClientError::TimedOut(Deadline::Close))
    }

    /// Ends the connection at once, and whatever was to take its place.
    pub(super) fn abort(&self) {
        self.abandon(ClientError::Aborted);
        Self::give_up(&self.link(), End::Aborted);
    }

    /// Says that this end goes away, if that can be done at once.
    pub(super) fn go_away(&self) {
        if !self.link().control.is_open() {
            return;
        }
        // No thread is inside; the background may be for a moment.
        if let Some(mut turn) = self.outgoing.acquire(deadline(Some(SLICE))) {
            let writer = &mut *turn;
            let close = Close::from_code(CloseCode::GOING_AWAY);
            let sent = writer.outgoing.send_close(close, &mut writer.outbox);
            writer.link.counts.sent.closes.add(sent.is_ok().into());
            if let (Ok(()), Some(bytes)) = (sent, writer.outbox.poll_transmit()) {
                // What the socket does not take now is lost with it.
                let _ = writer.link.socket.try_send(bytes);
            }
        }
    }
}
