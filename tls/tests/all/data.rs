//! Data: how much, in how many records, and when keys change.

use wirewright_core::{Inbox, LayerState, Outbox};
use wirewright_tls::TlsError;

use crate::certificates::Authority;
use crate::pair::{Pair, VERSIONS, configs};
use crate::plain_peer::{PlainClient, client_config};

const MAX_FRAGMENT: usize = 16 * 1024;
/// A record's header and what encryption adds to it.
const MAX_OVERHEAD: usize = 5 + 256;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
}

#[test]
fn a_mebibyte_goes_both_ways() {
    let bytes = pattern(1024 * 1024);
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        for size in [1000, 16 * 1024, usize::MAX] {
            let mut pair = Pair::open(&client, &server, "example.com");
            pair.client.write(&bytes);
            pair.server.write(&bytes);
            pair.carry(size);
            assert!(
                pair.client.read() == bytes && pair.server.read() == bytes,
                "{version}, {size}"
            );
        }
    }
}

#[test]
fn s36_a_call_opens_one_record_and_holds_nothing_back() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let mut pair = Pair::open(&client, &server, "example.com");
        let bytes = pattern(10 * MAX_FRAGMENT);
        pair.client.write(&bytes);
        let mut wire = pair.client.sent();
        let mut taken = Vec::new();
        while !wire.is_empty() {
            let mut plain = Inbox::new();
            let opened =
                pair.server.layer.open(&mut wire, &mut plain, &mut pair.server.out).unwrap();
            assert_eq!(plain.unread().len(), MAX_FRAGMENT, "{version}");
            assert!(opened.consumed <= MAX_FRAGMENT + MAX_OVERHEAD);
            wire.drain(..opened.consumed);
            let more = if wire.is_empty() { LayerState::Wait } else { LayerState::More };
            assert_eq!(opened.next, more);
            taken.extend_from_slice(plain.unread());
        }
        assert!(taken == bytes);
    }
}

#[test]
fn rfc8446_5_1_seal_makes_one_record() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let mut pair = Pair::open(&client, &server, "example.com");
        for (len, taken) in [(0, 0), (1, 1), (MAX_FRAGMENT, MAX_FRAGMENT), (100_000, MAX_FRAGMENT)]
        {
            let mut out = Outbox::new();
            assert_eq!(pair.client.layer.seal(&pattern(len), &mut out).unwrap(), taken);
            assert!(out.len() <= taken + MAX_OVERHEAD);
            assert_eq!(out.is_empty(), taken == 0, "no empty record");
            if let Some([kind, _, _, high, low, rest @ ..]) = out.poll_transmit() {
                assert_eq!(*kind, 23);
                assert_eq!(rest.len(), usize::from(u16::from_be_bytes([*high, *low])));
            }
        }
    }
}

#[test]
fn what_follows_the_handshake_in_the_same_bytes_is_kept() {
    for version in VERSIONS {
        let authority = Authority::new("authority");
        let (client, server) = configs(&authority, version);
        let mut pair = Pair::new(&client, &server, "example.com");
        pair.client.turn();
        let mut all = Vec::new();
        while !pair.client.layer.is_open() {
            let (up, down) = (pair.client.sent(), pair.server.sent());
            pair.server.receive(&up);
            pair.client.receive(&down);
        }
        all.extend(pair.client.sent());
        pair.client.write(b"at once");
        all.extend(pair.client.sent());
        pair.server.receive(&all);
        pair.assert_open();
        assert_eq!(pair.server.read(), b"at once", "{version}");
    }
}

#[test]
fn rfc8446_4_6_3_a_key_update_is_answered_before_the_next_record() {
    let authority = Authority::new("authority");
    let (_, server) = configs(&authority, "TLSv1.3");
    let mut peer = PlainClient::open(&client_config(&authority), &server);
    for round in 0..5 {
        peer.tls.refresh_traffic_keys().unwrap();
        peer.write(b"with new keys");
        peer.carry();
        assert_eq!(peer.layer.read(), b"with new keys", "round {round}");
        peer.layer.write(b"and so are these");
        peer.carry();
        assert_eq!(peer.read(), b"and so are these", "round {round}");
    }
}

#[test]
fn rfc8446_4_6_3_several_key_updates_are_answered_once() {
    let authority = Authority::new("authority");
    let (_, server) = configs(&authority, "TLSv1.3");
    let mut peer = PlainClient::open(&client_config(&authority), &server);
    for _ in 0..20 {
        peer.tls.refresh_traffic_keys().unwrap();
    }
    peer.carry();
    peer.layer.write(b"one answer, then this");
    peer.carry();
    assert_eq!(peer.read(), b"one answer, then this");
    peer.layer.layer.close(&mut peer.layer.out);
    peer.carry();
    assert!(peer.saw_close_notify());
}

#[test]
fn an_owed_key_update_goes_in_front_of_the_goodbye() {
    let authority = Authority::new("authority");
    let (_, server) = configs(&authority, "TLSv1.3");
    let mut peer = PlainClient::open(&client_config(&authority), &server);
    peer.tls.refresh_traffic_keys().unwrap();
    peer.carry();
    peer.layer.layer.close(&mut peer.layer.out);
    peer.carry();
    assert!(peer.saw_close_notify());
}

#[test]
fn a_flood_of_key_updates_is_refused() {
    let authority = Authority::new("authority");
    let (_, server) = configs(&authority, "TLSv1.3");
    let mut peer = PlainClient::open(&client_config(&authority), &server);
    for _ in 0..40 {
        peer.tls.refresh_traffic_keys().unwrap();
    }
    peer.carry();
    assert!(
        matches!(peer.layer.failure(), TlsError::Misbehaved(why) if why.contains("key update"))
    );
}

#[test]
fn data_is_sealed_while_a_message_of_the_handshake_is_incomplete() {
    // A server's ticket, cut in the middle of its record and between records.
    let authority = Authority::new("authority");
    let (client, _) = configs(&authority, "TLSv1.3");
    let mut peer = crate::plain_peer::PlainServer::new(&authority, &client, Some(32));
    peer.handshake_without_tickets();
    let tickets = peer.take_sent();
    assert!(tickets.len() > 64, "there are tickets, in several records");
    for byte in tickets {
        peer.layer.receive(&[byte]);
        peer.layer.write(b".");
        let sealed = peer.layer.sent();
        peer.receive(&sealed);
    }
    assert!(peer.layer.error.is_none(), "{:?}", peer.layer.error);
    assert!(peer.read().iter().all(|byte| *byte == b'.'));
}
