//! The sending half of a connection: messages and control frames in, bytes out.

use alloc::boxed::Box;
use core::ops::Deref;

use crate::close::{Close, CloseCode};
use crate::config::{Config, Role};
use crate::deflate::{Agreement, Deflation};
use crate::encoder::{self, FrameKind};
use crate::error::Misuse;
use crate::frame_writer::{Begun, FrameWriter, Written};
use crate::header::{MAX_CONTROL_PAYLOAD, MAX_HEADER};
use crate::masking_keys::MaskingKeys;
use crate::message::{Message, MessageKind};
use crate::opcode::OpCode;
use crate::outbox::Outbox;
use crate::reply::{Kind, Reply};

/// The sending half of a connection. It appends to an [`Outbox`], which the caller transmits.
///
/// ```text
/// Idle ──send_part(last: false)──▶ Parts ──send_part(last: true)──▶ Idle
///   └────────── send_close, reply to a Close, fail ──▶ Closed ◀──────┘
/// ```
/// Control frames may be sent in both open states (RFC 6455 §5.4).
#[derive(Debug)]
pub struct Outgoing {
    pub(crate) frame_size: usize,
    pub(crate) keys: Option<MaskingKeys>,
    pub(crate) deflation: Option<Box<Deflation>>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Parts { kind: MessageKind },
    Closed,
}

/// Which end sends: a client brings its source of masking keys.
#[derive(Debug)]
pub enum Sender {
    /// Masks every frame (RFC 6455 §5.1).
    Client(MaskingKeys),
    /// "A server MUST NOT mask any frames" (RFC 6455 §5.1).
    Server,
}

impl Outgoing {
    /// The sending half, with what the handshake agreed on.
    #[must_use]
    pub fn new(sender: Sender, config: &Config, agreement: Option<Agreement>) -> Self {
        let (role, keys) = match sender {
            Sender::Client(keys) => (Role::Client, Some(keys)),
            Sender::Server => (Role::Server, None),
        };
        let deflation = agreement
            .zip(config.compression.as_ref())
            .map(|(agreement, ours)| Box::new(Deflation::new(ours, agreement.sending(role))));
        let frame_size = config.outgoing_frame_size.max(1);
        Self { frame_size, keys, deflation, state: State::Idle }
    }

    /// Sends a message, compressed if that was negotiated and its length reaches
    /// [`Compression::threshold`](crate::Compression::threshold), in as many frames as
    /// [`Config::outgoing_frame_size`] asks for.
    ///
    /// # Errors
    /// [`Misuse::CloseSent`] after a Close, [`Misuse::MessageOpen`] between parts.
    // Always: a listener has more than one way here, and the usual one is worth it.
    #[inline(always)]
    pub fn send(&mut self, message: Message<'_>, out: &mut Outbox) -> Result<(), Misuse> {
        self.idle()?;
        let compress =
            self.deflation.as_ref().is_some_and(|deflation| message.len() >= deflation.threshold);
        if compress {
            self.send_compressed(message, out);
            return Ok(());
        }
        self.frames(FrameKind::whole(message.kind()), message.as_bytes(), out);
        Ok(())
    }

    /// Sends a message as it is, whatever was negotiated: for what is compressed already, and
    /// for secrets beside text that an attacker chooses (RFC 7692 §8).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_uncompressed(
        &mut self,
        message: Message<'_>,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        self.idle()?;
        self.frames(FrameKind::whole(message.kind()), message.as_bytes(), out);
        Ok(())
    }

    /// Sends a message that `write` writes where it will leave from, compressed and cut as
    /// [`send`](Self::send) does: one that is neither is never copied. After an error of `write`
    /// the outbox is as before.
    ///
    /// # Errors
    /// As [`send`](Self::send), before `write` is called; [`Misuse::TextUtf8`] for a text that is
    /// none; the error of `write`.
    pub fn send_with<E: From<Misuse>>(
        &mut self,
        kind: MessageKind,
        out: &mut Outbox,
        write: impl FnOnce(FrameWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let written = self.write(kind, out, write)?;
        self.send_written(kind, written, out);
        Ok(())
    }

    /// As [`send_with`](Self::send_with), and as it is, whatever was negotiated.
    ///
    /// # Errors
    /// As [`send_with`](Self::send_with).
    pub fn send_uncompressed_with<E: From<Misuse>>(
        &mut self,
        kind: MessageKind,
        out: &mut Outbox,
        write: impl FnOnce(FrameWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let written = self.write(kind, out, write)?;
        self.send_written_plain(kind, written, out);
        Ok(())
    }

    /// Sends a part of a message that need never exist as a whole; the first begins it, the
    /// `last` ends it. Control frames may go between parts, other messages may not.
    ///
    /// # Errors
    /// [`Misuse::CloseSent`] after a Close, [`Misuse::PartKind`] if the type changes within a
    /// message.
    pub fn send_part(
        &mut self,
        part: Message<'_>,
        last: bool,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        let kind = part.kind();
        let first = match self.state {
            State::Closed => return Err(Misuse::CloseSent),
            State::Idle => true,
            State::Parts { kind: begun } if begun == kind => false,
            State::Parts { .. } => return Err(Misuse::PartKind),
        };
        let opcode = if first { opcode(kind) } else { OpCode::Continuation };
        let frame = FrameKind { opcode, rsv1: first && self.deflation.is_some(), fin: last };
        match &mut self.deflation {
            Some(deflation) => {
                let mut bytes = out.take_deflated();
                deflation.compress(part.as_bytes(), last, &mut bytes, &mut out.spare_compressor);
                self.frames(frame, &bytes, out);
                out.return_deflated(bytes);
            }
            None => self.frames(frame, part.as_bytes(), out),
        }
        self.state = if last { State::Idle } else { State::Parts { kind } };
        Ok(())
    }

    /// The header of a message whose payload the caller writes itself, straight from where it
    /// lies: a copy saved. `None` where the payload is masked, compressed or cut into several
    /// frames; then [`send`](Self::send) it. The caller must put header and payload on the wire
    /// next, after all that is in the outbox.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn head(&self, message: Message<'_>) -> Result<Option<FrameHead>, Misuse> {
        self.idle()?;
        let len = message.len();
        let compress = self.deflation.as_ref().is_some_and(|deflation| len >= deflation.threshold);
        if self.keys.is_some() || compress || len > self.frame_size {
            return Ok(None);
        }
        let mut bytes = [0; MAX_HEADER];
        let header = encoder::header(FrameKind::whole(message.kind()), len, None);
        let len = header.encode(&mut bytes);
        Ok(Some(FrameHead { bytes, len }))
    }

    /// Sends a Ping (RFC 6455 §5.5.2).
    ///
    /// # Errors
    /// [`Misuse::CloseSent`] after a Close, [`Misuse::ControlTooLong`] over 125 bytes.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut Outbox) -> Result<(), Misuse> {
        self.control(OpCode::Ping, payload, out)
    }

    /// Sends a Pong, unasked (RFC 6455 §5.5.3); the answer to a Ping is [`reply`](Self::reply).
    ///
    /// # Errors
    /// As [`send_ping`](Self::send_ping).
    pub fn send_pong(&mut self, payload: &[u8], out: &mut Outbox) -> Result<(), Misuse> {
        self.control(OpCode::Pong, payload, out)
    }

    /// Begins, or answers, the closing handshake (RFC 6455 §7.1.2); nothing can be sent after it.
    ///
    /// # Errors
    /// [`Misuse::CloseSent`] if one was sent.
    pub fn send_close(&mut self, close: Close<'_>, out: &mut Outbox) -> Result<(), Misuse> {
        let mut body = [0; MAX_CONTROL_PAYLOAD];
        let len = close.encode(&mut body);
        self.control(OpCode::Close, &body[..len], out)?;
        self.state = State::Closed;
        Ok(())
    }

    /// Sends what the receiving half owes. After a Close it is nothing: a Pong may no longer be
    /// sent and a Close was.
    pub fn reply(&mut self, reply: Reply, out: &mut Outbox) {
        // The one error is that a Close was sent, and then nothing is owed.
        let _ = match reply.kind() {
            Kind::Pong { payload, len } => {
                self.control(OpCode::Pong, &payload[..usize::from(len)], out)
            }
            Kind::Close(code) => self.send_close(Close::from_code(code), out),
        };
    }

    /// Tells the peer why the connection fails (RFC 6455 §7.1.7), unless a Close was sent.
    pub fn fail(&mut self, code: CloseCode, out: &mut Outbox) {
        self.reply(Reply::close(code), out);
    }

    /// Gives back what compressing holds, some 70 KiB where the window is kept from message to
    /// message, if nothing was compressed since this was last called: to be called when a
    /// connection is found idle. The next message then begins a window of its own, which RFC 7692
    /// §7.1 leaves to the sender.
    pub fn release_idle(&mut self) {
        if self.state == State::Idle
            && let Some(deflation) = &mut self.deflation
        {
            deflation.release_idle();
        }
    }

    /// Whether a Close was sent, so that no data can be.
    #[must_use]
    pub fn is_close_sent(&self) -> bool {
        self.state == State::Closed
    }

    #[inline]
    pub(crate) fn idle(&self) -> Result<(), Misuse> {
        // The common case is one comparison.
        if matches!(self.state, State::Idle) { Ok(()) } else { Err(self.why_not_idle()) }
    }

    #[cold]
    fn why_not_idle(&self) -> Misuse {
        match self.state {
            // "The application MUST NOT send any more data frames after sending a Close frame"
            // (RFC 6455 §5.5.1).
            State::Closed => Misuse::CloseSent,
            State::Idle | State::Parts { .. } => Misuse::MessageOpen,
        }
    }

    #[inline]
    fn frames(&mut self, kind: FrameKind, payload: &[u8], out: &mut Outbox) {
        encoder::frames(kind, payload, self.frame_size, self.keys.as_mut(), out);
    }

    fn control(&mut self, opcode: OpCode, payload: &[u8], out: &mut Outbox) -> Result<(), Misuse> {
        if self.state == State::Closed {
            return Err(Misuse::CloseSent);
        }
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(Misuse::ControlTooLong(payload.len()));
        }
        let kind = FrameKind { opcode, rsv1: false, fin: true };
        encoder::frame(kind, payload, self.keys.as_mut(), out);
        Ok(())
    }

    fn send_compressed(&mut self, message: Message<'_>, out: &mut Outbox) {
        let Some(deflation) = &mut self.deflation else {
            return;
        };
        deflation.send(message, self.frame_size, self.keys.as_mut(), out);
    }

    fn write<E: From<Misuse>>(
        &self,
        kind: MessageKind,
        out: &mut Outbox,
        write: impl FnOnce(FrameWriter<'_>) -> Result<(), E>,
    ) -> Result<Written, E> {
        self.idle()?;
        let mut begun = Begun::new(&mut out.buffer);
        write(begun.writer())?;
        Ok(begun.keep(kind)?)
    }

    fn send_written(&mut self, kind: MessageKind, written: Written, out: &mut Outbox) {
        let payload = written.payload(&out.buffer);
        let deflation = self.deflation.as_mut().filter(|it| payload.len() >= it.threshold);
        let Some(deflation) = deflation else {
            return self.send_written_plain(kind, written, out);
        };
        let mut bytes = core::mem::take(&mut out.deflated);
        deflation.compress(payload, true, &mut bytes, &mut out.spare_compressor);
        // As in `Deflation::send`.
        if deflation.forgets() && bytes.len() >= payload.len() {
            out.return_deflated(bytes);
            return self.send_written_plain(kind, written, out);
        }
        written.remove(&mut out.buffer);
        self.frames(FrameKind { rsv1: true, ..FrameKind::whole(kind) }, &bytes, out);
        out.return_deflated(bytes);
    }

    fn send_written_plain(&mut self, kind: MessageKind, written: Written, out: &mut Outbox) {
        let kind = FrameKind::whole(kind);
        let payload = written.payload(&out.buffer);
        if payload.len() <= self.frame_size {
            return written.seal(kind, self.keys.as_mut(), &mut out.buffer);
        }
        // Headers go in between, so that each part moves: by way of the memory for compression.
        let mut bytes = core::mem::take(&mut out.deflated);
        bytes.extend_from_slice(payload);
        written.remove(&mut out.buffer);
        self.frames(kind, &bytes, out);
        out.return_deflated(bytes);
    }
}

impl Deflation {
    /// Appends a message, compressed, as frames of at most `size` bytes.
    pub(crate) fn send(
        &mut self,
        message: Message<'_>,
        size: usize,
        keys: Option<&mut MaskingKeys>,
        out: &mut Outbox,
    ) {
        let payload = message.as_bytes();
        let mut kind = FrameKind::whole(message.kind());
        let mut bytes = out.take_deflated();
        self.compress(payload, true, &mut bytes, &mut out.spare_compressor);
        // What grew goes as it is, where the peer's window would not miss it.
        if self.forgets() && bytes.len() >= payload.len() {
            encoder::frames(kind, payload, size, keys, out);
        } else {
            kind.rsv1 = true;
            encoder::frames(kind, &bytes, size, keys, out);
        }
        out.return_deflated(bytes);
    }
}

impl FrameKind {
    #[inline]
    pub(crate) fn whole(kind: MessageKind) -> Self {
        Self { opcode: opcode(kind), rsv1: false, fin: true }
    }
}

#[inline]
fn opcode(kind: MessageKind) -> OpCode {
    match kind {
        MessageKind::Text => OpCode::Text,
        MessageKind::Binary => OpCode::Binary,
    }
}

/// A frame's header in bytes, from [`Outgoing::head`].
#[derive(Clone, Copy, Debug)]
pub struct FrameHead {
    bytes: [u8; MAX_HEADER],
    len: usize,
}

impl Deref for FrameHead {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
