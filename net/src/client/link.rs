//! One connection of a client, which may have several, one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use wirewright_core::Uri;
use wirewright_core::handshake::Response;

use super::control::{Control, Pending};
use super::socket::Socket;
use super::stats::Counts;

/// What the two halves of a connection share. Each half has it beside what is its own, so that
/// whoever has a turn has the connection that belongs to it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) control: Control,
    /// The moment from which the engine's times count.
    pub(super) epoch: Instant,
    pub(super) response: Arc<Response>,
    /// Where the connection leads, behind redirects.
    pub(super) uri: Arc<Uri>,
    pub(super) id: u64,
    pub(super) counts: Counts,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Link {
    pub(super) fn new(socket: Socket, response: Response, uri: Uri, pending: Arc<Pending>) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self {
            socket,
            control: Control::new(id, pending),
            epoch: Instant::now(),
            response: Arc::new(response),
            uri: Arc::new(uri),
            id,
            counts: Counts::default(),
        }
    }
}
