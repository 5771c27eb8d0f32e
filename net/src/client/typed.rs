//! A client's messages as values.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wirewright_core::{Message, MessageKind};

use super::compose::To;
use super::replies::Wanted;
use super::{Client, ClientError};
use crate::close_frame::CloseFrame;
use crate::message::MessageWriter;
use crate::message::{self, BoxError, FromMessage, Id, IntoMessage, Json, MessageSink};

impl Client {
    /// Sends any [message](IntoMessage): a string as text, bytes as binary,
    /// [`Json(value)`](Json). When this returns, the system has all of it.
    ///
    /// # Errors
    /// [`Misuse::CloseSent`](wirewright_core::Misuse::CloseSent) after a close of this side;
    /// [`ClientError::TimedOut`], which says whether a part was sent; [`ClientError::Value`] for a
    /// value that is no message; and when the connection has ended, as [`read`](Self::read).
    #[inline]
    pub fn write_message(&self, message: impl IntoMessage) -> Result<(), ClientError> {
        message.put_into(To { driver: &self.driver, compress: true })
    }

    /// As [`write_message`](Self::write_message), and not compressed, whatever was negotiated: for
    /// what is compressed already, and for secrets beside text that an attacker chooses
    /// (RFC 7692 §8).
    ///
    /// # Errors
    /// As [`write_message`](Self::write_message).
    pub fn write_uncompressed(&self, message: impl IntoMessage) -> Result<(), ClientError> {
        message.put_into(To { driver: &self.driver, compress: false })
    }

    /// Sends this value as JSON, in a text message.
    ///
    /// # Errors
    /// As [`write_message`](Self::write_message).
    #[inline]
    pub fn write_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), ClientError> {
        self.write_message(Json(value))
    }

    /// Sends a message of this kind that `write` writes where it will leave from: masked there,
    /// and compressed or cut if need be. If it fails, or what it writes as text is not UTF-8,
    /// nothing is sent.
    ///
    /// Other senders wait until `write` returns, and a write of this client inside it would wait
    /// for itself. If the connection is lost, and another takes its place
    /// ([`retry`](super::ClientBuilder::retry)), it is called again. The message is there as a
    /// whole before its first byte leaves: for one of many megabytes that is at hand already,
    /// [`write_message`](Self::write_message) needs less.
    ///
    /// ```no_run
    /// use std::io::Write;
    /// use wirewright::{Client, MessageKind};
    ///
    /// let client = Client::connect("ws://127.0.0.1:9001/")?;
    /// client.write_with(MessageKind::Text, |message| {
    ///     for number in 0..1000 {
    ///         writeln!(message, "{number}")?;
    ///     }
    ///     Ok(())
    /// })?;
    /// # Ok::<(), wirewright::ClientError>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Value`] with the error of `write`,
    /// [`Misuse::TextUtf8`](wirewright_core::Misuse::TextUtf8), else as
    /// [`write_message`](Self::write_message).
    pub fn write_with(
        &self,
        kind: MessageKind,
        write: impl FnMut(&mut MessageWriter<'_>) -> Result<(), BoxError>,
    ) -> Result<(), ClientError> {
        To { driver: &self.driver, compress: true }.write(kind, write)
    }

    /// Waits for the next message, and reads it as a `T`: [`String`], [`Vec<u8>`], [`Json`],
    /// `Valid`, a type of the user's.
    ///
    /// # Errors
    /// [`ClientError::Bind`] if it is none; the next read returns it, so that whoever does not want
    /// it takes it out with [`read`](Self::read). Else as [`read`](Self::read).
    pub fn read_message<T: FromMessage>(&self) -> Result<T, ClientError> {
        self.driver.read(|message| Ok(message::bind(message, self.driver.validate)?))
    }

    /// Waits for the next message, which is to be JSON.
    ///
    /// # Errors
    /// As [`read_message`](Self::read_message).
    pub fn read_json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        self.read_message().map(|Json(value)| value)
    }

    /// Sends a request as JSON and waits for the reply to it: the first text that is a JSON object
    /// whose field `stream_id` has the value of the request's. Any number of threads may do so at
    /// a time, with an id each; other threads may read meanwhile, and get all that is no awaited
    /// reply, in its order. Without any, up to
    /// [`max_read_ahead`](super::ClientBuilder::max_read_ahead) bytes of it are kept.
    ///
    /// ```no_run
    /// use wirewright::{Client, Json};
    ///
    /// let client = Client::connect("ws://127.0.0.1:9001/orders")?;
    /// let request = serde_json::json!({"event": "cancel", "id": "7f", "order": 17});
    /// let Json(reply) = client.request::<Json<serde_json::Value>>("id", &request)?;
    /// # Ok::<(), wirewright::ClientError>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Value`] if the request is no object with that field;
    /// [`ClientError::TimedOut`] after `read_timeout`: a reply that comes later is a message as any
    /// other, and so it is after [`ClientError::Unread`]; [`ClientError::Bind`] if the reply is no
    /// `T`, with which the reply is lost; [`ClientError::Closed`] also if the connection was lost
    /// and another has taken its place, which knows nothing of the request. Else as
    /// [`write_message`](Self::write_message) and [`read`](Self::read).
    pub fn request<T: FromMessage>(
        &self,
        stream_id: &str,
        request: &(impl Serialize + ?Sized),
    ) -> Result<T, ClientError> {
        let text = serde_json::to_string(request);
        let text = text.map_err(|error| ClientError::Value(Box::new(error)))?;
        let Some(id) = Id::of(&text, stream_id) else {
            let why = format!("request without the field {stream_id:?} for the id of its reply");
            return Err(ClientError::Value(why.into()));
        };
        let wanted = Wanted { field: stream_id, id: id.into_owned() };
        let reply = self.driver.request(wanted, Message::Text(&text))?;
        Ok(message::bind(reply.message(), self.driver.validate)?)
    }

    /// As [`close_with`](Self::close_with), with one of the named frames.
    ///
    /// # Errors
    /// As [`close_with`](Self::close_with).
    pub fn close_frame(
        &self,
        frame: &CloseFrame,
        timeout: Option<Duration>,
    ) -> Result<(), ClientError> {
        self.close_with(frame.code().value(), frame.reason(), timeout)
    }
}
