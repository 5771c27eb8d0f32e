//! How a connection ends: by a Close, by our judgement, by its transport. Each way tells the
//! service, the log and the figures.

use std::io;
use std::sync::Arc;

use wirewright_core::{Close, CloseCode};

use super::open::{End, Flow, Open};
use super::sending::Rest;
use crate::error::ConnectionError;

impl Open {
    /// The transport is gone, without a Close from the peer: 1006 (RFC 6455 §7.1.5).
    pub(crate) fn lost(&mut self, error: Option<io::Error>) {
        let _span = self.span();
        tracing::debug!(caller = ?self.caller, ?error, "lost");
        // The peer may have ended its side only: what was answered in this very turn is sent, as it
        // is where the end comes a moment later. Over TLS, an alert may say what was wrong.
        let _ = self.caller.lock().flush();
        if let Some(error) = error {
            self.report(&ConnectionError::network(error));
        }
        self.gone();
    }

    /// As [`lost`](Self::lost), with nothing to report.
    pub(crate) fn gone(&mut self) {
        let _span = self.span();
        drop(self.end());
        self.finish(Close::from_code(CloseCode::ABNORMAL));
    }

    /// The peer has said Close.
    pub(super) fn closed(&mut self, close: Close<'_>) -> Flow {
        let figures = self.caller.figures();
        figures.closes_in.add(1);
        let mut sending = self.caller.lock();
        let by = if sending.is_close_sent() { "both" } else { "the peer" };
        self.caller.count_close(&sending);
        sending.reply(close.reply());
        drop(sending);
        let code = close.code().value();
        tracing::debug!(caller = ?self.caller, code, by, "closed");
        tracing::trace!(connection = self.caller.id(), reason = close.reason(), "closed");
        let out = self.end();
        self.finish(close);
        Flow::End(End::Closed(out))
    }

    /// The peer broke a rule or a limit: it is told, and nothing more is heard (RFC 6455 §7.1.7).
    pub(crate) fn fail(&mut self, code: CloseCode, error: &ConnectionError) -> Flow {
        let said = code.value();
        tracing::debug!(caller = ?self.caller, code = said, %error, "connection failed");
        self.report(error);
        let mut sending = self.caller.lock();
        self.caller.count_close(&sending);
        sending.fail(code);
        drop(sending);
        let out = self.end();
        self.finish(Close::from_code(CloseCode::ABNORMAL));
        Flow::End(End::Failed(out))
    }

    /// The service has panicked, and its peer was told.
    pub(super) fn over(&mut self) -> Flow {
        Flow::End(End::Failed(self.end()))
    }

    /// Nobody reaches the connection any more.
    pub(super) fn end(&mut self) -> Box<Rest> {
        let mut sending = self.caller.lock();
        self.caller.end_subscriptions(&mut sending);
        let mut rest = sending.end();
        rest.link = Some(Arc::clone(&self.caller.0.link));
        self.caller.note(&mut sending);
        Box::new(rest)
    }
}
