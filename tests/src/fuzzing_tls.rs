//! The body of the fuzz target for TLS: a client's layer and a listener's, and between them a wire
//! on which anything may happen.

use std::sync::LazyLock;

use wirewright_core::{
    ClientLayers as _, Inbox, Layer, LayerState, Outbox, Security, ServerLayers as _,
};
use wirewright_tls::{ClientTls, Identity, ServerTls, Trust};

use crate::rng::Dice;

/// What one call may have a layer send: its longest flight, or a record.
const MAX_SENT: usize = 32 * 1024;
/// Data in a record (RFC 8446 §5.1).
const MAX_FRAGMENT: usize = 16 * 1024;
/// What the two may send in all, so that none goes on for long.
const MAX_WIRE: usize = 1 << 20;

/// Clients and listeners by version, and by whether clients have certificates. Sessions are not
/// resumed, or one run would depend on those before it.
static CONFIGS: LazyLock<Vec<(ClientTls, ServerTls)>> = LazyLock::new(|| {
    let identity = |chain: &[u8], key: &[u8]| Identity::pem(chain, key);
    let trust = || Trust::pem(include_bytes!("../keys/ca.pem"));
    let server =
        || identity(include_bytes!("../keys/server.pem"), include_bytes!("../keys/server.key"));
    let own =
        || identity(include_bytes!("../keys/client.pem"), include_bytes!("../keys/client.key"));
    let mut configs = Vec::new();
    for version in ["TLSv1.3", "TLSv1.2"] {
        for shows_own in [false, true] {
            let mut client = ClientTls::builder().trust(trust()).versions([version]).sessions(0);
            let mut listener = ServerTls::builder().identity(server()).versions([version]);
            listener = listener.sessions(0).tickets(!shows_own);
            if shows_own {
                client = client.identity(own());
                listener = listener.require_client_certificates(trust());
            }
            configs
                .push((client.build().expect("a client"), listener.build().expect("a listener")));
        }
    }
    configs
});

/// Whatever becomes of the bytes between two layers: neither panics or goes round in circles, an
/// error stays the same, what they send is bounded, and of what one has sealed the other opens the
/// beginning, or all if nothing happened to the bytes.
pub fn tls_session(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let (client, listener) = &CONFIGS[dice.below(CONFIGS.len())];
    let client = client.layer("example.com").expect("a layer");
    let mut ends = [End::new(client), End::new(listener.layer().expect("a layer"))];
    ends[0].open(&[]);
    let mut is_changed = false;
    while !dice.is_used_up() && ends.iter().all(|end| end.sent < MAX_WIRE) {
        let (choice, from) = (dice.below(16), dice.below(2));
        let [first, second] = &mut ends;
        let (sender, receiver) = if from == 0 { (first, second) } else { (second, first) };
        match choice {
            0..=5 => carry(sender, receiver, usize::MAX),
            6 | 7 => carry(sender, receiver, 1 + dice.below(64)),
            8 | 9 => sender.seal(dice.below(40)),
            10 => sender.seal(dice.below(40_000)),
            11 => sender.close(),
            12 => receiver.open(&[]),
            _ if sender.out.is_empty() && choice != 13 => {}
            _ => is_changed |= change(sender, &mut dice),
        }
    }
    for _ in 0..12 {
        let [client, listener] = &mut ends;
        carry(client, listener, usize::MAX);
        carry(listener, client, usize::MAX);
    }
    let [client, listener] = &mut ends;
    for (end, peer) in [(&*client, &*listener), (&*listener, &*client)] {
        end.check(peer, is_changed);
    }
}

/// Brings so many bytes of what one has to send to the other.
fn carry(sender: &mut End, receiver: &mut End, len: usize) {
    let ready = sender.out.poll_transmit().unwrap_or_default();
    let bytes = ready[..len.min(ready.len())].to_vec();
    sender.out.transmitted(bytes.len());
    if !bytes.is_empty() {
        receiver.open(&bytes);
    }
}

/// Changes what is about to be sent; whether it did.
fn change(sender: &mut End, dice: &mut Dice<'_>) -> bool {
    let before = sender.out.poll_transmit().unwrap_or_default().to_vec();
    sender.out.transmitted(before.len());
    let mut bytes = before.clone();
    let start = dice.below(bytes.len() + 1);
    let end = (start + dice.below(8)).min(bytes.len());
    match dice.below(4) {
        // Others, more, or fewer.
        0 | 1 => {
            let len = dice.below(16);
            bytes.splice(start..end, dice.raw(len).iter().copied());
        }
        // A bit of one.
        2 => bytes.iter_mut().skip(start).take(1).for_each(|byte| *byte ^= 1 << (end & 7)),
        // All of it twice, not time and again.
        _ if bytes.len() < MAX_SENT => bytes.extend_from_within(..),
        _ => {}
    }
    sender.out.extend(&bytes);
    bytes != before
}

/// One layer, with its caller's buffers.
struct End {
    layer: Box<dyn Layer>,
    wire: Inbox,
    out: Outbox,
    /// What it has opened, and what it has sealed.
    opened: Vec<u8>,
    sealed: Vec<u8>,
    error: Option<String>,
    state: LayerState,
    is_closed: bool,
    /// Bytes that it had sent.
    sent: usize,
}

impl End {
    fn new(layer: Box<dyn Layer>) -> Self {
        assert!(!layer.is_open());
        assert_eq!(layer.security(), Security::default());
        Self {
            layer,
            wire: Inbox::new(),
            out: Outbox::new(),
            opened: Vec::new(),
            sealed: Vec::new(),
            error: None,
            state: LayerState::Wait,
            is_closed: false,
            sent: 0,
        }
    }

    /// Opens what there is, as an end does whose transport has brought `bytes`.
    fn open(&mut self, bytes: &[u8]) {
        self.wire.extend(bytes);
        // A call for each record, the shortest having a header of five bytes, and one more.
        let mut left = 2 + self.wire.unread().len() / 5;
        loop {
            assert!(left > 0, "called again and again");
            left -= 1;
            let was_open = self.layer.is_open();
            let (mut plain, before, len) = (Inbox::new(), self.out.len(), self.wire.unread().len());
            let opened = self.layer.open(self.wire.unread_mut(), &mut plain, &mut self.out);
            let sent = self.out.len() - before;
            self.sent += sent;
            assert!(sent <= MAX_SENT, "{sent} bytes sent for {len}");
            assert!(plain.unread().len() <= len.min(MAX_FRAGMENT));
            assert!(plain.is_empty() || self.layer.is_open());
            assert!(self.layer.is_open() || !was_open, "open no longer");
            self.opened.extend_from_slice(plain.unread());
            match opened {
                Ok(opened) => {
                    assert_eq!(self.error, None, "an error that passes");
                    assert!(opened.consumed <= len);
                    self.wire.consume(opened.consumed);
                    let was_closed = self.state == LayerState::Closed;
                    assert!(!was_closed || opened.next == LayerState::Closed);
                    self.state = opened.next;
                    if opened.next != LayerState::More {
                        return;
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(!error.is_empty() && error.len() < 1000, "{error}");
                    match &self.error {
                        Some(known) => assert_eq!((known, sent), (&error, 0)),
                        None => self.error = Some(error),
                    }
                    return;
                }
            }
        }
    }

    fn seal(&mut self, len: usize) {
        let start = self.sealed.len();
        let bytes: Vec<u8> = (start..start + len).map(|at| (at % 251).to_le_bytes()[0]).collect();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let before = self.out.len();
            match self.layer.seal(rest, &mut self.out) {
                Ok(taken) => {
                    assert!((1..=rest.len().min(MAX_FRAGMENT)).contains(&taken));
                    assert!(self.layer.is_open() && self.error.is_none() && !self.is_closed);
                    self.sealed.extend_from_slice(&rest[..taken]);
                    rest = &rest[taken..];
                    let sent = self.out.len() - before;
                    assert!(sent > taken && sent <= MAX_SENT);
                    self.sent += sent;
                }
                Err(error) => {
                    let is_known = self.error.as_ref().is_none_or(|it| *it == error.to_string());
                    assert!(is_known, "{error} is not {:?}", self.error);
                    assert_eq!(self.out.len(), before, "{error}");
                    let is_over = self.error.is_some() || self.is_closed;
                    assert!(is_over || !self.layer.is_open(), "{error}");
                    return;
                }
            }
        }
    }

    fn close(&mut self) {
        let before = self.out.len();
        self.layer.close(&mut self.out);
        let sent = self.out.len() - before;
        assert!(sent <= 256 && (sent == 0 || !self.is_closed && self.error.is_none()));
        self.sent += sent;
        self.is_closed = true;
    }

    /// That all is as it must be when the peer has sent everything.
    fn check(&self, peer: &Self, is_changed: bool) {
        assert!(peer.sealed.starts_with(&self.opened), "what nobody has sealed");
        let is_over = self.error.is_some();
        let is_ended = self.layer.ended();
        assert_eq!(
            is_ended.is_ok(),
            !is_over && (self.is_closed || self.state == LayerState::Closed)
        );
        if self.layer.is_open() {
            let security = self.layer.security();
            assert!(security.protocol.starts_with("TLSv1."), "{security:?}");
        }
        if is_changed || self.is_closed || peer.is_closed && !peer.layer.is_open() {
            return;
        }
        assert_eq!(self.error, None, "though nothing has happened");
        if !peer.is_closed {
            assert!(self.layer.is_open() && self.wire.is_empty());
        }
        assert_eq!(self.opened.len(), peer.sealed.len());
        assert_eq!(self.state == LayerState::Closed, peer.is_closed);
    }
}
