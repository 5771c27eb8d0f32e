//! Replies to requests: who waits for which, and gets it whoever receives it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use wirewright_core::{Event, Message, MessageBuf};

use super::driver::{Driver, Reader, deadline, is_past};
use super::error::{ClientError, Deadline};
use super::receive::NoMore;
use crate::message::Id;

/// The replies that are awaited. A request is entered before it is sent, so that none is missed.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// How many there are: looked at without the lock for each message that is received.
    count: AtomicUsize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    awaited: Vec<Awaited>,
}

#[derive(Debug)]
struct Awaited {
    ticket: u64,
    field: String,
    id: Id<'static>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The request is not sent yet.
    Entered,
    /// The reply comes over the connection that the request was sent over, and over no other.
    Sent,
    Replied(MessageBuf),
    /// Its connection was lost before.
    Lost,
}

impl Awaited {
    const fn is_open(&self) -> bool {
        matches!(self.state, State::Entered | State::Sent)
    }
}

/// What a reply is known by.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// The name of a field at the top of the reply,
    pub(super) field: &'a str,
    /// and its value.
    pub(super) id: Id<'static>,
}

impl Replies {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing panics between two changes.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a message to whoever waits for it, the first of several; whether somebody does.
    fn give(&self, text: &str, message: Message<'_>) -> bool {
        let mut entries = self.lock();
        // Mostly all wait for the same field: it is read once.
        let mut read: Option<(String, Option<Id<'_>>)> = None;
        for awaited in entries.awaited.iter_mut().filter(|it| it.is_open()) {
            let known = read.as_ref().is_some_and(|(field, _)| *field == awaited.field);
            if !known {
                read = Some((awaited.field.clone(), Id::of(text, &awaited.field)));
            }
            if read.as_ref().is_some_and(|(_, id)| id.as_ref() == Some(&awaited.id)) {
                awaited.state = State::Replied(message.into());
                return true;
            }
        }
        false
    }

    fn enter(&self, wanted: Wanted<'_>) -> Entry<'_> {
        let mut entries = self.lock();
        let ticket = entries.next;
        entries.next += 1;
        let Wanted { field, id } = wanted;
        let (field, state) = (field.to_owned(), State::Entered);
        entries.awaited.push(Awaited { ticket, field, id, state });
        self.count.store(entries.awaited.len(), Ordering::Release);
        Entry { replies: self, ticket }
    }

    /// Another connection has taken the place of that over which requests were sent.
    pub(super) fn lose(&self) {
        for awaited in &mut self.lock().awaited {
            if matches!(awaited.state, State::Sent) {
                awaited.state = State::Lost;
            }
        }
    }
}

/// One request's place among those that wait; dropping it gives it up.
#[derive(Debug)]
struct Entry<'a> {
    replies: &'a Replies,
    ticket: u64,
}

impl Entry<'_> {
    fn with<T>(&self, look: impl FnOnce(&mut Awaited) -> T) -> Option<T> {
        let mut entries = self.replies.lock();
        entries.awaited.iter_mut().find(|it| it.ticket == self.ticket).map(look)
    }

    /// The request is about to leave, perhaps once more, as the connection was lost.
    fn sent(&self) {
        self.with(|awaited| {
            if !matches!(awaited.state, State::Replied(_)) {
                awaited.state = State::Sent;
            }
        });
    }

    /// Whether there is nothing more to wait for.
    fn is_over(&self) -> bool {
        self.with(|awaited| !awaited.is_open()).unwrap_or(true)
    }

    fn outcome(&self) -> Option<Result<MessageBuf, ClientError>> {
        self.with(|awaited| match std::mem::replace(&mut awaited.state, State::Lost) {
            State::Replied(reply) => Some(Ok(reply)),
            State::Lost => Some(Err(ClientError::dropped())),
            open => {
                awaited.state = open;
                None
            }
        })?
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut entries = self.replies.lock();
        entries.awaited.retain(|it| it.ticket != self.ticket);
        self.replies.count.store(entries.awaited.len(), Ordering::Release);
    }
}

impl Driver {
    /// Whether a message that was received is a reply that somebody waits for, and now has.
    #[inline]
    pub(super) fn is_reply(&self, message: Message<'_>) -> bool {
        self.replies.count.load(Ordering::Acquire) > 0 && self.give_reply(message)
    }

    #[cold]
    fn give_reply(&self, message: Message<'_>) -> bool {
        let Message::Text(text) = message else { return false };
        let given = self.replies.give(text, message);
        if given {
            // Who waits for it may stand in line behind others who wait for anything.
            self.incoming.wake();
        }
        given
    }

    /// Sends a request and waits for its reply. What else comes is kept for those who read.
    pub(super) fn request(
        &self,
        wanted: Wanted<'_>,
        request: Message<'_>,
    ) -> Result<MessageBuf, ClientError> {
        let entry = self.replies.enter(wanted);
        self.write_by(request.kind(), |writer| {
            writer.link.show_sent(request);
            writer.outgoing.send(request, &mut writer.outbox)?;
            // In the sender's turn, without which no other connection takes its place.
            entry.sent();
            Ok(())
        })?;
        let deadline = deadline(self.timing.read);
        let mut gave_way = false;
        loop {
            let turn = self.incoming.acquire_unless(deadline, || entry.is_over());
            if let Some(outcome) = entry.outcome() {
                return outcome;
            }
            let Some(mut turn) = turn else {
                return Err(ClientError::TimedOut(Deadline::Read));
            };
            let is_full = turn.ahead.is_full(0);
            if is_full && gave_way {
                return Err(ClientError::Unread { max: turn.ahead.limit() });
            }
            // Whoever reads had a turn to make room.
            gave_way = is_full;
            if is_full {
                continue;
            }
            self.enter(&turn);
            let received = self.receive_reply(&mut turn, &entry, deadline);
            drop(turn);
            self.leave();
            received?;
        }
    }

    /// Receives until the reply or another message has come.
    fn receive_reply(
        &self,
        reader: &mut Reader,
        entry: &Entry<'_>,
        deadline: Option<Instant>,
    ) -> Result<(), ClientError> {
        let mut waited = false;
        loop {
            match reader.incoming.receive(reader.now, &mut reader.inbox) {
                Ok(Event::Message(message)) => {
                    self.flush_pending(&reader.link);
                    reader.link.count_received(message);
                    if !self.is_reply(message) {
                        reader.ahead.push(message);
                        reader.count_ahead();
                        return Ok(());
                    }
                    if entry.is_over() {
                        return Ok(());
                    }
                }
                // As in `read`.
                Ok(Event::NeedMore { .. }) if waited && is_past(deadline) => {
                    return Err(self.late(&reader.link));
                }
                Ok(Event::NeedMore { hint }) => match self.more(reader, hint, deadline) {
                    Ok(()) => waited = true,
                    Err(NoMore::Late) => return Err(self.late(&reader.link)),
                    Err(NoMore::Ended) => return Err(self.reply_lost(reader)),
                },
                other => self.note(&reader.link, &mut reader.keep_alive, other),
            }
        }
    }

    /// The connection has ended. Another that takes its place knows nothing of the request.
    #[cold]
    fn reply_lost(&self, reader: &mut Reader) -> ClientError {
        if !self.is_to_recover(&reader.link) {
            return self.finish(reader, None);
        }
        self.shut(reader);
        self.begin_recovery(&reader.link);
        let ended = reader.link.control.how_it_ended();
        ended.map_or_else(ClientError::dropped, |(end, _)| end.into_error())
    }
}
