//! Sending: a message at a time, parts of a long one with what is owed between them, and never
//! deaf while waiting for room.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use wirewright_core::{Message, Misuse};

use super::control::End;
use super::driver::{Driver, LINGER, LONG_SLICE, SLICE, Writer, deadline, is_past};
use super::error::{ClientError, Deadline};
use super::link::Link;
use super::receive::Ahead;
use super::socket::Ways;

/// What a caller may send beside messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum ControlFrame<'a> {
    Ping(&'a [u8]),
    Pong(&'a [u8]),
}

/// Why nothing was sent, and on which connection.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: ClientError,
    link: Option<Arc<Link>>,
}

impl Driver {
    /// Sends a message; it is in the kernel's hands when this returns.
    #[inline]
    pub(super) fn write(&self, message: Message<'_>) -> Result<(), ClientError> {
        let deadline = deadline(self.timing.write);
        while let Err(failed) = self.write_once(message, deadline) {
            self.write_again(failed, deadline)?;
        }
        Ok(())
    }

    #[inline]
    fn write_once(&self, message: Message<'_>, deadline: Option<Instant>) -> Result<(), Failed> {
        self.with_turn(deadline, |writer, deadline| {
            writer.link.count_sent(message);
            if writer.compresses || message.len() <= writer.part {
                writer.outgoing.send(message, &mut writer.outbox)?;
                self.transmit_begun(writer, deadline)
            } else {
                self.send_in_parts(writer, message, deadline)
            }
        })
    }

    /// A message was not sent. If that is because the connection was lost, it may be sent again,
    /// whole, as soon as this returns; else this is why.
    #[cold]
    pub(super) fn write_again(
        &self,
        failed: Failed,
        deadline: Option<Instant>,
    ) -> Result<(), ClientError> {
        let Failed { error, link } = failed;
        let over = matches!(
            error,
            ClientError::Closed { .. }
                | ClientError::Network(_)
                | ClientError::Tls(_)
                | ClientError::TimedOut(Deadline::KeepAlive)
        );
        let Some(link) = link.filter(|_| over && self.recovery.is_some()) else {
            return Err(error);
        };
        // What the server said last decides, and a reader that is inside is about to find it.
        if !link.control.has_ended()
            && let Some(mut turn) = self.incoming.acquire(Some(Instant::now() + LINGER))
            && turn.link.id == link.id
        {
            self.take_ahead(&mut turn);
        }
        if !link.control.has_ended() {
            Self::give_up(&link, End::Dropped);
        }
        if !self.is_to_recover(&link) {
            return Err(error);
        }
        self.await_recovery(&link, deadline, ClientError::TimedOut(Deadline::Write))
    }

    /// Sends a control frame.
    pub(super) fn write_control(&self, frame: ControlFrame<'_>) -> Result<(), ClientError> {
        self.with_turn(deadline(self.timing.write), |writer, deadline| {
            let sent = &writer.link.counts.sent;
            match frame {
                ControlFrame::Ping(payload) => {
                    writer.outgoing.send_ping(payload, &mut writer.outbox)?;
                    sent.pings.add(1);
                }
                ControlFrame::Pong(payload) => {
                    writer.outgoing.send_pong(payload, &mut writer.outbox)?;
                    sent.pongs.add(1);
                }
            }
            self.transmit_begun(writer, deadline)
        })
        .map_err(|failed| failed.error)
    }

    /// Sends the outbox, in which a message is that was not there before.
    #[inline]
    pub(super) fn transmit_begun(
        &self,
        writer: &mut Writer,
        deadline: Option<Instant>,
    ) -> Result<(), ClientError> {
        self.transmit(writer, deadline).map_err(unfinished)
    }

    /// Has the sender's turn at a frame boundary, with nothing before it in the way, and sees to
    /// what is owed before and after.
    #[inline]
    pub(super) fn with_turn(
        &self,
        deadline: Option<Instant>,
        send: impl FnOnce(&mut Writer, Option<Instant>) -> Result<(), ClientError>,
    ) -> Result<(), Failed> {
        let Some(mut turn) = self.outgoing.acquire(deadline) else {
            return Err(Failed { error: ClientError::TimedOut(Deadline::Write), link: None });
        };
        let result = self.prepare(&mut turn, deadline).and_then(|()| send(&mut turn, deadline));
        if result.is_err() && turn.waiting() > 0 {
            turn.link.control.set_pending();
        }
        let result = result.map_err(|error| (error, Arc::clone(&turn.link)));
        drop(turn);
        if self.pending.is_set_after() {
            self.look_again(deadline);
            if self.pending.is_set_after() {
                self.leave_rest();
            }
        }
        result
            .map_err(|(error, link)| Failed { error: self.explain(error, &link), link: Some(link) })
    }

    #[inline]
    fn prepare(&self, writer: &mut Writer, deadline: Option<Instant>) -> Result<(), ClientError> {
        self.ready_to_send(writer)?;
        if writer.waiting() > SMALL_REST {
            self.transmit(writer, deadline)?;
        }
        Ok(())
    }

    /// Takes in what is owed, and says why nothing can be sent.
    #[inline]
    pub(super) fn ready_to_send(&self, writer: &mut Writer) -> Result<(), ClientError> {
        if writer.link.control.is_pending() {
            // It goes before the message, in the same call.
            writer.take_owed();
        }
        if let Some((end, _)) = writer.link.control.how_it_ended()
            && !end.is_said()
        {
            return Err(end.into_error());
        }
        if let Some((kind, os)) = writer.broken {
            return Err(End::Network(kind, os).into_error());
        }
        Ok(())
    }

    /// Sends a plain message part by part, so that no copy of the whole is made and what is owed
    /// goes between frames.
    fn send_in_parts(
        &self,
        writer: &mut Writer,
        message: Message<'_>,
        deadline: Option<Instant>,
    ) -> Result<(), ClientError> {
        let mut rest = message;
        loop {
            let (part, later) = split(rest, writer.part);
            let last = later.is_empty();
            writer.outgoing.send_part(part, last, &mut writer.outbox)?;
            match self.transmit(writer, deadline) {
                Ok(()) if last => return Ok(()),
                Ok(()) => {}
                Err(error) => {
                    if error.is_timeout() && !last {
                        // What the caller lent is not there later, and the message was begun.
                        writer.outgoing.send_part(later, true, &mut writer.outbox)?;
                    }
                    return Err(unfinished(error));
                }
            }
            if writer.link.control.is_pending() {
                writer.take_owed();
            }
            rest = later;
        }
    }

    /// Sends the outbox, waiting for room as long as the deadline allows.
    #[inline]
    pub(super) fn transmit(
        &self,
        writer: &mut Writer,
        deadline: Option<Instant>,
    ) -> Result<(), ClientError> {
        loop {
            let sent = match writer.leaving() {
                Ok(None) => break,
                Ok(Some((bytes, socket))) => socket.try_send(bytes),
                Err(error) => Err(error),
            };
            match sent {
                Ok(n) => writer.transmitted(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    writer.link.control.set_stuck(true);
                    let room = self.wait_for_room(&writer.link, deadline);
                    writer.link.control.set_stuck(false);
                    if let Err(error) = room {
                        // Whoever comes next goes on with it.
                        writer.link.control.set_pending();
                        return Err(error);
                    }
                }
                Err(error) => {
                    self.break_off(writer, &error);
                    return Err(End::network(&error).into_error());
                }
            }
        }
        writer.settle();
        Ok(())
    }

    /// The socket is full. The peer may not read before its own messages are taken, so that, if
    /// nobody else does, we receive in the meantime.
    #[cold]
    fn wait_for_room(&self, link: &Link, deadline: Option<Instant>) -> Result<(), ClientError> {
        tracing::trace!(connection = link.id, "the server takes no more for now");
        let mut ahead = Ahead::More;
        // What came with the handshake's answer, or behind the last message read.
        self.parse_held();
        loop {
            let mut until = deadline;
            if let Some((end, at)) = link.control.how_it_ended() {
                // The peer may still read the rest of the frame, and the Close behind it.
                if !end.is_said() || Instant::now() >= at + LINGER {
                    return Err(end.into_error());
                }
                until = earlier(until, at + LINGER);
            }
            let read = ahead == Ahead::More;
            match ahead {
                Ahead::Busy => until = earlier(until, Instant::now() + SLICE),
                Ahead::Full => until = earlier(until, Instant::now() + LONG_SLICE),
                Ahead::More | Ahead::Ended => {}
            }
            let ready = link.socket.wait(Ways { read, write: true }, until);
            let ready = ready.map_err(ClientError::network)?;
            if ready.read {
                ahead = self.read_ahead();
            } else if ahead != Ahead::Ended {
                ahead = Ahead::More;
            }
            if ready.write {
                return Ok(());
            }
            if is_past(deadline) {
                return Err(ClientError::TimedOut(Deadline::Write));
            }
        }
    }

    /// Somebody owed something while we had the turn, and relies on us to send it.
    #[cold]
    fn look_again(&self, deadline: Option<Instant>) {
        while self.pending.is_set_after() {
            let Some(mut turn) = self.outgoing.try_acquire() else { return };
            let writer = &mut *turn;
            writer.take_owed();
            if self.transmit(writer, deadline).is_err() {
                return;
            }
        }
    }

    /// If the connection has ended, that is why nothing could be sent; it may take a look at what
    /// the peer said last.
    pub(super) fn explain(&self, error: ClientError, link: &Link) -> ClientError {
        let over = match &error {
            ClientError::Misuse(Misuse::CloseSent) if link.control.is_closed_by_us() => {
                return error;
            }
            ClientError::Misuse(Misuse::CloseSent) => false,
            ClientError::Closed { .. } | ClientError::Network(_) => true,
            _ => return error,
        };
        if over {
            self.read_ahead();
        }
        match link.control.how_it_ended() {
            Some((end, _)) => {
                if let Some(mut turn) = self.incoming.try_acquire()
                    && turn.link.id == link.id
                {
                    self.finish(&mut turn, None);
                }
                end.into_error()
            }
            None => error,
        }
    }
}

/// So little left from before goes in one call with what follows.
const SMALL_REST: usize = 1024;

/// What is said of a message that was begun.
fn unfinished(error: ClientError) -> ClientError {
    match error {
        ClientError::TimedOut(Deadline::Write) => ClientError::TimedOut(Deadline::WriteUnfinished),
        other => other,
    }
}

fn earlier(deadline: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(deadline.map_or(other, |deadline| deadline.min(other)))
}

/// At most `len` bytes, and the rest; a text between two characters.
fn split(message: Message<'_>, len: usize) -> (Message<'_>, Message<'_>) {
    match message {
        Message::Text(text) => {
            let mut at = text.floor_char_boundary(len.min(text.len()));
            if at == 0 {
                // A part smaller than a character would never end.
                at = text.ceil_char_boundary(1);
            }
            let (part, rest) = text.split_at(at);
            (Message::Text(part), Message::Text(rest))
        }
        Message::Binary(bytes) => {
            let (part, rest) = bytes.split_at(len.min(bytes.len()));
            (Message::Binary(part), Message::Binary(rest))
        }
    }
}
