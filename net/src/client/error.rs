//! What can go wrong for a client, by fault.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wirewright_core::handshake::{CredentialsError, HandshakeError, HandshakeMisuse, Refused};
use wirewright_core::{
    CloseCode, LayerError, Limit, MessageKind, Misuse, ReceiveError, Uri, UriError, Violation,
};

use super::reach::{Attempts, Joined, ProxyError, RedirectError, UrlFailure};
use crate::message::{BindError, BoxError};

/// What went wrong.
///
/// After [`WrongType`](Self::WrongType), [`Bind`](Self::Bind), [`Value`](Self::Value),
/// [`Unread`](Self::Unread), [`Misuse`](Self::Misuse) and [`TimedOut`](Self::TimedOut) of a read or
/// write the connection is as it was and goes on; after the others it is over, or was never opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL is none of a WebSocket's (RFC 6455 §3).
    #[error(transparent)]
    Url(#[from] UriError),
    /// A `wss` URL, and nothing there to speak TLS.
    #[error("`wss` needs TLS: the feature `tls`, or layers of one's own by the option `tls`")]
    TlsMissing,
    /// TLS failed: the server's certificate is not to be trusted, there is no protocol in common,
    /// or its bytes were changed or cut off on their way.
    #[error(transparent)]
    Tls(#[from] Arc<LayerError>),
    /// An option that HTTP or RFC 6455 does not allow in a handshake.
    #[error(transparent)]
    Option(#[from] HandshakeMisuse),
    /// [`Credentials`](wirewright_core::handshake::Credentials) had none to give.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Credentials for a server on another machine, and a `ws` URL, so that whoever is on the way
    /// would read them. Nothing was connected to.
    #[error(
        "credentials are not sent in clear text to {0}: use `wss`, or allow it by \
         `allow_clear_text_credentials`"
    )]
    ClearTextCredentials(Uri),
    /// The system has no random numbers to give, without which nothing is masked (RFC 6455 §5.3).
    #[error("no random numbers from the system: {0}")]
    Random(String),
    /// The host has no address.
    #[error("host {host:?} not resolved")]
    Resolve {
        /// The host.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// None of the host's addresses accepted a connection.
    #[error("no connection to {host:?}")]
    Connect {
        /// The host.
        host: String,
        /// Which addresses were tried, and what the system said of each.
        source: Attempts,
    },
    /// The proxy was no way to the server.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The server points to where this client does not go.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// None of several URLs could be used.
    #[error("none of {n} URLs could be used: {failures}", n = .0.len(), failures = Joined(.0))]
    Urls(Vec<UrlFailure>),
    /// The server answered with another status than 101.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// The server's answer is not that of a WebSocket server to this request (RFC 6455 §4.1).
    #[error(transparent)]
    Handshake(HandshakeError),
    /// The server broke the protocol; it was told so.
    #[error("server broke the protocol: {broken} ({section})", broken = .0, section = .0.section())]
    Violation(Violation),
    /// The server went past a limit of this client's; it was told so.
    #[error("server went past a limit: {0}")]
    Limit(Limit),
    /// What was asked for is not allowed, or not any more; nothing was sent.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The next message is of the other type. It is not lost: the next read returns it.
    #[error("message is {found:?}, not {expected:?}")]
    WrongType {
        /// What was asked for.
        expected: MessageKind,
        /// What came.
        found: MessageKind,
    },
    /// The next message is not the value that it was to be. It is not lost: the next read returns
    /// it.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A value could not be written as a message; nothing was sent.
    #[error("message could not be written: {0}")]
    Value(#[source] BoxError),
    /// While a reply was awaited, so much else came that nobody has read.
    #[error("reply not among more than {max} bytes of unread messages, set by `max_read_ahead`")]
    Unread {
        /// The limit.
        max: usize,
    },
    /// A deadline has passed.
    #[error("{0}")]
    TimedOut(Deadline),
    /// The connection is closed: by a Close frame, or without one ([`CloseCode::ABNORMAL`]).
    #[error("connection closed with code {code}{}", Reason(.reason))]
    Closed {
        /// The code of the server's Close frame. [`CloseCode::NO_STATUS`] if it held none,
        /// [`CloseCode::ABNORMAL`] if the connection ended without one (RFC 6455 §7.1.5).
        code: CloseCode,
        /// The reason in it; may be empty.
        reason: String,
    },
    /// The server answered a Close with another code.
    #[error("close frame with code {sent} was answered with code {echoed}")]
    CloseEcho {
        /// What was sent.
        sent: CloseCode,
        /// What came back.
        echoed: CloseCode,
    },
    /// The server ended the connection without answering a Close.
    #[error("connection ended without an answer to the close frame")]
    CloseUnanswered,
    /// This side gave the connection up by [`Client::abort`](super::Client::abort).
    #[error("connection aborted by this side")]
    Aborted,
    /// The connection was lost and `retry` gave up, after the attempt that met this. Its budget
    /// was used up, or the error would be the same again.
    #[error("connection lost, and `retry` gave up")]
    GaveUp(#[source] Arc<Self>),
    /// The network failed.
    #[error("network failed")]
    Network(#[source] io::Error),
}

/// Which deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// `resolve_timeout`.
    Resolve,
    /// `connect_timeout`.
    Connect,
    /// `connect_timeout`, while another connection to the same address was being opened all the
    /// time; see [`one_at_a_time`](crate::ClientBuilder::one_at_a_time).
    Turn,
    /// `proxy_timeout`.
    Proxy,
    /// `tls_timeout`.
    Tls,
    /// `handshake_timeout`.
    Handshake,
    /// `total_timeout`.
    Total,
    /// `read_timeout`. What has arrived is kept, the next read goes on.
    Read,
    /// `write_timeout`, before anything of the message was taken.
    Write,
    /// `write_timeout`, when a part of the message was sent. The rest is kept and goes as soon as
    /// there is room: sending the message again would send it twice.
    WriteUnfinished,
    /// The timeout of a close. The connection was given up.
    Close,
    /// The timeout of `keep_alive`: the server sent nothing, not even a Pong. The connection was
    /// given up.
    KeepAlive,
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "host not resolved within `resolve_timeout`",
            Self::Connect => "no connection within `connect_timeout`",
            Self::Turn => {
                "another connection to this address was being opened for all of `connect_timeout`, \
                 and `one_at_a_time` has others wait"
            }
            Self::Proxy => "no way through the proxy within `proxy_timeout`",
            Self::Tls => "no TLS within `tls_timeout`",
            Self::Handshake => "no answer to the handshake within `handshake_timeout`",
            Self::Total => "no connection within `total_timeout`",
            Self::Read => "no message within `read_timeout`",
            Self::Write => "message not begun within `write_timeout`",
            Self::WriteUnfinished => "message begun and not finished within `write_timeout`",
            Self::Close => "no close frame from the server within the timeout of the close",
            Self::KeepAlive => "server silent for longer than `keep_alive` allows",
        })
    }
}

struct Reason<'a>(&'a str);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

impl ClientError {
    /// Whether a deadline has passed.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }

    /// Whether the connection was closed as it should be: with a Close frame that held code 1000
    /// or none.
    #[must_use]
    pub fn is_normal_close(&self) -> bool {
        let normal = [CloseCode::NORMAL, CloseCode::NO_STATUS];
        matches!(self, Self::Closed { code, .. } if normal.contains(code))
    }

    /// The code, if the connection was closed.
    #[must_use]
    pub const fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Closed { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// How long a server or proxy that refused asks to be left alone (`Retry-After`, RFC 9110
    /// §10.2.3), from now on.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let refused = match self {
            Self::Refused(refused) | Self::Proxy(ProxyError::Refused(refused)) => refused,
            _ => return None,
        };
        // "Retry-After = HTTP-date / delay-seconds".
        let value = refused.head().header_str("Retry-After")?;
        if value.bytes().all(|byte| byte.is_ascii_digit()) {
            // More than is counted is for ever.
            return (!value.is_empty())
                .then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
        }
        let at = httpdate::parse_http_date(value).ok()?;
        Some(at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO))
    }

    /// What the network's failure means: the end of the connection without a Close frame is 1006
    /// (RFC 6455 §7.1.5), anything else is said as it is.
    pub(super) fn network(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof => Self::dropped(),
            _ => Self::Network(error),
        }
    }

    /// The same for everybody who asks.
    pub(super) fn again(error: &Arc<Self>) -> Self {
        match &**error {
            Self::Aborted => Self::Aborted,
            Self::Closed { code, reason } => Self::Closed { code: *code, reason: reason.clone() },
            _ => Self::GaveUp(Arc::clone(error)),
        }
    }

    /// A message of the other type than this one came.
    pub(super) const fn wrong_type(expected: MessageKind) -> Self {
        let found = match expected {
            MessageKind::Text => MessageKind::Binary,
            MessageKind::Binary => MessageKind::Text,
        };
        Self::WrongType { expected, found }
    }

    pub(super) const fn dropped() -> Self {
        Self::Closed { code: CloseCode::ABNORMAL, reason: String::new() }
    }
}

impl From<ReceiveError> for ClientError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Violation(violation) => Self::Violation(violation),
            ReceiveError::Limit(limit) => Self::Limit(limit),
        }
    }
}

impl From<HandshakeError> for ClientError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(refused) => Self::Refused(refused),
            other => Self::Handshake(other),
        }
    }
}
