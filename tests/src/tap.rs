//! A reader of one side's output, with a parser of its own, that knows what a sender may do and
//! what its peer will refuse.

use wirewright_core::{Limit, Limits, ReceiveError};

/// Which limits of the peer a message goes past, so that it must be refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doom {
    /// One of its frames is too long.
    pub frame: bool,
    /// It has too many fragments.
    pub fragments: bool,
    /// It is too long, on the wire or when inflated.
    pub size: bool,
}

impl Doom {
    /// Whether the message must be refused.
    #[must_use]
    pub fn is_certain(self) -> bool {
        self != Self::default()
    }

    /// Whether this is a reason to refuse it.
    #[must_use]
    pub fn explains(self, error: ReceiveError) -> bool {
        match error {
            ReceiveError::Limit(Limit::FrameSize { .. }) => self.frame,
            ReceiveError::Limit(Limit::Fragments { .. }) => self.fragments,
            ReceiveError::Limit(Limit::MessageSize { .. }) => self.size,
            _ => false,
        }
    }
}

/// What a sender has put on the wire.
#[derive(Debug)]
pub struct Tap {
    /// Whether its frames must be masked.
    pub masked: bool,
    /// Whether RSV1 may be set.
    pub compression: bool,
    /// The longest frame that it may send.
    pub frame_size: usize,
    /// What the peer puts up with.
    pub peer: Limits,
    /// What the peer will refuse of the latest message.
    pub doom: Doom,
    /// Frames and payload bytes of the message under way.
    message: Option<(u32, u64)>,
    keys: Vec<[u8; 4]>,
    closed: bool,
}

impl Tap {
    /// A tap on a sender of this kind.
    #[must_use]
    pub fn new(masked: bool, compression: bool, frame_size: usize, peer: Limits) -> Self {
        Self {
            masked,
            compression,
            frame_size,
            peer,
            doom: Doom::default(),
            message: None,
            keys: Vec::new(),
            closed: false,
        }
    }

    /// Whether a Close went by.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Looks at what one call appended: whole frames.
    ///
    /// # Panics
    /// If the sender broke a rule.
    pub fn look(&mut self, mut bytes: &[u8]) {
        while let [first, second, rest @ ..] = bytes {
            assert!(!self.closed, "a frame follows the close frame");
            let (len, rest) = length(second & 0x7F, rest);
            assert_eq!(second & 0x80 != 0, self.masked, "frame masked, or not, against its role");
            let (payload, rest) = if self.masked {
                self.key(rest[..4].try_into().unwrap_or_default());
                rest[4..].split_at(len)
            } else {
                rest.split_at(len)
            };
            assert_eq!(first & 0x30, 0, "RSV2 or RSV3 set");
            self.frame(*first, payload.len());
            bytes = rest;
        }
        assert!(bytes.is_empty(), "a call ended within a frame");
    }

    fn frame(&mut self, first: u8, len: usize) {
        let (fin, rsv1) = (first & 0x80 != 0, first & 0x40 != 0);
        match first & 0x0F {
            0 => {
                assert!(self.message.is_some(), "continuation without a message");
                assert!(!rsv1, "RSV1 on a continuation");
            }
            1 | 2 => {
                assert!(self.message.is_none(), "message within a message");
                assert!(!rsv1 || self.compression, "RSV1 without an agreement");
                self.message = Some((0, 0));
                self.doom = Doom::default();
            }
            8..=10 => {
                assert!(fin && !rsv1 && len <= 125, "bad control frame");
                self.closed = first & 0x0F == 8;
                return;
            }
            other => panic!("reserved opcode {other}"),
        }
        assert!(len <= self.frame_size, "frame of {len} bytes, over {}", self.frame_size);
        if let Some((frames, wire)) = &mut self.message {
            *frames += 1;
            *wire += len as u64;
            self.doom.frame |= len > self.peer.max_frame_size;
            self.doom.fragments |= *frames > self.peer.max_fragments;
            self.doom.size |= *wire > self.peer.max_message_size;
        }
        if fin {
            self.message = None;
        }
    }

    /// "MUST NOT make it simple [...] to predict": at least, the keys do not repeat in a row.
    fn key(&mut self, key: [u8; 4]) {
        self.keys.push(key);
        if let [a, b, c] = self.keys[..] {
            assert!(a != b || b != c, "one masking key for three frames");
            self.keys.clear();
        }
    }
}

fn length(short: u8, rest: &[u8]) -> (usize, &[u8]) {
    let (len, min, rest) = match short {
        126 => {
            let (len, rest) = rest.split_at(2);
            (len.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 126, rest)
        }
        127 => {
            let (len, rest) = rest.split_at(8);
            (len.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 65_536, rest)
        }
        short => (u64::from(short), 0, rest),
    };
    assert!(len >= min, "length {len} not in its shortest form");
    (usize::try_from(len).unwrap_or(usize::MAX), rest)
}
