//! The seam for TLS: bytes to bytes, no sockets.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{error::Error, fmt, time::Duration};

use crate::inbox::Inbox;
use crate::outbox::Outbox;

/// What lies between the transport's bytes and a connection's, such as TLS.
///
/// The caller moves bytes between the socket and its buffers of the wire; the layer moves them
/// between those and the connection's. Each call does the cryptography of one record at most, so
/// that whoever shares a layer between two threads holds its lock no longer than that. The layer
/// may have bytes of its own to send after [`open`](Self::open) as well as before what
/// [`seal`](Self::seal) is given; all of them are to leave in the order in which they were
/// appended to an outbox.
pub trait Layer: Send {
    /// Takes one record, at most, from the front of `wire`, which is all that has arrived and was
    /// not consumed; appends what it says to `plain`, and what it must answer, such as a
    /// handshake's next flight or an alert, to `out`. `wire` is changed in place, and is to be
    /// given again as it was left, less what was [consumed](Opened::consumed), with what has
    /// arrived since behind it. It may be empty: a client's first call has nothing there, and
    /// appends the first flight.
    ///
    /// # Errors
    /// When the peer's bytes cannot be trusted; the transport is to be closed once `out` is sent.
    fn open(
        &mut self,
        wire: &mut [u8],
        plain: &mut Inbox,
        out: &mut Outbox,
    ) -> Result<Opened, LayerError>;

    /// Takes from the front of `plain` what fits into one record and appends that record to `out`;
    /// how many bytes it took, at least one of those there are.
    ///
    /// # Errors
    /// When the layer can send no more, or not yet.
    fn seal(&mut self, plain: &[u8], out: &mut Outbox) -> Result<usize, LayerError>;

    /// Appends the layer's own goodbye to `out`, such as TLS's `close_notify`; nothing can be
    /// sealed behind it. For who is done with the peer: what still arrives may be discarded by
    /// [`open`](Self::open), unread, and the transport's [end](Self::ended) is to be expected.
    fn close(&mut self, out: &mut Outbox);

    /// Whether its handshake is done, so that a connection's bytes pass both ways.
    fn is_open(&self) -> bool;

    /// The transport has ended. Whether that was to be expected.
    ///
    /// # Errors
    /// If the peer has not said goodbye: what has arrived may not be all that it sent.
    fn ended(&self) -> Result<(), LayerError>;

    /// What was agreed on, and who the peer is; nothing to tell before [`is_open`](Self::is_open).
    fn security(&self) -> Security;
}

/// Where [`Layer::open`] got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Opened {
    /// Bytes to remove from the front of the wire.
    pub consumed: usize,
    /// What to do next.
    pub next: LayerState,
}

/// What a [`Layer`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// To be called again: there may be another record in what has arrived.
    More,
    /// More bytes from the peer.
    Wait,
    /// The peer has said goodbye; nothing more will arrive. Said again whenever asked.
    Closed,
}

/// Why a [`Layer`] failed, or there is none for a connection.
#[derive(Debug)]
pub struct LayerError {
    cause: Box<dyn Error + Send + Sync>,
    transient: bool,
}

impl LayerError {
    /// An error that another attempt would meet again, such as a certificate that is not trusted.
    pub fn permanent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), transient: false }
    }

    /// An error that may pass, such as bytes that were changed on their way.
    pub fn transient(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), transient: true }
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.transient
    }
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secure layer failed: {}", self.cause)
    }
}

impl Error for LayerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// What a client puts between its transport and its connections to secure URIs.
pub trait ClientLayers: Send + Sync {
    /// A layer for a connection to `host`, a name or an address without brackets, which the peer
    /// is to prove to be.
    ///
    /// # Errors
    /// Where there is none for this host.
    fn layer(&self, host: &str) -> Result<Box<dyn Layer>, LayerError>;
}

/// What a listener puts between its transports and its connections.
pub trait ServerLayers: Send + Sync {
    /// A layer for a connection that was accepted.
    ///
    /// # Errors
    /// Where there is none; the connection is then dropped.
    fn layer(&self) -> Result<Box<dyn Layer>, LayerError>;
}

/// What a [`Layer`] has agreed on with the peer, and who that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Security {
    /// The protocol's version, such as `TLSv1.3`.
    pub protocol: &'static str,
    /// The cipher suite's IANA name, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: &'static str,
    /// The application protocol, if one was agreed on (ALPN, RFC 7301), such as `http/1.1`.
    pub application_protocol: Option<String>,
    /// The name that the client asked for (SNI, RFC 6066 §3).
    pub server_name: Option<String>,
    /// Whether an earlier session was resumed, so that no certificate was sent.
    pub is_resumed: bool,
    /// The peer's certificate, if it has shown one. It was verified, unless that is switched off.
    pub peer: Option<Box<PeerCertificate>>,
}

/// A certificate that a peer has shown (RFC 5280).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCertificate {
    /// Its subject, such as `CN=gateway 7, O=Example`.
    pub subject: String,
    /// The common name within the subject.
    pub common_name: Option<String>,
    /// Its issuer.
    pub issuer: String,
    /// Its serial number in hexadecimal digits.
    pub serial: String,
    /// Its alternative names: DNS names, addresses, e-mail addresses and URIs, in order.
    pub names: Vec<String>,
    /// When it ceases to be valid, counted from the Unix epoch.
    pub not_after: Duration,
    /// The chain as it was sent, the peer's own certificate first, each as DER.
    pub chain: Vec<Vec<u8>>,
}
