//! The options of a client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use wirewright_core::handshake::{ClientRequest, Credentials, HandshakeLimits, Headers};
use wirewright_core::{
    ClientLayers, Compression, Config, KeepAliveOptions, Limits, Retry, Uri, UriError,
};

use super::Client;
use super::connect::{self, Connected, Plan};
use super::cookie::{self, Cookie};
use super::driver::Timing;
use super::error::ClientError;
use super::hooks::Hooks;
use super::reach::Reach;

/// Since the last call, before the background drives.
const CUSTODY: Duration = Duration::from_millis(50);

/// Options for a connection, each with a default that is safe and finite. It may connect any
/// number of times.
///
/// ```no_run
/// use std::time::Duration;
/// use wirewright::Client;
///
/// let client = Client::builder("ws://example.com/feed")
///     .sub_protocols(["v2.feed", "v1.feed"])?
///     .header("X-Trace", "7")?
///     .read_timeout(Some(Duration::from_secs(10)))
///     .connect()?;
/// # Ok::<(), wirewright::ClientError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    request: Result<ClientRequest, UriError>,
    pub(super) fallbacks: Vec<Uri>,
    credentials: Option<Arc<dyn Credentials>>,
    pub(super) layers: Option<Arc<dyn ClientLayers>>,
    pub(super) allow_clear_text: bool,
    cookies: String,
    pub(super) config: Config,
    pub(super) timing: Timing,
    pub(super) reach: Reach,
    /// Which URL worked last.
    last: Arc<AtomicUsize>,
    pub(super) read_ahead: usize,
    pub(super) validate: bool,
    pub(super) retry: Option<Retry>,
    pub(super) hooks: Hooks,
}

impl ClientBuilder {
    /// The defaults, for this URI.
    pub fn new(uri: Uri) -> Self {
        Self::with(Ok(ClientRequest::new(uri)))
    }

    /// The defaults, for this URL; if it is none, connecting says so.
    pub(super) fn parse(url: &str) -> Self {
        Self::with(url.parse().map(ClientRequest::new))
    }

    fn with(request: Result<ClientRequest, UriError>) -> Self {
        Self {
            request,
            fallbacks: Vec::new(),
            credentials: None,
            layers: None,
            allow_clear_text: false,
            cookies: String::new(),
            config: Config::client(),
            timing: Timing {
                read: None,
                write: None,
                close: Some(Duration::from_secs(60)),
                custody: Some(CUSTODY),
                keep_alive: KeepAliveOptions::default(),
            },
            reach: Reach::default(),
            last: Arc::default(),
            read_ahead: 1 << 20,
            validate: true,
            retry: None,
            hooks: Hooks::default(),
        }
    }

    fn request<E>(
        mut self,
        change: impl FnOnce(ClientRequest) -> Result<ClientRequest, E>,
    ) -> Result<Self, ClientError>
    where
        ClientError: From<E>,
    {
        self.request = Ok(change(self.request?)?);
        Ok(self)
    }

    /// Sub-protocols to offer, the best first. The server must then choose one of them; an answer
    /// without is an error. None by default.
    ///
    /// # Errors
    /// [`ClientError::Option`] for a name that is not a token or is given twice.
    pub fn sub_protocols<I>(self, names: I) -> Result<Self, ClientError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.request(|request| request.sub_protocols(names))
    }

    /// Adds a header to the request, of the same name as another too.
    ///
    /// # Errors
    /// [`ClientError::Option`] for a name or value that cannot be sent, and for a header that the
    /// handshake writes itself: `Host`, `Connection`, `Upgrade`, `Content-Length`,
    /// `Transfer-Encoding`, `Sec-WebSocket-*`.
    pub fn header(self, name: &str, value: &str) -> Result<Self, ClientError> {
        self.request(|request| request.header(name, value))
    }

    /// Adds headers to the request; a name that was given before is replaced.
    ///
    /// # Errors
    /// [`ClientError::Url`], if there is no URL to send them to.
    pub fn headers(self, headers: &Headers) -> Result<Self, ClientError> {
        self.request(|request| Ok::<_, ClientError>(request.headers(headers)))
    }

    /// Sends `Origin`, as browsers do. None by default.
    ///
    /// # Errors
    /// [`ClientError::Option`] for a value that cannot be sent.
    pub fn origin(self, origin: &str) -> Result<Self, ClientError> {
        self.request(|request| request.origin(origin))
    }

    /// Sends this as `Host` instead of what the URL says.
    ///
    /// # Errors
    /// [`ClientError::Option`] if it is not `host[:port]`.
    pub fn host(self, host: &str) -> Result<Self, ClientError> {
        self.request(|request| request.host(host))
    }

    /// Sends these cookies, those with the shortest paths first, in place of a `Cookie` header set
    /// otherwise than by [`credentials`](Self::credentials). None by default.
    ///
    /// # Errors
    /// [`ClientError::Option`] for a name or value that RFC 6265 §4.1.1 does not allow.
    pub fn cookies<I>(mut self, cookies: I) -> Result<Self, ClientError>
    where
        I: IntoIterator<Item = Cookie>,
    {
        self.cookies = cookie::header(cookies.into_iter().collect())?;
        Ok(self)
    }

    /// Who the client is; asked for headers anew for every handshake. Nobody by default.
    ///
    /// After a 401 to what they gave, [`Credentials::refused`] is asked, once for each URL and
    /// attempt to connect, whether they have others; if so, these are sent over another connection,
    /// within the same [`total_timeout`](Self::total_timeout).
    pub fn credentials(mut self, credentials: impl Credentials + 'static) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }

    /// permessage-deflate, which is offered by default; `None` offers nothing.
    pub fn compression(mut self, compression: Option<Compression>) -> Self {
        self.config.compression = compression;
        self
    }

    /// All limits on what the server may send at once.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// The largest frame to accept, and at the same time the largest to send: longer messages are
    /// sent in several. 65 536 bytes of payload by default.
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.config.limits.max_frame_size = bytes;
        self.config.outgoing_frame_size = bytes;
        self
    }

    /// The largest message to accept, inflated. 16 MiB by default.
    pub fn max_message_size(mut self, bytes: u64) -> Self {
        self.config.limits.max_message_size = bytes;
        self
    }

    /// The largest frame to send, if it is not to be [`max_frame_size`](Self::max_frame_size).
    pub fn outgoing_frame_size(mut self, bytes: usize) -> Self {
        self.config.outgoing_frame_size = bytes;
        self
    }

    /// Limits on the server's answer to the handshake.
    ///
    /// # Errors
    /// [`ClientError::Url`], if there is no URL to get an answer from.
    pub fn handshake_limits(self, limits: HandshakeLimits) -> Result<Self, ClientError> {
        self.request(|request| Ok::<_, ClientError>(request.limits(limits)))
    }

    /// Bytes of messages to receive while nobody reads: a server may not read before it has
    /// written, and its Pings and its Close come behind its messages. 1 MiB by default; what is
    /// there has to be read before more is received.
    pub fn max_read_ahead(mut self, bytes: usize) -> Self {
        self.read_ahead = bytes;
        self
    }

    /// Whether values are held to the rules of their type as they are read (`Valid`, and
    /// [`FromMessage::check`](crate::FromMessage::check)); on by default.
    pub fn validation(mut self, validate: bool) -> Self {
        self.validate = validate;
        self
    }

    /// How long a read may take until its message is complete. For ever by default.
    pub fn read_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timing.read = timeout;
        self
    }

    /// How long a write may take until the system has taken all of it. For ever by default.
    pub fn write_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timing.write = timeout;
        self
    }

    /// How long [`Client::close`] waits for the server's Close. 60 s by default.
    pub fn close_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timing.close = timeout;
        self
    }

    /// When to ping a silent server and when to give it up: after 25 s and 20 s by default. While
    /// messages wait that nobody reads, as many as [`max_read_ahead`](Self::max_read_ahead) lets
    /// in, the server is held up and its silence proves nothing.
    pub fn keep_alive(mut self, options: KeepAliveOptions) -> Self {
        self.timing.keep_alive = options;
        self
    }

    /// Whether the process's background drives the connection while no thread is inside a call,
    /// which is from about 50 ms after the last one: it answers Pings and the server's Close,
    /// keeps the connection alive, receives ahead, and sends what was left over. On by default;
    /// off for those who drive it from a loop of their own.
    pub fn custody(mut self, custody: bool) -> Self {
        self.timing.custody = custody.then_some(CUSTODY);
        self
    }

    /// After how long without a call the background drives: for tests.
    #[doc(hidden)]
    pub fn custody_after(mut self, time: Duration) -> Self {
        self.timing.custody = Some(time);
        self
    }

    /// Connects again when the connection is lost, and tries again when the first attempt fails;
    /// by default neither is done.
    ///
    /// A loss is an end without a Close frame, a failure of the network, or silence for longer
    /// than [`keep_alive`](Self::keep_alive) allows; not a Close, an error of protocol, or a
    /// time-out of a read or write. Errors that would be the same again, such as a refusal
    /// without `Retry-After`, end it ([`ClientError::is_transient`]).
    ///
    /// Meanwhile a read waits, up to its deadline, and returns the first message of the new
    /// connection; a write whose message the system did not take is sent again, whole, over the
    /// new one. What the system had taken and the server had not is lost: no message is sent twice
    /// by the client itself. Pings, Pongs and Closes are not sent again, and
    /// [`Client::close`] and [`Client::abort`] end the waiting at once. Each attempt is a whole
    /// handshake, with credentials asked anew.
    pub fn retry(mut self, retry: Option<Retry>) -> Self {
        self.retry = retry;
        self
    }

    /// Connects, and does the opening handshake.
    ///
    /// # Errors
    /// Any [`ClientError`] that names a part of this: `Url`, `TlsMissing`, `Credentials`,
    /// `ClearTextCredentials`, `Random`, `Resolve`, `Connect`, `Proxy`, `TimedOut`, `Network`,
    /// `Refused`, `Redirect`, `Handshake`; `Urls` where there are several.
    pub fn connect(&self) -> Result<Client, ClientError> {
        self.connect_patiently(|delay| {
            thread::sleep(delay);
            true
        })
    }

    /// One attempt, with whatever credentials there are now.
    pub(super) fn open(&self) -> Result<Connected, ClientError> {
        connect::open(&self.plan()?)
    }

    /// What it takes to open this connection, now or later.
    fn plan(&self) -> Result<Plan, ClientError> {
        Ok(Plan {
            request: self.request.clone()?.compression(self.config.compression.clone()),
            fallbacks: self.fallbacks.clone(),
            credentials: self.credentials.clone(),
            layers: self.layers.clone(),
            allow_clear_text: self.allow_clear_text,
            cookies: self.cookies.clone(),
            reach: self.reach.clone(),
            last: Arc::clone(&self.last),
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("request", &self.request)
            .field("fallbacks", &self.fallbacks)
            .field("credentials", &self.credentials.is_some())
            .field("allow_clear_text", &self.allow_clear_text)
            .field("cookies", &!self.cookies.is_empty())
            .field("config", &self.config)
            .field("timing", &self.timing)
            .field("reach", &self.reach)
            .field("read_ahead", &self.read_ahead)
            .field("validate", &self.validate)
            .field("retry", &self.retry)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}
