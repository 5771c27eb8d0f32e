//! The bodies of the fuzz targets for the opening handshake.

use std::fmt::Write as _;

use wirewright_core::handshake::{
    Acceptor, ClientRequest, HandshakeLimits, Rejection, Request, accept_key,
};
use wirewright_core::{Compression, Inbox, Outbox, Uri, deflate};

use crate::rng::Dice;
use crate::splits::{pieces, random_cuts};

/// A request is read alike however it is cut, and answered by what is a response and no more.
pub fn handshake_request(data: &[u8]) {
    let whole = request(&[data]);
    for cut in cuts(data) {
        assert_eq!(request(&cut), whole);
    }
}

/// A response is read alike however it is cut, and agrees to nothing that was not asked for.
pub fn handshake_response(data: &[u8]) {
    let whole = response(&[data]);
    for cut in cuts(data) {
        assert_eq!(response(&cut), whole);
    }
}

/// `Sec-WebSocket-Extensions` as an offer and as an answer: what is agreed on is within what both
/// sides allow.
pub fn extension_header(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let mut ours = Compression::default();
    ours.send_takeover = dice.one_in(2);
    ours.receive_takeover = dice.one_in(2);
    ours.send_window_bits = (8 + dice.below(8)).to_le_bytes()[0];
    ours.receive_window_bits = (8 + dice.below(8)).to_le_bytes()[0];
    let Ok(value) = std::str::from_utf8(dice.raw(usize::MAX)) else { return };
    if let Ok(Some((agreement, answer))) = deflate::answer(&ours, value.split('\n')) {
        assert!((8..=ours.send_window_bits).contains(&agreement.server_max_window_bits));
        assert!((8..=ours.receive_window_bits).contains(&agreement.client_max_window_bits));
        assert!(ours.send_takeover || agreement.server_no_context_takeover);
        assert!(ours.receive_takeover || agreement.client_no_context_takeover);
        let read = deflate::accept(&Compression::default(), &answer);
        assert_eq!(
            read.ok().map(|read| read.server_max_window_bits),
            Some(agreement.server_max_window_bits),
            "{answer}"
        );
    }
    if let Ok(agreement) = deflate::accept(&ours, value) {
        assert!((8..=ours.receive_window_bits).contains(&agreement.server_max_window_bits));
        assert!((8..=15).contains(&agreement.client_max_window_bits));
        assert!(ours.receive_takeover || agreement.server_no_context_takeover);
    }
}

/// Byte by byte, and two other ways.
fn cuts(data: &[u8]) -> Vec<Vec<&[u8]>> {
    let sum = data
        .iter()
        .fold(data.len() as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let mut ways = vec![
        pieces(data, &random_cuts(data.len(), sum)),
        pieces(data, &random_cuts(data.len(), !sum)),
    ];
    if data.len() <= 2_000 {
        ways.push(data.chunks(1).collect());
    }
    ways
}

/// All that comes of a request, as text.
fn request(pieces: &[&[u8]]) -> String {
    let mut acceptor = Acceptor::new(HandshakeLimits::default());
    let (mut inbox, mut out) = (Inbox::new(), Outbox::new());
    let mut pieces = pieces.iter();
    let request = loop {
        match acceptor.receive(&mut inbox) {
            Ok(Some(request)) => break request,
            Ok(None) => match pieces.next() {
                Some(piece) => inbox.extend(piece),
                None => return "incomplete".to_owned(),
            },
            Err(rejection) => return refused(&rejection),
        }
    };
    pieces.for_each(|piece| inbox.extend(piece));
    let mut told = format!("{request:?} {:?}", inbox.unread());
    match accept(request, &mut out) {
        Ok(agreed) => told += &agreed,
        Err(rejection) => told += &refused(&rejection),
    }
    told
}

fn accept(request: Request, out: &mut Outbox) -> Result<String, Rejection> {
    let key = request.head().header("Sec-WebSocket-Key").unwrap_or_default().to_vec();
    let upgrade = request.upgrade()?.sub_protocols(&["chat", "superchat"]);
    let accepted = upgrade.compression(&Compression::default())?.accept(out)?;
    let head = well_formed(out);
    assert!(head.starts_with("HTTP/1.1 101 "));
    let accept = String::from_utf8_lossy(&accept_key(&key)).into_owned();
    assert!(head.contains(&format!("\r\nSec-WebSocket-Accept: {accept}\r\n")));
    assert!(accepted.sub_protocol().is_none_or(|name| name == "chat" || name == "superchat"));
    Ok(format!("{:?} {head}", accepted.deflate()))
}

/// What is sent of a rejection, which keeps the rules.
pub(crate) fn refused(rejection: &Rejection) -> String {
    let mut out = Outbox::new();
    rejection.send(&mut out);
    let head = well_formed(&out);
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", rejection.status())));
    assert!((400..=599).contains(&rejection.status()));
    head
}

/// The head in an outbox, which nothing that was received can break out of.
fn well_formed(out: &Outbox) -> String {
    let bytes = out.poll_transmit().unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let (head, _) = text.split_once("\r\n\r\n").unwrap_or_default();
    assert!(!head.is_empty(), "no head: {text}");
    for line in head.split("\r\n") {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
    let mut head = head.to_owned();
    let _ = write!(head, "\r\n");
    head
}

/// All that comes of a response, as text.
fn response(pieces: &[&[u8]]) -> String {
    let uri = "ws://server.example.com/chat".parse::<Uri>();
    let Ok(request) = uri.map(ClientRequest::new) else { return String::new() };
    let Ok(request) = request.sub_protocols(["chat", "superchat"]) else { return String::new() };
    let request = request.compression(Some(Compression::default()));
    // "the sample nonce", of RFC 6455 §1.3.
    let mut awaiting = request.send(*b"the sample nonce", &mut Outbox::new());
    let mut inbox = Inbox::new();
    let mut pieces = pieces.iter();
    let outcome = loop {
        match awaiting.receive(&mut inbox) {
            Ok(None) => match pieces.next() {
                Some(piece) => inbox.extend(piece),
                None => break Err(awaiting.receive_end()),
            },
            outcome => break outcome,
        }
    };
    match outcome {
        Ok(Some(response)) => {
            assert_eq!(response.status(), 101);
            assert!(matches!(response.sub_protocol(), Some("chat" | "superchat")));
            pieces.for_each(|piece| inbox.extend(piece));
            format!("{response:?} {:?}", inbox.unread())
        }
        outcome => format!("{outcome:?}"),
    }
}
