//! Wirewright's engine, driven as its listener and its client drive it.

use std::hint::black_box;
use std::time::Duration;

use wirewright_core::{
    Config, Event, Inbox, Incoming, MaskingKeys, Message, Outbox, Outgoing, Sender,
};
use wirewright_peers::Result;
use wirewright_peers::wire::Wire;

use crate::cases::{Case, Role};
use crate::decoders::Decode;
use crate::encoders::Encode;

/// What one read may bring: the listener's scratch inbox, and a client's of its own.
const SERVER_READ: usize = 256 * 1024;
const CLIENT_READ: usize = 16 * 1024;

/// The listener's limit on one read.
const READ: usize = 128 * 1024;

/// When what has gathered is written.
const CORK: usize = 16 * 1024;

/// From here on a server's payload goes from where it lies, behind a head from the stack.
const DIRECT: usize = 16 * 1024;

fn config() -> Config {
    let mut config = Config::server();
    config.compression = None;
    config.outgoing_frame_size = usize::MAX;
    config.limits.max_frame_size = 16 << 20;
    config.limits.max_message_size = 16 << 20;
    config
}

pub struct Decoder {
    incoming: Incoming,
    inbox: Inbox,
    wire: Wire,
}

impl Decoder {
    pub fn new(case: &Case, stream: &'static [u8]) -> Self {
        let (role, read) = match case.role {
            Role::Server => (wirewright_core::Role::Server, SERVER_READ),
            Role::Client => (wirewright_core::Role::Client, CLIENT_READ),
        };
        Self {
            incoming: Incoming::new(role, &config(), None),
            inbox: Inbox::with_capacity(read),
            wire: Wire::reading(stream),
        }
    }
}

impl Decode for Decoder {
    fn decode(&mut self, count: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        let mut done = 0;
        while done < count {
            match self.incoming.receive(Duration::ZERO, &mut self.inbox)? {
                Event::Message(message) => {
                    each(message.as_bytes());
                    done += 1;
                }
                Event::NeedMore { hint } => {
                    let space = self.inbox.space(hint);
                    let room = space.len().min(READ);
                    let space = &mut space[..room];
                    let part = self.wire.give(space.len());
                    space[..part.len()].copy_from_slice(part);
                    // As they do, it calls on where a read has filled its room.
                    if part.len() < room {
                        self.inbox.received(part.len());
                    } else {
                        self.inbox.received_partly(part.len());
                    }
                }
                other => return Err(format!("unexpected {other:?}").into()),
            }
        }
        Ok(())
    }
}

pub struct Encoder {
    outgoing: Outgoing,
    outbox: Outbox,
    message: Message<'static>,
    wire: Wire,
}

impl Encoder {
    pub fn new(case: &Case) -> Self {
        let sender = match case.role {
            Role::Server => Sender::Server,
            Role::Client => Sender::Client(MaskingKeys::from_seed([7; 32])),
        };
        let message = match case.kind.is_text() {
            true => Message::Text(case.text()),
            false => Message::Binary(case.payload()),
        };
        Self {
            outgoing: Outgoing::new(sender, &config(), None),
            outbox: Outbox::new(),
            message,
            wire: Wire::writing(case.size),
        }
    }

    fn flush(&mut self) {
        if let Some(bytes) = self.outbox.poll_transmit() {
            self.wire.put(bytes);
            let len = bytes.len();
            self.outbox.transmitted(len);
        }
    }
}

impl Encode for Encoder {
    fn encode(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let message = *black_box(&self.message);
            if message.len() >= DIRECT
                && let Some(head) = self.outgoing.head(message)?
            {
                self.flush();
                self.wire.put(&head);
                self.wire.put(message.as_bytes());
                continue;
            }
            self.outgoing.send(message, &mut self.outbox)?;
            if self.outbox.len() >= CORK {
                self.flush();
            }
        }
        self.flush();
        Ok(())
    }

    fn into_wire(self) -> Option<Wire> {
        Some(self.wire)
    }
}
