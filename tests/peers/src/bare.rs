//! rustls with nothing over it: what TLS costs a server, whatever it speaks.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, WriteTraffic};

use crate::Result;

/// Data in one record (RFC 8446 §5.1).
const MAX_FRAGMENT: usize = 16 * 1024;

/// More than a record is longer than its data.
const OVERHEAD: usize = 64;

/// A server's side, by the interface of rustls that holds no buffers.
pub struct Bare {
    tls: UnbufferedServerConnection,
    /// Less than a record, which came with those before it.
    rest: Vec<u8>,
}

impl Bare {
    /// A connection that was accepted.
    ///
    /// # Errors
    /// None, as the configuration is complete.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self> {
        Ok(Self {
            tls: UnbufferedServerConnection::new(config)?,
            rest: Vec::new(),
        })
    }

    /// Opens what was read: appends what it says to `plain`, and what rustls answers to `out`.
    ///
    /// # Errors
    /// When the peer's bytes are not those of TLS, and of input and output when it says goodbye.
    pub fn open(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
        if self.rest.is_empty() {
            let done = self.feed(wire, plain, out)?;
            self.rest.extend_from_slice(&wire[done..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.rest);
        joined.extend_from_slice(wire);
        let done = self.feed(&mut joined, plain, out)?;
        joined.drain(..done);
        self.rest = joined;
        Ok(())
    }

    /// How much of `wire` was done with when rustls wants more.
    fn feed(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<usize> {
        let mut done = 0;
        loop {
            let status = self.tls.process_tls_records(&mut wire[done..]);
            let discard = status.discard;
            let goes_on = match status.state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        plain.extend_from_slice(record?.payload);
                    }
                    true
                }
                ConnectionState::EncodeTlsData(data) => {
                    encode(data, out)?;
                    true
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    true
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                _ => false,
            };
            done += discard;
            if !goes_on {
                return Ok(done);
            }
        }
    }

    /// Appends `plain` to `out` in records.
    ///
    /// # Errors
    /// When the handshake is not done.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        for fragment in plain.chunks(MAX_FRAGMENT) {
            match self.tls.process_tls_records(&mut []).state? {
                ConnectionState::WriteTraffic(traffic) => seal(traffic, fragment, out)?,
                other => return Err(format!("nothing can be sealed: {other:?}").into()),
            }
        }
        Ok(())
    }
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) -> Result<()> {
    let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else {
        return Ok(());
    };
    let before = out.len();
    out.resize(before + size.required_size, 0);
    let written = data.encode(&mut out[before..])?;
    out.truncate(before + written);
    Ok(())
}

fn seal(
    mut traffic: WriteTraffic<'_, ServerConnectionData>,
    fragment: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    let before = out.len();
    out.resize(before + fragment.len() + OVERHEAD, 0);
    let written = traffic.encrypt(fragment, &mut out[before..])?;
    out.truncate(before + written);
    Ok(())
}
