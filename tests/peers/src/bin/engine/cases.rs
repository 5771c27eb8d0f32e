//! What the engines are given: the same bytes to everybody.

use wirewright_peers::frames::{BINARY, Frame, TEXT, mask_key};
use wirewright_peers::table;

/// Which end the engine plays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    Server,
    Client,
}

/// What the messages hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Binary,
    Ascii,
    Mixed,
}

impl Kind {
    pub fn is_text(self) -> bool {
        self != Self::Binary
    }

    fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Ascii => "ascii",
            Self::Mixed => "mixed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task {
    Decode,
    Encode,
}

#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub task: Task,
    pub role: Role,
    pub kind: Kind,
    pub size: usize,
    pub fragments: usize,
}

/// Enough messages that reads hold many small ones and the stream leaves the first caches.
const STREAM_BYTES: usize = 1 << 20;

pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for task in [Task::Decode, Task::Encode] {
        for role in [Role::Server, Role::Client] {
            for kind in [Kind::Binary, Kind::Ascii, Kind::Mixed] {
                for size in [20, 125, 1024, 16 * 1024, 1 << 20] {
                    cases.push(Case {
                        task,
                        role,
                        kind,
                        size,
                        fragments: 1,
                    });
                }
                if task == Task::Decode {
                    cases.push(Case {
                        task,
                        role,
                        kind,
                        size: 16 * 1024,
                        fragments: 16,
                    });
                }
            }
        }
    }
    cases
}

impl Case {
    /// As `--rows` selects it: any part of it will do.
    pub fn name(&self) -> String {
        let (task, role) = match (self.task, self.role) {
            (Task::Decode, Role::Server) => ("decode", "server"),
            (Task::Decode, Role::Client) => ("decode", "client"),
            (Task::Encode, Role::Server) => ("encode", "server"),
            (Task::Encode, Role::Client) => ("encode", "client"),
        };
        let size = table::bytes(self.size).replace(' ', "");
        let fragments = match self.fragments {
            1 => String::new(),
            many => format!("-{many}fragments"),
        };
        format!("{task}-{role}-{}-{size}{fragments}", self.kind.name())
    }

    /// The payload, for as long as the program runs: it ends after one table.
    pub fn payload(&self) -> &'static [u8] {
        let bytes = match self.kind {
            Kind::Binary => (0..self.size).map(|i| (i * 31 + i / 251) as u8).collect(),
            Kind::Ascii => repeat(
                r#"{"symbol":"ABC","price":101.25,"size":300,"side":"buy"},"#,
                self,
            ),
            Kind::Mixed => repeat(
                "Grüße aus Köln, 東京の天気は晴れ, привет, naïve café 🙂 and ASCII; ",
                self,
            ),
        };
        Box::leak(bytes.into_boxed_slice())
    }

    /// The payload as text; only for the kinds that are.
    pub fn text(&self) -> &'static str {
        // Both texts are cut at a boundary and filled up with spaces.
        std::str::from_utf8(self.payload()).unwrap_or_default()
    }

    /// Many messages as the other end sends them, and how many they are.
    pub fn stream(&self) -> (&'static [u8], usize) {
        let payload = self.payload();
        let count = (STREAM_BYTES / self.frame_bytes()).max(4);
        let mut stream = Vec::new();
        for index in 0..count {
            self.write_message(payload, index, &mut stream);
        }
        (Box::leak(stream.into_boxed_slice()), count)
    }

    fn write_message(&self, payload: &[u8], index: usize, out: &mut Vec<u8>) {
        let masked = (self.role == Role::Server) == (self.task == Task::Decode);
        let opcode = if self.kind.is_text() { TEXT } else { BINARY };
        let length = payload.len() / self.fragments;
        for fragment in 0..self.fragments {
            let part = &payload[fragment * length..(fragment + 1) * length];
            let frame = Frame {
                fin: fragment + 1 == self.fragments,
                opcode: if fragment == 0 { opcode } else { 0 },
                mask: masked.then(|| mask_key(index * self.fragments + fragment)),
                payload: part,
            };
            frame.write_to(out);
        }
    }

    /// The length of one message on the wire, about.
    pub fn frame_bytes(&self) -> usize {
        self.size + 8 * self.fragments
    }
}

fn repeat(text: &str, case: &Case) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(case.size);
    for character in text.chars().cycle() {
        if bytes.len() + character.len_utf8() > case.size {
            break;
        }
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    bytes.resize(case.size, b' ');
    bytes
}
