//! Plain HTTP on a listener's port: a health check, a page, and nothing more.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use wirewright_core::handshake::{HandshakeMisuse, Rejection, Request};

/// A request that asks for no WebSocket, with its body.
///
/// It is a [`Request`]: method, path, query and header fields are found there.
pub struct HttpRequest {
    pub(crate) request: Request,
    pub(crate) body: Box<[u8]>,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

impl HttpRequest {
    /// The body, of at most as many bytes as
    /// [`max_request_body`](super::ListenerBuilder::max_request_body) says.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The other end's address: that of a proxy, if there is one.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The address that the peer has connected to.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

impl Deref for HttpRequest {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("request", &self.request)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// The answer to a plain request. It has a `Content-Length`, says `Connection: close`, and the
/// connection ends with it; to `HEAD`, its head alone is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct HttpResponse(Rejection);

impl HttpResponse {
    /// 200, without a body.
    pub fn ok() -> Self {
        Self(Rejection::new(200).unwrap_or(Rejection::internal_error()))
    }

    /// Any status of 200 to 599.
    ///
    /// # Errors
    /// [`HandshakeMisuse::Status`] for any other.
    pub fn new(status: u16) -> Result<Self, HandshakeMisuse> {
        Rejection::new(status).map(Self)
    }

    /// Adds a field.
    ///
    /// # Errors
    /// [`HandshakeMisuse`] for what cannot be sent, or is written by the answer itself.
    pub fn header(self, name: &str, value: &str) -> Result<Self, HandshakeMisuse> {
        self.0.header(name, value).map(Self)
    }

    /// Sets the body; it goes as `text/plain; charset=utf-8` unless a `Content-Type` is given.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.body(body))
    }
}

impl From<Rejection> for HttpResponse {
    fn from(rejection: Rejection) -> Self {
        Self(rejection)
    }
}

impl<E: Into<Rejection>> From<Result<Self, E>> for HttpResponse {
    fn from(result: Result<Self, E>) -> Self {
        result.unwrap_or_else(|error| Self(error.into()))
    }
}

type Handler = dyn Fn(&HttpRequest) -> HttpResponse + Send + Sync;

/// What answers plain requests; by default nothing does, and they are refused.
#[derive(Clone, Default)]
pub(crate) struct Fallback {
    health: Option<String>,
    handler: Option<Arc<Handler>>,
}

impl Fallback {
    pub(crate) fn set_health(&mut self, path: String) {
        self.health = Some(path);
    }

    pub(crate) fn set_handler<R: Into<HttpResponse>>(
        &mut self,
        handler: impl Fn(&HttpRequest) -> R + Send + Sync + 'static,
    ) {
        self.handler = Some(Arc::new(move |request| handler(request).into()));
    }

    /// Whether there may be an answer to this request.
    pub(crate) fn covers(&self, request: &Request) -> bool {
        self.handler.is_some() || self.is_health(request)
    }

    /// The answer, of at most `max` bytes of body.
    pub(crate) fn answer(&self, request: &HttpRequest, max: usize) -> Option<Rejection> {
        let answer = if self.is_health(request) {
            HttpResponse::ok().header("Cache-Control", "no-store").map(|ok| ok.body("ok\n")).into()
        } else {
            let handler = self.handler.as_ref()?;
            catch_unwind(AssertUnwindSafe(|| handler(request))).unwrap_or_else(|_| {
                tracing::error!("fallback panicked, answering 500");
                Rejection::internal_error().into()
            })
        };
        let HttpResponse(mut answer) = answer;
        if answer.content().len() > max {
            let bytes = answer.content().len();
            tracing::error!(bytes, max, "fallback's body is over `max_queued`, answering 500");
            answer = Rejection::internal_error();
        }
        Some(if request.method() == "HEAD" { answer.head_only() } else { answer })
    }

    fn is_health(&self, request: &Request) -> bool {
        let asks = matches!(request.method(), "GET" | "HEAD");
        asks && self.health.as_deref() == Some(request.path())
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("health", &self.health).finish_non_exhaustive()
    }
}
