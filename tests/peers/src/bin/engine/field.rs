//! Who takes part in a case, each checked once before it is measured.

use std::hint::black_box;

use wirewright_peers::Result;
use wirewright_peers::contest::Contestant;

use crate::cases::{Case, Role, Task};
use crate::decoders::{self, Decode};
use crate::encoders::{self, Encode};
use crate::ours;

/// The contestants and how many messages make a batch.
pub fn contestants(case: &Case, only: Option<&[String]>) -> Result<(Vec<Contestant>, usize)> {
    let (stream, messages) = case.stream();
    let mut all = Contest {
        case,
        only,
        messages,
        contestants: Vec::new(),
    };
    match case.task {
        Task::Decode => all.decoders(stream)?,
        Task::Encode => all.encoders(stream)?,
    }
    Ok((all.contestants, messages))
}

struct Contest<'a> {
    case: &'a Case,
    only: Option<&'a [String]>,
    messages: usize,
    contestants: Vec<Contestant>,
}

impl Contest<'_> {
    fn decoders(&mut self, stream: &'static [u8]) -> Result<()> {
        let (case, messages) = (self.case, self.messages);
        self.decoder("memcpy", || decoders::Memcpy::new(stream, messages))?;
        self.decoder("wirewright", || ours::Decoder::new(case, stream))?;
        self.decoder("tungstenite", || decoders::Tungstenite::new(case, stream))?;
        self.decoder("fastwebsockets", || {
            decoders::FastWebsockets::new(case, stream)
        })?;
        self.decoder("tokio-websockets", || {
            decoders::TokioWebsockets::new(case, stream)
        })?;
        self.decoder("web-socket", || decoders::WebSocketCrate::new(case, stream))?;
        self.decoder("sockudo-ws", || decoders::Sockudo::new(case, stream))
    }

    fn encoders(&mut self, stream: &'static [u8]) -> Result<()> {
        let (case, messages) = (self.case, self.messages);
        self.encoder("memcpy", || encoders::Memcpy::new(case, stream, messages))?;
        self.encoder("wirewright", || ours::Encoder::new(case))?;
        self.encoder("tungstenite", || encoders::Tungstenite::new(case))?;
        self.encoder("fastwebsockets", || encoders::FastWebsockets::new(case))?;
        self.encoder("tokio-websockets", || encoders::TokioWebsockets::new(case))?;
        self.encoder("web-socket", || encoders::WebSocketCrate::new(case))?;
        self.encoder("sockudo-ws", || encoders::Sockudo::new(case))
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.only
            .is_none_or(|only| only.iter().any(|wanted| wanted == name))
    }

    fn decoder<D: Decode + 'static>(
        &mut self,
        name: &'static str,
        new: impl FnOnce() -> D,
    ) -> Result<()> {
        if !self.is_wanted(name) {
            return Ok(());
        }
        let mut engine = new();
        if name != "memcpy" {
            let (payload, mut right) = (self.case.payload(), true);
            engine.decode(self.messages, |message| right &= message == payload)?;
            if !right {
                return Err(format!("{name} decodes {} wrongly", self.case.name()).into());
            }
        }
        let run = Box::new(move |count| {
            engine.decode(count, |message| {
                black_box(message);
            })
        });
        self.contestants.push(Contestant { name, run });
        Ok(())
    }

    fn encoder<E: Encode + 'static>(
        &mut self,
        name: &'static str,
        new: impl Fn() -> E,
    ) -> Result<()> {
        if !self.is_wanted(name) {
            return Ok(());
        }
        let mut tried = new();
        tried.encode(1)?;
        if let Some(wire) = tried.into_wire()
            && !self.is_right(wire.written())
        {
            return Err(format!("{name} encodes {} wrongly", self.case.name()).into());
        }
        let mut engine = new();
        let run = Box::new(move |count| engine.encode(count));
        self.contestants.push(Contestant { name, run });
        Ok(())
    }

    /// Whether `frame` holds the payload of the case, whatever its key.
    fn is_right(&self, frame: &[u8]) -> bool {
        let payload = self.case.payload();
        let (head, body) = frame.split_at(frame.len().saturating_sub(payload.len()));
        match self.case.role {
            Role::Server => body == payload,
            Role::Client => {
                let Some(key) = head.last_chunk::<4>() else {
                    return false;
                };
                body.iter()
                    .zip(key.iter().cycle())
                    .map(|(b, k)| b ^ k)
                    .eq(payload.iter().copied())
            }
        }
    }
}
