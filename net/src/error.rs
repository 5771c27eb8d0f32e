//! Errors by fault: the peer's, a limit's, the caller's, the network's.

use std::io;
use std::sync::Arc;

use wirewright_core::{LayerError, Limit, Misuse, ReceiveError, Violation};

use crate::message::{BindError, BoxError};

/// What went wrong on one of a listener's connections.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The peer broke the protocol; it was told so, and the connection is over.
    #[error("peer broke the protocol: {broken} ({section})", broken = .0, section = .0.section())]
    Violation(Violation),
    /// The peer went past a limit; it was told so, and the connection is over.
    #[error("peer went past a limit: {0}")]
    Limit(Limit),
    /// The transport failed; the connection is over.
    #[error("transport failed: {0}")]
    Network(#[from] io::Error),
    /// The peer answered no Ping for as long as `keep_alive` allows; the connection is over.
    #[error("peer answered no ping within the timeout of `keep_alive`")]
    Unresponsive,
    /// A message breaks the rules of its type; the connection goes on.
    #[error(transparent)]
    Message(BindError),
    /// The peer sent more messages than it may; the connection is over.
    #[error("over {per_second} messages a second, the limit of `message_rate`")]
    MessageRate {
        /// The limit.
        per_second: u32,
    },
    /// The peer sent more bytes than it may; the connection is over.
    #[error("over {per_second} bytes a second, the limit of `byte_rate`")]
    ByteRate {
        /// The limit.
        per_second: u32,
    },
    /// The peer reads too slowly, and the policy is to close; the connection is over.
    #[error("peer does not read: queue of {queued} bytes at its cap of {cap}, set by `max_queued`")]
    Overrun {
        /// Bytes that wait.
        queued: usize,
        /// The cap.
        cap: usize,
    },
    /// All connections together hold too much, and this one most of it; the connection is over.
    #[error("all that is held is over {max} bytes, the limit of `budget`")]
    Exhausted {
        /// The limit.
        max: u64,
    },
    /// A reply as a stream had an error or panicked; the connection is closed.
    #[error("streaming failed: {0}")]
    Stream(String),
    /// A reply as a stream was refused, as others are under way; the connection goes on.
    #[error("over {max} streams at once, the limit of `max_streams`")]
    Streams {
        /// The limit.
        max: usize,
    },
    /// TLS failed: the peer's bytes were changed on their way, or cut off without a goodbye.
    #[error(transparent)]
    Tls(Arc<LayerError>),
    /// A callback gave an error; the connection goes on.
    #[error("callback failed: {0}")]
    Callback(#[source] BoxError),
}

impl ConnectionError {
    /// What reading from or writing to a connection has met.
    pub(crate) fn network(error: io::Error) -> Self {
        error.downcast().map_or_else(Self::Network, |error| Self::Tls(Arc::new(error)))
    }

    pub(crate) fn callback(error: BoxError) -> Self {
        error.downcast().map_or_else(Self::Callback, |error| Self::Message(*error))
    }
}

impl From<ReceiveError> for ConnectionError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Violation(violation) => Self::Violation(violation),
            ReceiveError::Limit(limit) => Self::Limit(limit),
        }
    }
}

/// Why a message was not sent. The connection is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A Close was sent, or the connection is over.
    #[error("connection is closed or closing")]
    Closed,
    /// The peer reads more slowly than we send: try again later, or not at all.
    #[error("queue of {queued} bytes at its cap of {cap}, set by `max_queued`")]
    Full {
        /// Bytes that wait.
        queued: usize,
        /// The cap.
        cap: usize,
    },
    /// All queues together are full: try again later, or not at all.
    #[error("all that is held is over {max} bytes, the limit of `budget`")]
    Exhausted {
        /// The limit.
        max: u64,
    },
    /// What was to be sent is not allowed.
    #[error(transparent)]
    Misuse(Misuse),
}

impl From<Misuse> for SendError {
    fn from(misuse: Misuse) -> Self {
        match misuse {
            Misuse::CloseSent => Self::Closed,
            other => Self::Misuse(other),
        }
    }
}

/// Why an identity does not take the place of a connection's
/// ([`Caller::renew`](crate::Caller::renew)), which stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenewError {
    /// A Close was sent, or the connection is over.
    #[error("connection is closed or closing")]
    Closed,
    /// The new identity is no longer valid itself.
    #[error("new identity has expired already")]
    Expired,
    /// The new identity is somebody else's.
    #[error("new identity has another name than the connection's")]
    OtherName,
    /// The connection had no identity, and this one has as many connections as it may.
    #[error("identity has all the connections that `max_connections_per_identity` allows")]
    Full,
}
