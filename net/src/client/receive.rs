//! Receiving: by whoever wants a message, and by whoever cannot send until the peer can.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use wirewright_core::{Event, KeepAlive, Message, ReceiveError};

use super::driver::{Driver, Flushed, Reader, deadline, is_past};
use super::error::{ClientError, Deadline};
use super::link::Link;
use super::socket::Ways;
use super::turn::Taken;
use crate::trace;

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

/// What came of taking in what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakenIn {
    /// Something, or the end.
    Something,
    /// Nothing: whoever wants more has to wait.
    Nothing,
}

/// Why no bytes were taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoMore {
    /// The deadline has come.
    Late,
    /// The connection has ended.
    Ended,
}

impl Driver {
    /// Gives the next message to `take`. One that it does not take is the next again.
    #[inline]
    pub(super) fn read<T>(
        &self,
        take: impl FnOnce(Message<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let deadline = deadline(self.timing.read);
        let late = ClientError::TimedOut(Deadline::Read);
        let turn = self.incoming.acquire(deadline).ok_or(late)?;
        self.enter(&turn);
        let result = self.read_next(turn, deadline, take);
        self.leave();
        result
    }

    #[inline]
    fn read_next<'a, T>(
        &'a self,
        mut turn: Taken<'a, Reader>,
        deadline: Option<Instant>,
        take: impl FnOnce(Message<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut reader = &mut *turn;
        if let Some(message) = reader.ahead.front() {
            let taken = take(message)?;
            reader.ahead.pop();
            reader.count_ahead();
            return Ok(taken);
        }
        let mut waited = false;
        loop {
            match reader.incoming.receive(reader.now, &mut reader.inbox) {
                Ok(Event::Message(message)) => {
                    // The caller may take long before it comes back.
                    self.flush_pending(&reader.link);
                    reader.link.count_received(message);
                    if self.is_reply(message) {
                        continue;
                    }
                    let taken = take(message);
                    if taken.is_err() {
                        reader.ahead.put_back(message);
                        reader.count_ahead();
                    }
                    return taken;
                }
                // A server that sends all the time, and never a message, does not move it either.
                Ok(Event::NeedMore { .. }) if waited && is_past(deadline) => {
                    return Err(self.late(&reader.link));
                }
                Ok(Event::NeedMore { hint }) => match self.more(reader, hint, deadline) {
                    Ok(()) => waited = true,
                    Err(NoMore::Late) => return Err(self.late(&reader.link)),
                    Err(NoMore::Ended) => {
                        turn = self.next_link(turn, deadline)?;
                        reader = &mut *turn;
                    }
                },
                other => self.note(&reader.link, &mut reader.keep_alive, other),
            }
        }
    }

    /// The connection has ended: the reader's turn again once another has taken its place, if
    /// one is to.
    #[cold]
    fn next_link<'a>(
        &'a self,
        mut turn: Taken<'a, Reader>,
        deadline: Option<Instant>,
    ) -> Result<Taken<'a, Reader>, ClientError> {
        if !self.is_to_recover(&turn.link) {
            return Err(self.finish(&mut turn, None));
        }
        self.shut(&mut turn);
        let link = Arc::clone(&turn.link);
        drop(turn);
        let late = || ClientError::TimedOut(Deadline::Read);
        self.await_recovery(&link, deadline, late())?;
        let turn = self.incoming.acquire(deadline).ok_or_else(late)?;
        self.enter(&turn);
        Ok(turn)
    }

    /// A read gives up. What is owed leaves first, a Ping above all: its time runs already, and
    /// the caller may take long before it comes back.
    pub(super) fn late(&self, link: &Link) -> ClientError {
        self.flush_pending(link);
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
            if reader.link.control.has_ended() {
                return Err(NoMore::Ended);
            }
            let pending = reader.link.control.is_pending();
            let blocked = pending && self.flush() == Flushed::Blocked;
            let until = self.until(reader, deadline);
            let more = reader.inbox.has_more_at_hand();
            let result = reader.receive(hint, |socket, kernel, space| {
                if more {
                    socket.try_receive(space)
                } else if blocked {
                    let ways = Ways { read: true, write: true };
                    let ready = socket.wait(ways, until.earliest());
                    ready.and_then(|_| socket.try_receive(space))
                } else {
                    socket.receive(kernel, space, until)
                }
            });
            match result {
                Ok(true) => return Ok(()),
                Err(error) if more && error.kind() == io::ErrorKind::WouldBlock => {
                    // What was left to be judged with what comes next is judged before waiting.
                    reader.inbox.received(0);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    reader.look_at_timers();
                    if is_past(deadline) {
                        return Err(NoMore::Late);
                    }
                }
                other => reader.lost(other.err()),
            }
        }
    }

    /// Takes in what is there, whole messages into the queue, so that a peer that writes can go
    /// on to read; for a sender that waits for it.
    pub(super) fn read_ahead(&self) -> Ahead {
        match self.incoming.try_acquire() {
            None => Ahead::Busy,
            Some(mut turn) => self.take_ahead(&mut turn),
        }
    }

    pub(super) fn take_ahead(&self, reader: &mut Reader) -> Ahead {
        loop {
            let hint = self.parse(reader, true);
            if reader.link.control.has_ended() {
                return Ahead::Ended;
            }
            if reader.ahead.is_full(reader.inbox.unread().len()) {
                return Ahead::Full;
            }
            if reader.take_in(hint) == TakenIn::Nothing {
                return Ahead::More;
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
                    reader.link.count_received(message);
                    if !self.is_reply(message) && (kept || !reader.ahead.is_full(0)) {
                        reader.ahead.push(message);
                        reader.count_ahead();
                    }
                }
                Ok(Event::NeedMore { hint }) => return hint,
                other => self.note(&reader.link, &mut reader.keep_alive, other),
            }
        }
    }

    /// Everything that can be received beside messages.
    #[cold]
    pub(super) fn note(
        &self,
        link: &Link,
        keep_alive: &mut KeepAlive,
        event: Result<Event<'_>, ReceiveError>,
    ) {
        match event {
            Ok(Event::Ping(payload)) => {
                trace::control("received a ping", link.id, payload);
                link.counts.received.pings.add(1);
                if let Some(pong) = self.hooks.ping(payload) {
                    if link.control.owes_pong() {
                        self.stack_owed(link);
                    }
                    link.control.owe_pong(pong);
                }
            }
            Ok(Event::Pong(payload)) => {
                trace::control("received a pong", link.id, payload);
                link.counts.received.pongs.add(1);
                if let Some(trip) = keep_alive.pong(link.epoch.elapsed(), payload) {
                    let nanos = u64::try_from(trip.as_nanos()).unwrap_or(u64::MAX);
                    link.counts.received.round_trip.set(nanos.max(1));
                }
                self.hooks.pong(payload);
            }
            Ok(Event::Closed(close)) => {
                link.counts.received.closes.add(1);
                link.control.closed(close);
            }
            // The caller deals with these two, and fragments come only where they are asked for.
            Ok(Event::Message(_) | Event::NeedMore { .. } | Event::Fragment(_)) => {}
            Err(error) => link.control.failed(error),
        }
    }
}
