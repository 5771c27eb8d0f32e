//! Wirewright's two halves, with what a handshake would have agreed on.

use std::time::Duration;

use wirewright_core::deflate::Agreement;
use wirewright_core::{Config, Event, Inbox, Incoming, Message, Outbox, Outgoing, Role};
use wirewright_peers::Result;
use wirewright_peers::wire::Wire;

use crate::peers::{Deflate, Inflate};
use crate::texts::Case;

fn agreement(case: &Case) -> Agreement {
    Agreement {
        server_no_context_takeover: !case.takeover,
        client_no_context_takeover: !case.takeover,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    }
}

pub struct Sender {
    outgoing: Outgoing,
    outbox: Outbox,
    wire: Wire,
}

impl Sender {
    pub fn new(case: &Case) -> Self {
        // The default is level 6 and a window of 15 bits.
        let sender = wirewright_core::Sender::Server;
        let outgoing = Outgoing::new(sender, &Config::server(), Some(agreement(case)));
        Self {
            outgoing,
            outbox: Outbox::new(),
            wire: Wire::writing(1 << 20),
        }
    }
}

impl Deflate for Sender {
    fn send(&mut self, text: &'static str) -> Result<()> {
        self.outgoing.send(Message::Text(text), &mut self.outbox)?;
        if let Some(bytes) = self.outbox.poll_transmit() {
            self.wire.put(bytes);
            let len = bytes.len();
            self.outbox.transmitted(len);
        }
        Ok(())
    }

    fn into_written(self) -> Result<Vec<u8>> {
        Ok(self.wire.written().to_vec())
    }
}

pub struct Receiver {
    incoming: Incoming,
    inbox: Inbox,
    wire: Wire,
}

impl Receiver {
    pub fn new(case: &Case) -> Result<Self> {
        let incoming = Incoming::new(Role::Client, &Config::client(), Some(agreement(case)));
        let inbox = Inbox::with_capacity(64 * 1024);
        Ok(Self {
            incoming,
            inbox,
            wire: Wire::reading(case.stream()?),
        })
    }
}

impl Inflate for Receiver {
    fn receive(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        let mut done = 0;
        while done < count {
            match self.incoming.receive(Duration::ZERO, &mut self.inbox)? {
                Event::Message(message) => {
                    each(message.as_bytes());
                    done += 1;
                }
                Event::NeedMore { hint } => {
                    let space = self.inbox.space(hint);
                    let part = self.wire.give(space.len());
                    space[..part.len()].copy_from_slice(part);
                    self.inbox.received(part.len());
                }
                other => return Err(format!("unexpected {other:?}").into()),
            }
        }
        Ok(())
    }
}
