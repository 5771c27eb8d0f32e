//! Receiving: by whoever wants a message, and by whoever cannot send until the peer can.

use std::io;
use std::time::Instant;

use wirewright_core::{Event, KeepAlive, KeepAliveAction, Message, MessageKind, ReceiveError};

use super::control::End;
use super::driver::{Driver, Flushed, Reader, deadline, is_past};
use super::error::{ClientError, Deadline};
use super::socket::Ways;

/// Where a step of reading ahead got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// What was there has been taken in, there may be more.
    More,
    /// Somebody else is reading.
    Busy,
    /// As much is held as may be.
    Full,
    /// Nothing further will come.
    Ended,
}

/// Why no bytes were taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoMore {
    /// The deadline has come.
    Late,
    /// The connection has ended.
    Ended,
}

/// Room to ask for, so that a few missing bytes do not cost a call of their own.
const ROOM: usize = 256;

impl Driver {
    /// Gives the next message to `take`, if it is of the kind that is wanted.
    #[inline]
    pub(super) fn read<T>(
        &self,
        wanted: Option<MessageKind>,
        take: impl FnOnce(Message<'_>) -> T,
    ) -> Result<T, ClientError> {
        let deadline = deadline(self.timing.read);
        let late = ClientError::TimedOut(Deadline::Read);
        let mut turn = self.incoming.acquire(deadline).ok_or(late)?;
        let reader = &mut *turn;
        if let Some(message) = reader.ahead.front() {
            is_wanted(message, wanted)?;
        }
        if let Some(message) = reader.ahead.pop() {
            return Ok(take(message.message()));
        }
        let mut waited = false;
        loop {
            match reader.incoming.receive(reader.now, &mut reader.inbox) {
                Ok(Event::Message(message)) => {
                    // The caller may take long before it comes back.
                    if self.control.is_pending() {
                        self.flush();
                    }
                    if let Err(error) = is_wanted(message, wanted) {
                        reader.ahead.put_back(message);
                        return Err(error);
                    }
                    return Ok(take(message));
                }
                // A server that sends all the time, and never a message, does not move it either.
                Ok(Event::NeedMore { .. }) if waited && is_past(deadline) => {
                    return Err(self.late());
                }
                Ok(Event::NeedMore { hint }) => match self.more(reader, hint, deadline) {
                    Ok(()) => waited = true,
                    Err(NoMore::Late) => return Err(self.late()),
                    Err(NoMore::Ended) => return Err(self.finish(reader, None)),
                },
                other => self.note(&mut reader.keep_alive, other),
            }
        }
    }

    /// A read gives up. What is owed leaves first, a Ping above all: its time runs already, and
    /// the caller may take long before it comes back.
    fn late(&self) -> ClientError {
        if self.control.is_pending() {
            self.flush();
        }
        ClientError::TimedOut(Deadline::Read)
    }

    /// Waits for bytes and takes them into the inbox.
    pub(super) fn more(
        &self,
        reader: &mut Reader,
        hint: usize,
        deadline: Option<Instant>,
    ) -> Result<(), NoMore> {
        if reader.inbox.is_empty() {
            reader.inbox.settle();
        }
        loop {
            if self.control.has_ended() {
                return Err(NoMore::Ended);
            }
            let blocked = self.control.is_pending() && self.flush() == Flushed::Blocked;
            let until = self.until(reader, deadline);
            let more = reader.inbox.has_more_at_hand();
            let space = reader.inbox.space(hint.max(ROOM));
            let room = space.len();
            let result = if more {
                self.socket.try_receive(space)
            } else if blocked {
                let ways = Ways { read: true, write: true };
                let ready = self.socket.wait(ways, until.earliest());
                ready.and_then(|_| self.socket.try_receive(space))
            } else {
                self.socket.receive(&mut reader.kernel, space, until)
            };
            match result {
                Ok(n) if n > 0 => {
                    self.received(reader, n, room);
                    return Ok(());
                }
                Err(error) if more && error.kind() == io::ErrorKind::WouldBlock => {
                    // What was left to be judged with what comes next is judged before waiting.
                    reader.inbox.received(0);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.look_at_timers(reader);
                    if is_past(deadline) {
                        return Err(NoMore::Late);
                    }
                }
                other => self.lost(other),
            }
        }
    }

    /// Takes in what is there, whole messages into the queue, so that a peer that writes can go
    /// on to read; for a sender that waits for it.
    pub(super) fn read_ahead(&self) -> Ahead {
        let Some(mut turn) = self.incoming.try_acquire() else { return Ahead::Busy };
        let reader = &mut *turn;
        loop {
            let hint = self.parse(reader, true);
            if self.control.has_ended() {
                return Ahead::Ended;
            }
            if reader.ahead.is_full(reader.inbox.unread().len()) {
                return Ahead::Full;
            }
            let more = reader.inbox.has_more_at_hand();
            let space = reader.inbox.space(hint.max(ROOM));
            let room = space.len();
            match self.socket.try_receive(space) {
                Ok(n) if n > 0 => self.received(reader, n, room),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !more {
                        return Ahead::More;
                    }
                    reader.inbox.received(0);
                }
                other => self.lost(other),
            }
        }
    }

    /// Takes in what was received already, if nobody reads.
    pub(super) fn parse_held(&self) {
        if let Some(mut turn) = self.incoming.try_acquire()
            && !turn.inbox.is_empty()
        {
            self.parse(&mut turn, true);
        }
    }

    /// Goes through the inbox; messages are queued, or dropped where the queue is full and they
    /// need not be `kept`. Says how many bytes are missing.
    pub(super) fn parse(&self, reader: &mut Reader, kept: bool) -> usize {
        loop {
            match reader.incoming.receive(reader.now, &mut reader.inbox) {
                Ok(Event::Message(message)) => {
                    if kept || !reader.ahead.is_full(0) {
                        reader.ahead.push(message);
                    }
                }
                Ok(Event::NeedMore { hint }) => return hint,
                other => self.note(&mut reader.keep_alive, other),
            }
        }
    }

    /// Takes in the `n` bytes that came where there was `room`.
    fn received(&self, reader: &mut Reader, n: usize, room: usize) {
        if n < room {
            reader.inbox.received(n);
        } else {
            reader.inbox.received_partly(n);
        }
        reader.now = self.epoch.elapsed();
        reader.keep_alive.activity(reader.now);
    }

    /// The stream has ended or failed.
    fn lost(&self, result: io::Result<usize>) {
        self.control.end(match result {
            Ok(_) => End::Dropped,
            Err(error) => End::network(&error),
        });
    }

    /// Everything that can be received beside messages.
    #[cold]
    fn note(&self, keep_alive: &mut KeepAlive, event: Result<Event<'_>, ReceiveError>) {
        match event {
            Ok(Event::Ping(payload)) => {
                if self.control.owes_pong() {
                    self.stack_owed();
                }
                self.control.owe_pong(payload);
            }
            Ok(Event::Pong(payload)) => {
                keep_alive.pong(self.epoch.elapsed(), payload);
            }
            Ok(Event::Closed(close)) => self.control.closed(close),
            // The caller deals with these two, and fragments come only where they are asked for.
            Ok(Event::Message(_) | Event::NeedMore { .. } | Event::Fragment(_)) => {}
            Err(error) => self.control.failed(error),
        }
    }

    /// A wait was in vain: is anything overdue?
    #[cold]
    fn look_at_timers(&self, reader: &mut Reader) {
        let now = self.epoch.elapsed();
        if let Err(limit) = reader.incoming.handle_timeout(now) {
            self.control.failed(limit.into());
            return;
        }
        if self.control.is_closed_by_us() {
            return;
        }
        match reader.keep_alive.handle_timeout(now) {
            KeepAliveAction::None => {}
            KeepAliveAction::Ping(payload) => self.control.owe_ping(payload),
            KeepAliveAction::Dead => self.control.end(End::Silent),
        }
    }
}

fn is_wanted(message: Message<'_>, wanted: Option<MessageKind>) -> Result<(), ClientError> {
    match wanted {
        Some(expected) if expected != message.kind() => {
            Err(ClientError::WrongType { expected, found: message.kind() })
        }
        _ => Ok(()),
    }
}
