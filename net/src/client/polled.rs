//! A client without waiting, for users with an event loop of their own.

use std::sync::Arc;
use std::time::Instant;

use wirewright_core::{Event, Message, MessageBuf};

use super::Client;
use super::driver::{Driver, Flushed, Reader, Writer};
use super::error::ClientError;
use super::link::Link;
use super::receive::TakenIn;

/// These calls wait for nothing. A loop of one's own does this:
///
/// - [switch custody off](super::ClientBuilder::custody), as nobody else is to drive;
/// - when the [descriptor](Self::descriptor) is readable, [`try_read`](Self::try_read) until it
///   says `None`;
/// - while [`wants_write`](Self::wants_write), wait for it to be writable too, and
///   [`flush`](Self::flush);
/// - at [`next_timeout`](Self::next_timeout), [`handle_timeout`](Self::handle_timeout).
impl Client {
    /// The next message, if it has come.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for its time-out.
    pub fn try_read(&self) -> Result<Option<MessageBuf>, ClientError> {
        self.try_read_with(|message| message.into())
    }

    /// As [`try_read`](Self::try_read), lending the message where it lies.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    pub fn try_read_with<T>(
        &self,
        take: impl FnOnce(Message<'_>) -> T,
    ) -> Result<Option<T>, ClientError> {
        self.driver.try_read(take)
    }

    /// Sends a message as far as the system takes it, and keeps the rest; `false` if there is
    /// still a rest of what was sent before, and nothing of this one was taken.
    ///
    /// # Errors
    /// As [`write_text`](Self::write_text), but for its time-out.
    pub fn try_write<'a>(&self, message: impl Into<Message<'a>>) -> Result<bool, ClientError> {
        self.driver.try_write(message.into())
    }

    /// Whether something waits for the system to take more.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.driver.link().control.is_pending()
    }

    /// Sends what waits, as far as the system takes it; whether nothing is left.
    pub fn flush(&self) -> bool {
        self.driver.flush() == Flushed::Clean
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` for never, and while a
    /// thread is inside a read, which sees to it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let turn = self.driver.incoming.try_acquire()?;
        self.driver.until(&turn, None).earliest()
    }

    /// Does what is due: a Ping, or the end of a server that is silent or does not finish a
    /// message. What comes of it is said by the next read.
    pub fn handle_timeout(&self) {
        if let Some(mut turn) = self.driver.incoming.try_acquire() {
            self.driver.serve_timers(&mut turn);
        }
    }
}

impl Driver {
    fn try_read<T>(&self, take: impl FnOnce(Message<'_>) -> T) -> Result<Option<T>, ClientError> {
        let Some(mut turn) = self.incoming.try_acquire() else { return Ok(None) };
        self.enter(&turn);
        let result = self.try_next(&mut turn, take);
        drop(turn);
        self.leave();
        result
    }

    fn try_next<T>(
        &self,
        reader: &mut Reader,
        take: impl FnOnce(Message<'_>) -> T,
    ) -> Result<Option<T>, ClientError> {
        if let Some(message) = reader.ahead.pop() {
            reader.count_ahead();
            return Ok(Some(take(message.message())));
        }
        loop {
            match reader.incoming.receive(reader.now, &mut reader.inbox) {
                Ok(Event::Message(message)) => {
                    reader.link.count_received(message);
                    self.flush_pending(&reader.link);
                    if self.is_reply(message) {
                        continue;
                    }
                    return Ok(Some(take(message)));
                }
                Ok(Event::NeedMore { hint }) => {
                    if reader.link.control.has_ended() {
                        return self.try_end(reader);
                    }
                    if reader.take_in(hint) == TakenIn::Nothing {
                        self.serve_timers(reader);
                        let ended = reader.link.control.has_ended();
                        return if ended { self.try_end(reader) } else { Ok(None) };
                    }
                }
                other => self.note(&reader.link, &mut reader.keep_alive, other),
            }
        }
    }

    /// The connection has ended: nothing for now where another is to take its place.
    fn try_end<T>(&self, reader: &mut Reader) -> Result<Option<T>, ClientError> {
        self.serve_end(reader);
        let link = Arc::clone(&reader.link);
        if self.is_to_recover(&link) {
            return self.recovery_so_far(&link).map(|()| None);
        }
        let end = link.control.how_it_ended();
        Err(end.map_or_else(ClientError::dropped, |(end, _)| end.into_error()))
    }

    fn try_write(&self, message: Message<'_>) -> Result<bool, ClientError> {
        let Some(mut turn) = self.outgoing.try_acquire() else { return Ok(false) };
        let result = self.try_send(&mut turn, message);
        let link = Arc::clone(&turn.link);
        drop(turn);
        if self.pending.is_set_after() && self.flush() == Flushed::Blocked {
            self.leave_rest();
        }
        result.or_else(|error| self.try_again(error, &link))
    }

    fn try_send(&self, writer: &mut Writer, message: Message<'_>) -> Result<bool, ClientError> {
        self.ready_to_send(writer)?;
        if self.transmit_now(writer) == Flushed::Blocked {
            return Ok(false);
        }
        self.ready_to_send(writer)?;
        writer.outgoing.send(message, &mut writer.outbox)?;
        writer.link.count_sent(message);
        self.transmit_now(writer);
        self.ready_to_send(writer)?;
        writer.settle();
        Ok(true)
    }

    /// A message was not taken: nothing but that, where another connection is to come.
    fn try_again(&self, error: ClientError, link: &Link) -> Result<bool, ClientError> {
        let error = self.explain(error, link);
        if !self.is_to_recover(link) {
            return Err(error);
        }
        self.recovery_so_far(link).map(|()| false)
    }
}

#[cfg(unix)]
mod descriptor {
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
    use std::sync::Arc;

    use super::{Client, Link};

    /// The socket of a client's connection, to wait for events on. It must be neither read nor
    /// written. It stays open as long as this lives, also when another connection has taken this
    /// one's place.
    #[derive(Clone, Debug)]
    pub struct ClientDescriptor(Arc<Link>);

    impl Client {
        /// The socket of the connection as it is at present. With
        /// [`retry`](crate::ClientBuilder::retry) it is another one for each connection, of which
        /// [`on_state`](crate::ClientBuilder::on_state) tells.
        #[must_use]
        pub fn descriptor(&self) -> ClientDescriptor {
            ClientDescriptor(self.driver.link())
        }
    }

    impl AsFd for ClientDescriptor {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.socket.as_fd()
        }
    }

    impl AsRawFd for ClientDescriptor {
        fn as_raw_fd(&self) -> RawFd {
            self.as_fd().as_raw_fd()
        }
    }

    impl AsRawFd for Client {
        /// As [`descriptor`](Client::descriptor), valid as long as the connection.
        fn as_raw_fd(&self) -> RawFd {
            self.driver.link().socket.as_fd().as_raw_fd()
        }
    }
}

#[cfg(unix)]
pub use descriptor::ClientDescriptor;
