//! The seam for TLS: bytes to bytes, no sockets.

use alloc::boxed::Box;

use crate::inbox::Inbox;
use crate::outbox::Outbox;

/// What lies between the transport's bytes and a connection's, such as TLS.
///
/// The caller moves bytes between the socket and `wire`; the layer moves them between `wire` and
/// `plain`. It may have bytes to send of its own at any time, hence the outbox on both ways.
pub trait Layer: Send {
    /// Takes from `wire` what has arrived and appends what it says to `plain`; what it must
    /// answer, such as a handshake's next flight, is appended to `out`.
    ///
    /// # Errors
    /// When the peer's bytes cannot be trusted; the transport is to be closed once `out` is sent.
    fn open(
        &mut self,
        wire: &mut Inbox,
        plain: &mut Inbox,
        out: &mut Outbox,
    ) -> Result<LayerState, LayerError>;

    /// Takes from `plain` what is to be sent and appends to `wire` what goes to the transport.
    ///
    /// # Errors
    /// When the layer can send no more.
    fn seal(&mut self, plain: &mut Outbox, wire: &mut Outbox) -> Result<(), LayerError>;

    /// Appends the layer's own goodbye to `wire`, such as TLS's `close_notify`.
    fn close(&mut self, wire: &mut Outbox);
}

/// How far a [`Layer`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// Its own handshake goes on; nothing of the connection's can pass yet.
    Opening,
    /// Bytes pass both ways.
    Open,
    /// The peer has said goodbye; nothing more will arrive.
    Closed,
}

/// Why a [`Layer`] failed.
#[derive(Debug, thiserror::Error)]
#[error("secure layer failed: {0}")]
pub struct LayerError(#[source] pub Box<dyn core::error::Error + Send + Sync>);
