//! Every way of cutting an input: however bytes arrive, the same happens.

use std::time::Duration;

use wirewright_core::deflate::Agreement;
use wirewright_core::{
    Config, Connection, Inbox, Incoming, MaskingKeys, Message, Outbox, Role, Sender, Violation,
};

use crate::raw::{self, Sent};
use crate::rng::Dice;
use crate::seen::Seen;

/// The receiving half that is tested.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its role.
    pub role: Role,
    /// Its options.
    pub config: Config,
    /// What its handshake agreed on.
    pub agreement: Option<Agreement>,
}

/// Both directions with the largest window, kept.
pub const FULL: Agreement = Agreement {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};

/// Both directions with the largest window, forgotten after each message.
pub const FORGETFUL: Agreement =
    Agreement { server_no_context_takeover: true, client_no_context_takeover: true, ..FULL };

impl Setup {
    /// A server with its defaults, without compression.
    #[must_use]
    pub fn server() -> Self {
        Self { role: Role::Server, config: Config::server(), agreement: None }
    }

    /// A client with its defaults, without compression.
    #[must_use]
    pub fn client() -> Self {
        Self { role: Role::Client, config: Config::client(), agreement: None }
    }

    /// Both of these.
    #[must_use]
    pub fn both() -> [Self; 2] {
        [Self::server(), Self::client()]
    }

    /// Both with permessage-deflate.
    #[must_use]
    pub fn both_deflated(agreement: Agreement) -> [Self; 2] {
        Self::both().map(|setup| Self { agreement: Some(agreement), ..setup })
    }

    /// This one with its options changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// This one without limits.
    #[must_use]
    pub fn unlimited(self) -> Self {
        self.with(|config| {
            config.limits.max_frame_size = usize::MAX;
            config.limits.max_message_size = u64::MAX;
            config.limits.max_fragments = u32::MAX;
            config.limits.max_control_frames = u32::MAX;
            config.limits.max_assembly_time = Duration::MAX;
        })
    }

    /// What a sending half of this role needs: a client's keys are always the same.
    #[must_use]
    pub fn sender(&self) -> Sender {
        match self.role {
            Role::Client => Sender::Client(MaskingKeys::from_seed([7; 32])),
            Role::Server => Sender::Server,
        }
    }

    /// Both halves.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::new(self.sender(), &self.config, self.agreement)
    }

    /// The receiving half.
    #[must_use]
    pub fn incoming(&self) -> Incoming {
        Incoming::new(self.role, &self.config, self.agreement)
    }
}

/// How an inbox comes by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeding {
    /// A whole chunk at once.
    Extend,
    /// As a read does: into the room there is.
    Space,
    /// Into one inbox for all connections; the rest is kept aside in between.
    Scratch,
    /// As from a transport that has more at hand until the last of it was read.
    Partly,
}

/// Receives chunk by chunk. `NeedMore` is left out.
#[must_use]
pub fn run<'a>(
    setup: &Setup,
    chunks: impl IntoIterator<Item = &'a [u8]>,
    feeding: Feeding,
) -> Vec<Seen> {
    let mut incoming = setup.incoming();
    let (mut inbox, mut aside) = (Inbox::new(), Inbox::new());
    let mut seen = Vec::new();
    let mut hint = drain(&mut incoming, &mut inbox, &mut seen);
    for mut rest in chunks {
        while !rest.is_empty() {
            if feeding == Feeding::Scratch {
                aside.move_to(&mut inbox);
                aside.release();
            }
            let taken = feed(&mut inbox, rest, hint, feeding);
            rest = &rest[taken..];
            hint = drain(&mut incoming, &mut inbox, &mut seen);
            if feeding == Feeding::Scratch {
                inbox.move_to(&mut aside);
                assert!(inbox.is_empty());
            }
        }
    }
    if feeding == Feeding::Partly {
        inbox.received(0);
        drain(&mut incoming, &mut inbox, &mut seen);
    }
    if matches!(seen.last(), Some(Seen::Failed(_) | Seen::Closed(..))) {
        assert!(incoming.is_done());
        assert!(inbox.is_empty() && aside.is_empty(), "what is not read is not kept");
        assert_eq!(incoming.poll_timeout(), None);
    } else {
        assert!(!incoming.is_done());
    }
    seen
}

fn feed(inbox: &mut Inbox, bytes: &[u8], hint: usize, feeding: Feeding) -> usize {
    if feeding == Feeding::Extend {
        inbox.extend(bytes);
        return bytes.len();
    }
    let room = inbox.space(hint);
    let taken = room.len().min(bytes.len());
    assert!(taken > 0, "room without a byte");
    room[..taken].copy_from_slice(&bytes[..taken]);
    match feeding {
        Feeding::Partly => inbox.received_partly(taken),
        _ => inbox.received(taken),
    }
    taken
}

fn drain(incoming: &mut Incoming, inbox: &mut Inbox, seen: &mut Vec<Seen>) -> usize {
    loop {
        match Seen::of(incoming.receive(Duration::ZERO, inbox)) {
            Seen::NeedMore(hint) => {
                assert!(hint > 0, "nothing is missing");
                return hint;
            }
            event => seen.push(event),
        }
    }
}

/// Receives `input` cut in every way and checks that what happens is the same each time. Events of
/// a streaming receiver are joined first, see [`joined`].
///
/// # Panics
/// If two ways differ.
#[must_use]
#[track_caller]
pub fn check(setup: &Setup, input: &[u8]) -> Vec<Seen> {
    let outcome = |cuts: &[usize], feeding| {
        let seen = run(setup, pieces(input, cuts), feeding);
        if setup.config.streaming { joined(&seen) } else { seen }
    };
    let whole = outcome(&[], Feeding::Extend);
    let same = |cuts: &[usize], feeding| {
        let cut = outcome(cuts, feeding);
        assert_eq!(cut, whole, "{feeding:?}, cut at {cuts:?}: {:02X?}", head(input));
    };
    let bytes: Vec<usize> = (1..input.len()).collect();
    same(&[], Feeding::Space);
    same(&bytes, Feeding::Space);
    same(&bytes, Feeding::Partly);
    for at in two_way(input.len()) {
        same(&[at], Feeding::Extend);
        same(&[at], Feeding::Partly);
    }
    for seed in 0..12 {
        let cuts = random_cuts(input.len(), seed);
        // What lies aside is copied for each chunk.
        let cheap = cuts.len() * input.len() < 1 << 20;
        same(&cuts, if seed % 2 == 0 && cheap { Feeding::Scratch } else { Feeding::Space });
    }
    if input.len() <= 1024 {
        same(&bytes, Feeding::Scratch);
        same(&bytes, Feeding::Extend);
    }
    answers(setup, input, &whole);
    whole
}

/// Checks what is sent unasked: a Pong for each Ping, a Close for a Close or an error, nothing
/// else and nothing more.
#[track_caller]
fn answers(setup: &Setup, input: &[u8], seen: &[Seen]) {
    let mut expected = Vec::new();
    for event in seen {
        match event {
            Seen::Ping(payload) => expected.push((0x8A, payload.clone())),
            // "the endpoint typically echos the status code it received" (RFC 6455 §5.5.1).
            Seen::Closed(1005, _) => expected.push((0x88, Vec::new())),
            Seen::Closed(code, _) => expected.push((0x88, code.to_be_bytes().to_vec())),
            Seen::Failed(error) => {
                expected.push((0x88, error.close_code().value().to_be_bytes().to_vec()));
            }
            _ => {}
        }
    }
    let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
    let mut connection = setup.connection();
    inbox.extend(input);
    while !matches!(
        Seen::of(connection.receive(Duration::ZERO, &mut inbox, &mut out)),
        Seen::NeedMore(_)
    ) {}
    let frames = raw::sent(out.poll_transmit().unwrap_or_default());
    let masked = frames.iter().filter(|frame| frame.key.is_some()).count();
    assert_eq!(masked, if setup.role == Role::Client { frames.len() } else { 0 });
    let pair = |Sent { first, payload, .. }| (first, payload);
    assert_eq!(frames.into_iter().map(pair).collect::<Vec<_>>(), expected);
    let over = matches!(seen.last(), Some(Seen::Closed(..) | Seen::Failed(_)));
    assert_eq!(connection.is_closed(), over);
}

/// A text message.
#[must_use]
pub fn text(text: &str) -> Seen {
    Message::Text(text).into()
}

/// A binary message.
#[must_use]
pub fn binary(bytes: &[u8]) -> Seen {
    Message::Binary(bytes).into()
}

/// Nothing but the peer's fault.
#[must_use]
pub fn failed(violation: Violation) -> Vec<Seen> {
    vec![Seen::Failed(violation.into())]
}

/// All two-way cuts of a short input; of a long one those near its ends, and some.
fn two_way(len: usize) -> Vec<usize> {
    if len <= 400 {
        return (1..len).collect();
    }
    let mut dice = Dice::new(len as u64);
    let some = (0..24).map(|_| 1 + dice.below(len - 1));
    (1..24).chain(some).chain(len - 12..len).collect()
}

/// Places to cut, in order: of any number, often close to one another.
#[must_use]
pub fn random_cuts(len: usize, seed: u64) -> Vec<usize> {
    let mut dice = Dice::new(seed);
    let longest = dice.pick(&[2, 7, 40, 300, 5000]);
    let mut cuts = Vec::new();
    let mut at = 1 + dice.below(longest);
    while at < len {
        cuts.push(at);
        at += 1 + dice.below(longest);
    }
    cuts
}

/// `input` cut at these places, which are in order.
#[must_use]
pub fn pieces<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::with_capacity(cuts.len() + 1);
    let mut from = 0;
    for &at in cuts {
        pieces.push(&input[from..at]);
        from = at;
    }
    pieces.push(&input[from..]);
    pieces
}

/// The events of a streaming receiver without what depends on when bytes came: pieces are joined
/// to messages, the messages go before the control frames, and one that stays incomplete is
/// dropped.
#[must_use]
pub fn joined(seen: &[Seen]) -> Vec<Seen> {
    let (mut data, mut control) = (Vec::new(), Vec::new());
    let mut open: Option<Vec<u8>> = None;
    for event in seen {
        match event {
            Seen::Fragment { kind, payload, first, last } => {
                assert_eq!(*first, open.is_none(), "a message begins once");
                let bytes = open.get_or_insert_default();
                bytes.extend(payload);
                if *last {
                    data.push(Seen::Message(*kind, open.take().unwrap_or_default()));
                }
            }
            Seen::Message(..) => {
                assert_eq!(open, None, "a message inside another");
                data.push(event.clone());
            }
            event => control.push(event.clone()),
        }
    }
    data.extend(control);
    data
}

fn head(input: &[u8]) -> &[u8] {
    &input[..input.len().min(200)]
}
