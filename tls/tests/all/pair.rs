//! Two layers and the wire between them.

use std::error::Error;

use wirewright_core::{ClientLayers, Inbox, Layer, LayerError, LayerState, Outbox, ServerLayers};
use wirewright_tls::{ClientTls, ServerTls, TlsError, Trust};

use crate::certificates::Authority;

/// One layer, with the buffers that its caller keeps.
pub(crate) struct End {
    pub(crate) layer: Box<dyn Layer>,
    pub(crate) wire: Inbox,
    pub(crate) plain: Inbox,
    pub(crate) out: Outbox,
    pub(crate) state: LayerState,
    pub(crate) error: Option<LayerError>,
    /// How often `open` was called.
    pub(crate) calls: usize,
}

impl End {
    pub(crate) fn new(layer: Box<dyn Layer>) -> Self {
        Self {
            layer,
            wire: Inbox::new(),
            plain: Inbox::new(),
            out: Outbox::new(),
            state: LayerState::Wait,
            error: None,
            calls: 0,
        }
    }

    /// As an end does it whose transport has brought `bytes`.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.wire.extend(bytes);
        self.turn();
    }

    /// Opens what there is.
    pub(crate) fn turn(&mut self) {
        while self.error.is_none() {
            self.calls += 1;
            match self.layer.open(self.wire.unread_mut(), &mut self.plain, &mut self.out) {
                Ok(opened) => {
                    self.wire.consume(opened.consumed);
                    self.state = opened.next;
                    if opened.next != LayerState::More {
                        return;
                    }
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// Takes what is to be sent.
    pub(crate) fn sent(&mut self) -> Vec<u8> {
        let bytes = self.out.poll_transmit().unwrap_or_default().to_vec();
        self.out.transmitted(bytes.len());
        bytes
    }

    /// Takes what has arrived.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let bytes = self.plain.unread().to_vec();
        self.plain.consume(bytes.len());
        bytes
    }

    /// Seals all of `bytes`.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let sealed = self.layer.seal(bytes, &mut self.out).unwrap();
            assert!(sealed > 0, "nothing was sealed");
            bytes = &bytes[sealed..];
        }
    }

    /// The typed error.
    #[track_caller]
    pub(crate) fn failure(&self) -> TlsError {
        typed(self.error.as_ref().expect("it should have failed"))
    }
}

/// What a layer's error is about.
#[track_caller]
pub(crate) fn typed(error: &LayerError) -> TlsError {
    let source = error.source().expect("a cause");
    source.downcast_ref::<TlsError>().expect("a cause of our own").clone()
}

/// A client's end and a server's.
pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Pair {
    pub(crate) fn new(client: &ClientTls, server: &ServerTls, host: &str) -> Self {
        Self {
            client: End::new(ClientLayers::layer(client, host).unwrap()),
            server: End::new(ServerLayers::layer(server).unwrap()),
        }
    }

    /// Carries bytes both ways until neither end has more, in pieces of `size` bytes.
    pub(crate) fn carry(&mut self, size: usize) {
        self.client.turn();
        loop {
            let (up, down) = (self.client.sent(), self.server.sent());
            if up.is_empty() && down.is_empty() {
                return;
            }
            up.chunks(size).for_each(|piece| self.server.receive(piece));
            down.chunks(size).for_each(|piece| self.client.receive(piece));
        }
    }

    /// A pair whose handshake is done.
    #[track_caller]
    pub(crate) fn open(client: &ClientTls, server: &ServerTls, host: &str) -> Self {
        let mut pair = Self::new(client, server, host);
        pair.carry(usize::MAX);
        pair.assert_open();
        pair
    }

    #[track_caller]
    pub(crate) fn assert_open(&self) {
        assert!(self.client.error.is_none(), "client: {:?}", self.client.error);
        assert!(self.server.error.is_none(), "server: {:?}", self.server.error);
        assert!(self.client.layer.is_open() && self.server.layer.is_open());
    }

    /// Sends something each way and sees it arrive.
    #[track_caller]
    pub(crate) fn assert_passes(&mut self) {
        self.client.write(b"from the client");
        self.server.write(b"from the server");
        self.carry(usize::MAX);
        assert_eq!(self.server.read(), b"from the client");
        assert_eq!(self.client.read(), b"from the server");
    }
}

/// The versions there are.
pub(crate) const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// A client and a server of `example.com`, of one version.
pub(crate) fn configs(authority: &Authority, version: &str) -> (ClientTls, ServerTls) {
    let identity = authority.issue(&["example.com"]).identity();
    let server = ServerTls::builder().identity(identity).versions([version]).build().unwrap();
    (client_of(authority), server)
}

/// A client that trusts `authority` alone.
pub(crate) fn client_of(authority: &Authority) -> ClientTls {
    ClientTls::builder().trust(Trust::pem(authority.pem())).build().unwrap()
}
