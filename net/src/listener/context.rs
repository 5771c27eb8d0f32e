//! What a loop lends to the connection whose turn it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use wirewright_core::handshake::{HandshakeLimits, Rejection, Request};
use wirewright_core::{Config, Inbox, KeepAliveOptions, Outbox};

use super::mailbox::Mailbox;
use super::service::{Service, UpgradeService};

/// A listener's options, as its loops read them.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) handshake_limits: HandshakeLimits,
    pub(crate) handshake_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) keep_alive: Arc<KeepAliveOptions>,
    pub(crate) max_queued: usize,
    pub(crate) sub_protocols: Vec<String>,
    pub(crate) service: Box<dyn UpgradeService>,
}

/// What all connections of a loop use in turn.
pub(crate) struct Context {
    pub(crate) settings: Arc<Settings>,
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
    pub(crate) const fn new(settings: Arc<Settings>, mailbox: Arc<Mailbox>) -> Self {
        Self { settings, mailbox, now: Duration::ZERO, lent: None, mark: 0, spare: Vec::new() }
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

    /// Asks the user's service; a panic of it refuses this one request with 500.
    pub(crate) fn upgrade(&self, request: &Request) -> Result<Box<dyn Service>, Rejection> {
        let service = &self.settings.service;
        catch_unwind(AssertUnwindSafe(|| service.upgrade(request))).unwrap_or_else(|_| {
            tracing::error!("upgrade service panicked, refusing the request");
            Err(Rejection::internal_error())
        })
    }
}
