//! What the two kinds of rustls connections have in common, and how they differ.

use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::UnbufferedStatus;
use rustls::{CommonState, Error};

use crate::error::TlsError;
use crate::server::Asked;

/// One side of a connection.
pub(crate) trait Side: Send {
    type Data;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn state(&self) -> &CommonState;

    /// The name in the client's hello (RFC 6066 §3).
    fn server_name(&self) -> Option<&str>;

    /// What is wrong when rustls says `error`, and the alert to send instead of rustls's own.
    fn explain(&self, error: Error) -> (TlsError, Option<u8>) {
        (error.into(), None)
    }
}

/// A client's, with the name that it asks for.
pub(crate) struct ClientSide {
    pub(crate) connection: UnbufferedClientConnection,
    pub(crate) server_name: Option<String>,
}

impl Side for ClientSide {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.connection.process_tls_records(wire)
    }

    fn state(&self) -> &CommonState {
        &self.connection
    }

    fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }
}

/// A listener's, with what its client was found to ask for.
pub(crate) struct ServerSide {
    pub(crate) connection: UnbufferedServerConnection,
    pub(crate) asked: Arc<Asked>,
}

impl Side for ServerSide {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.connection.process_tls_records(wire)
    }

    fn state(&self) -> &CommonState {
        &self.connection
    }

    fn server_name(&self) -> Option<&str> {
        self.asked.name()
    }

    fn explain(&self, error: Error) -> (TlsError, Option<u8>) {
        self.asked.refusal().map_or_else(|| (error.into(), None), |(why, alert)| (why, Some(alert)))
    }
}
