//! Options as plain fields; every default is safe and finite.

use core::time::Duration;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Masks what it sends, and wants what it receives unmasked (RFC 6455 §5.1).
    Client,
    /// The reverse.
    Server,
}

/// What an engine needs to know beside what the handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Bounds on what the peer may send.
    pub limits: Limits,
    /// Payload bytes per frame that we send; a longer message is cut. 65 536 by default.
    pub outgoing_frame_size: usize,
    /// Deliver messages piece by piece as they arrive
    /// ([`Event::Fragment`](crate::Event::Fragment)); one that is all there is still an
    /// [`Event::Message`](crate::Event::Message). Off by default.
    pub streaming: bool,
    /// permessage-deflate (RFC 7692); `None` neither offers nor accepts it.
    pub compression: Option<Compression>,
}

impl Config {
    /// The defaults of a client: messages of up to 16 MiB.
    #[must_use]
    pub fn client() -> Self {
        Self {
            limits: Limits { max_message_size: 16 << 20, ..Limits::default() },
            outgoing_frame_size: 65_536,
            streaming: false,
            compression: Some(Compression::default()),
        }
    }

    /// The defaults of a listener: messages of up to 1 MiB, for its peers are many and unknown.
    #[must_use]
    pub fn server() -> Self {
        Self { limits: Limits::default(), ..Self::client() }
    }
}

/// Bounds on what a peer may send. Each is named in the error that enforces it
/// ([`Limit`](crate::Limit)); for no limit, say the type's `MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Payload bytes of one frame; 65 536 by default.
    pub max_frame_size: usize,
    /// Payload bytes of one message over all fragments, compressed and inflated; 1 MiB by
    /// default (16 MiB in [`Config::client`]). With [`Config::streaming`] it bounds one message
    /// all the same.
    pub max_message_size: u64,
    /// Fragments of one message, empty ones included; 4 096 by default.
    pub max_fragments: u32,
    /// Control frames per second, in bursts of twice that; 1 000 by default.
    pub max_control_frames: u32,
    /// From the first frame of a message to its last; 60 s by default.
    pub max_assembly_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_size: 65_536,
            max_message_size: 1 << 20,
            max_fragments: 4_096,
            max_control_frames: 1_000,
            max_assembly_time: Duration::from_secs(60),
        }
    }
}

/// permessage-deflate (RFC 7692): what to offer or accept, and how to compress.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compression {
    /// 0 (store) to 9 (smallest); 6 by default.
    pub level: u8,
    /// Messages below this many bytes go uncompressed; 0 (all are compressed) by default.
    pub threshold: usize,
    /// Keep the window of what we send from message to message: smaller messages, at the price
    /// of a compressor per connection; see [`Self::shared`]. `true` by default.
    pub send_takeover: bool,
    /// Let the peer keep its window, at the price of an inflater per connection. `true` by
    /// default.
    pub receive_takeover: bool,
    /// Base-2 logarithm of the largest window we compress with, 8–15; 15 by default.
    pub send_window_bits: u8,
    /// Base-2 logarithm of the largest window the peer may compress with, 8–15; 15 by default.
    pub receive_window_bits: u8,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            level: 6,
            threshold: 0,
            send_takeover: true,
            receive_takeover: true,
            send_window_bits: 15,
            receive_window_bits: 15,
        }
    }
}

impl Compression {
    /// No window is kept between messages, in either direction, so that one compressor and one
    /// inflater serve any number of connections: an idle connection costs nothing.
    #[must_use]
    pub fn shared() -> Self {
        Self { send_takeover: false, receive_takeover: false, ..Self::default() }
    }
}
