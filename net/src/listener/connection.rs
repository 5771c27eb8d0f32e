//! One connection of a listener, from its first byte to its last.
//!
//! ```text
//! Opening ── 101 ──▶ Open ── both Closes sent ──────────────▶ gone
//!    └─ refusal ─┐     ├──── end of stream, deadline ───────▶ gone
//!                ▼     ▼ violation, limit, panic
//!              Lingering: the last bytes leave, what comes is discarded ──▶ gone
//! ```

use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use mio::Token;
use mio::net::TcpStream;
use wirewright_core::Inbox;

use super::admission::{Held, Place, Reason};
use super::context::{Context, OwnInbox};
use super::lingering::{LINGER, Lingering};
use super::mailbox::Newcomer;
use super::open::{End, Flow, Open};
use super::opening::{Decision, Opening, discard};
use super::secured::Secured;
use crate::clock;
use crate::secure::Secure;

/// A connection, as its loop knows it.
pub(crate) struct Connection {
    pub(super) token: Token,
    pub(super) stream: Arc<TcpStream>,
    pub(super) stage: Stage,
    /// Bytes of its own, only while something is incomplete or may not be handled yet.
    pub(super) inbox: Option<Box<OwnInbox>>,
    /// When the loop will look at it next, in nanoseconds.
    pub(crate) scheduled: u64,
    /// It stands in line for another turn.
    pub(crate) in_line: bool,
    /// Something was published to it that is to be written.
    pub(crate) published: bool,
    /// What it counts as.
    pub(crate) held: Held,
    /// What not every connection has.
    pub(super) extra: Option<Box<Extra>>,
}

/// One word on connections that have nothing of it.
#[derive(Default)]
pub(super) struct Extra {
    /// Its place among those of its address and identity, where they are limited.
    pub(super) place: Option<Box<Place>>,
    /// Over TLS: what lies between the socket and the inbox.
    pub(super) secured: Option<Secured>,
}

impl Extra {
    /// What lies between the socket and the inbox, over TLS.
    #[inline]
    pub(super) fn secured(extra: &mut Option<Box<Self>>) -> Option<&mut Secured> {
        extra.as_mut()?.secured.as_mut()
    }
}

pub(super) enum Stage {
    Opening(Box<Opening>),
    Open(Box<Open>),
    Lingering(Box<Lingering>),
}

/// What the loop does with a connection next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait for an event.
    Wait,
    /// There is more to read; others first.
    Again,
    /// Forget it.
    Gone,
}

/// Bytes of a handshake of TLS that belong together and are kept, at most: certificates of a
/// client, mostly.
const MAX_OPENING: usize = 32 * 1024;
/// Reads per turn, so that one connection does not hold up the others.
pub(crate) const READS: usize = 16;

impl Connection {
    pub(crate) fn new(token: Token, newcomer: Newcomer, ctx: &Context) -> Self {
        let Newcomer { stream, peer, held, place, layer } = newcomer;
        let stage = match held {
            Held::Leaving => Stage::Lingering(Box::new(Lingering::busy(&stream, ctx))),
            _ => Stage::Opening(Box::new(Opening::new(token, peer, ctx))),
        };
        let secured = layer.map(|layer| Secured::new(Secure::new(layer, MAX_OPENING), ctx));
        let some = place.is_some() || secured.is_some();
        let extra = some.then(|| Box::new(Extra { place, secured }));
        Self {
            token,
            stream: Arc::new(stream),
            stage,
            inbox: None,
            scheduled: u64::MAX,
            in_line: false,
            published: false,
            held,
            extra,
        }
    }

    /// The socket, to be registered with the loop and taken off it.
    pub(crate) fn stream_mut(&mut self) -> Option<&mut TcpStream> {
        Arc::get_mut(&mut self.stream)
    }

    /// Does what an event makes possible: writes what waits, reads and handles what came. With
    /// `to_end`, it reads until the system says that there is no more.
    pub(crate) fn drive(&mut self, to_end: bool, scratch: &mut Inbox, ctx: &mut Context) -> Next {
        let mut own = self.inbox.take();
        let inbox = own.as_mut().map_or(&mut *scratch, |own| &mut own.inbox);
        let next = self.turn(to_end, inbox, ctx);
        if next == Next::Gone {
            self.close();
            scratch.clear();
            return next;
        }
        match own {
            Some(own) if own.inbox.is_empty() => ctx.recycle(own),
            Some(own) => self.keep(own, ctx),
            None if scratch.is_empty() => {}
            None => {
                let mut own = ctx.spare_inbox();
                scratch.move_to(&mut own.inbox);
                self.keep(own, ctx);
            }
        }
        next
    }

    fn keep(&mut self, mut own: Box<OwnInbox>, ctx: &mut Context) {
        ctx.charge(&mut own);
        self.inbox = Some(own);
    }

    /// Whether the loop will look at it in time without being told anew.
    #[inline]
    pub(crate) fn is_scheduled(&self) -> bool {
        let Stage::Open(open) = &self.stage else { return false };
        self.scheduled != u64::MAX && open.is_steady()
    }

    /// When to call [`timeout`](Self::timeout), at the latest.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Opening(opening) => Some(opening.deadline),
            Stage::Open(open) => open.deadline(),
            Stage::Lingering(lingering) => Some(lingering.deadline),
        }
    }

    /// Acts on what is due.
    pub(crate) fn timeout(&mut self, ctx: &mut Context) -> Next {
        if clock::nanos(ctx.now) < self.scheduled {
            // A wake-up that an earlier one has replaced; another one will follow in its time.
            return Next::Wait;
        }
        self.scheduled = u64::MAX;
        let next = match &mut self.stage {
            Stage::Opening(opening) if ctx.now >= opening.deadline => match opening.overdue() {
                Some(refusal) => match self.refuse(&refusal, ctx) {
                    Flow::End(end) => self.end(end, ctx),
                    _ => Next::Gone,
                },
                None => {
                    let peer = opening.peer;
                    tracing::debug!(%peer, "no request within `handshake_timeout`");
                    ctx.settings.admission.refused(Reason::Deadline);
                    Next::Gone
                }
            },
            Stage::Lingering(lingering) if ctx.now >= lingering.deadline => Next::Gone,
            Stage::Open(open) => match open.timeout(ctx) {
                Ok(true) => Next::Again,
                Ok(false) => Next::Wait,
                Err(end) => self.end(end, ctx),
            },
            _ => Next::Wait,
        };
        if next == Next::Gone {
            self.close();
        }
        next
    }

    /// Begins the closing handshake with 1001, or drops what is not yet open.
    pub(crate) fn go_away(&mut self, ctx: &mut Context) -> Next {
        match &mut self.stage {
            Stage::Opening(_) => {
                self.close();
                Next::Gone
            }
            Stage::Open(open) => {
                open.go_away(ctx);
                Next::Wait
            }
            Stage::Lingering(_) => Next::Wait,
        }
    }

    /// Takes the answer of whoever was asked about the request; the next turn acts on it.
    pub(crate) fn decided(&mut self, decision: Box<Decision>) {
        match &mut self.stage {
            Stage::Opening(opening) => opening.answered(decision),
            // It came too late.
            _ => discard(decision),
        }
    }

    /// Ends at once, whatever is under way.
    pub(crate) fn abort(&mut self) {
        if let Stage::Open(open) = &mut self.stage {
            open.gone();
        }
        self.close();
    }

    /// Whether something is to be handled although nothing has arrived.
    pub(super) fn is_held_up(&self) -> bool {
        match &self.stage {
            Stage::Open(open) => open.is_paused(),
            Stage::Opening(opening) => opening.is_answered(),
            Stage::Lingering(_) => false,
        }
    }

    pub(super) fn close(&mut self) {
        // Fails only where the peer was faster.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn turn(&mut self, to_end: bool, inbox: &mut Inbox, ctx: &mut Context) -> Next {
        match &mut self.stage {
            Stage::Lingering(lingering) => return lingering.turn(&self.stream, inbox, ctx.now),
            Stage::Open(open) => {
                if open.resume(ctx).is_err() {
                    return self.end(End::Lost(None), ctx);
                }
                if to_end
                    && open.is_held()
                    && let Ok(Some(error)) = self.stream.take_error()
                {
                    // Reading, which is where a reset shows, is not for now.
                    return self.end(End::Lost(Some(error)), ctx);
                }
            }
            Stage::Opening(opening) => {
                let is_asking = opening.is_asking();
                if self.flush_layer().is_err() {
                    return self.end(End::Lost(None), ctx);
                }
                if is_asking {
                    return self.hold(inbox, ctx);
                }
            }
        }
        let flow = self.read(to_end, inbox, ctx);
        match flow {
            Flow::End(end) => {
                // Nothing of it will be handled, and what is left must not be held while lingering.
                inbox.clear();
                if let Stage::Open(open) = &self.stage {
                    open.count_last(ctx);
                }
                self.end(end, ctx)
            }
            Flow::NeedMore(_) | Flow::Paused | Flow::Again => {
                let Stage::Open(open) = &mut self.stage else {
                    return if matches!(flow, Flow::Again) { Next::Again } else { Next::Wait };
                };
                match open.settle(ctx) {
                    Ok(true) => Next::Again,
                    Ok(false) if matches!(flow, Flow::Again) && !open.is_paused() => Next::Again,
                    Ok(false) => Next::Wait,
                    Err(error) => self.end(End::Lost(Some(error)), ctx),
                }
            }
        }
    }

    /// Leaves the stage that ended: what is still to be sent is sent, for a while.
    pub(super) fn end(&mut self, end: End, ctx: &mut Context) -> Next {
        let (mut rest, done) = match end {
            End::Lost(error) => {
                if let Stage::Open(open) = &mut self.stage {
                    open.lost(error);
                }
                return Next::Gone;
            }
            End::Refused(rest) => (rest, false),
            End::Closed(rest) => (rest, true),
            End::Failed(rest) => (rest, false),
        };
        if let Some(secured) = Extra::secured(&mut self.extra) {
            secured.seal_rest(&mut rest);
        }
        // What is queued has as long as a Close has for its answer, and a refusal as a request.
        let time = match &self.stage {
            Stage::Open(open) => open.close_timeout(),
            _ => ctx.settings.handshake_timeout,
        };
        let deadline = ctx.now.saturating_add(time.max(LINGER));
        let mut lingering = Box::new(Lingering::new(rest, done, deadline));
        let next = lingering.turn(&self.stream, &mut Inbox::new(), ctx.now);
        self.stage = Stage::Lingering(lingering);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What grows here is paid for each connection there is; `docs/PERFORMANCE.md` has the sum.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_idle_connection_is_no_larger_than_it_was() {
        assert!(size_of::<Connection>() <= 64, "{}", size_of::<Connection>());
        assert!(size_of::<Open>() <= 184, "{}", size_of::<Open>());
    }
}
