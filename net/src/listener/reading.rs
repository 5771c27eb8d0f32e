//! How bytes come to a connection: in reads of a size that suits the processor's caches, until the
//! socket has no more.

use std::io::{self, Read};

use wirewright_core::Inbox;

use super::connection::{Connection, READS, Stage};
use super::context::Context;
use super::open::{End, Flow};

/// Bytes per read, at most: more would leave the processor's nearer caches before it is handled.
const READ: usize = 128 * 1024;
/// The same before the 101: what lies behind a request is kept while others decide on it.
const READ_OPENING: usize = 8 * 1024;

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
            let room = inbox.space(hint);
            // What is unmasked right after it was read is still near.
            let size = room.len().min(most);
            let room = &mut room[..size];
            match (&*self.stream).read(room) {
                Ok(0) => return Flow::End(End::Lost(None)),
                Ok(n) => {
                    ctx.read(n);
                    // A short read has drained the socket; what comes later is a new event.
                    let drained = n < size;
                    match drained {
                        true => inbox.received(n),
                        false => inbox.received_partly(n),
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
}
