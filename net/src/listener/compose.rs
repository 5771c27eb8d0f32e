//! A caller's messages of every kind: those that are there, and those that are written.

use serde::Serialize;
use wirewright_core::{FrameWriter, Message, MessageKind, Misuse};

use super::caller::{Caller, Sent};
use crate::close_frame::CloseFrame;
use crate::error::SendError;
use crate::message::{BoxError, IntoMessage, Json, MessageSink, MessageWriter, WriteError};

impl Caller {
    /// Sends a text message.
    ///
    /// # Errors
    /// [`SendError::Closed`] once a Close was sent or the connection is over,
    /// [`SendError::Full`] while the queue is at its cap; the message was not sent.
    pub fn write_text(&self, text: &str) -> Result<Sent, SendError> {
        self.send(Message::Text(text))
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// As [`write_text`](Self::write_text).
    pub fn write_binary(&self, bytes: &[u8]) -> Result<Sent, SendError> {
        self.send(Message::Binary(bytes))
    }

    /// Sends any [message](IntoMessage): a string as text, bytes as binary,
    /// [`Json(value)`](Json).
    ///
    /// # Errors
    /// [`WriteError::Send`] as [`write_text`](Self::write_text); [`WriteError::Value`] for a value
    /// that is no message, of which nothing was sent.
    #[inline]
    pub fn write_message(&self, message: impl IntoMessage) -> Result<Sent, WriteError> {
        message.put_into(To { caller: self, compress: true })
    }

    /// As [`write_message`](Self::write_message), and not compressed, whatever was negotiated: for
    /// what is compressed already, and for secrets beside text that an attacker chooses
    /// (RFC 7692 §8).
    ///
    /// # Errors
    /// As [`write_message`](Self::write_message).
    pub fn write_uncompressed(&self, message: impl IntoMessage) -> Result<Sent, WriteError> {
        message.put_into(To { caller: self, compress: false })
    }

    /// Sends this value as JSON, in a text message.
    ///
    /// # Errors
    /// As [`write_message`](Self::write_message).
    pub fn write_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<Sent, WriteError> {
        self.write_message(Json(value))
    }

    /// Sends a message of this kind that `write` writes straight into the queue. If it fails, or
    /// what it writes as text is not UTF-8, nothing was sent.
    ///
    /// It runs while nobody else can send on this connection: it must not use this very caller,
    /// for which it would wait for ever.
    ///
    /// ```
    /// # use wirewright::{Caller, MessageKind, WriteError};
    /// use std::fmt::Write;
    ///
    /// fn greet(caller: &Caller, name: &str) -> Result<(), WriteError> {
    ///     let _ = caller.write_with(MessageKind::Text, |message| {
    ///         write!(message, "hello, {name}")?;
    ///         Ok(())
    ///     })?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`write_message`](Self::write_message).
    pub fn write_with(
        &self,
        kind: MessageKind,
        write: impl FnMut(&mut MessageWriter<'_>) -> Result<(), BoxError>,
    ) -> Result<Sent, WriteError> {
        To { caller: self, compress: true }.write(kind, write)
    }

    /// As [`close`](Self::close), with one of the named frames.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn close_frame(&self, frame: &CloseFrame) -> Result<(), SendError> {
        self.close(frame.code().value(), frame.reason())
    }
}

#[derive(Clone, Copy)]
struct To<'a> {
    caller: &'a Caller,
    compress: bool,
}

impl MessageSink for To<'_> {
    type Done = Sent;
    type Error = WriteError;

    #[inline]
    fn send(self, message: Message<'_>) -> Result<Sent, WriteError> {
        if self.compress {
            return Ok(self.caller.send(message)?);
        }
        self.caller.send_as(message, false)
    }

    #[inline]
    fn write(
        self,
        kind: MessageKind,
        mut write: impl FnMut(&mut MessageWriter<'_>) -> Result<(), BoxError>,
    ) -> Result<Sent, WriteError> {
        let mut sending = self.caller.lock();
        if sending.is_gated() {
            // It may have to wait, and to be dropped, before it is encoded.
            let mut bytes = Vec::new();
            write(&mut MessageWriter::to_bytes(&mut bytes)).map_err(WriteError::Value)?;
            drop(sending);
            return match kind {
                MessageKind::Binary => self.caller.send_as(Message::Binary(&bytes), self.compress),
                MessageKind::Text => {
                    let text = std::str::from_utf8(&bytes).map_err(|_| Misuse::TextUtf8)?;
                    self.caller.send_as(Message::Text(text), self.compress)
                }
            };
        }
        let sent = sending.append_by(kind, |outgoing, out| {
            let write = |frame: FrameWriter<'_>| {
                write(&mut MessageWriter::to_frame(frame)).map_err(WriteError::Value)
            };
            if self.compress {
                outgoing.send_with(kind, out, write)
            } else {
                outgoing.send_uncompressed_with(kind, out, write)
            }
        });
        match sent {
            Ok(sent) => Ok(self.caller.sent(sending, Ok(sent))?),
            Err(error) => {
                self.caller.note_and_look(sending);
                Err(error)
            }
        }
    }
}

impl Caller {
    /// Sends a message, compressed if it is to be.
    fn send_as(&self, message: Message<'_>, compress: bool) -> Result<Sent, WriteError> {
        let mut sending = self.lock();
        let sent = sending.send_gated_as(message, compress, self.tuning());
        Ok(self.sent(sending, sent)?)
    }
}
