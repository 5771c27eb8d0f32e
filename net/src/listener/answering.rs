//! What a connection answers to its request: 101 and all that follows from it, or a refusal.

use std::sync::Arc;

use wirewright_core::handshake::Rejection;
use wirewright_core::{Inbox, Incoming, Outbox, Outgoing, Role, Sender};

use super::admission::{Held, Place};
use super::caller::{Caller, CallerParts};
use super::connection::{Connection, Extra, Stage};
use super::context::Context;
use super::open::{End, Flow, Open};
use super::opening::{About, Granted, Refusal, Verdict, discard, negotiate};
use super::secured::Secured;
use crate::metrics;

/// What requests count for that no service was given.
const REFUSED: &str = "none";

impl Connection {
    pub(super) fn handle(&mut self, inbox: &mut Inbox, ctx: &mut Context) -> Flow {
        let opening = match &mut self.stage {
            Stage::Open(open) => return open.handle(inbox, ctx),
            Stage::Lingering(_) => return Flow::NeedMore(1),
            Stage::Opening(opening) => opening,
        };
        let secured = self.extra.as_ref().and_then(|extra| extra.secured.as_ref());
        let transport = (&*self.stream, secured.map(|secured| &*secured.secure));
        match opening.receive(inbox, transport, ctx) {
            Ok(Verdict::NeedMore) => Flow::NeedMore(1),
            Ok(Verdict::Asking) => Flow::Paused,
            Ok(Verdict::Accept(granted)) => match self.accept(*granted, ctx) {
                Ok(()) => {
                    // What is there is behind the request, which is not counted.
                    ctx.bytes_in = u32::try_from(inbox.unread().len()).unwrap_or(u32::MAX);
                    self.handle(inbox, ctx)
                }
                Err(refusal) => self.refuse(&refusal, ctx),
            },
            Ok(Verdict::Answer(answer)) => {
                ctx.settings.admission.answered();
                self.answer(&answer, ctx)
            }
            Err(refusal) => self.refuse(&refusal, ctx),
        }
    }

    #[cold]
    pub(super) fn refuse(&mut self, refusal: &Refusal, ctx: &Context) -> Flow {
        let (reason, status) = (refusal.reason, refusal.answer.status());
        let peer =
            if let Stage::Opening(opening) = &self.stage { Some(opening.peer) } else { None };
        tracing::debug!(?reason, status, ?peer, "handshake refused");
        metrics::request(metrics::SERVER, REFUSED);
        metrics::error(metrics::SERVER, REFUSED, "connection", "handshake");
        ctx.settings.admission.refused(reason);
        self.answer(&refusal.answer, ctx)
    }

    /// Answers with something else than 101, which ends the stage.
    fn answer(&mut self, answer: &Rejection, ctx: &Context) -> Flow {
        ctx.settings.admission.turn(&mut self.held, Held::Leaving);
        let mut out = Outbox::new();
        answer.send(&mut out);
        Flow::End(End::Refused(Box::new(out.into())))
    }

    /// Answers a request with 101, or says why not.
    fn accept(&mut self, granted: Granted, ctx: &mut Context) -> Result<(), Refusal> {
        let Granted { request, accept, route, place } = granted;
        let Stage::Opening(opening) = &self.stage else { return Ok(()) };
        let (peer, settings) = (opening.peer, &route.settings);
        metrics::request(metrics::SERVER, &settings.name);
        let (upgrade, identity, security) = request.into_parts();
        let upgrade = upgrade.headers(&accept.headers);
        let mut out = Outbox::new();
        let negotiated = negotiate(upgrade, &route, accept.sub_protocol.as_deref(), &mut out);
        let accepted = match negotiated {
            Ok(accepted) => accepted,
            Err(refusal) => {
                discard(accept.service);
                return Err(refusal);
            }
        };
        let agreement = accepted.deflate();
        let caller = Caller::new(CallerParts {
            token: self.token,
            peer,
            about: About::new(accepted.sub_protocol(), identity, security),
            stream: Arc::clone(&self.stream),
            sealing: Extra::secured(&mut self.extra).map(Secured::sealing),
            outgoing: Outgoing::new(Sender::Server, &settings.config, agreement),
            out,
            link: ctx.link(settings),
        });
        let incoming = Incoming::new(Role::Server, &settings.config, agreement);
        if place.is_some() {
            Place::join(&mut self.extra.get_or_insert_default().place, place);
        }
        ctx.settings.admission.turn(&mut self.held, Held::Open);
        let mut open = Box::new(Open::new(caller, incoming, accept.service, ctx));
        open.begin(ctx);
        self.stage = Stage::Open(open);
        ctx.sooner = true;
        Ok(())
    }
}
