//! One connection of a listener, from its first byte to its last.
//!
//! ```text
//! Opening ── 101 ──▶ Open ── both Closes sent ──────────────▶ gone
//!    └─ refusal ─┐     ├──── end of stream, deadline ───────▶ gone
//!                ▼     ▼ violation, limit, panic
//!              Lingering: the last bytes leave, what comes is discarded ──▶ gone
//! ```

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::Token;
use mio::net::TcpStream;
use wirewright_core::handshake::{Acceptor, Rejection, Request};
use wirewright_core::{Inbox, Incoming, Outbox, Outgoing, Role, Sender};

use super::caller::{Caller, CallerParts};
use super::context::Context;
use super::open::{End, Flow, Open};
use super::service::Service;

/// A connection, as its loop knows it.
pub(crate) struct Connection {
    token: Token,
    stream: Arc<TcpStream>,
    stage: Stage,
    /// Bytes of its own, only while something is incomplete or may not be handled yet.
    inbox: Option<Box<Inbox>>,
    /// When the loop will look at it next.
    pub(crate) scheduled: Duration,
    /// It stands in line for another turn.
    pub(crate) in_line: bool,
}

enum Stage {
    Opening(Box<Opening>),
    Open(Box<Open>),
    Lingering(Box<Lingering>),
}

struct Opening {
    acceptor: Acceptor,
    peer: SocketAddr,
    deadline: Duration,
}

struct Lingering {
    out: Outbox,
    deadline: Duration,
    /// Both sides have said Close, or nothing is left to say: gone as soon as `out` is.
    done: bool,
    shut: bool,
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

/// Bytes per read, at most: more would leave the processor's nearer caches before it is handled.
const READ: usize = 128 * 1024;
/// Reads per turn, so that one connection does not hold up the others.
const READS: usize = 16;
/// How long the peer of a failed connection may take to close its side.
const LINGER: Duration = Duration::from_secs(2);

impl Connection {
    pub(crate) fn new(token: Token, stream: TcpStream, peer: SocketAddr, ctx: &Context) -> Self {
        let acceptor = Acceptor::new(ctx.settings.handshake_limits);
        let deadline = ctx.now.saturating_add(ctx.settings.handshake_timeout);
        Self {
            token,
            stream: Arc::new(stream),
            stage: Stage::Opening(Box::new(Opening { acceptor, peer, deadline })),
            inbox: None,
            scheduled: Duration::MAX,
            in_line: false,
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
        let inbox = own.as_deref_mut().unwrap_or(&mut *scratch);
        let next = self.turn(to_end, inbox, ctx);
        if next == Next::Gone {
            self.close();
            scratch.clear();
            return next;
        }
        match own {
            Some(own) if own.is_empty() => ctx.recycle(own),
            Some(own) => self.inbox = Some(own),
            None if scratch.is_empty() => {}
            None => {
                let mut own = ctx.spare_inbox();
                scratch.move_to(&mut own);
                self.inbox = Some(own);
            }
        }
        next
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
        if ctx.now < self.scheduled {
            // A wake-up that an earlier one has replaced; another one will follow in its time.
            return Next::Wait;
        }
        self.scheduled = Duration::MAX;
        let next = match &mut self.stage {
            Stage::Opening(opening) if ctx.now >= opening.deadline => Next::Gone,
            Stage::Lingering(lingering) if ctx.now >= lingering.deadline => Next::Gone,
            Stage::Open(open) => match open.timeout(ctx) {
                Ok(()) => Next::Wait,
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

    /// Ends at once, whatever is under way.
    pub(crate) fn abort(&mut self) {
        if let Stage::Open(open) = &mut self.stage {
            open.gone();
        }
        self.close();
    }

    fn is_paused(&self) -> bool {
        matches!(&self.stage, Stage::Open(open) if open.is_paused())
    }

    fn close(&mut self) {
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
            }
            Stage::Opening(_) => {}
        }
        let flow = self.read(to_end, inbox, ctx);
        match flow {
            Flow::End(end) => self.end(end, ctx),
            Flow::NeedMore(_) | Flow::Paused | Flow::Again => {
                let Stage::Open(open) = &mut self.stage else {
                    return if matches!(flow, Flow::Again) { Next::Again } else { Next::Wait };
                };
                match open.settle(ctx) {
                    Ok(()) if matches!(flow, Flow::Again) && !open.is_paused() => Next::Again,
                    Ok(()) => Next::Wait,
                    Err(error) => self.end(End::Lost(Some(error)), ctx),
                }
            }
        }
    }

    /// Handles what is held, then reads and handles until there is no more.
    fn read(&mut self, to_end: bool, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        let mut hint = 1;
        if !inbox.is_empty() || self.is_paused() {
            match self.handle(inbox, ctx) {
                Flow::NeedMore(more) => hint = more,
                other => return other,
            }
        }
        for _ in 0..READS {
            let room = inbox.space(hint);
            // What is unmasked right after it was read is still near.
            let size = room.len().min(READ);
            let room = &mut room[..size];
            match (&*self.stream).read(room) {
                Ok(0) => return Flow::End(End::Lost(None)),
                Ok(n) => {
                    // A short read has drained the socket; what comes later is a new event.
                    let drained = n < size;
                    if drained {
                        inbox.received(n);
                    } else {
                        inbox.received_partly(n);
                    }
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
                Err(error) => return Flow::End(End::Lost(Some(error))),
            }
        }
        Flow::Again
    }

    /// The socket has no more: what was left to be judged with it is judged by itself.
    fn drained(&mut self, hint: usize, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        if !inbox.has_more_at_hand() {
            return Flow::NeedMore(hint);
        }
        inbox.received(0);
        self.handle(inbox, ctx)
    }

    fn handle(&mut self, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        let opening = match &mut self.stage {
            Stage::Open(open) => return open.handle(inbox, ctx),
            Stage::Lingering(_) => return Flow::NeedMore(1),
            Stage::Opening(opening) => opening,
        };
        let rejection = match opening.acceptor.receive(inbox) {
            Ok(None) => return Flow::NeedMore(1),
            Ok(Some(request)) => match self.accept(request, ctx) {
                Ok(()) => return self.handle(inbox, ctx),
                Err(rejection) => rejection,
            },
            Err(rejection) => rejection,
        };
        tracing::debug!(status = rejection.status(), "handshake refused");
        let mut out = Outbox::new();
        rejection.send(&mut out);
        Flow::End(End::Refused(out))
    }

    /// Answers a request with 101, or says why not.
    fn accept(&mut self, request: Request, ctx: &mut Context) -> Result<(), Rejection> {
        let Stage::Opening(opening) = &self.stage else { return Ok(()) };
        let settings = Arc::clone(&ctx.settings);
        let mut upgrade = request.upgrade()?.sub_protocols(&settings.sub_protocols);
        let service = ctx.upgrade(upgrade.request())?;
        if let Some(compression) = &settings.config.compression {
            upgrade = upgrade.compression(compression)?;
        }
        let mut out = Outbox::new();
        let accepted = upgrade.accept(&mut out)?;
        let agreement = accepted.deflate();
        let caller = Caller::new(CallerParts {
            token: self.token,
            peer: opening.peer,
            sub_protocol: accepted.sub_protocol().map(Into::into),
            stream: Arc::clone(&self.stream),
            outgoing: Outgoing::new(Sender::Server, &settings.config, agreement),
            out,
            cap: settings.max_queued,
            mailbox: Arc::clone(&ctx.mailbox),
        });
        let incoming = Incoming::new(Role::Server, &settings.config, agreement);
        self.open(caller, incoming, service, ctx);
        Ok(())
    }

    fn open(
        &mut self,
        caller: Caller,
        incoming: Incoming,
        service: Box<dyn Service>,
        ctx: &mut Context,
    ) {
        let mut open = Box::new(Open::new(caller, incoming, service, ctx));
        open.begin(ctx);
        self.stage = Stage::Open(open);
    }

    /// Leaves the stage that ended: what is still to be sent is sent, for a while.
    fn end(&mut self, end: End, ctx: &mut Context) -> Next {
        let (out, done) = match end {
            End::Lost(error) => {
                if let Stage::Open(open) = &mut self.stage {
                    open.lost(error);
                }
                return Next::Gone;
            }
            End::Refused(out) => (out, false),
            End::Closed(out) => (out, true),
            End::Failed(out) => (out, false),
        };
        // What is queued has as long as a Close has for its answer.
        let deadline = ctx.now.saturating_add(ctx.settings.close_timeout.max(LINGER));
        let mut lingering = Box::new(Lingering { out, deadline, done, shut: false });
        let next = lingering.turn(&self.stream, &mut Inbox::new(), ctx.now);
        self.stage = Stage::Lingering(lingering);
        next
    }
}

impl Lingering {
    /// Sends what is left, then waits for the peer to close: closing on unread bytes would make
    /// the system reset the connection, and what was sent last could be lost on the way.
    fn turn(&mut self, stream: &TcpStream, inbox: &mut Inbox, now: Duration) -> Next {
        while let Some(bytes) = self.out.poll_transmit() {
            match io::Write::write(&mut &*stream, bytes) {
                Ok(n) => self.out.transmitted(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Next::Gone,
            }
        }
        if self.out.is_empty() {
            if self.done {
                return Next::Gone;
            }
            if !self.shut {
                self.shut = true;
                self.deadline = self.deadline.min(now.saturating_add(LINGER));
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
        for _ in 0..READS {
            inbox.clear();
            match (&*stream).read(inbox.space(1)) {
                Ok(0) => return Next::Gone,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Next::Gone,
            }
        }
        Next::Again
    }
}
