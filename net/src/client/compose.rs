//! Sending what is not there as a message yet, or is not to be compressed.

use std::time::Instant;

use wirewright_core::{FrameWriter, Message, MessageKind, Misuse, Outbox, Outgoing};

use super::driver::{Driver, deadline};
use super::error::ClientError;
use super::transmit::Failed;
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
        self.driver.write_repeatable(|driver, deadline| {
            driver.write_by(deadline, |outgoing, out| Ok(outgoing.send_uncompressed(message, out)?))
        })
    }

    #[inline]
    fn write(
        self,
        kind: MessageKind,
        write: impl FnOnce(&mut MessageWriter<'_>) -> Result<(), BoxError>,
    ) -> Result<(), ClientError> {
        if self.driver.recovery.is_some() {
            // What may have to be sent again over another connection has to be at hand.
            return self.buffered(kind, write);
        }
        let sent = self.driver.write_by(deadline(self.driver.timing.write), |outgoing, out| {
            let write = |frame: FrameWriter<'_>| {
                write(&mut MessageWriter::to_frame(frame)).map_err(ClientError::Value)
            };
            if self.compress {
                outgoing.send_with(kind, out, write)
            } else {
                outgoing.send_uncompressed_with(kind, out, write)
            }
        });
        sent.map_err(|failed| failed.error)
    }
}

impl To<'_> {
    fn buffered(
        self,
        kind: MessageKind,
        write: impl FnOnce(&mut MessageWriter<'_>) -> Result<(), BoxError>,
    ) -> Result<(), ClientError> {
        let mut bytes = Vec::new();
        write(&mut MessageWriter::to_bytes(&mut bytes)).map_err(ClientError::Value)?;
        match kind {
            MessageKind::Binary => self.send(Message::Binary(&bytes)),
            MessageKind::Text => {
                let text = std::str::from_utf8(&bytes).map_err(|_| Misuse::TextUtf8)?;
                self.send(Message::Text(text))
            }
        }
    }
}

impl Driver {
    /// Sends a message that `send` appends to the outbox as a whole.
    #[inline]
    fn write_by(
        &self,
        deadline: Option<Instant>,
        send: impl FnOnce(&mut Outgoing, &mut Outbox) -> Result<(), ClientError>,
    ) -> Result<(), Failed> {
        self.with_turn(deadline, |writer, deadline| {
            send(&mut writer.outgoing, &mut writer.outbox)?;
            writer.link.counts.sent.messages.add(1);
            self.transmit_begun(writer, deadline)
        })
    }
}
