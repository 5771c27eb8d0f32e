//! Identities that cease to be valid while their connections are open, and others in their place.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wirewright_core::handshake::{Identity, Rejection};

use super::builder::ListenerBuilder;
use super::caller::Caller;
use super::context::Context;
use super::open::Open;
use super::options::ServiceOptions;
use super::sending::Sending;
use super::service::Service;
use crate::close_frame::CloseFrame;
use crate::error::RenewError;

/// What becomes of a connection when its identity ceases to be valid, which is at
/// [`Identity::expires`] by the system's clock as it was when the connection was opened: setting
/// that clock later changes nothing.
///
/// Whatever this says, an identity that is no longer valid when its authenticator gives it is no
/// way in: the answer is 401.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenExpired {
    /// Nothing: it was valid when the connection was opened.
    #[default]
    Leave,
    /// It is closed with this frame, [`CloseFrame::credentials_expired`] mostly.
    Close(CloseFrame),
    /// [`Service::on_expired`] is called, and the connection closed with this frame unless it has
    /// a [new identity](Caller::renew) within the grace.
    Ask {
        /// From the call on.
        grace: Duration,
        /// As in [`Close`](Self::Close).
        close: CloseFrame,
    },
}

impl ListenerBuilder {
    /// What becomes of a connection when its identity ceases to be valid; nothing by default.
    pub fn when_expired(mut self, policy: WhenExpired) -> Self {
        self.defaults.tuning.when_expired = policy;
        self
    }
}

impl ServiceOptions {
    /// As [`ListenerBuilder::when_expired`].
    pub fn when_expired(mut self, policy: WhenExpired) -> Self {
        self.when_expired = Some(policy);
        self
    }
}

/// An identity, if it is still valid; otherwise what to answer.
pub(crate) fn still_valid(identity: Identity) -> Result<Identity, Rejection> {
    if is_past(&identity) { Err(no_longer_valid()) } else { Ok(identity) }
}

/// "invalid_token: The access token provided is expired, revoked, malformed, or invalid" (RFC 6750
/// §3.1). What else expires has the challenge of its scheme from its authenticator.
pub(crate) fn no_longer_valid() -> Rejection {
    Rejection::unauthorized("Bearer error=\"invalid_token\"").unwrap_or_else(Into::into)
}

fn is_past(identity: &Identity) -> bool {
    identity.expires.is_some_and(|expires| expires <= since_epoch())
}

/// Zero for a clock that stands before 1970, which nothing is then too late for.
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// When to act on an identity.
pub(crate) struct Expiry {
    /// By the loop's clock.
    pub(crate) at: Duration,
    /// The service was told, and this is the end of its grace.
    is_told: bool,
}

impl Expiry {
    /// Of a connection whose identity is of any consequence.
    pub(crate) fn of(caller: &Caller, now: Duration) -> Option<Self> {
        if caller.tuning().when_expired == WhenExpired::Leave {
            return None;
        }
        let left = caller.identity()?.expires?.saturating_sub(since_epoch());
        Some(Self { at: now.saturating_add(left), is_told: false })
    }
}

impl Caller {
    /// Who the peer is: as the authenticator said, or as [`renew`](Self::renew) did since; `None`
    /// where none was asked. What it may do is in its [`scopes`](Identity::scopes), and what else
    /// is known of it, such as the claims of a token, in its [`attributes`](Identity::attributes).
    #[must_use]
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.known(&self.lock()).cloned()
    }

    fn known<'a>(&'a self, sending: &'a Sending) -> Option<&'a Arc<Identity>> {
        let renewed = sending.rare.as_ref().and_then(|rare| rare.identity.as_ref());
        renewed.or_else(|| self.0.about.as_ref()?.identity.as_ref())
    }

    /// Puts this identity, and the time at which it expires, in the place of the connection's, from
    /// any thread: mostly after [`Service::on_expired`], when the peer has sent another token and
    /// that was checked. It must have the same name, unless there was none so far.
    ///
    /// # Errors
    /// [`RenewError`]; the connection is then as it was.
    pub fn renew(&self, identity: Identity) -> Result<(), RenewError> {
        if is_past(&identity) {
            return Err(RenewError::Expired);
        }
        let mut sending = self.lock();
        if !sending.is_open() {
            return Err(RenewError::Closed);
        }
        match self.known(&sending) {
            Some(known) if known.name != identity.name => return Err(RenewError::OtherName),
            Some(_) => {}
            None => {
                let place = self.0.link.admission.identify(&identity.name);
                sending.rare().place = place.map_err(|_| RenewError::Full)?;
            }
        }
        let rare = sending.rare();
        rare.identity = Some(Arc::new(identity));
        rare.is_renewed = true;
        drop(sending);
        self.look();
        Ok(())
    }
}

impl Open {
    /// Takes notice of an identity that has come in the place of another.
    pub(super) fn note_renewal(&mut self, ctx: &Context) {
        let mut sending = self.caller.lock();
        let renewed = sending.rare.as_mut().map(|rare| std::mem::take(&mut rare.is_renewed));
        drop(sending);
        if renewed != Some(true) {
            return;
        }
        let expiry = Expiry::of(&self.caller, ctx.now);
        if expiry.is_some() || self.pacing.is_some() {
            self.pacing.get_or_insert_default().identity = expiry;
        }
    }

    /// Acts on an identity that has ceased to be valid.
    pub(super) fn expire(&mut self, ctx: &Context) {
        if !self.has_expired(ctx.now) {
            return;
        }
        // There may be another, of which this loop has yet to hear.
        self.note_renewal(ctx);
        if !self.has_expired(ctx.now) || self.close_by().is_some() {
            return;
        }
        let Some(pacing) = &mut self.pacing else { return };
        let Some(expiry) = pacing.identity.take() else { return };
        let caller = self.caller.clone();
        match &caller.tuning().when_expired {
            WhenExpired::Leave => {}
            WhenExpired::Ask { grace, .. } if !expiry.is_told => {
                let at = ctx.now.saturating_add(*grace);
                pacing.identity = Some(Expiry { at, is_told: true });
                tracing::debug!(?caller, "credentials expired, asking for others");
                caller.figures().expired.add(1);
                self.call_guarded(Service::on_expired);
            }
            WhenExpired::Close(close) | WhenExpired::Ask { close, .. } => {
                tracing::debug!(?caller, "credentials expired");
                self.dismiss(close, ctx);
            }
        }
    }

    fn has_expired(&self, now: Duration) -> bool {
        let expiry = self.pacing.as_ref().and_then(|pacing| pacing.identity.as_ref());
        expiry.is_some_and(|expiry| expiry.at <= now)
    }

    /// Says Close and awaits the answer.
    pub(super) fn dismiss(&mut self, close: &CloseFrame, ctx: &Context) {
        // An error is that a Close was sent already.
        let _ = self.caller.close_frame(close);
        self.await_close(ctx);
    }
}
