//! A connection before its 101: from the first byte of a request to the answer.
//!
//! ```text
//! head ─▶ RFC 6455 §4.2.1 ─▶ route ─▶ check ─▶ origin ─▶ authenticators ─▶ upgrade service ─▶ 101
//!   │                                                  └─ off the loop, if one may block ─┘
//!   └─▶ a plain request: body ─▶ fallback
//! ```

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use mio::Token;
use mio::net::TcpStream;
use wirewright_core::handshake::{
    Accepted, Acceptor, HandshakeMisuse, Identity, Rejection, Request, Upgrade,
};
use wirewright_core::{Inbox, Outbox, Security};

use super::admission::{Place, Reason};
use super::asking::Question;
use super::caller::Caller;
use super::context::Context;
use super::expiry;
use super::fallback::HttpRequest;
use super::mailbox::Command;
use super::options::Route;
use super::revocation::Revocation;
use super::upgrade::{Accept, UpgradeRequest};
use crate::secure::Secure;

/// The stage before the 101.
pub(crate) struct Opening {
    token: Token,
    step: Step,
    pub(crate) peer: SocketAddr,
    pub(crate) deadline: Duration,
    /// What was revoked while somebody was asked.
    revoked: Vec<Arc<Revocation>>,
}

enum Step {
    /// The head is under way.
    Head(Acceptor),
    /// A plain request's body is under way, of so many bytes.
    Body(Box<Request>, usize),
    /// Somebody off the loop is asked. Once this is dropped, nobody waits for the answer.
    Asking(#[expect(dead_code, reason = "that it is dropped is what is read")] Arc<()>),
    /// And has answered.
    Answered(Box<Decision>),
    /// All is said.
    Over,
}

/// Where receiving leaves the handshake; an error is an answer other than 101.
pub(crate) enum Verdict {
    NeedMore,
    /// Nothing goes on until somebody off the loop has decided.
    Asking,
    /// The fallback's answer.
    Answer(Rejection),
    Accept(Box<Granted>),
}

/// The answer to a request that gets no 101.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) answer: Rejection,
    pub(crate) reason: Reason,
}

/// A request that is to get its 101, and what there is to know for it.
pub(crate) struct Granted {
    pub(crate) request: UpgradeRequest,
    pub(crate) accept: Accept,
    pub(crate) route: Arc<Route>,
    pub(crate) place: Option<Box<Place>>,
}

/// A socket, and what lies between it and the inbox over TLS.
pub(crate) type Transport<'t> = (&'t TcpStream, Option<&'t Secure>);

pub(crate) type Decision = Result<Granted, Refusal>;

impl Opening {
    pub(crate) fn new(token: Token, peer: SocketAddr, ctx: &Context) -> Self {
        let step = Step::Head(Acceptor::new(ctx.settings.handshake_limits));
        let deadline = ctx.now.saturating_add(ctx.settings.handshake_timeout);
        Self { token, step, peer, deadline, revoked: Vec::new() }
    }

    /// Goes as far as what has arrived allows.
    pub(crate) fn receive(
        &mut self,
        inbox: &mut Inbox,
        transport: Transport<'_>,
        ctx: &mut Context,
    ) -> Result<Verdict, Refusal> {
        match &mut self.step {
            Step::Head(acceptor) => match acceptor.receive(inbox) {
                Ok(None) => Ok(Verdict::NeedMore),
                Ok(Some(request)) if request.is_upgrade() => self.judge(request, transport, ctx),
                Ok(Some(request)) => {
                    self.plain(request, ctx)?;
                    self.body(inbox, transport, ctx)
                }
                Err(answer) => Err(Refusal::new(Reason::Request, answer)),
            },
            Step::Body(..) => self.body(inbox, transport, ctx),
            Step::Asking(_) => Ok(Verdict::Asking),
            Step::Answered(_) | Step::Over => match std::mem::replace(&mut self.step, Step::Over) {
                Step::Answered(decision) => {
                    let granted = decision.and_then(|granted| self.unless_revoked(granted))?;
                    Ok(Verdict::Accept(Box::new(granted)))
                }
                _ => Ok(Verdict::NeedMore),
            },
        }
    }

    /// Whether somebody off the loop is asked.
    pub(crate) const fn is_asking(&self) -> bool {
        matches!(self.step, Step::Asking(_))
    }

    /// Whether there is something to do although nothing has arrived.
    pub(crate) const fn is_answered(&self) -> bool {
        matches!(self.step, Step::Answered(_))
    }

    /// Takes the answer of whoever was asked.
    pub(crate) fn answered(&mut self, decision: Box<Decision>) {
        self.step = Step::Answered(decision);
    }

    /// An identity is revoked: also that of whoever is being asked about now.
    pub(crate) fn revoke(&mut self, revocation: &Arc<Revocation>) {
        if self.is_asking() || self.is_answered() {
            self.revoked.push(Arc::clone(revocation));
        }
    }

    fn unless_revoked(&self, granted: Granted) -> Decision {
        let identity = granted.request.identity();
        if !identity.is_some_and(|identity| self.revoked.iter().any(|it| it.covers(identity))) {
            return Ok(granted);
        }
        discard(granted);
        Err(Refusal::new(Reason::Authentication, expiry::no_longer_valid()))
    }

    /// What to answer when the deadline has passed; nothing to whoever has asked nothing yet.
    pub(crate) fn overdue(&self) -> Option<Refusal> {
        self.is_asking().then(|| Refusal::busy(Reason::Deadline))
    }

    /// A request for a WebSocket, up to the point where somebody is to be asked.
    fn judge(
        &mut self,
        request: Request,
        (stream, secure): Transport<'_>,
        ctx: &mut Context,
    ) -> Result<Verdict, Refusal> {
        let upgrade = request.upgrade().map_err(|answer| Refusal::new(Reason::Request, answer))?;
        let (route, parameters) = ctx
            .known
            .find(&ctx.settings.routes, upgrade.request().path())
            .ok_or_else(|| Refusal::new(Reason::Route, Rejection::not_found()))?;
        let addresses = (self.peer, local_addr(stream));
        let security = secure.map(|secure| Arc::new(secure.security()));
        let request = UpgradeRequest::new(upgrade, parameters, addresses, security);
        if let Some(check) = &route.check {
            guard("check", || check(&request))
                .map_err(|answer| Refusal::new(Reason::Check, answer))?;
        }
        if !route.origins.admits(&request, secure.is_some()) {
            let answer = Rejection::forbidden().body("this origin is not served here\n");
            return Err(Refusal::new(Reason::Origin, answer));
        }
        let admission = Arc::clone(&ctx.settings.admission);
        let question = Question { request, route, admission };
        if question.may_block() {
            return self.ask(question, ctx);
        }
        self.step = Step::Over;
        question.answer().map(|granted| Verdict::Accept(Box::new(granted)))
    }

    /// Asks off the loop; the answer comes by mail.
    fn ask(&mut self, question: Question, ctx: &Context) -> Result<Verdict, Refusal> {
        let ticket = Arc::new(());
        let waiting = Arc::downgrade(&ticket);
        let (mailbox, token) = (Arc::clone(&ctx.mailbox), self.token);
        let job = move || {
            // Whoever has gone meanwhile costs nobody's time.
            if waiting.strong_count() > 0 {
                let decision = Box::new(question.answer());
                drop(mailbox.send(Command::Decided(token, decision)));
            }
        };
        ctx.settings.askers.submit(Box::new(job)).map_err(|error| {
            tracing::warn!(%error, "no thread to decide on a request, refusing it");
            Refusal::busy(Reason::Threads)
        })?;
        self.step = Step::Asking(ticket);
        Ok(Verdict::Asking)
    }

    /// A plain request: whether it can be answered, as far as its head tells.
    fn plain(&mut self, request: Request, ctx: &mut Context) -> Result<(), Refusal> {
        if !ctx.settings.fallback.covers(&request) {
            let known = ctx.known.find(&ctx.settings.routes, request.path()).is_some();
            let reason = if known { Reason::Request } else { Reason::Route };
            let answer = if known { request.upgrade().err() } else { None };
            return Err(Refusal::new(reason, answer.unwrap_or(Rejection::not_found())));
        }
        let refuse = |answer| Refusal::new(Reason::Request, answer);
        let status = |status| refuse(Rejection::new(status).unwrap_or_else(Into::into));
        let length = usize::try_from(request.body_length().map_err(refuse)?);
        match length.ok().filter(|length| *length <= ctx.settings.max_request_body) {
            None => Err(status(413)),
            // "MAY respond with a 417" (RFC 9110 §10.1.1): the body is to come with the request.
            Some(1..) if request.head().header("Expect").is_some() => Err(status(417)),
            Some(length) => {
                self.step = Step::Body(Box::new(request), length);
                Ok(())
            }
        }
    }

    fn body(
        &mut self,
        inbox: &mut Inbox,
        (stream, _): Transport<'_>,
        ctx: &Context,
    ) -> Result<Verdict, Refusal> {
        let (request, length) = match std::mem::replace(&mut self.step, Step::Over) {
            Step::Body(request, length) if inbox.unread().len() >= length => (*request, length),
            step => {
                self.step = step;
                return Ok(Verdict::NeedMore);
            }
        };
        let body = inbox.unread()[..length].into();
        inbox.consume(length);
        let (peer, local) = (self.peer, local_addr(stream));
        let request = HttpRequest { request, body, peer, local };
        let answer =
            ctx.settings.fallback.answer(&request, ctx.settings.defaults.tuning.max_queued);
        Ok(Verdict::Answer(answer.unwrap_or(Rejection::not_found())))
    }
}

/// What only some connections keep of their opening.
pub(crate) struct About {
    pub(crate) sub_protocol: Option<Box<str>>,
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) security: Option<Arc<Security>>,
}

impl About {
    /// `None` where there is nothing to say.
    pub(crate) fn new(
        sub_protocol: Option<&str>,
        identity: Option<Identity>,
        security: Option<Arc<Security>>,
    ) -> Option<Box<Self>> {
        let some = sub_protocol.is_some() || identity.is_some() || security.is_some();
        let identity = identity.map(Arc::new);
        let sub_protocol = sub_protocol.map(Into::into);
        some.then(|| Box::new(Self { sub_protocol, identity, security }))
    }
}

impl Caller {
    /// The sub-protocol that the handshake agreed on.
    #[must_use]
    pub fn sub_protocol(&self) -> Option<&str> {
        self.0.about.as_ref()?.sub_protocol.as_deref()
    }

    /// What TLS has agreed on, and the peer's certificate if it has shown one; `None` without TLS.
    #[must_use]
    pub fn security(&self) -> Option<&Security> {
        self.0.about.as_ref()?.security.as_deref()
    }

    /// Whether the connection is over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.security().is_some()
    }
}

impl Refusal {
    pub(crate) const fn new(reason: Reason, answer: Rejection) -> Self {
        Self { answer, reason }
    }

    /// 503: another attempt may do.
    pub(crate) fn busy(reason: Reason) -> Self {
        let answer = Rejection::unavailable().header("Retry-After", "1");
        Self::new(reason, answer.unwrap_or(Rejection::unavailable()))
    }
}

/// Agrees on a sub-protocol and on compression, for whoever has passed all checks, and writes the
/// 101.
pub(crate) fn negotiate(
    upgrade: Upgrade,
    route: &Route,
    chosen: Option<&str>,
    out: &mut Outbox,
) -> Result<Accepted, Refusal> {
    let misuse = |error: HandshakeMisuse| {
        tracing::error!(%error, "upgrade service asks for what cannot be, refusing the request");
        Refusal::new(Reason::Service, error.into())
    };
    let malformed = |answer| Refusal::new(Reason::Request, answer);
    let any = route.sub_protocols.iter().any(|name| name == "*");
    let first = upgrade.request().sub_protocols().next().filter(|_| any).map(ToOwned::to_owned);
    let mut upgrade = match chosen.or(first.as_deref()) {
        Some(name) => upgrade.sub_protocol(name).map_err(misuse)?,
        None => upgrade.sub_protocols(&route.sub_protocols),
    };
    if let Some(compression) = &route.settings.config.compression {
        upgrade = upgrade.compression(compression).map_err(malformed)?;
    }
    upgrade.accept(out).map_err(malformed)
}

/// Calls the user's code; a panic of it refuses this one request with 500.
pub(crate) fn guard<T>(
    what: &str,
    call: impl FnOnce() -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        tracing::error!("{what} panicked, refusing the request");
        Err(Rejection::internal_error())
    })
}

/// Drops what holds a service; its destructor may panic.
pub(crate) fn discard<T>(value: T) {
    if catch_unwind(AssertUnwindSafe(move || drop(value))).is_err() {
        tracing::error!("service panicked as it was dropped");
    }
}

/// A socket whose peer has gone may have none any more.
fn local_addr(stream: &TcpStream) -> SocketAddr {
    stream.local_addr().unwrap_or(SocketAddr::from(([0; 4], 0)))
}
