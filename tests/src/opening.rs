//! The opening handshake of a [`Pair`](crate::pair::Pair), over the same faulty wire.

use wirewright_core::Uri;
use wirewright_core::deflate::Agreement;
use wirewright_core::handshake::{Acceptor, Awaiting, ClientRequest};

use crate::plan::Plan;
use crate::side::Side;

/// A side that is not open yet.
#[derive(Debug)]
pub(crate) enum Opening {
    Client(Box<Awaiting>),
    Server(Acceptor),
}

impl Side {
    /// Begins the handshake; the client sends its request.
    pub(crate) fn begin(&mut self, plan: &Plan, index: usize) {
        self.opening = Some(if index == 0 {
            let uri = "ws://example.com/pair?of=two".parse::<Uri>();
            let request = ClientRequest::new(uri.expect("a URI"));
            let request = request.sub_protocols(["b", "a"]).expect("tokens");
            let request = request.compression(plan.configs[0].compression.clone());
            Opening::Client(Box::new(request.send([9; 16], &mut self.outbox)))
        } else {
            Opening::Server(Acceptor::new(Default::default()))
        });
    }

    /// Goes on with the handshake; what follows it stays in the inbox.
    pub(crate) fn open(&mut self, plan: &Plan) {
        let opened = match &mut self.opening {
            None => return,
            Some(Opening::Client(awaiting)) => {
                let response = awaiting.receive(&mut self.inbox).expect("a good response");
                response.map(|response| {
                    assert_eq!(response.sub_protocol(), Some("a"));
                    response.deflate()
                })
            }
            Some(Opening::Server(acceptor)) => {
                let request = acceptor.receive(&mut self.inbox).expect("a good request");
                request.map(|request| {
                    let upgrade = request.upgrade().expect("an upgrade").sub_protocols(&["a"]);
                    let upgrade = match &plan.configs[1].compression {
                        Some(compression) => upgrade.compression(compression).expect("an offer"),
                        None => upgrade,
                    };
                    upgrade.accept(&mut self.outbox).expect("accepted").deflate()
                })
            }
        };
        if let Some(agreement) = opened {
            self.opened(agreement, plan);
        }
    }

    fn opened(&mut self, agreement: Option<Agreement>, plan: &Plan) {
        assert_eq!(agreement, plan.agreement, "the handshake agrees on what its values do");
        self.opening = None;
    }
}
