//! What a loop lends to the connection whose turn it is.

use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;
use std::time::Duration;

use wirewright_core::handshake::HandshakeLimits;
use wirewright_core::{Inbox, Outbox, ServerLayers};

use super::admission::Admission;
use super::budget::Charge;
use super::fallback::Fallback;
use super::figures::{AllFigures, Figures};
use super::mailbox::Mailbox;
use super::options::{Defaults, RouteSettings};
use super::routes::{Known, Routes};
use super::topics::Topics;
use crate::metrics::{self, Meter};
use crate::workers::Workers;

/// A listener's options, as its loops read them, and what they share.
pub(crate) struct Settings {
    pub(crate) handshake_limits: HandshakeLimits,
    pub(crate) handshake_timeout: Duration,
    pub(crate) max_request_body: usize,
    pub(crate) defaults: Defaults,
    pub(crate) routes: Routes,
    pub(crate) fallback: Fallback,
    /// What lies between a connection and its socket, if anything does.
    pub(crate) tls: Option<Arc<dyn ServerLayers>>,
    pub(crate) admission: Arc<Admission>,
    /// For what may block before the 101.
    pub(crate) askers: Workers,
    /// For services that run there.
    pub(crate) workers: Workers,
    pub(crate) topics: Topics,
    pub(crate) figures: AllFigures,
}

/// What callers of a loop's connections to one service reach it by.
pub(crate) struct Link {
    pub(crate) settings: Arc<RouteSettings>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) topics: Topics,
    pub(crate) admission: Arc<Admission>,
    /// The loop's number among those that share these topics.
    pub(crate) number: usize,
    /// The loop's thread, once it runs.
    pub(crate) thread: Arc<OnceLock<ThreadId>>,
    pub(crate) figures: Arc<Figures>,
}

/// An inbox of a connection's own, and what it holds of the budget.
pub(crate) struct OwnInbox {
    pub(crate) inbox: Inbox,
    charge: Charge,
}

/// What all connections of a loop use in turn.
pub(crate) struct Context {
    pub(crate) settings: Arc<Settings>,
    /// The routes, as this loop knows them.
    pub(crate) known: Known,
    pub(crate) mailbox: Arc<Mailbox>,
    /// The loop's number among those that share its topics.
    pub(crate) number: usize,
    /// The loop's thread, once it runs.
    pub(crate) thread: Arc<OnceLock<ThreadId>>,
    /// One for each service that has connections here.
    links: Vec<(Arc<Link>, Meter)>,
    /// The time, as of this wake-up.
    pub(crate) now: Duration,
    /// The cork: lent to the connection whose turn it is, so that all it sends leaves at once.
    pub(crate) lent: Option<Box<Outbox>>,
    /// In this turn, a queue of this many bytes stops reading.
    pub(crate) mark: usize,
    /// When callbacks were last found not to hold up the loop, or to do so.
    pub(crate) looked: Duration,
    /// Bytes that were just read, and what this turn has received so far.
    pub(crate) fresh: u32,
    pub(crate) bytes_in: u32,
    pub(crate) messages_in: u32,
    /// The connection's messages out as this turn began.
    pub(crate) messages_out: u32,
    /// Something may be due before what was waited for: the first Ping of a connection that was
    /// just opened, the next one behind a Pong.
    pub(crate) sooner: bool,
    /// Incomplete messages hold more than the budget has.
    pub(crate) exceeded: bool,
    /// Bytes that were read over TLS and are not open yet.
    pub(crate) wire: Inbox,
    /// Inboxes that no connection needs at present; boxed, as a connection holds them.
    #[expect(clippy::vec_box, reason = "a connection that needs none pays one word")]
    spare: Vec<Box<OwnInbox>>,
}

/// So many spare inboxes are kept.
const SPARE: usize = 8;
/// A spare inbox larger than this is not kept.
const SPARE_BYTES: usize = 2 << 20;

impl Context {
    pub(crate) fn new(settings: Arc<Settings>, mailbox: Arc<Mailbox>) -> Self {
        Self {
            known: settings.routes.known(),
            number: settings.topics.join(Arc::clone(&mailbox)),
            settings,
            mailbox,
            thread: Arc::default(),
            links: Vec::new(),
            now: Duration::ZERO,
            lent: None,
            mark: 0,
            looked: Duration::ZERO,
            fresh: 0,
            bytes_in: 0,
            messages_in: 0,
            messages_out: 0,
            sooner: false,
            exceeded: false,
            wire: Inbox::new(),
            spare: Vec::new(),
        }
    }

    /// What connections to the service with these settings share here.
    pub(crate) fn link(&mut self, settings: &Arc<RouteSettings>) -> Arc<Link> {
        let known = self.links.iter().find(|(link, _)| Arc::ptr_eq(&link.settings, settings));
        if let Some((link, _)) = known {
            return Arc::clone(link);
        }
        // Services are few, and those that were detached go with their last connection.
        self.report();
        let all = &self.settings.figures;
        self.links.retain(|(link, _)| {
            let is_used = Arc::strong_count(link) > 1;
            if !is_used {
                all.retire(&link.figures);
            }
            is_used
        });
        let link = Arc::new(Link {
            settings: Arc::clone(settings),
            mailbox: Arc::clone(&self.mailbox),
            topics: self.settings.topics.clone(),
            admission: Arc::clone(&self.settings.admission),
            number: self.number,
            thread: Arc::clone(&self.thread),
            figures: self.settings.figures.enter(),
        });
        self.links.push((Arc::clone(&link), Meter::default()));
        link
    }

    /// Tells the facade `metrics` what has passed.
    pub(crate) fn report(&mut self) {
        if metrics::ON {
            for (link, meter) in &mut self.links {
                let values = link.figures.sums().values();
                meter.tell(metrics::SERVER, &link.settings.name, &values);
            }
        }
    }

    /// So many bytes were read.
    #[inline]
    pub(crate) fn read(&mut self, bytes: usize) {
        // One read is far from 4 GiB.
        self.fresh = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes_in += self.fresh;
    }

    pub(crate) fn spare_inbox(&mut self) -> Box<OwnInbox> {
        let charge = || self.settings.defaults.tuning.budget.charge();
        self.spare
            .pop()
            .unwrap_or_else(|| Box::new(OwnInbox { inbox: Inbox::default(), charge: charge() }))
    }

    pub(crate) fn recycle(&mut self, mut held: Box<OwnInbox>) {
        // What is left there was one connection's, and the next must not see it.
        held.inbox.clear();
        held.charge.set(0);
        if self.spare.len() < SPARE && held.inbox.capacity() <= SPARE_BYTES {
            self.spare.push(held);
        }
    }

    /// Keeps what a connection's inbox holds in the budget.
    pub(crate) fn charge(&mut self, held: &mut OwnInbox) {
        self.exceeded |= !held.charge.set(held.inbox.capacity());
    }
}

impl OwnInbox {
    /// Bytes in the budget.
    pub(crate) const fn bytes(&self) -> u64 {
        self.charge.bytes()
    }
}
