//! A listener's options.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use wirewright_core::handshake::{Authenticator, HandshakeLimits};
use wirewright_core::{Compression, Config, KeepAliveOptions, ServerLayers};

use super::Listener;
use super::admission::{Admission, AdmissionLimits};
use super::context::Settings;
use super::fallback::{Fallback, HttpRequest, HttpResponse};
use super::figures::AllFigures;
use super::options::{Defaults, Route, ServiceOptions};
use super::origin::OriginPolicy;
use super::routes::{Routes, Table};
use super::topics::Topics;
use super::tuning::Tuning;
use super::upgrade::UpgradeService;
use crate::workers::Workers;

/// Options of a [`Listener`], each with a safe and finite default.
#[derive(Clone)]
#[must_use = "a builder does nothing until `start` or `listen`"]
pub struct ListenerBuilder {
    pub(super) defaults: Defaults,
    handshake_limits: HandshakeLimits,
    handshake_timeout: Duration,
    handshake_threads: usize,
    max_request_body: usize,
    admission: AdmissionLimits,
    fallback: Fallback,
    tls: Option<Arc<dyn ServerLayers>>,
    routes: Vec<(String, MakeRoute)>,
    pub(super) workers: usize,
    pub(super) topics: Topics,
    threads: usize,
}

/// A service whose options wait for the listener's to be complete.
type MakeRoute = Arc<dyn Fn(&Defaults) -> Route + Send + Sync>;

impl ListenerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            defaults: Defaults {
                config: Config::server(),
                close_timeout: Duration::from_secs(60),
                keep_alive: Arc::default(),
                tuning: Tuning::default(),
                sub_protocols: Vec::new(),
                origins: OriginPolicy::same_host(),
                authenticators: Vec::new(),
            },
            handshake_limits: HandshakeLimits::default(),
            handshake_timeout: Duration::from_secs(10),
            handshake_threads: 16,
            max_request_body: 8 * 1024,
            admission: AdmissionLimits::default(),
            fallback: Fallback::default(),
            tls: None,
            routes: Vec::new(),
            workers: 64,
            topics: Topics::new(),
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        }
    }

    /// How connections are secured: all that are accepted speak TLS then. The handshake of TLS is
    /// within [`handshake_timeout`](Self::handshake_timeout).
    pub fn tls(mut self, layers: impl ServerLayers + 'static) -> Self {
        self.tls = Some(Arc::new(layers));
        self
    }

    /// Event loops, a thread each; one for each core by default.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Payload bytes of one frame, in both directions: a larger one received fails the connection
    /// with 1009, a longer message sent is cut. 65 536 by default.
    pub const fn max_frame_size(mut self, bytes: usize) -> Self {
        self.defaults.config.limits.max_frame_size = bytes;
        self.defaults.config.outgoing_frame_size = bytes;
        self
    }

    /// Payload bytes of one message received, over all its frames and inflated; 1 MiB by default.
    pub const fn max_message_size(mut self, bytes: u64) -> Self {
        self.defaults.config.limits.max_message_size = bytes;
        self
    }

    /// Fragments of one message received, empty ones included; 4 096 by default.
    pub const fn max_fragments(mut self, fragments: u32) -> Self {
        self.defaults.config.limits.max_fragments = fragments;
        self
    }

    /// permessage-deflate (RFC 7692); `None` declines it. On by default.
    pub const fn compression(mut self, compression: Option<Compression>) -> Self {
        self.defaults.config.compression = compression;
        self
    }

    /// The engine's options in full, for those without a method here.
    pub fn config(mut self, config: Config) -> Self {
        self.defaults.config = config;
        self.defaults.config.streaming = false;
        self
    }

    /// Bounds on an upgrade request.
    pub const fn handshake_limits(mut self, limits: HandshakeLimits) -> Self {
        self.handshake_limits = limits;
        self
    }

    /// From accepting a connection to its 101, however its bytes arrive and however long it takes
    /// to decide on it; 10 s by default.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// From our Close to the peer's, however much else it sends; 60 s by default.
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.defaults.close_timeout = timeout;
        self
    }

    /// When to ping a silent peer and when to give it up; 25 s and 20 s by default.
    pub fn keep_alive(mut self, options: KeepAliveOptions) -> Self {
        self.defaults.keep_alive = Arc::new(options);
        self
    }

    /// Sub-protocols that are served; of those, the client's first choice is answered. `*` serves
    /// any.
    pub fn sub_protocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.defaults.sub_protocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Which pages may connect; those of the same host by default, which refuses with 403 what
    /// browsers send for others.
    pub fn origins(mut self, policy: OriginPolicy) -> Self {
        self.defaults.origins = policy;
        self
    }

    /// Lets in only whom this or another authenticator knows. They are asked in order: the first
    /// that knows who it is decides, and so does one that refuses with anything but 401. An
    /// identity that has [expired](crate::Identity::expires) counts as a 401. A request with more
    /// than one `Authorization` is 400, and none of them is asked.
    ///
    /// One that may block is asked off the event loop.
    ///
    /// ```
    /// use wirewright::{Identity, Listener, Rejection, Request};
    ///
    /// let tokens = |request: &Request| match request.head().header_str("Authorization") {
    ///     Some("Bearer let-me-in") => Ok(Identity::new("somebody")),
    ///     _ => Err(Rejection::unauthorized("Bearer realm=\"feed\"")?),
    /// };
    /// # let _ =
    /// Listener::builder().authenticator(tokens);
    /// ```
    pub fn authenticator(mut self, authenticator: impl Authenticator + 'static) -> Self {
        self.defaults.authenticators.push(Arc::new(authenticator));
        self
    }

    /// Threads, at most, on which authenticators and upgrade services that may block are asked; 16
    /// by default. Requests beyond that wait, up to `handshake_timeout`.
    pub const fn handshake_threads(mut self, threads: usize) -> Self {
        self.handshake_threads = threads;
        self
    }

    /// Connections at once; 1 048 576 by default. One more gets 503 unread.
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.admission.connections = connections;
        self
    }

    /// Connections at once that have no 101 yet; 1 024 by default. One more gets 503 unread.
    pub const fn max_handshakes(mut self, handshakes: usize) -> Self {
        self.admission.handshakes = handshakes;
        self
    }

    /// Connections at once from one address, or from 64 bits of IPv6; off by default. One more
    /// gets 503 unread. Behind a proxy all have the proxy's.
    pub const fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.admission.per_address = Some(connections);
        self
    }

    /// Connections at once of one [`Identity`](crate::core::handshake::Identity) by its name; off
    /// by default. One more gets 503, and one that is open already is not renewed to it
    /// ([`RenewError::Full`](crate::RenewError::Full)).
    pub const fn max_connections_per_identity(mut self, connections: usize) -> Self {
        self.admission.per_identity = Some(connections);
        self
    }

    /// Connections a second, and at once after a pause; off by default. One more gets 503 unread.
    pub const fn accept_rate(mut self, per_second: u32, burst: u32) -> Self {
        self.admission.rate = Some((per_second, burst));
        self
    }

    /// Answers requests that ask for no WebSocket; without it they get 426, or 404 where no
    /// service has the path. It runs on the event loop and must not block.
    ///
    /// ```
    /// use wirewright::{HttpRequest, HttpResponse, Listener, Rejection};
    ///
    /// let builder = Listener::builder().health("/healthz").fallback(|request: &HttpRequest| {
    ///     if request.path() == "/" && request.method() == "GET" {
    ///         let page = HttpResponse::ok().header("Content-Type", "text/html")?;
    ///         Ok(page.body("<!doctype html><title>feed</title>"))
    ///     } else {
    ///         Err(Rejection::not_found())
    ///     }
    /// });
    /// # let _ = builder;
    /// ```
    pub fn fallback<R: Into<HttpResponse>>(
        mut self,
        answer: impl Fn(&HttpRequest) -> R + Send + Sync + 'static,
    ) -> Self {
        self.fallback.set_handler(answer);
        self
    }

    /// Answers `GET` and `HEAD` of this path with 200, for whoever looks after the process.
    pub fn health(mut self, path: impl Into<String>) -> Self {
        self.fallback.set_health(path.into());
        self
    }

    /// Bytes of body that a plain request may have; 8 KiB by default. More gets 413 unread.
    pub const fn max_request_body(mut self, bytes: usize) -> Self {
        self.max_request_body = bytes;
        self
    }

    /// Serves the paths of `route` with `service`.
    ///
    /// `{name}` stands for a segment or a part of it, `{*rest}` for all that follows, and braces
    /// doubled for themselves; what is written out goes before a parameter. Routes are exact and
    /// case-sensitive, and written unencoded: a request's path is split at its slashes, and then
    /// each segment is decoded. A slash at its end and matrix parameters (`;a=4`) are ignored; one
    /// that has `.` or `..` as a segment belongs to nobody.
    pub fn route(self, route: impl Into<String>, service: impl UpgradeService) -> Self {
        self.route_with(route, ServiceOptions::new(), service)
    }

    /// As [`route`](Self::route), with options of the service's own.
    pub fn route_with(
        mut self,
        route: impl Into<String>,
        options: ServiceOptions,
        service: impl UpgradeService,
    ) -> Self {
        let service: Arc<dyn UpgradeService> = Arc::new(service);
        let route = route.into();
        let name = route.clone();
        let make =
            move |defaults: &Defaults| options.clone().route(&name, Arc::clone(&service), defaults);
        self.routes.push((route, Arc::new(make)));
        self
    }

    /// Binds `address` (port 0: the system chooses one) and serves upgrade requests with
    /// `service`, on threads of its own: all those that no [`route`](Self::route) has the path of.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub fn start(
        self,
        address: impl ToSocketAddrs,
        service: impl UpgradeService,
    ) -> io::Result<Listener> {
        let rest = ServiceOptions::new().route("*", Arc::new(service), &self.defaults);
        self.run(address, Some(rest))
    }

    /// Binds `address` and serves upgrade requests by their [`route`](Self::route), on threads of
    /// its own; other paths get 404. More can be [attached](Listener::attach) later.
    ///
    /// ```
    /// use wirewright::{Listener, Service, UpgradeRequest};
    ///
    /// struct Chat { room: u32 }
    ///
    /// impl Service for Chat {}
    ///
    /// let chat = |request: &UpgradeRequest| {
    ///     Ok(Chat { room: request.path_param("room")? })
    /// };
    /// let listener = Listener::builder().route("/chat/{room}", chat).listen("127.0.0.1:0")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the address cannot be bound, or the system has no thread or poll left. A
    /// [`RouteError`](crate::RouteError) is one of kind [`InvalidInput`](io::ErrorKind).
    pub fn listen(self, address: impl ToSocketAddrs) -> io::Result<Listener> {
        self.run(address, None)
    }

    fn run(self, address: impl ToSocketAddrs, rest: Option<Route>) -> io::Result<Listener> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let mut table = Table::default();
        for (route, make) in &self.routes {
            table.attach(route, Arc::new(make(&self.defaults))).map_err(invalid)?;
        }
        if let Some(rest) = rest {
            table.set_rest(rest);
        }
        let settings = Settings {
            handshake_limits: self.handshake_limits,
            handshake_timeout: self.handshake_timeout,
            max_request_body: self.max_request_body,
            defaults: self.defaults,
            routes: Routes::new(table),
            fallback: self.fallback,
            tls: self.tls,
            admission: Arc::new(Admission::new(self.admission)),
            askers: Workers::new("wirewright-handshake", self.handshake_threads),
            workers: Workers::new("wirewright-worker", self.workers),
            topics: self.topics,
            figures: AllFigures::default(),
        };
        let address = address.to_socket_addrs()?.next().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "address resolves to nothing")
        })?;
        Listener::start(address, self.threads, settings)
    }
}

impl fmt::Debug for ListenerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|(route, _)| route).collect::<Vec<_>>();
        f.debug_struct("ListenerBuilder")
            .field("config", &self.defaults.config)
            .field("handshake_limits", &self.handshake_limits)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("admission", &self.admission)
            .field("routes", &routes)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
