//! A connection over TLS: what its loop has on the far side of the layer, and how its queue leaves.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use wirewright_core::{Inbox, LayerError, Outbox};

use super::budget::Charge;
use super::caller::Sent;
use super::context::Context;
use super::sending::{Rest, Sending};
use crate::error::SendError;
use crate::secure::{Progress, Secure, broken};

/// The receiving side, and both until the 101.
pub(crate) struct Secured {
    pub(crate) secure: Arc<Secure>,
    /// Received and not open yet: less than a record, or a message of the handshake.
    wire: Inbox,
    charge: Charge,
    /// Sealed and not sent yet, until the queue of the open connection takes it over.
    pub(super) out: Outbox,
    /// How it ends, once what came before that is handled: with an error, or as it should.
    over: Option<io::Result<()>>,
}

/// The sending side of an open connection.
pub(crate) struct Sealing {
    secure: Arc<Secure>,
    /// What the system did not take.
    rest: Outbox,
}

/// What came of a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    /// Bytes from the system.
    pub(crate) bytes: usize,
    /// It has no more, as far as is known.
    pub(crate) drained: bool,
}

impl Receipt {
    /// The end of the stream.
    const END: Self = Self { bytes: 0, drained: true };
}

/// Room to read records into: four of the longest, and what is left of one before.
const WIRE: usize = 80 * 1024;

/// What one record holds (RFC 8446 §5.1).
const RECORD: usize = 16 * 1024;

thread_local! {
    /// What is sealed on its way to the system: one for all connections that a thread sends on.
    static SEALED: RefCell<Outbox> = const { RefCell::new(Outbox::new()) };
}

impl Secured {
    pub(crate) fn new(secure: Secure, ctx: &Context) -> Self {
        Self {
            secure: Arc::new(secure),
            wire: Inbox::new(),
            charge: ctx.settings.defaults.tuning.budget.charge(),
            out: Outbox::new(),
            over: None,
        }
    }

    /// Reads `most` bytes at most and opens them; what they say is appended to `inbox`.
    // Out of line: plain connections run through where this is called.
    #[inline(never)]
    pub(crate) fn receive(
        &mut self,
        mut stream: &TcpStream,
        most: usize,
        inbox: &mut Inbox,
        ctx: &mut Context,
    ) -> io::Result<Receipt> {
        if let Some(over) = self.over.take() {
            return over.map(|()| Receipt::END);
        }
        let wire = &mut ctx.wire;
        if wire.capacity() == 0 {
            *wire = Inbox::with_capacity(WIRE);
        }
        if !self.wire.is_empty() {
            // Where there is room, and in front of what is read now.
            self.wire.move_to(wire);
        }
        let room = wire.space(1);
        let size = room.len().min(most);
        let read = stream.read(&mut room[..size]);
        wire.received(*read.as_ref().unwrap_or(&0));
        let Ok(bytes @ 1..) = read else {
            self.keep(ctx);
            read?;
            return self
                .secure
                .ended()
                .map_or_else(|error| Err(cut_off(error)), |()| Ok(Receipt::END));
        };
        let before = inbox.unread().len();
        let opened = self.secure.open(wire, inbox);
        self.keep(ctx);
        let over = match opened {
            Ok(Progress::Wait) => return Ok(Receipt { bytes, drained: bytes < size }),
            Ok(Progress::Closed) => Ok(()),
            Err(error) => Err(invalid(error)),
        };
        if inbox.unread().len() == before {
            return over.map(|()| Receipt::END);
        }
        // What came before the end counts.
        self.over = Some(over);
        Ok(Receipt { bytes, drained: false })
    }

    /// Keeps what is not open yet, and counts it.
    fn keep(&mut self, ctx: &mut Context) {
        if ctx.wire.is_empty() {
            self.wire.release();
        } else {
            ctx.wire.move_to(&mut self.wire);
        }
        ctx.exceeded |= !self.charge.set(self.wire.capacity());
    }

    /// Sends what the layer itself has to say, as far as the system takes it; before the 101.
    pub(crate) fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.secure.take_owed(&mut self.out);
        write(stream, &mut self.out, &mut |_| {})?;
        self.out.release();
        Ok(())
    }

    /// For the sending side of the connection that is now open.
    pub(crate) fn sealing(&mut self) -> Sealing {
        Sealing { secure: Arc::clone(&self.secure), rest: std::mem::take(&mut self.out) }
    }

    /// Seals what is left to be sent, and the layer's goodbye behind it.
    pub(crate) fn seal_rest(&mut self, rest: &mut Rest) {
        let mut sealed = std::mem::take(&mut rest.sealed);
        self.out.move_to(&mut sealed);
        if self.secure.seal_all(&mut rest.out, &mut sealed).is_ok() {
            self.secure.close(&mut sealed);
        }
        // What cannot be sealed cannot be sent; an alert that says why can.
        self.secure.take_owed(&mut sealed);
        rest.out = sealed;
    }
}

impl Sealing {
    /// Bytes that are sealed and wait.
    pub(super) fn waiting(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take_rest(&mut self) -> Outbox {
        std::mem::take(&mut self.rest)
    }

    /// Writes what is sealed already; whether all of it has left.
    fn write_rest(&mut self, stream: &TcpStream, sent: &mut impl FnMut(usize)) -> io::Result<bool> {
        let left = write(stream, &mut self.rest, sent)?;
        if left {
            self.rest.release();
        }
        Ok(left)
    }

    /// Seals and writes what `next` seals into the outbox that it is given, as long as there is
    /// any; whether all of that has left.
    fn write_all(
        &mut self,
        stream: &TcpStream,
        sent: &mut impl FnMut(usize),
        mut next: impl FnMut(&Secure, &mut Outbox) -> io::Result<()>,
    ) -> io::Result<bool> {
        if !self.write_rest(stream, sent)? {
            return Ok(false);
        }
        SEALED.with_borrow_mut(|wire| {
            let result = loop {
                if let Err(error) = next(&self.secure, wire) {
                    break Err(error);
                }
                if wire.is_empty() {
                    break Ok(true);
                }
                match write(stream, wire, sent) {
                    Ok(true) => {}
                    other => break other,
                }
            };
            match &result {
                Ok(_) => wire.move_to(&mut self.rest),
                // Nothing of it may leave for another connection.
                Err(_) => *wire = Outbox::new(),
            }
            wire.settle();
            result
        })
    }
}

impl Sending {
    /// Writes what is encoded, sealed; whether all of it has left.
    #[inline(never)]
    pub(super) fn write_sealed(&mut self) -> io::Result<bool> {
        self.write_sealed_with(&[]).map(|(left, _)| left)
    }

    /// A large message, sealed from where it lies, behind what waits. Only what the system does
    /// not take is copied, and what is to share a record with the head.
    pub(super) fn write_direct_sealed(
        &mut self,
        head: &[u8],
        payload: &[u8],
    ) -> Result<Sent, SendError> {
        let out = self.out.get_or_insert_default();
        out.extend(head);
        let (first, rest) = payload.split_at(payload.len().min(RECORD.saturating_sub(out.len())));
        out.extend(first);
        let Ok((_, sealed)) = self.write_sealed_with(rest) else { return self.broken() };
        if sealed < rest.len() {
            self.out.get_or_insert_default().extend(&rest[sealed..]);
        }
        let queued = self.queued();
        Ok(if queued == 0 { Sent::Written } else { Sent::Queued(queued) })
    }

    /// Seals and writes what is encoded and then `payload`, as much as the system takes; whether
    /// all that was sealed has left, and how much of `payload` that was.
    fn write_sealed_with(&mut self, payload: &[u8]) -> io::Result<(bool, usize)> {
        let nothing = (true, payload.len());
        let (Some(rare), Some(stream)) = (&mut self.rare, &self.stream) else { return Ok(nothing) };
        let Some(sealing) = &mut rare.sealing else { return Ok(nothing) };
        let out = &mut self.out;
        let (mut taken, mut done) = (0, 0);
        let left = sealing.write_all(stream, &mut |n| taken += n, |secure, wire| {
            match out {
                Some(out) => secure.seal(out, wire).map_err(broken)?,
                None => secure.take_owed(wire),
            }
            // Where that has filled a write, this seals nothing.
            done += secure.seal_slice(&payload[done..], wire).map_err(broken)?;
            Ok(())
        });
        if sealing.waiting() > 0 {
            // It counts beside what is encoded.
            self.gate = 0;
        }
        self.taken(taken);
        left.map(|left| (left, done))
    }
}

/// Writes all of it, or as much as the system takes.
fn write(
    mut stream: &TcpStream,
    wire: &mut Outbox,
    sent: &mut impl FnMut(usize),
) -> io::Result<bool> {
    while let Some(bytes) = wire.poll_transmit() {
        match stream.write(bytes) {
            Ok(n) => {
                wire.transmitted(n);
                sent(n);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The peer has ended the stream without saying so.
fn cut_off(error: LayerError) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, error)
}

/// What came is not to be trusted.
fn invalid(error: LayerError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
