//! The blocking client: the thread that calls does the work, so that no message changes threads;
//! while none does, a thread of the process sees to what cannot wait.

mod ahead;
mod attributes;
mod background;
mod builder;
mod closing;
mod compose;
mod connect;
mod connecting;
mod control;
mod cookie;
mod credentials;
mod custody;
mod driver;
mod error;
mod events;
mod hooks;
mod link;
mod polled;
mod reach;
mod reader;
mod receive;
mod recovery;
mod replies;
mod serve;
mod socket;
mod stats;
mod sync;
mod transmit;
mod turn;
mod typed;
mod verdict;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use wirewright_core::handshake::Response;
use wirewright_core::{Close, CloseCode, Message, MessageBuf, MessageKind, Security, Uri};

pub use builder::ClientBuilder;
pub use connecting::Connecting;
pub use cookie::Cookie;
use driver::Driver;
pub use error::{ClientError, Deadline};
pub use hooks::{ClientState, PongReply};
#[cfg(unix)]
pub use polled::ClientDescriptor;
pub use reach::{
    Attempt, Attempts, Proxy, ProxyError, ProxyUrlError, RedirectError, Resolver, SocksReply,
    TcpKeepAlive, UrlFailure,
};
pub use stats::ClientStats;
use transmit::ControlFrame;

use crate::secure::Secure;

/// A connection to a WebSocket server.
///
/// All methods take `&self`: one thread may block in a read while others write, ping and close;
/// share it in an [`Arc`](std::sync::Arc). Several threads that read take turns.
///
/// Somebody always *drives* the connection: answers the server's Pings and Close, sends
/// keep-alive Pings, notices that the server is gone. The thread that is inside a read does, so
/// that its messages come without a hop between threads; a write that waits for room does as well,
/// and goes on receiving. When for some 50 ms no thread has read, a thread that all clients of
/// the process share takes over, and receives ahead, up to
/// [`max_read_ahead`](ClientBuilder::max_read_ahead); the next read takes the connection back.
/// [`custody`](ClientBuilder::custody) switches that off.
///
/// ```no_run
/// use wirewright::Client;
///
/// let client = Client::connect("ws://127.0.0.1:9001/")?;
/// client.write_text("hello")?;
/// assert_eq!(client.read_text()?, "hello");
/// client.close()?;
/// # Ok::<(), wirewright::ClientError>(())
/// ```
///
/// A client that is dropped open tells the server so (1001) and does not wait.
pub struct Client {
    driver: Arc<Driver>,
    /// To a hook, for as long as that runs.
    lent: bool,
}

impl Client {
    /// Connects to `ws://host[:port]/path?query` with the defaults of [`ClientBuilder`].
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    pub fn connect(url: &str) -> Result<Self, ClientError> {
        Self::builder(url).connect()
    }

    /// Options for a connection to this URL.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::parse(url)
    }

    fn new(mut driver: Driver) -> Self {
        let driver = Arc::new_cyclic(|me| {
            driver.me = Weak::clone(me);
            driver
        });
        background::adopt(&driver);
        Self { driver, lent: false }
    }

    fn lent(driver: Driver) -> Self {
        Self { driver: Arc::new(driver), lent: true }
    }

    /// The driver of a client that was lent and is back.
    fn into_driver(self) -> Option<Driver> {
        let driver = Arc::clone(&self.driver);
        drop(self);
        Arc::into_inner(driver)
    }

    /// Waits for the next message, and gives it away.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`], after which the next read goes on where this one was;
    /// [`ClientError::Closed`], [`ClientError::Violation`], [`ClientError::Limit`],
    /// [`ClientError::Network`] and [`ClientError::Aborted`] when the connection has ended, as
    /// often as it is asked.
    pub fn read(&self) -> Result<MessageBuf, ClientError> {
        self.driver.read(|message| Ok(message.into()))
    }

    /// Waits for the next message and copies it into `message`, whose memory is used again;
    /// `false` when the connection was closed normally, with code 1000 or none.
    ///
    /// # Errors
    /// As [`read`](Self::read), where the close was not normal.
    pub fn read_into(&self, message: &mut MessageBuf) -> Result<bool, ClientError> {
        let set = |arrived: Message<'_>| {
            message.set(arrived);
            Ok(())
        };
        match self.driver.read(set) {
            Ok(()) => Ok(true),
            Err(error) if error.is_normal_close() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits for the next message and lends it to `take`, where it lies: nothing is copied.
    ///
    /// Other readers wait until `take` returns, and nobody receives: a read inside it would wait
    /// for itself, and a write inside it that has to wait for room waits for a server that reads
    /// without writing. For replies of any size, use [`read_into`](Self::read_into).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[inline]
    pub fn read_with<T>(&self, take: impl FnOnce(Message<'_>) -> T) -> Result<T, ClientError> {
        self.driver.read(|message| Ok(take(message)))
    }

    /// Waits for the next message, which is to be text.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if it is not; the next read returns it. Else as
    /// [`read`](Self::read).
    pub fn read_text(&self) -> Result<String, ClientError> {
        self.driver.read(|message| match message {
            Message::Text(text) => Ok(text.into()),
            Message::Binary(_) => Err(ClientError::wrong_type(MessageKind::Text)),
        })
    }

    /// Waits for the next message, which is to be binary.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if it is not; the next read returns it. Else as
    /// [`read`](Self::read).
    pub fn read_binary(&self) -> Result<Vec<u8>, ClientError> {
        self.driver.read(|message| match message {
            Message::Text(_) => Err(ClientError::wrong_type(MessageKind::Binary)),
            Message::Binary(bytes) => Ok(bytes.into()),
        })
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// As [`write_message`](Self::write_message).
    #[inline]
    pub fn write_text(&self, text: &str) -> Result<(), ClientError> {
        self.driver.write(Message::Text(text))
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// As [`write_message`](Self::write_message).
    #[inline]
    pub fn write_binary(&self, bytes: &[u8]) -> Result<(), ClientError> {
        self.driver.write(Message::Binary(bytes))
    }

    /// Sends a Ping of at most 125 bytes. It waits for no answer and reads nothing.
    ///
    /// # Errors
    /// [`Misuse::ControlTooLong`](wirewright_core::Misuse::ControlTooLong), else as
    /// [`write_message`](Self::write_message).
    pub fn ping(&self, payload: &[u8]) -> Result<(), ClientError> {
        self.driver.write_control(ControlFrame::Ping(payload))
    }

    /// Sends a Pong that nobody asked for (RFC 6455 §5.5.3); the server's Pings are answered
    /// without it.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&self, payload: &[u8]) -> Result<(), ClientError> {
        self.driver.write_control(ControlFrame::Pong(payload))
    }

    /// Closes with code 1000, and waits for the server as long as
    /// [`close_timeout`](ClientBuilder::close_timeout) says.
    ///
    /// # Errors
    /// As [`close_with`](Self::close_with).
    pub fn close(&self) -> Result<(), ClientError> {
        self.close_with(CloseCode::NORMAL.value(), "", self.driver.timing.close)
    }

    /// Sends a Close and waits for the server's, and for the server to end the connection
    /// (RFC 6455 §7.1.1). Messages that arrive before it can still be read, up to
    /// [`max_read_ahead`](ClientBuilder::max_read_ahead). `None` waits for ever.
    ///
    /// # Errors
    /// [`ClientError::Misuse`] for a code or reason that cannot be sent, and for a second close;
    /// the connection is then as it was. [`ClientError::CloseEcho`],
    /// [`ClientError::CloseUnanswered`] and [`ClientError::TimedOut`], with which the connection
    /// has ended all the same. If it had ended before, as [`read`](Self::read).
    pub fn close_with(
        &self,
        code: u16,
        reason: &str,
        timeout: Option<Duration>,
    ) -> Result<(), ClientError> {
        self.driver.close(Close::new(code, reason)?, timeout)
    }

    /// Ends the connection at once and without a Close. Every thread inside a call returns with
    /// [`ClientError::Aborted`].
    pub fn abort(&self) {
        self.driver.abort();
    }

    /// Whether messages can be sent, as far as is known: no Close was sent or received, and
    /// nothing has failed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.driver.link().control.is_open()
    }

    /// The sub-protocol that the server chose of those offered.
    #[must_use]
    pub fn sub_protocol(&self) -> Option<String> {
        self.driver.link().response.sub_protocol().map(Into::into)
    }

    /// The server's answer to the handshake.
    #[must_use]
    pub fn response(&self) -> Arc<Response> {
        Arc::clone(&self.driver.link().response)
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.driver.link().uri.is_secure()
    }

    /// What TLS has agreed on, and the server's certificate; `None` without TLS.
    #[must_use]
    pub fn security(&self) -> Option<Security> {
        self.driver.link().secure.as_ref().map(Secure::security)
    }

    /// The URL that the connection leads to: the one it was made for, one of its
    /// [`fallback_urls`](ClientBuilder::fallback_urls), or where a redirect led.
    #[must_use]
    pub fn url(&self) -> Arc<Uri> {
        Arc::clone(&self.driver.link().uri)
    }

    /// A number that no other connection of a client in this process has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.driver.link().id
    }

    /// This end's address.
    ///
    /// # Errors
    /// When the system no longer knows it, and for a Unix socket, which has none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.driver.link().socket.local_addr()
    }

    /// The server's address, or the proxy's.
    ///
    /// # Errors
    /// When the system no longer knows it, and for a Unix socket, which has none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.driver.link().socket.peer_addr()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.lent {
            return;
        }
        self.driver.abandon(ClientError::Aborted);
        self.driver.go_away();
        background::forget(&self.driver);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id())
            .field("is_open", &self.is_open())
            .field("peer_addr", &self.peer_addr().ok())
            .finish_non_exhaustive()
    }
}
