//! A layer that is no cryptography and stricter than any: each record has its number, so that one
//! that is lost, doubled or out of order ends the connection, and one in seven that are received
//! has to be answered by a record of the layer's own, as a key update has.
//!
//! ```text
//! kind (1) │ length (2) │ number (4) │ payload, each byte changed by the number
//! ```

use wirewright_core::{
    ClientLayers, Inbox, Layer, LayerError, LayerState, Opened, Outbox, Security, ServerLayers,
};

/// Layers of this kind, for either side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scrambled;

#[derive(Debug)]
struct Scramble {
    is_client: bool,
    said_hello: bool,
    heard_hello: bool,
    closed: bool,
    peer_closed: bool,
    failed: bool,
    sent: u32,
    received: u32,
}

const HELLO: u8 = 1;
const DATA: u8 = 2;
const ANSWER: u8 = 3;
const GOODBYE: u8 = 4;
const ALERT: u8 = 5;

const HEADER: usize = 7;
/// Payload of one record.
const RECORD: usize = 1000;
/// Records received between two that are answered.
const EVERY: u32 = 7;

impl ClientLayers for Scrambled {
    fn layer(&self, host: &str) -> Result<Box<dyn Layer>, LayerError> {
        if host == "nobody.test" {
            return Err(LayerError::permanent("no layer for this host"));
        }
        Ok(Box::new(Scramble::new(true)))
    }
}

impl ServerLayers for Scrambled {
    fn layer(&self) -> Result<Box<dyn Layer>, LayerError> {
        Ok(Box::new(Scramble::new(false)))
    }
}

impl Scramble {
    const fn new(is_client: bool) -> Self {
        Self {
            is_client,
            said_hello: false,
            heard_hello: false,
            closed: false,
            peer_closed: false,
            failed: false,
            sent: 0,
            received: 0,
        }
    }

    fn say(&mut self, kind: u8, payload: &[u8], out: &mut Outbox) {
        let len = u16::try_from(payload.len()).unwrap();
        out.extend(&[kind]);
        out.extend(&len.to_be_bytes());
        out.extend(&self.sent.to_be_bytes());
        let key = self.sent.to_le_bytes()[0];
        let changed: Vec<u8> = payload.iter().map(|byte| byte ^ key).collect();
        out.extend(&changed);
        self.sent += 1;
    }

    fn hello(&mut self, out: &mut Outbox) {
        if !self.said_hello {
            self.said_hello = true;
            self.say(HELLO, b"", out);
        }
    }

    fn fail(&mut self, why: String, out: &mut Outbox) -> LayerError {
        self.failed = true;
        self.say(ALERT, b"", out);
        LayerError::transient(why)
    }
}

impl Layer for Scramble {
    fn open(
        &mut self,
        wire: &mut [u8],
        plain: &mut Inbox,
        out: &mut Outbox,
    ) -> Result<Opened, LayerError> {
        if self.failed {
            return Err(LayerError::transient("failed before"));
        }
        if self.peer_closed {
            return Ok(Opened { consumed: wire.len(), next: LayerState::Closed });
        }
        if self.is_client {
            self.hello(out);
        }
        let wait = Ok(Opened { consumed: 0, next: LayerState::Wait });
        let Some((header, rest)) = wire.split_first_chunk_mut::<HEADER>() else { return wait };
        let len = usize::from(u16::from_be_bytes([header[1], header[2]]));
        let number = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
        let kind = header[0];
        let Some(payload) = rest.get_mut(..len) else { return wait };
        if number != self.received {
            let why = format!("record {number} where {} is due", self.received);
            return Err(self.fail(why, out));
        }
        self.received += 1;
        payload.iter_mut().for_each(|byte| *byte ^= number.to_le_bytes()[0]);
        match kind {
            HELLO => self.heard_hello = true,
            DATA if self.heard_hello => plain.extend(payload),
            ANSWER => {}
            GOODBYE => self.peer_closed = true,
            other => return Err(self.fail(format!("record of kind {other}"), out)),
        }
        self.hello(out);
        if kind == DATA && number.is_multiple_of(EVERY) && !self.closed {
            self.say(ANSWER, b"so it is", out);
        }
        let next = if self.peer_closed { LayerState::Closed } else { LayerState::More };
        Ok(Opened { consumed: HEADER + len, next })
    }

    fn seal(&mut self, plain: &[u8], out: &mut Outbox) -> Result<usize, LayerError> {
        if !self.is_open() || self.closed || self.failed {
            return Err(LayerError::permanent("cannot seal now"));
        }
        let taken = plain.len().min(RECORD);
        self.say(DATA, &plain[..taken], out);
        Ok(taken)
    }

    fn close(&mut self, out: &mut Outbox) {
        if !self.closed && !self.failed && self.is_open() {
            self.closed = true;
            self.say(GOODBYE, b"", out);
        }
    }

    fn is_open(&self) -> bool {
        self.said_hello && self.heard_hello
    }

    fn ended(&self) -> Result<(), LayerError> {
        let said = self.peer_closed || self.closed;
        if said { Ok(()) } else { Err(LayerError::transient("cut off")) }
    }

    fn security(&self) -> Security {
        let mut security = Security::default();
        security.protocol = "scrambled";
        security
    }
}
