//! The bodies of the fuzz targets. They are functions of bytes that panic when something is not as
//! it must be, so that the seeds of `fuzz/seeds` run through them on a stable toolchain too.

use std::time::Duration;

use wirewright_core::{
    Close, Connection, Event, FrameHeader, Inbox, Limit, MaskingKeys, Message, Outbox,
    ReceiveError, Role, Sender, Violation,
};

pub use crate::fuzzing_auth::{basic_header, bearer_header, challenge, users_file};
pub use crate::fuzzing_handshake::{extension_header, handshake_request, handshake_response};
use crate::fuzzing_input::{built, deflated, setup};
pub use crate::fuzzing_keys::{pem, pkcs12};
pub use crate::fuzzing_tls::tls_session;
pub use crate::fuzzing_tokens::{introspection_response, jwks, jwt, token_response};
use crate::naive;
use crate::pair::Pair;
use crate::raw;
use crate::rng::Dice;
use crate::seen::Seen;
use crate::splits::{Feeding, Setup, joined, pieces, random_cuts, run};
use crate::tap::Tap;

/// A fuzz target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 21] = [
    ("header", header),
    ("decoder", decoder),
    ("handshake_request", handshake_request),
    ("handshake_response", handshake_response),
    ("extension_header", extension_header),
    ("inflate", inflate),
    ("close_payload", close_payload),
    ("operations", operations),
    ("differential_naive", differential_naive),
    ("differential_chunking", differential_chunking),
    ("basic_header", basic_header),
    ("bearer_header", bearer_header),
    ("challenge", challenge),
    ("users_file", users_file),
    ("jwt", jwt),
    ("jwks", jwks),
    ("token_response", token_response),
    ("introspection_response", introspection_response),
    ("pem", pem),
    ("pkcs12", pkcs12),
    ("tls_session", tls_session),
];

/// A header is read from its bytes alone: fewer say less, more say the same, and written again it
/// is what was read.
pub fn header(data: &[u8]) {
    let whole = FrameHeader::parse(data);
    for len in 0..=data.len().min(20) {
        match FrameHeader::parse(&data[..len]) {
            Ok(None) => {}
            early => assert_eq!(early, whole, "{len} bytes say something else"),
        }
    }
    let Ok(Some((header, size))) = whole else { return };
    assert!(header.len <= u64::MAX >> 1);
    assert!(!header.opcode.is_control() || header.fin && header.len <= 125);
    let first = header.opcode as u8 | u8::from(header.fin) << 7 | u8::from(header.rsv1) << 6;
    let role = if header.mask.is_some() { Role::Server } else { Role::Client };
    let mut again = raw::header(role, first, header.len);
    if let Some(key) = header.mask {
        let at = again.len() - 4;
        again[at..].copy_from_slice(&key);
    }
    assert_eq!(again, data[..size]);
}

/// Whatever comes, a connection delivers no more than its limits allow, holds no more memory than
/// for what came, answers by the rules, and is silent after its end.
pub fn decoder(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let setup = setup(&mut dice);
    let cuts = dice.number();
    let input = dice.raw(usize::MAX);
    let mut connection = setup.connection();
    let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
    let compressed = setup.agreement.is_some();
    let limits = &setup.config.limits;
    let mut tap = Tap::new(setup.role == Role::Client, compressed, usize::MAX, limits.clone());
    let (mut hint, mut most, mut ended, mut size) = (1, 0, false, 0);
    for (turn, mut piece) in pieces(input, &random_cuts(input.len(), cuts)).into_iter().enumerate()
    {
        let now = Duration::from_millis(turn as u64);
        while !piece.is_empty() {
            let room = inbox.space(hint);
            let taken = room.len().min(piece.len());
            room[..taken].copy_from_slice(&piece[..taken]);
            piece = &piece[taken..];
            if piece.is_empty() {
                inbox.received(taken);
            } else {
                inbox.received_partly(taken);
            }
            most = most.max(inbox.unread().len());
            hint = loop {
                let before = out.len();
                let event = connection.receive(now, &mut inbox, &mut out);
                assert!(!ended || matches!(event, Ok(Event::NeedMore { .. })), "{event:?}");
                match event {
                    Ok(Event::NeedMore { hint }) => break hint,
                    Ok(Event::Message(message)) => size = message.len(),
                    Ok(Event::Fragment(piece)) if piece.first => size = piece.payload.len(),
                    Ok(Event::Fragment(piece)) => size += piece.payload.len(),
                    Ok(Event::Closed(_)) | Err(_) => ended = true,
                    Ok(_) => {}
                }
                assert!(size as u64 <= limits.max_message_size, "a message of {size} bytes");
                tap.look(&out.poll_transmit().unwrap_or_default()[before..]);
            };
            assert!(inbox.capacity() <= allowed(&setup, most), "{} held", inbox.capacity());
        }
    }
    assert_eq!(ended, connection.is_closed());
    assert_eq!(ended, tap.is_closed());
}

/// What an inbox may hold, of which at most `most` bytes were unread.
fn allowed(setup: &Setup, most: usize) -> usize {
    let max = usize::try_from(setup.config.limits.max_message_size).unwrap_or(usize::MAX);
    let inflated = if setup.agreement.is_some() { max } else { 0 };
    inflated.saturating_add(most + most / 4 + 4096 + 1)
}

/// Compressed messages, of which every byte is the fuzzer's, inflate to what a naive inflater
/// makes of them, however they are cut.
pub fn inflate(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let (setup, input) = deflated(&mut dice);
    let whole = run(&setup, [input.as_slice()], Feeding::Extend);
    let mut expected = naive::decode(&setup, &input);
    // Before the engine has the bits of the code that is corrupt, a further fragment may announce
    // more than the limit.
    if let (Some(Seen::Failed(seen)), Some(last)) = (whole.last(), expected.last_mut())
        && matches!(seen, ReceiveError::Limit(Limit::MessageSize { .. }))
        && *last == Seen::Failed(Violation::Deflate.into())
    {
        *last = Seen::Failed(*seen);
    }
    assert_eq!(whole, expected);
    let bytes = run(&setup, input.chunks(1), Feeding::Space);
    assert_eq!(bytes, whole, "byte by byte");
    let streaming = setup.with(|config| config.streaming = true);
    let streamed = joined(&run(&streaming, [input.as_slice()], Feeding::Extend));
    assert_eq!(streamed, joined(&whole), "streamed");
}

/// The body of a Close is read by the rules of RFC 6455 §5.5.1 and §7.4, and sent as it was read.
pub fn close_payload(data: &[u8]) {
    let parsed = Close::parse(data);
    let expected = match data {
        [] => Ok((1005, "")),
        [_] => Err(Violation::CloseLength),
        [high, low, reason @ ..] => {
            let code = u16::from(*high) * 256 + u16::from(*low);
            let allowed = matches!(code, 1000..=4999) && !matches!(code, 1004..=1006 | 1015..=2999);
            match std::str::from_utf8(reason) {
                _ if !allowed => Err(Violation::CloseCode(code)),
                Err(_) => Err(Violation::CloseReasonUtf8),
                Ok(reason) => Ok((code, reason)),
            }
        }
    };
    assert_eq!(parsed.map(|close| (close.code().value(), close.reason())), expected);
    let Ok(close) = parsed else { return };
    let again = Close::new(close.code().value(), close.reason());
    assert_eq!(again.is_ok(), data.len() >= 2 && data.len() <= 125);
    if data.len() > 125 {
        return;
    }
    let keys = MaskingKeys::from_seed([1; 32]);
    let setup = Setup::server();
    let mut client = Connection::new(Sender::Client(keys), &setup.config, None);
    let mut out = Outbox::new();
    assert_eq!(client.send_close(close, &mut out), Ok(()));
    let seen = run(&setup, out.poll_transmit(), Feeding::Space);
    assert_eq!(seen, [Seen::Closed(close.code().value(), close.reason().to_owned())]);
    assert!(client.send(Message::Text("more"), &mut out).is_err());
}

/// A pair of connections lives through the operations and faults that the bytes say.
pub fn operations(data: &[u8]) {
    Pair::run(&mut Dice::scripted(data));
}

/// The decoder sees what the naive one does.
pub fn differential_naive(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let setup = setup(&mut dice).with(|config| config.streaming = false);
    let input = if dice.one_in(4) { dice.raw(4096).to_vec() } else { built(&setup, &mut dice) };
    let mut seen = run(&setup, [input.as_slice()], Feeding::Extend);
    let mut expected = naive::decode(&setup, &input);
    // The engine waits for as many bits as the longest code has before it calls one of them
    // corrupt. Until they are there, control frames are read on and another fault may come first,
    // but no message is complete; `inflate` sees to the rest.
    if expected.last() == Some(&Seen::Failed(Violation::Deflate.into())) {
        expected.pop();
        let rest = seen.split_off(expected.len().min(seen.len()));
        assert!(rest.iter().all(|event| !matches!(event, Seen::Message(..))), "{rest:?}");
    }
    assert_eq!(seen, expected);
}

/// However bytes are cut, the same happens.
pub fn differential_chunking(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let setup = setup(&mut dice);
    let seeds = [dice.below(65_536), dice.below(65_536)].map(|seed| seed as u64);
    let input = if dice.one_in(4) { dice.raw(4096).to_vec() } else { built(&setup, &mut dice) };
    let outcome = |cuts: &[usize], feeding| {
        let seen = run(&setup, pieces(&input, cuts), feeding);
        if setup.config.streaming { joined(&seen) } else { seen }
    };
    let whole = outcome(&[], Feeding::Extend);
    for (seed, feeding) in seeds.into_iter().zip([Feeding::Partly, Feeding::Scratch]) {
        let cuts = random_cuts(input.len(), seed);
        assert_eq!(outcome(&cuts, feeding), whole, "{feeding:?}, cut at {cuts:?}");
    }
    if input.len() <= 2_000 {
        let cuts: Vec<usize> = (1..input.len()).collect();
        assert_eq!(outcome(&cuts, Feeding::Space), whole, "byte by byte");
    }
}
