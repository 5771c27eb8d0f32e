//! The wait for an answer's end: interim answers are passed over, a refusal's body is collected.

use alloc::boxed::Box;
use core::mem;

use super::{
    HandshakeError, HandshakeLimits, Refused,
    body::Body,
    head::{Head, HeadReader, StatusLine},
};
use crate::inbox::Inbox;

/// What a request of ours waits for, whether it went to a server or to a proxy.
#[derive(Debug)]
pub(super) struct Wait {
    reader: HeadReader,
    /// An answer of another status than was wanted, whose body is under way.
    refusal: Option<(Box<Refused>, Body)>,
}

impl Wait {
    pub(super) const fn new(limits: HandshakeLimits) -> Self {
        Self { reader: HeadReader::response(limits), refusal: None }
    }

    /// Reads on in `inbox` until there is an answer whose status is `wanted`; `None` until then.
    pub(super) fn receive(
        &mut self,
        inbox: &mut Inbox,
        wanted: impl Fn(u16) -> bool,
    ) -> Result<Option<(Head, StatusLine)>, HandshakeError> {
        while self.refusal.is_none() {
            let Some(complete) = self.reader.receive(inbox)? else { return Ok(None) };
            let (head, line) = Head::response(complete)?;
            match line.status {
                status if wanted(status) => return Ok(Some((head, line))),
                // "A client MUST be able to parse one or more 1xx responses received prior to a
                // final response, even if the client does not expect one" (RFC 9110 §15.2).
                100..=199 => {}
                status => {
                    let limit = self.reader.limits().max_refusal_body;
                    let body = Body::new(status, &head, limit);
                    self.refusal = Some((Box::new(Refused::new(head, line)), body));
                }
            }
        }
        let complete = self.refusal.as_mut().is_some_and(|(_, body)| body.receive(inbox));
        if complete { Err(self.receive_end()) } else { Ok(None) }
    }

    pub(super) fn receive_end(&mut self) -> HandshakeError {
        match mem::take(&mut self.refusal) {
            Some((refused, body)) => HandshakeError::Refused(refused.with_body(body)),
            None => HandshakeError::Ended,
        }
    }

    pub(super) const fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }
}
