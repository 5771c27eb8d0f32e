//! A listener's options.

use std::io;
use std::net::ToSocketAddrs;
use std::num::NonZeroUsize;
use std::time::Duration;

use wirewright_core::handshake::HandshakeLimits;
use wirewright_core::{Compression, Config, KeepAliveOptions};

use super::Listener;
use super::context::Settings;
use super::service::UpgradeService;

/// Options of a [`Listener`], each with a safe and finite default.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start`"]
pub struct ListenerBuilder {
    config: Config,
    handshake_limits: HandshakeLimits,
    handshake_timeout: Duration,
    close_timeout: Duration,
    keep_alive: KeepAliveOptions,
    max_queued: usize,
    sub_protocols: Vec<String>,
    threads: usize,
}

impl ListenerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            config: Config::server(),
            handshake_limits: HandshakeLimits::default(),
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(60),
            keep_alive: KeepAliveOptions::default(),
            max_queued: 1 << 20,
            sub_protocols: Vec::new(),
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        }
    }

    /// Event loops, a thread each; one for each core by default.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Payload bytes of one frame, in both directions: a larger one received fails the connection
    /// with 1009, a longer message sent is cut. 65 536 by default.
    pub const fn max_frame_size(mut self, bytes: usize) -> Self {
        self.config.limits.max_frame_size = bytes;
        self.config.outgoing_frame_size = bytes;
        self
    }

    /// Payload bytes of one message received, over all its frames and inflated; 1 MiB by default.
    pub const fn max_message_size(mut self, bytes: u64) -> Self {
        self.config.limits.max_message_size = bytes;
        self
    }

    /// Fragments of one message received, empty ones included; 4 096 by default.
    pub const fn max_fragments(mut self, fragments: u32) -> Self {
        self.config.limits.max_fragments = fragments;
        self
    }

    /// permessage-deflate (RFC 7692); `None` declines it. On by default.
    pub const fn compression(mut self, compression: Option<Compression>) -> Self {
        self.config.compression = compression;
        self
    }

    /// The engine's options in full, for those without a method here.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self.config.streaming = false;
        self
    }

    /// Bounds on an upgrade request.
    pub const fn handshake_limits(mut self, limits: HandshakeLimits) -> Self {
        self.handshake_limits = limits;
        self
    }

    /// From accepting a connection to its 101, however its bytes arrive; 10 s by default.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// From our Close to the peer's, however much else it sends; 60 s by default.
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// When to ping a silent peer and when to give it up; 25 s and 20 s by default.
    pub const fn keep_alive(mut self, options: KeepAliveOptions) -> Self {
        self.keep_alive = options;
        self
    }

    /// Bytes that may wait for one connection before a further message is refused with
    /// [`SendError::Full`](crate::SendError::Full); 1 MiB by default. Control frames are exempt.
    pub const fn max_queued(mut self, bytes: usize) -> Self {
        self.max_queued = bytes;
        self
    }

    /// Sub-protocols that are served; of those, the client's first choice is answered.
    pub fn sub_protocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.sub_protocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Binds `address` (port 0: the system chooses one) and serves upgrade requests with
    /// `service`, on threads of its own.
    ///
    /// # Errors
    /// When the address cannot be bound, or the system has no thread or poll left.
    pub fn start(
        self,
        address: impl ToSocketAddrs,
        service: impl UpgradeService,
    ) -> io::Result<Listener> {
        let settings = |service| Settings {
            config: self.config,
            handshake_limits: self.handshake_limits,
            handshake_timeout: self.handshake_timeout,
            close_timeout: self.close_timeout,
            keep_alive: self.keep_alive.into(),
            max_queued: self.max_queued,
            sub_protocols: self.sub_protocols,
            service,
        };
        let address = address.to_socket_addrs()?.next().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "address resolves to nothing")
        })?;
        Listener::start(address, self.threads, settings(Box::new(service)))
    }
}
