//! What one of a listener's services has of its own, and what it shares with the others.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wirewright_core::handshake::{Authenticator, Rejection};
use wirewright_core::{Compression, Config, KeepAliveOptions};

use super::expiry::WhenExpired;
use super::origin::OriginPolicy;
use super::tuning::Tuning;
use super::upgrade::{UpgradeRequest, UpgradeService};

/// Options of one of a [`Listener`](super::Listener)'s services; what is not set is as the
/// listener has it.
///
/// ```
/// use wirewright::{OriginPolicy, ServiceOptions};
///
/// let options = ServiceOptions::new()
///     .sub_protocols(["feed.v2", "feed.v1"])
///     .max_frame_size(4096)
///     .origins(OriginPolicy::any());
/// # let _ = options;
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct ServiceOptions {
    max_frame_size: Option<usize>,
    max_message_size: Option<u64>,
    compression: Option<Option<Compression>>,
    sub_protocols: Option<Vec<String>>,
    close_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    keep_alive: Option<KeepAliveOptions>,
    max_queued: Option<usize>,
    origins: Option<OriginPolicy>,
    authenticators: Option<Vec<Arc<dyn Authenticator>>>,
    pub(super) when_expired: Option<WhenExpired>,
    check: Option<Arc<Check>>,
    may_block: bool,
}

type Check = dyn Fn(&UpgradeRequest) -> Result<(), Rejection> + Send + Sync;

impl ServiceOptions {
    /// Those of the listener.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`ListenerBuilder::max_frame_size`](super::ListenerBuilder::max_frame_size).
    pub const fn max_frame_size(mut self, bytes: usize) -> Self {
        self.max_frame_size = Some(bytes);
        self
    }

    /// As [`ListenerBuilder::max_message_size`](super::ListenerBuilder::max_message_size).
    pub const fn max_message_size(mut self, bytes: u64) -> Self {
        self.max_message_size = Some(bytes);
        self
    }

    /// As [`ListenerBuilder::compression`](super::ListenerBuilder::compression).
    pub const fn compression(mut self, compression: Option<Compression>) -> Self {
        self.compression = Some(compression);
        self
    }

    /// As [`ListenerBuilder::sub_protocols`](super::ListenerBuilder::sub_protocols).
    pub fn sub_protocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.sub_protocols = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// As [`ListenerBuilder::close_timeout`](super::ListenerBuilder::close_timeout).
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = Some(timeout);
        self
    }

    /// As [`ListenerBuilder::idle_timeout`](super::ListenerBuilder::idle_timeout).
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// As [`ListenerBuilder::keep_alive`](super::ListenerBuilder::keep_alive).
    pub const fn keep_alive(mut self, options: KeepAliveOptions) -> Self {
        self.keep_alive = Some(options);
        self
    }

    /// As [`ListenerBuilder::max_queued`](super::ListenerBuilder::max_queued).
    pub const fn max_queued(mut self, bytes: usize) -> Self {
        self.max_queued = Some(bytes);
        self
    }

    /// As [`ListenerBuilder::origins`](super::ListenerBuilder::origins).
    pub fn origins(mut self, policy: OriginPolicy) -> Self {
        self.origins = Some(policy);
        self
    }

    /// As [`ListenerBuilder::authenticator`](super::ListenerBuilder::authenticator), in the place
    /// of the listener's: whoever is let in here need not be there.
    pub fn authenticator(mut self, authenticator: impl Authenticator + 'static) -> Self {
        self.authenticators.get_or_insert_default().push(Arc::new(authenticator));
        self
    }

    /// Lets in whoever asks, although the listener has authenticators.
    pub fn anonymous(mut self) -> Self {
        self.authenticators = Some(Vec::new());
        self
    }

    /// Looks at a request's parameters before its origin and before any authenticator is asked,
    /// so that what is not there is 404 and what is malformed 400, whoever asks. It runs on the
    /// event loop and must not block.
    pub fn check<F>(mut self, check: F) -> Self
    where
        F: Fn(&UpgradeRequest) -> Result<(), Rejection> + Send + Sync + 'static,
    {
        self.check = Some(Arc::new(check));
        self
    }

    /// Says that the upgrade service may block, as
    /// [`UpgradeService::may_block`](super::UpgradeService::may_block) does.
    pub const fn may_block(mut self) -> Self {
        self.may_block = true;
        self
    }

    /// The service with all that it needs to know.
    /// `name` is what the log and the counters call it.
    pub(crate) fn route(
        self,
        name: &str,
        service: Arc<dyn UpgradeService>,
        defaults: &Defaults,
    ) -> Route {
        let mut config = defaults.config.clone();
        if let Some(bytes) = self.max_frame_size {
            config.limits.max_frame_size = bytes;
            config.outgoing_frame_size = bytes;
        }
        if let Some(bytes) = self.max_message_size {
            config.limits.max_message_size = bytes;
        }
        if let Some(compression) = self.compression {
            config.compression = compression;
        }
        let mut tuning = defaults.tuning.clone();
        tuning.max_queued = self.max_queued.unwrap_or(tuning.max_queued);
        tuning.idle_timeout = self.idle_timeout.or(tuning.idle_timeout);
        tuning.when_expired = self.when_expired.unwrap_or(tuning.when_expired);
        let settings = RouteSettings {
            name: name.into(),
            config,
            close_timeout: self.close_timeout.unwrap_or(defaults.close_timeout),
            keep_alive: self.keep_alive.map_or_else(|| defaults.keep_alive.clone(), Arc::new),
            tuning,
        };
        Route {
            settings: Arc::new(settings),
            sub_protocols: self.sub_protocols.unwrap_or_else(|| defaults.sub_protocols.clone()),
            origins: self.origins.unwrap_or_else(|| defaults.origins.clone()),
            authenticators: self.authenticators.unwrap_or_else(|| defaults.authenticators.clone()),
            check: self.check,
            may_block: self.may_block || service.may_block(),
            service,
        }
    }
}

impl fmt::Debug for ServiceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceOptions")
            .field("sub_protocols", &self.sub_protocols)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// What a listener's services have where their own options say nothing.
#[derive(Clone)]
pub(crate) struct Defaults {
    pub(crate) config: Config,
    pub(crate) close_timeout: Duration,
    pub(crate) keep_alive: Arc<KeepAliveOptions>,
    pub(crate) tuning: Tuning,
    pub(crate) sub_protocols: Vec<String>,
    pub(crate) origins: OriginPolicy,
    pub(crate) authenticators: Vec<Arc<dyn Authenticator>>,
}

/// One service of a listener, until its connections are open.
pub(crate) struct Route {
    pub(crate) settings: Arc<RouteSettings>,
    pub(crate) sub_protocols: Vec<String>,
    pub(crate) origins: OriginPolicy,
    pub(crate) authenticators: Vec<Arc<dyn Authenticator>>,
    pub(crate) check: Option<Arc<Check>>,
    pub(crate) may_block: bool,
    pub(crate) service: Arc<dyn UpgradeService>,
}

/// What a service's open connections share.
#[derive(Debug)]
pub(crate) struct RouteSettings {
    /// Its route.
    pub(crate) name: Box<str>,
    pub(crate) config: Config,
    pub(crate) close_timeout: Duration,
    pub(crate) keep_alive: Arc<KeepAliveOptions>,
    pub(crate) tuning: Tuning,
}
