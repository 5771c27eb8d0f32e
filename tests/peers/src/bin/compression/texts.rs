//! JSON as services send it: the same keys, other values, message after message.

use std::fmt::Write as _;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use wirewright_peers::frames::{self, Frame, TEXT};
use wirewright_peers::{Result, table};

/// What RFC 7692 §7.2.1 takes from the end of each message.
pub const TRAILER: [u8; 4] = [0, 0, 0xff, 0xff];

#[derive(Clone, Debug)]
pub struct Case {
    pub size: usize,
    pub takeover: bool,
    pub texts: Vec<&'static str>,
}

pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (size, count) in [(100, 256), (1024, 128), (16 * 1024, 32)] {
        for takeover in [true, false] {
            let mut random = Random(0x2545_F491_4F6C_DD1D);
            let texts = (0..count).map(|_| message(size, &mut random)).collect();
            cases.push(Case {
                size,
                takeover,
                texts,
            });
        }
    }
    cases
}

/// Xorshift: the same numbers in every run, and no need for good ones.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

fn message(size: usize, random: &mut Random) -> &'static str {
    let mut text = String::from("[");
    while text.len() + 1 < size {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"{{"id":{},"symbol":"{}","side":"{}","price":{}.{:02},"quantity":{},"time":{}}},"#,
            random.below(1_000_000_000),
            ["ABCUSD", "XYZEUR", "KLMGBP", "DEFJPY"][random.below(4) as usize],
            ["buy", "sell"][random.below(2) as usize],
            90 + random.below(20),
            random.below(100),
            1 + random.below(5_000),
            1_760_000_000_000 + random.below(1_000_000),
        );
    }
    text.truncate(size - 1);
    text.push(']');
    text.leak()
}

impl Case {
    pub fn name(&self) -> String {
        let takeover = if self.takeover {
            "takeover"
        } else {
            "no takeover"
        };
        format!("{}, {takeover}", table::bytes(self.size))
    }

    /// What the handshake would have agreed on.
    pub fn extensions(&self) -> &'static str {
        if self.takeover {
            "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15"
        } else {
            "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15; \
             server_no_context_takeover; client_no_context_takeover"
        }
    }

    /// Each message compressed by zlib-rs itself, as everybody is given to inflate.
    pub fn compressed(&self) -> Result<Vec<Vec<u8>>> {
        let mut compress = Compress::new_with_window_bits(Compression::new(6), false, 15);
        let mut all = Vec::new();
        for text in &self.texts {
            let mut out = Vec::with_capacity(2 * text.len() + 64);
            compress.compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync)?;
            out.truncate(out.len() - TRAILER.len());
            all.push(out);
            if !self.takeover {
                compress.reset();
            }
        }
        Ok(all)
    }

    /// The same as a server's frames, for as long as the program runs.
    pub fn stream(&self) -> Result<&'static [u8]> {
        let mut stream = Vec::new();
        for payload in self.compressed()? {
            // RSV1 marks a compressed message (RFC 7692 §6).
            let opcode = 0x40 | TEXT;
            Frame {
                fin: true,
                opcode,
                mask: None,
                payload: &payload,
            }
            .write_to(&mut stream);
        }
        Ok(Box::leak(stream.into_boxed_slice()))
    }

    /// Inflates what a contestant sent, compares, and gives the mean size of a message.
    pub fn check(&self, name: &str, mut frames: &[u8]) -> Result<f64> {
        let mut decompress = Decompress::new_with_window_bits(false, 15);
        let mut total = 0;
        for text in &self.texts {
            let (first, payload, rest) = frames::parse(frames).ok_or("a frame is missing")?;
            frames = rest;
            total += payload.len();
            let mut out = Vec::with_capacity(text.len() + 64);
            if first & 0x40 == 0 {
                out.extend_from_slice(payload);
            } else {
                let input = [payload, &TRAILER].concat();
                decompress.decompress_vec(&input, &mut out, FlushDecompress::Sync)?;
            }
            if out != text.as_bytes() {
                return Err(format!("{name} compresses {} wrongly", self.name()).into());
            }
            if !self.takeover {
                decompress.reset(false);
            }
        }
        Ok(total as f64 / self.texts.len() as f64)
    }
}
