//! The closing handshake (RFC 6455 §7.1.2) from this side.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wirewright_core::{Close, CloseCode, Inbox, Outbox};

use super::control::End;
use super::driver::{Driver, Flushed, LINGER, Reader, SLICE, Writer, deadline, is_past};
use super::error::{ClientError, Deadline};
use super::link::Link;
use super::receive::NoMore;
use super::socket::Ways;

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

    /// After the connection has ended: waits for the server to end it too, for a while, then
    /// shuts the socket down. Says how it ended.
    pub(super) fn finish(&self, reader: &mut Reader, until: Option<Instant>) -> ClientError {
        let Some((end, at)) = reader.link.control.how_it_ended() else {
            return ClientError::dropped();
        };
        if !reader.finished {
            if end.is_said() {
                let deadline = at + LINGER;
                self.linger(reader, until.map_or(deadline, |until| until.min(deadline)));
            }
            self.shut(reader);
        }
        end.into_error()
    }

    /// Nothing further is received, and nothing can be sent.
    pub(super) fn shut(&self, reader: &mut Reader) {
        reader.finished = true;
        self.take_leave(&reader.link);
        reader.link.socket.shutdown();
        reader.link.report();
        reader.inbox.release();
        reader.wire = Inbox::new();
    }

    /// Says goodbye as the layer does, if that can be done at once, instead of what else is left to
    /// say: "Each party MUST send a \"close_notify\" alert before closing its write side of the
    /// connection" (RFC 8446 §6.1).
    fn take_leave(&self, link: &Arc<Link>) {
        self.say_goodbye(link, |writer| {
            writer.outbox = Outbox::new();
            true
        });
    }

    /// As [`take_leave`](Self::take_leave), once nothing else is left to say. A server that has
    /// said goodbye itself may wait for this before it ends the transport.
    pub(super) fn take_leave_after_all(&self, link: &Arc<Link>) {
        self.say_goodbye(link, |writer| writer.outbox.is_empty());
    }

    fn say_goodbye(&self, link: &Arc<Link>, is_ready: impl FnOnce(&mut Writer) -> bool) {
        if link.secure.is_some()
            && let Some(mut turn) = self.outgoing.try_acquire()
            && Arc::ptr_eq(&turn.link, link)
            && is_ready(&mut turn)
        {
            let writer = &mut *turn;
            if let Some(secure) = &writer.link.secure {
                secure.close(&mut writer.wire);
            }
            self.transmit_now(writer);
        }
    }

    /// Sends what is left to say and discards what still comes, until the server has ended the
    /// connection. Bytes left unread would make the kernel send a reset, which may overtake our
    /// Close.
    fn linger(&self, reader: &mut Reader, deadline: Instant) {
        loop {
            let flushed = self.flush();
            self.take_leave_after_all(&reader.link);
            // Over TLS too, these bytes are nobody's any more.
            match reader.link.socket.try_receive(reader.inbox.space(1)) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ways = Ways { read: true, write: flushed == Flushed::Blocked };
                    let slice = Instant::now() + SLICE;
                    let until =
                        if flushed == Flushed::Busy { deadline.min(slice) } else { deadline };
                    if reader.link.socket.wait(ways, Some(until)).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
            if Instant::now() >= deadline {
                return;
            }
        }
    }

    /// Gives the connection up, for a reason that is not the server's.
    pub(super) fn give_up(link: &Link, end: End) {
        link.control.end(end);
        link.socket.shutdown();
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
            if let (Ok(()), Some(secure)) = (sent, &writer.link.secure) {
                // Both goodbyes in one: this one seals nothing further.
                if secure.seal_all(&mut writer.outbox, &mut writer.wire).is_ok() {
                    secure.close(&mut writer.wire);
                }
            }
            // What the socket does not take now is lost with it.
            self.transmit_now(writer);
        }
    }
}
