//! From URLs to an open connection: which of them, what is asked there, and where that leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wirewright_core::handshake::{
    Awaiting, ClientRequest, Credentials, HandshakeError, Headers, Response,
};
use wirewright_core::{ClientLayers, Layer, MaskingKeys, Uri};

use super::driver::Opened;
use super::error::{ClientError, Deadline};
use super::reach::{Due, Reach, RedirectError, UrlFailure, Wire, redirect};
use crate::metrics;
use crate::trace::Plain;

/// All that it takes to open a connection, as often as one is wanted.
#[derive(Clone)]
pub(super) struct Plan {
    /// What is asked for, and of whom first.
    pub(super) request: ClientRequest,
    /// Whom to ask next.
    pub(super) fallbacks: Vec<Uri>,
    /// Asked anew for every handshake.
    pub(super) credentials: Option<Arc<dyn Credentials>>,
    /// What is put between the socket and a connection to a `wss` URI.
    pub(super) layers: Option<Arc<dyn ClientLayers>>,
    /// Also to other machines over plain `ws`.
    pub(super) allow_clear_text: bool,
    /// The value of `Cookie`, if there is one.
    pub(super) cookies: String,
    pub(super) reach: Reach,
    /// Which URL worked last, counted from `request`'s own.
    pub(super) last: Arc<AtomicUsize>,
}

/// A connection, and who is at its other end.
pub(super) struct Connected {
    pub(super) opened: Opened,
    pub(super) response: Response,
    /// Where the connection led, behind redirects.
    pub(super) uri: Uri,
}

/// Connects and does the opening handshake (RFC 6455 §4.1).
pub(super) fn open(plan: &Plan) -> Result<Connected, ClientError> {
    let _span = tracing::debug_span!("connect", url = %plan.request.uri()).entered();
    let opened = open_any(plan);
    match &opened {
        Ok(Connected { uri, response, .. }) => {
            tracing::debug!(url = %uri, sub_protocol = response.sub_protocol(), "connected");
        }
        Err(ClientError::Refused(refused)) => {
            tracing::debug!(status = refused.status(), "handshake refused");
        }
        Err(error) => tracing::debug!(error = %Plain(error), "not connected"),
    }
    if metrics::ON && opened.is_err() {
        let url = plan.request.uri().to_string();
        metrics::error(metrics::CLIENT, &url, "connection", "handshake");
    }
    opened
}

/// Asks one server after another.
fn open_any(plan: &Plan) -> Result<Connected, ClientError> {
    let urls: Vec<&Uri> = [plan.request.uri()].into_iter().chain(&plan.fallbacks).collect();
    // Before any other is tried, which may be one without TLS.
    if plan.layers.is_none() && !cfg!(feature = "tls") && urls.iter().any(|uri| uri.is_secure()) {
        return Err(ClientError::TlsMissing);
    }
    urls.iter().try_for_each(|uri| plan.may_identify(uri))?;
    let total = Due::total(plan.reach.timeouts.total);
    let first = plan.last.load(Ordering::Relaxed);
    let mut failures = Vec::new();
    for n in 0..urls.len() {
        let at = (first + n) % urls.len();
        match plan.open_one(urls[at], total) {
            Ok(connected) => {
                plan.last.store(at, Ordering::Relaxed);
                return Ok(connected);
            }
            Err(error) if urls.len() == 1 || total.is_past() || is_our_own(&error) => {
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(url = %urls[at], %error, "trying the next URL");
                failures.push(UrlFailure { url: urls[at].clone(), error });
            }
        }
    }
    Err(ClientError::Urls(failures))
}

/// Whether no other server would do either.
const fn is_our_own(error: &ClientError) -> bool {
    match error {
        ClientError::TlsMissing | ClientError::Option(_) | ClientError::Random(_) => true,
        ClientError::Credentials(error) => !error.is_transient(),
        _ => false,
    }
}

impl Plan {
    /// Opens a connection to one URL, or to where its server points.
    fn open_one(&self, uri: &Uri, total: Due) -> Result<Connected, ClientError> {
        let mut request = self.request.clone().with_uri(uri.clone());
        let mut seen = vec![uri.clone()];
        let mut is_named = true;
        let mut asked_twice = false;
        loop {
            let (asked, given) = match is_named {
                true => self.identified(request.clone())?,
                false => (request.clone(), Headers::new()),
            };
            let refused = match self.open_here(asked, total) {
                Err(ClientError::Refused(refused)) => refused,
                other => return other,
            };
            if !asked_twice && self.has_others(request.uri(), &given, &refused) {
                asked_twice = true;
                continue;
            }
            if self.reach.redirects == 0 {
                return Err(ClientError::Refused(refused));
            }
            let Some(to) = redirect::target(request.uri(), &refused)? else {
                return Err(ClientError::Refused(refused));
            };
            let is_same = to.is_same_origin(request.uri());
            self.may_follow(&seen, &to, is_same)?;
            tracing::debug!(from = %request.uri(), %to, "following a redirect");
            // What was meant for a server that the caller named goes to no other, and neither to
            // one that such another points back to.
            if is_named && !is_same {
                is_named = false;
                request = request.for_stranger(redirect::is_harmless);
            }
            request = request.with_uri(to.clone());
            seen.push(to);
        }
    }

    fn may_follow(&self, seen: &[Uri], to: &Uri, is_same: bool) -> Result<(), RedirectError> {
        let max = self.reach.redirects.min(redirect::MOST);
        if self.reach.is_local() && !is_same {
            return Err(RedirectError::LeavesSocket(to.clone()));
        }
        if seen.contains(to) {
            return Err(RedirectError::Loop(to.clone()));
        }
        if seen.len() > max {
            return Err(RedirectError::TooMany { max });
        }
        Ok(())
    }

    /// What is put between the socket and a connection to this host.
    fn layer(&self, host: &str) -> Result<Box<dyn Layer>, ClientError> {
        match &self.layers {
            Some(layers) => Ok(layers.layer(host).map_err(Arc::new)?),
            None => usual_layer(host),
        }
    }

    /// Asks the server of this very URI.
    fn open_here(&self, request: ClientRequest, total: Due) -> Result<Connected, ClientError> {
        let uri = request.uri().clone();
        tracing::debug!(url = %uri, "connecting");
        if metrics::ON {
            metrics::request(metrics::CLIENT, &uri.to_string());
        }
        let layer = if uri.is_secure() { Some(self.layer(uri.host())?) } else { None };
        let (mut key, mut seed) = ([0; 16], [0; 32]);
        fill(&mut key)?;
        fill(&mut seed)?;

        let mut wire = self.reach.open(&uri, *request.handshake_limits(), total)?;
        if let Some(layer) = layer {
            wire.due = total.step(self.reach.timeouts.tls, Deadline::Tls);
            wire.secure(layer)?;
        }
        wire.due = total.step(self.reach.timeouts.handshake, Deadline::Handshake);
        let awaiting = request.send(key, &mut wire.outbox);
        let response = shake_hands(&mut wire, awaiting)?;
        let Wire { socket, inbox, outbox, secured, .. } = wire;
        let (keys, agreement) = (MaskingKeys::from_seed(seed), response.deflate());
        let opened = Opened { socket, inbox, outbox, secured, keys, agreement };
        Ok(Connected { opened, response, uri })
    }
}

/// A layer as it is where nothing else is said.
#[cfg(feature = "tls")]
fn usual_layer(host: &str) -> Result<Box<dyn Layer>, ClientError> {
    let tls = wirewright_tls::ClientTls::platform();
    let tls = tls.map_err(|error| Arc::new(wirewright_core::LayerError::permanent(error)))?;
    Ok(tls.layer(host).map_err(Arc::new)?)
}

#[cfg(not(feature = "tls"))]
fn usual_layer(_: &str) -> Result<Box<dyn Layer>, ClientError> {
    Err(ClientError::TlsMissing)
}

fn shake_hands(wire: &mut Wire, mut awaiting: Awaiting) -> Result<Response, ClientError> {
    // A server that refuses may do so before it has read everything, so that an error of
    // sending is told only where there is no answer.
    let sent = wire.send();
    loop {
        if let Some(response) = awaiting.receive(&mut wire.inbox)? {
            sent?;
            return Ok(response);
        }
        match wire.receive() {
            Ok(true) => {}
            Ok(false) => return Err(ended(&mut awaiting, sent)),
            Err(error) if awaiting.is_refused() => {
                // The body of a refusal is worth no more than the refusal.
                drop(error);
                return Err(awaiting.receive_end().into());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The server ended the connection instead of answering, or within its refusal.
fn ended(awaiting: &mut Awaiting, sent: Result<(), ClientError>) -> ClientError {
    match (awaiting.receive_end(), sent) {
        (HandshakeError::Ended, Err(error)) => error,
        (error, _) => error.into(),
    }
}

/// "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a
/// strong source of entropy" (RFC 6455 §5.3): without one there is no connection.
fn fill(bytes: &mut [u8]) -> Result<(), ClientError> {
    getrandom::fill(bytes).map_err(|error| ClientError::Random(error.to_string()))
}
