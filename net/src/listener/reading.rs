//! How bytes come to a connection: in reads of a size that suits the processor's caches, until the
//! socket has no more.

use std::io::{self, Read};

use wirewright_core::{Inbox, LayerError};

use super::admission::{Held, Reason};
use super::connection::{Connection, Extra, Next, READS, Stage};
use super::context::Context;
use super::open::{End, Flow};
use super::secured::Receipt;

/// Bytes per read, at most: more would leave the processor's nearer caches before it is handled.
const READ: usize = 128 * 1024;
/// The same before the 101: what lies behind a request is kept while others decide on it.
const READ_OPENING: usize = 8 * 1024;
/// Bytes behind a request that are taken in while somebody decides on it; a client has no business
/// to send any before the answer (RFC 6455 §4.1).
const AHEAD: usize = 4 * 1024;

impl Connection {
    /// Handles what is held, then reads and handles until there is no more.
    pub(super) fn read(&mut self, to_end: bool, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        let mut hint = 1;
        // What another connection's last turn has left is not this one's.
        (ctx.fresh, ctx.bytes_in, ctx.messages_in) = (0, 0, 0);
        if !inbox.is_empty() || self.is_held_up() {
            match self.handle(inbox, ctx) {
                Flow::NeedMore(more) => hint = more,
                other => return other,
            }
        }
        let most = if matches!(self.stage, Stage::Opening(_)) { READ_OPENING } else { READ };
        for _ in 0..READS {
            match self.receive(hint, most, inbox, ctx) {
                Ok(Receipt { bytes: 0, .. }) => return self.ended(None, ctx),
                Ok(Receipt { bytes, drained }) => {
                    ctx.read(bytes);
                    match self.handle(inbox, ctx) {
                        Flow::NeedMore(more) => hint = more,
                        other => return other,
                    }
                    if drained && !to_end {
                        return Flow::NeedMore(hint);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.drained(hint, inbox, ctx);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.broken_off(error, ctx),
            }
        }
        Flow::Again
    }

    /// Reads once, of what `hint` bytes are wanted, and no more than `most`.
    #[inline]
    fn receive(
        &mut self,
        hint: usize,
        most: usize,
        inbox: &mut Inbox,
        ctx: &mut Context,
    ) -> io::Result<Receipt> {
        if let Some(secured) = Extra::secured(&mut self.extra) {
            let receipt = secured.receive(&self.stream, most, inbox, ctx);
            if matches!(self.stage, Stage::Opening(_)) {
                secured.flush(&self.stream)?;
            }
            return receipt;
        }
        let room = inbox.space(hint);
        // What is unmasked right after it was read is still near.
        let size = room.len().min(most);
        let bytes = (&*self.stream).read(&mut room[..size])?;
        // A short read has drained the socket; what comes later is a new event.
        let drained = bytes < size;
        match drained {
            true => inbox.received(bytes),
            false => inbox.received_partly(bytes),
        }
        Ok(Receipt { bytes, drained })
    }

    /// Sends what the layer has to say; before the 101, after which the queue does.
    pub(super) fn flush_layer(&mut self) -> io::Result<()> {
        Extra::secured(&mut self.extra).map_or(Ok(()), |secured| secured.flush(&self.stream))
    }

    /// While others decide on a request, takes in what comes, up to a bound: a peer that is gone is
    /// noticed.
    pub(super) fn hold(&mut self, inbox: &mut Inbox, ctx: &mut Context) -> Next {
        while let room @ 1.. = AHEAD.saturating_sub(inbox.unread().len()) {
            match self.receive(1, room, inbox, ctx) {
                // It may have ended its side only, and wait for the answer.
                Ok(Receipt { bytes: 0, .. }) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Next::Gone,
            }
        }
        Next::Wait
    }

    /// Reading has failed.
    #[cold]
    fn broken_off(&mut self, error: io::Error, ctx: &Context) -> Flow {
        if !error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<LayerError>) {
            return Flow::End(End::Lost(Some(error)));
        }
        if let Stage::Opening(opening) = &self.stage {
            tracing::debug!(peer = %opening.peer, %error, "no TLS with a peer");
            ctx.settings.admission.refused(Reason::Tls);
        }
        self.ended(Some(error), ctx)
    }

    /// The stream has ended, or its layer has failed. Over TLS the peer is told: "Each party MUST
    /// send a "close_notify" alert before closing its write side of the connection" (RFC 8446
    /// §6.1), or an alert that says what was wrong (§6.2).
    #[cold]
    fn ended(&mut self, error: Option<io::Error>, ctx: &Context) -> Flow {
        let is_secured = Extra::secured(&mut self.extra).is_some();
        match &mut self.stage {
            Stage::Open(open) if is_secured => Flow::End(End::Failed(open.left(error))),
            Stage::Opening(_) if is_secured => {
                ctx.settings.admission.turn(&mut self.held, Held::Leaving);
                Flow::End(End::Refused(Box::default()))
            }
            _ => Flow::End(End::Lost(error)),
        }
    }

    /// The socket has no more: what was left to be judged with it is judged by itself.
    fn drained(&mut self, hint: usize, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        if !inbox.has_more_at_hand() {
            return Flow::NeedMore(hint);
        }
        inbox.received(0);
        self.handle(inbox, ctx)
    }
}
