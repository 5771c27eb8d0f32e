//! The WebSocket protocol as arithmetic on bytes: RFC 6455 and RFC 7692 without sockets, clock or
//! dice. Bytes and the time go in, events and bytes come out; the caller does the rest.
//!
//! # The parts
//! - Handshakes: [`handshake`] turns the first bytes into a connection, for both roles.
//! - [`Incoming`] reads an [`Inbox`] and yields [`Event`]s; [`Outgoing`] writes an [`Outbox`]. The
//!   two share no memory, so that two threads may use one connection; what receiving owes the
//!   peer travels between them as a [`Reply`]. [`Connection`] is both in one hand.
//! - [`deflate`] negotiates permessage-deflate; [`KeepAlive`] says when to ping and when to give
//!   up, [`Retry`] how long to wait before the next attempt; [`Layer`] is the seam for TLS.
//!
//! # Four kinds of methods
//! - **`receive`**: bytes in. Read into [`Inbox::space`], say [`Inbox::received`], call
//!   [`Incoming::receive`] until it answers [`Event::NeedMore`].
//! - **`send_*`**: a command in; bytes are appended to the [`Outbox`].
//! - **`poll_transmit`, `transmitted`**: bytes out.
//! - **`poll_timeout`, `handle_timeout`**: the next wish for a wake-up out, time in.
//!
//! ```
//! use core::time::Duration;
//! use wirewright_core::{Config, Connection, Event, Inbox, Message, Outbox, Sender};
//!
//! let mut server = Connection::new(Sender::Server, &Config::server(), None);
//! let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
//! // "Hello", masked, from RFC 6455 §5.7.
//! inbox.extend(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
//! let event = server.receive(Duration::ZERO, &mut inbox, &mut out)?;
//! assert_eq!(event, Event::Message(Message::Text("Hello")));
//! # Ok::<(), wirewright_core::ReceiveError>(())
//! ```
//!
//! Without its default feature `std` the crate is `no_std` with `alloc`; `std` only adds the
//! choice of instruction set at run time.

#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod buffer;
mod close;
mod config;
mod connection;
mod decoder;
pub mod deflate;
mod encoder;
mod error;
mod frame_writer;
pub mod handshake;
mod header;
mod inbox;
mod incoming;
mod keepalive;
mod layer;
mod mask;
mod masking_keys;
mod message;
mod moment;
mod opcode;
mod outbox;
mod outgoing;
mod progress;
mod reply;
mod retry;
mod shared;
mod uri;
mod utf8;

pub use close::{Close, CloseCode, MAX_CLOSE_REASON};
pub use config::{Compression, Config, Limits, Role};
pub use connection::Connection;
pub use error::{Limit, Misuse, ReceiveError, Violation};
pub use frame_writer::FrameWriter;
pub use header::{FrameHeader, MAX_CONTROL_PAYLOAD, MAX_HEADER};
pub use inbox::Inbox;
pub use incoming::{Event, Fragment, Incoming};
pub use keepalive::{KeepAlive, KeepAliveAction, KeepAliveOptions, Wake, WakeReason};
pub use layer::{
    ClientLayers, Layer, LayerError, LayerState, Opened, PeerCertificate, Security, ServerLayers,
};
pub use mask::Mask;
pub use masking_keys::MaskingKeys;
pub use message::{Message, MessageBuf, MessageKind};
pub use opcode::OpCode;
pub use outbox::Outbox;
pub use outgoing::{FrameHead, Outgoing, Sender};
pub use reply::Reply;
pub use retry::Retry;
pub use shared::Encoding;
pub use uri::{Uri, UriComponent, UriError, UriProblem};
