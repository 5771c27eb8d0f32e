//! Sending what is not there as a message yet, or is not to be compressed.

use wirewright_core::{FrameWriter, Message, MessageKind};

use super::driver::{Driver, Writer, deadline};
use super::error::ClientError;
use crate::message::{BoxError, MessageSink, MessageWriter};

/// Where a client's messages go.
#[derive(Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) driver: &'a Driver,
    pub(super) compress: bool,
}

impl MessageSink for To<'_> {
    type Done = ();
    type Error = ClientError;

    #[inline]
    fn send(self, message: Message<'_>) -> Result<(), ClientError> {
        if self.compress {
            return self.driver.write(message);
        }
        self.driver.write_by(message.kind(), |writer| {
            writer.link.show_sent(message);
            Ok(writer.outgoing.send_uncompressed(message, &mut writer.outbox)?)
        })
    }

    #[inline]
    fn write(
        self,
        kind: MessageKind,
        mut write: impl FnMut(&mut MessageWriter<'_>) -> Result<(), BoxError>,
    ) -> Result<(), ClientError> {
        self.driver.write_by(kind, |Writer { outgoing, outbox, .. }| {
            let write = |frame: FrameWriter<'_>| {
                write(&mut MessageWriter::to_frame(frame)).map_err(ClientError::Value)
            };
            if self.compress {
                outgoing.send_with(kind, outbox, write)
            } else {
                outgoing.send_uncompressed_with(kind, outbox, write)
            }
        })
    }
}

impl Driver {
    /// Sends a message that `send` appends to the outbox as a whole; once more, if the connection
    /// was lost and another has taken its place.
    #[inline]
    pub(super) fn write_by(
        &self,
        kind: MessageKind,
        mut send: impl FnMut(&mut Writer) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let deadline = deadline(self.timing.write);
        loop {
            let sent = self.with_turn(deadline, |writer, deadline| {
                send(writer)?;
                writer.link.count_written(kind);
                self.transmit_begun(writer, deadline)
            });
            match sent {
                Ok(()) => return Ok(()),
                Err(failed) => self.write_again(failed, deadline)?,
            }
        }
    }
}
