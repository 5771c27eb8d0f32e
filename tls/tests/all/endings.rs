//! How connections end, and how they must not.

use wirewright_core::{LayerState, Security};
use wirewright_tls::TlsError;

use crate::certificates::Authority;
use crate::pair::{Pair, VERSIONS, configs, typed};

/// A close_notify as a peer sends it that has no keys yet.
const PLAIN_CLOSE_NOTIFY: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];

#[test]
fn rfc8446_6_1_a_goodbye_is_told_from_a_truncation() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let mut pair = Pair::open(&client, &server, "example.com");
        assert_eq!(
            typed(&pair.server.layer.ended().unwrap_err()),
            TlsError::Truncated { open: true }
        );
        pair.client.write(b"last words");
        pair.client.layer.close(&mut pair.client.out);
        let refused = pair.client.layer.seal(b"more", &mut pair.client.out).unwrap_err();
        assert_eq!(typed(&refused), TlsError::SaidGoodbye);
        let mut last = pair.client.sent();
        last.extend(b"what follows a goodbye is ignored");
        pair.server.receive(&last);
        assert_eq!(pair.server.state, LayerState::Closed, "{version}");
        assert_eq!(pair.server.read(), b"last words");
        assert!(pair.server.wire.is_empty(), "nothing is kept of what follows");
        pair.server.layer.ended().unwrap();
        pair.server.receive(b"and still is");
        assert_eq!((pair.server.state, pair.server.read()), (LayerState::Closed, vec![]));
        // The other way is open still (RFC 8446 §6.1), and closed the same way.
        pair.server.write(b"goodbye");
        pair.server.layer.close(&mut pair.server.out);
        let answer = pair.server.sent();
        pair.client.receive(&answer);
        assert!(pair.client.error.is_none(), "after our goodbye nothing is looked at");
        pair.client.layer.ended().unwrap();
    }
}

#[test]
fn after_our_goodbye_no_garbage_is_an_error() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let mut pair = Pair::open(&client, &server, "example.com");
        pair.client.layer.close(&mut pair.client.out);
        pair.client.layer.close(&mut pair.client.out);
        pair.server.write(b"in flight");
        let mut bytes = pair.server.sent();
        bytes[10] ^= 1;
        bytes.extend([0xff; 100]);
        pair.client.receive(&bytes);
        assert!(pair.client.error.is_none());
        assert_eq!((pair.client.state, pair.client.read()), (LayerState::Wait, vec![]));
        assert!(pair.client.wire.is_empty());
    }
}

#[test]
fn s37_close_notify_at_each_step_of_the_handshake() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        for step in 0..8 {
            let mut pair = Pair::new(&client, &server, "example.com");
            pair.client.turn();
            for _ in 0..step {
                let (up, down) = (pair.client.sent(), pair.server.sent());
                pair.server.receive(&up);
                pair.client.receive(&down);
            }
            for end in [&mut pair.client, &mut pair.server] {
                let calls = end.calls;
                end.receive(&PLAIN_CLOSE_NOTIFY);
                assert!(end.calls - calls <= 2, "{version}, step {step}: it spins");
                let ended = end.layer.ended();
                assert!(ended.is_err(), "{version}, step {step}: a goodbye that anybody can send");
                assert_ne!(end.state, LayerState::Closed);
            }
        }
    }
}

#[test]
fn s37_closing_at_each_step_of_the_handshake() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        for step in 0..6 {
            for closes_client in [true, false] {
                let mut pair = Pair::new(&client, &server, "example.com");
                pair.client.turn();
                for _ in 0..step {
                    let (up, down) = (pair.client.sent(), pair.server.sent());
                    pair.server.receive(&up);
                    pair.client.receive(&down);
                }
                let (one, other) = if closes_client {
                    (&mut pair.client, &mut pair.server)
                } else {
                    (&mut pair.server, &mut pair.client)
                };
                one.layer.close(&mut one.out);
                let bytes = one.sent();
                other.receive(&bytes);
                let bytes = other.sent();
                one.receive(&bytes);
                assert!(one.error.is_none(), "{version}, {step}: {:?}", one.error);
                let refused = one.layer.seal(b"more", &mut one.out).unwrap_err();
                assert_eq!(typed(&refused), TlsError::SaidGoodbye);
                // One that could have believed it has; the other waits for the transport's end.
                let believed = other.layer.ended().is_ok();
                assert!(!believed || other.state == LayerState::Closed);
            }
        }
    }
}

#[test]
fn nothing_is_sealed_before_it_is_open() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let mut pair = Pair::new(&client, &server, "example.com");
        for end in [&mut pair.client, &mut pair.server] {
            let refused = end.layer.seal(b"early", &mut end.out).unwrap_err();
            assert_eq!(typed(&refused), TlsError::NotOpen);
            assert_eq!(end.layer.security(), Security::default());
            assert_eq!(typed(&end.layer.ended().unwrap_err()), TlsError::Truncated { open: false });
        }
        pair.carry(usize::MAX);
        pair.assert_open();
        pair.assert_passes();
    }
}

#[test]
fn a_layer_may_be_dropped_at_each_step() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        for step in 0..6 {
            let mut pair = Pair::new(&client, &server, "example.com");
            pair.client.turn();
            for _ in 0..step {
                let (up, down) = (pair.client.sent(), pair.server.sent());
                pair.server.receive(&up);
                pair.client.receive(&down);
            }
            let there = std::thread::spawn(move || drop(pair)).join();
            assert!(there.is_ok());
        }
        // What they share is as good as before.
        Pair::open(&client, &server, "example.com").assert_passes();
    }
}

#[test]
fn a_truncated_record_is_an_error_when_the_transport_ends() {
    for version in VERSIONS {
        let (client, server) = configs(&Authority::new("authority"), version);
        let mut pair = Pair::open(&client, &server, "example.com");
        pair.client.write(b"cut short");
        let bytes = pair.client.sent();
        pair.server.receive(&bytes[..bytes.len() - 1]);
        assert_eq!((pair.server.state, pair.server.read()), (LayerState::Wait, vec![]));
        let error = pair.server.layer.ended().unwrap_err();
        assert!(error.is_transient());
        assert!(error.to_string().contains("without close_notify"), "{error}");
    }
}
