//! What a loop lends to the connection whose turn it is.

use std::sync::Arc;
use std::time::Duration;

use wirewright_core::handshake::HandshakeLimits;
use wirewright_core::{Inbox, Outbox};

use super::admission::Admission;
use super::fallback::Fallback;
use super::mailbox::Mailbox;
use super::options::Defaults;
use super::routes::{Known, Routes};
use crate::workers::Workers;

/// A listener's options, as its loops read them, and what they share.
pub(crate) struct Settings {
    pub(crate) handshake_limits: HandshakeLimits,
    pub(crate) handshake_timeout: Duration,
    pub(crate) max_request_body: usize,
    pub(crate) defaults: Defaults,
    pub(crate) routes: Routes,
    pub(crate) fallback: Fallback,
    pub(crate) admission: Arc<Admission>,
    /// For what may block before the 101.
    pub(crate) workers: Workers,
}

/// What all connections of a loop use in turn.
pub(crate) struct Context {
    pub(crate) settings: Arc<Settings>,
    /// The routes, as this loop knows them.
    pub(crate) known: Known,
    pub(crate) mailbox: Arc<Mailbox>,
    /// The time, as of this wake-up.
    pub(crate) now: Duration,
    /// The cork: lent to the connection whose turn it is, so that all it sends leaves at once.
    pub(crate) lent: Option<Box<Outbox>>,
    /// In this turn, a queue of this many bytes stops reading.
    pub(crate) mark: usize,
    /// Inboxes that no connection needs at present; boxed, as a connection holds them.
    #[expect(clippy::vec_box, reason = "a connection that needs none pays one word")]
    spare: Vec<Box<Inbox>>,
}

/// So many spare inboxes are kept.
const SPARE: usize = 8;
/// A spare inbox larger than this is not kept.
const SPARE_BYTES: usize = 2 << 20;

impl Context {
    pub(crate) fn new(settings: Arc<Settings>, mailbox: Arc<Mailbox>) -> Self {
        let (known, now) = (settings.routes.known(), Duration::ZERO);
        Self { settings, known, mailbox, now, lent: None, mark: 0, spare: Vec::new() }
    }

    pub(crate) fn spare_inbox(&mut self) -> Box<Inbox> {
        self.spare.pop().unwrap_or_default()
    }

    pub(crate) fn recycle(&mut self, mut inbox: Box<Inbox>) {
        // What is left there was one connection's, and the next must not see it.
        inbox.clear();
        if self.spare.len() < SPARE && inbox.capacity() <= SPARE_BYTES {
            self.spare.push(inbox);
        }
    }
}
