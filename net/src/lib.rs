//! WebSocket where latency counts: a blocking, full-duplex client and a [`Listener`] of many
//! connections, on the sans-IO engine of `wirewright-core` (RFC 6455, RFC 7692).
//!
//! ```
//! use wirewright::{Caller, Listener, Outcome, Reply, Service, UpgradeRequest};
//!
//! struct Echo;
//!
//! impl Service for Echo {
//!     fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
//!         let _ = caller.write_text(text)?;
//!         Ok(Reply::Nothing)
//!     }
//! }
//!
//! let echo = |_: &UpgradeRequest| Ok(Echo);
//! let listener = Listener::builder().route("/echo", echo).listen("127.0.0.1:0")?;
//! println!("listening on {}", listener.local_addr());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What it tells
//!
//! [`Listener::stats`], [`Caller::stats`] and [`Client::stats`] have figures. Both ends tell the
//! `tracing` of the program what happens: `error` and `warn` for what is amiss here (panics, slow
//! callbacks, no threads or descriptors, `retry` that gives up), `info` for a client that lost its
//! connection, `debug` for the life of each connection, whose callbacks run in a span `connection`,
//! and `trace` for messages with their contents. No level shows headers, credentials or queries.
//!
//! With the feature `metrics`, these go to the facade of that name, labelled `client_or_server`,
//! `service` (the route, `*` for that of [`ListenerBuilder::start`]; a client's URL without
//! secrets) and `protocol`; a recorder is to be installed before the first connection:
//! `ws_requests`, `ws_connections` (a gauge), `ws_messages_received` and `ws_messages_sent` (with a
//! `type`), `ws_bytes_received`, `ws_bytes_sent`, `ws_errors` (`error_type`, `type`) and
//! `ws_resources_invoked` (`resource`: callbacks by name, `write_text`, `write_binary`, `ping`,
//! `pong`, `close`).

mod client;
mod clock;
mod close_frame;
mod count;
mod dispatcher;
mod error;
mod listener;
mod message;
mod metrics;
mod reply;
mod secure;
mod trace;
mod typed;
mod workers;

#[cfg(unix)]
pub use client::ClientDescriptor;
pub use client::{
    Attempt, Attempts, Client, ClientBuilder, ClientError, ClientState, ClientStats, Connecting,
    Cookie, Deadline, PongReply, Proxy, ProxyError, ProxyUrlError, RedirectError, Resolver,
    SocksReply, TcpKeepAlive, UrlFailure,
};
pub use close_frame::CloseFrame;
pub use dispatcher::{DispatchError, Dispatched, Dispatcher, DispatcherBuilder, derived_name};
pub use error::{ConnectionError, RenewError, SendError};
pub use listener::{
    Accept, Budget, Caller, CallerStats, ErrorStats, HttpRequest, HttpResponse, Listener,
    ListenerBuilder, ListenerStats, OriginError, OriginPolicy, Outcome, Rate, RefusedStats, Reply,
    RouteError, RunOn, Sent, Service, ServiceOptions, Stream, Topics, TrafficStats, UpgradeRequest,
    UpgradeService, WhenExceeded, WhenExpired, WhenFull,
};
#[cfg(feature = "validation")]
pub use message::Valid;
pub use message::{
    BindError, Either, FromMessage, IntoMessage, Json, MessageSink, MessageWriter, Parsed,
    WriteError,
};
pub use reply::IntoReply;
pub use typed::Typed;
#[cfg(feature = "auth")]
pub use wirewright_auth as auth;
pub use wirewright_core as core;
pub use wirewright_core::handshake::{
    Authenticator, Credentials, CredentialsError, HandshakeError, HandshakeLimits, Headers,
    Identity, Refused, Rejection, Request, Response,
};
pub use wirewright_core::{
    Close, CloseCode, Compression, Config, KeepAliveOptions, Limit, Limits, Message, MessageBuf,
    MessageKind, Misuse, PeerCertificate, Retry, Security, Uri, Violation,
};
#[cfg(feature = "tls")]
pub use wirewright_tls as tls;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
