//! A [`Layer`] over one of rustls's connections that own no buffers.

use std::fmt;

use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, WriteTraffic};
use wirewright_core::{Inbox, Layer, LayerError, LayerState, Opened, Outbox, Security};

use crate::error::TlsError;
use crate::security;
use crate::side::Side;

/// A record's header: type, version, length (RFC 8446 §5.1).
const HEADER: usize = 5;
/// What a record may hold besides its header: 2^14 of data, and 2048 that TLS 1.2 allows
/// encryption to add (RFC 5246 §6.2.3).
const MAX_RECORD: usize = 16 * 1024 + 2048;
/// Data in one record (RFC 8446 §5.1).
const MAX_FRAGMENT: usize = 16 * 1024;
/// Header, type, nonce and tag of a record fit in here. A KeyUpdate may go in front; then the
/// room is too little, and asked for again.
const OVERHEAD: usize = 48;

/// TLS over a connection's bytes.
///
/// Of the peer's bytes it needs at most one record at once, which is 5 + 2^14 + 256 bytes (in TLS
/// 1.2, 2048 instead of 256), and while a handshake message comes in several records, all of
/// them: a message has at most 65 535 bytes and its header of 4, and what is longer is refused. It
/// holds none of those bytes itself.
pub(crate) struct TlsLayer<S: Side> {
    side: S,
    /// Bytes at the front of the wire that rustls has seen and not let go of: records with the
    /// beginning of a handshake message.
    seen: usize,
    /// Why no more is opened or sealed.
    failed: Option<TlsError>,
    /// Whether the peer has sent its `close_notify`.
    peer_closed: bool,
    /// Whether we have.
    closed: bool,
}

impl<S: Side> TlsLayer<S> {
    pub(crate) const fn new(side: S) -> Self {
        Self { side, seen: 0, failed: None, peer_closed: false, closed: false }
    }

    /// Feeds `wire` from its front to rustls until that wants more; how much of it is done with.
    fn feed(
        &mut self,
        wire: &mut [u8],
        plain: &mut Inbox,
        out: &mut Outbox,
    ) -> Result<usize, rustls::Error> {
        let mut consumed = 0;
        loop {
            let status = self.side.process(wire.get_mut(consumed..).unwrap_or_default());
            let discard = status.discard;
            let goes_on = match status.state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        plain.extend(record?.payload);
                    }
                    true
                }
                ConnectionState::EncodeTlsData(data) => {
                    encode(data, out);
                    true
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    true
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.peer_closed = true;
                    false
                }
                // It wants more. No session of ours allows early data (RFC 8446 §4.2.10).
                _ => false,
            };
            consumed += discard;
            if !goes_on {
                return Ok(consumed);
            }
        }
    }

    /// Notes why it failed and appends the alert that tells the peer (RFC 8446 §6.2).
    fn fail(&mut self, error: rustls::Error, out: &mut Outbox) -> TlsError {
        let (error, alert) = match self.side.explain(error) {
            // It has spoken it before.
            (TlsError::NotTls(why), alert) if self.is_open() => (TlsError::Misbehaved(why), alert),
            explained => explained,
        };
        match alert {
            // Before the answer to a client's hello, nothing is encrypted.
            Some(alert) => out.extend(&[21, 3, 3, 0, 2, 2, alert]),
            None => self.drain(out),
        }
        tracing::debug!(%error, "tls failed");
        self.failed = Some(error.clone());
        error
    }

    /// Appends what rustls has ready, without having it look at the wire, which after an error it
    /// must not see again.
    fn drain(&mut self, out: &mut Outbox) {
        while self.side.state().wants_write() {
            let Ok(ConnectionState::EncodeTlsData(data)) = self.side.process(&mut []).state else {
                return;
            };
            encode(data, out);
        }
    }

    /// Has `write` write when rustls lets application data through, behind what it has to send
    /// itself; `None` if it does not.
    fn write<T>(
        &mut self,
        out: &mut Outbox,
        mut write: impl FnMut(&mut WriteTraffic<'_, S::Data>, &mut Outbox) -> T,
    ) -> Option<T> {
        // It looks for another record behind those that it has seen, and panics if the wire is
        // shorter than they are; what is in them, it does not look at.
        let mut seen = vec![0; self.seen];
        loop {
            match self.side.process(&mut seen).state.ok()? {
                ConnectionState::EncodeTlsData(data) => encode(data, out),
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    return Some(write(&mut traffic, out));
                }
                _ => return None,
            }
        }
    }

    /// What hinders to seal, if anything does.
    fn sealable(&self) -> Result<(), TlsError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.closed => Err(TlsError::SaidGoodbye),
            None if !self.is_open() => Err(TlsError::NotOpen),
            None => Ok(()),
        }
    }
}

impl<S: Side> Layer for TlsLayer<S> {
    fn open(
        &mut self,
        wire: &mut [u8],
        plain: &mut Inbox,
        out: &mut Outbox,
    ) -> Result<Opened, LayerError> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        if self.peer_closed || self.closed {
            // What follows the peer's goodbye is to be ignored (RFC 8446 §6.1). After ours, rustls
            // must not meet an error: it would assert that it has not sent an alert before.
            let next = if self.peer_closed { LayerState::Closed } else { LayerState::Wait };
            return Ok(Opened { consumed: wire.len(), next });
        }
        let record = record_end(wire, self.seen);
        let end = record.unwrap_or(wire.len());
        let record_is_whole = record.is_some();
        let fed = wire.get_mut(..end).unwrap_or_default();
        let consumed = self.feed(fed, plain, out).map_err(|error| self.fail(error, out))?;
        if record_is_whole {
            self.seen = end;
        }
        self.seen = self.seen.saturating_sub(consumed);
        if self.peer_closed {
            return Ok(Opened { consumed: wire.len(), next: LayerState::Closed });
        }
        let more = record_end(wire, end).is_some() && record_is_whole;
        let next = if more { LayerState::More } else { LayerState::Wait };
        Ok(Opened { consumed, next })
    }

    fn seal(&mut self, plain: &[u8], out: &mut Outbox) -> Result<usize, LayerError> {
        self.sealable()?;
        let fragment = plain.get(..MAX_FRAGMENT).unwrap_or(plain);
        match self.write(out, |traffic, out| encrypt(traffic, fragment, out)) {
            Some(Ok(())) => Ok(fragment.len()),
            Some(Err(error)) => {
                self.drain(out);
                self.closed = true;
                Err(error.into())
            }
            None => Err(TlsError::NotOpen.into()),
        }
    }

    fn close(&mut self, out: &mut Outbox) {
        if self.closed || self.failed.is_some() {
            return;
        }
        // Before the handshake is done there is no goodbye that the peer would believe.
        let _ = self.write(out, goodbye);
        self.closed = true;
    }

    fn is_open(&self) -> bool {
        !self.side.state().is_handshaking()
    }

    fn ended(&self) -> Result<(), LayerError> {
        match &self.failed {
            Some(error) => Err(error.clone().into()),
            None if self.peer_closed || self.closed => Ok(()),
            None => Err(TlsError::Truncated { open: self.is_open() }.into()),
        }
    }

    fn security(&self) -> Security {
        if self.is_open() { security::of(&self.side) } else { Security::default() }
    }
}

impl<S: Side> fmt::Debug for TlsLayer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsLayer")
            .field("is_open", &self.is_open())
            .field("failed", &self.failed)
            .field("peer_closed", &self.peer_closed)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

/// Where the record that begins at `start` ends; `None` while it is incomplete. One that is too
/// long ends with what there is, so that it is refused at once.
fn record_end(wire: &[u8], start: usize) -> Option<usize> {
    let [_, _, _, high, low, body @ ..] = wire.get(start..)? else {
        return None;
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if len > MAX_RECORD {
        return Some(wire.len());
    }
    (body.len() >= len).then_some(start + HEADER + len)
}

/// Appends what rustls wants to be sent.
fn encode<D>(mut data: EncodeTlsData<'_, D>, out: &mut Outbox) {
    // Asked with no room, it says how much it needs.
    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
        let written = data.encode(out.space(size.required_size)).unwrap_or(0);
        out.filled(written);
    }
}

/// Appends `fragment` as one record, behind a KeyUpdate if one is owed (RFC 8446 §4.6.3).
fn encrypt<D>(
    traffic: &mut WriteTraffic<'_, D>,
    fragment: &[u8],
    out: &mut Outbox,
) -> Result<(), TlsError> {
    let mut room = fragment.len() + OVERHEAD;
    loop {
        match traffic.encrypt(fragment, out.space(room)) {
            Ok(written) => {
                out.filled(written);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(size)) if size.required_size > room => {
                room = size.required_size;
            }
            Err(_) => return Err(TlsError::KeysExhausted),
        }
    }
}

/// Appends `close_notify` (RFC 8446 §6.1).
fn goodbye<D>(traffic: &mut WriteTraffic<'_, D>, out: &mut Outbox) {
    let mut room = OVERHEAD;
    loop {
        // Asked again after there was too little room, it gives what it has ready by then.
        match traffic.queue_close_notify(out.space(room)) {
            Ok(written) => return out.filled(written),
            Err(EncryptError::InsufficientSize(size)) if size.required_size > room => {
                room = size.required_size;
            }
            Err(_) => return,
        }
    }
}
