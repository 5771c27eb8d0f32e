//! Identities that are no longer good, whatever they say themselves.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use wirewright_core::handshake::Identity;

use super::Listener;
use super::connection::{Connection, Next, Stage};
use super::context::Context;
use super::event_loop::EventLoop;
use super::mailbox::Command;
use crate::close_frame::CloseFrame;

/// Whose connections are to be closed, and how.
pub(crate) struct Revocation {
    matches: Box<dyn Fn(&Identity) -> bool + Send + Sync>,
    close: CloseFrame,
}

impl Revocation {
    pub(crate) fn covers(&self, identity: &Identity) -> bool {
        let covers = catch_unwind(AssertUnwindSafe(|| (self.matches)(identity)));
        covers.unwrap_or_else(|_| {
            tracing::error!("whether an identity is revoked panicked, taking it for revoked");
            true
        })
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation").field("close", &self.close).finish_non_exhaustive()
    }
}

impl Listener {
    /// Closes each open connection whose identity `matches` with this frame, such as
    /// [`CloseFrame::credentials_expired`]: a token was revoked, an account locked. It may be
    /// called on any thread, and returns at once: the event loops do it, each for its connections,
    /// so that `matches` must not block. If it panics, the identity counts as revoked.
    ///
    /// Requests whose authenticator is being asked meanwhile are refused with 401, if what it
    /// answers `matches`. Those that come later are the authenticators' to refuse, which have to
    /// know of it before. Connections without an identity are left alone.
    ///
    /// ```
    /// use wirewright::{CloseFrame, Listener};
    ///
    /// fn lock_account(listener: &Listener, account: String) {
    ///     let frame = CloseFrame::policy_violation().with_reason("account locked");
    ///     listener.revoke(move |identity| identity.name == account, frame);
    /// }
    /// ```
    pub fn revoke<F>(&self, matches: F, close: CloseFrame)
    where
        F: Fn(&Identity) -> bool + Send + Sync + 'static,
    {
        let revocation = Arc::new(Revocation { matches: Box::new(matches), close });
        for mailbox in &self.mailboxes {
            // A loop that has ended has no connections.
            drop(mailbox.send(Command::Revoke(Arc::clone(&revocation))));
        }
    }
}

impl EventLoop {
    pub(super) fn revoke(&mut self, revocation: &Arc<Revocation>) {
        for token in self.slots.tokens() {
            let Some(connection) = self.slots.get_mut(token) else { continue };
            if connection.revoke(revocation, &self.ctx) {
                self.after(token, Next::Wait);
            }
        }
    }
}

impl Connection {
    /// Whether it was told to close.
    fn revoke(&mut self, revocation: &Arc<Revocation>, ctx: &Context) -> bool {
        match &mut self.stage {
            Stage::Opening(opening) => opening.revoke(revocation),
            Stage::Open(open) => {
                if open.caller.identity().is_some_and(|identity| revocation.covers(&identity)) {
                    open.dismiss(&revocation.close, ctx);
                    return true;
                }
            }
            Stage::Lingering(_) => {}
        }
        false
    }
}
