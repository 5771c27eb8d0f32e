//! New keys in the midst of everything (RFC 8446 §4.6.3), from a peer that is rustls itself: our
//! sides never ask for them.

use std::sync::mpsc;
use std::thread;

use wirewright::{Caller, Message, Outcome, Reply, RunOn};
use wirewright_tests::raw_client::{BINARY, TEXT};
use wirewright_tests::services::{Call, next, plain, start_every};
use wirewright_tests::tls_peer::{TlsServer, client_config, dialled, server_config};

use super::{client_of, echo, pattern, secured, towards};
use crate::client::peer::{Peer, frame};

const MESSAGES: u32 = 400;

#[test]
fn rfc8446_4_6_3_a_listener_follows_a_client_to_new_keys_while_both_write() {
    let back = |caller: &Caller, call: &Call<'_>| -> Outcome {
        if let Call::Binary(bytes) = call {
            let _ = caller.write_binary(bytes)?;
        }
        Ok(Reply::Nothing)
    };
    let builder = secured(plain().max_queued(64 << 20), "TLSv1.3");
    let (listener, calls, callers) = start_every(builder, RunOn::Loop, back);
    let mut client = dialled(listener.local_addr(), client_config("TLSv1.3")).upgrade("");
    let caller = next(&callers);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..MESSAGES {
                let _ = caller.write_text(&n.to_string()).unwrap();
            }
        });
        let (mut told, mut echoed) = (0, 0);
        let mut take = |(first, payload): (u8, Vec<u8>)| {
            if first == TEXT {
                assert_eq!(payload, told.to_string().as_bytes());
                told += 1;
            } else {
                assert!(payload == pattern(echoed as usize * 7, echoed), "{echoed}");
                echoed += 1;
            }
            (told, echoed)
        };
        let mut seen = (0, 0);
        for n in 0..MESSAGES {
            client.frame(BINARY, pattern(n as usize * 7, n));
            client.stream.conn.refresh_traffic_keys().unwrap();
            if n % 3 == 0 {
                seen = take(client.receive());
            }
        }
        while seen != (MESSAGES, MESSAGES) {
            seen = take(client.receive());
        }
    });
    client.close(1000);
    client.expect_close(1000);
    client.expect_end();
    assert!(calls.try_iter().all(|line| !line.starts_with("error")));
}

#[test]
fn rfc8446_4_6_3_a_client_follows_its_server_to_new_keys_while_both_write() {
    let server = TlsServer::start(server_config("TLSv1.3"), 1, |stream| {
        let mut peer = Peer::accept(stream);
        for n in 0..MESSAGES {
            peer.stream.conn.refresh_traffic_keys().unwrap();
            peer.send(&frame(0x81, n.to_string().as_bytes()));
            let message = peer.message();
            assert!(message.payload == pattern(n as usize * 7, n), "{n}");
            peer.stream.conn.refresh_traffic_keys().unwrap();
            peer.send(&frame(0x82, &message.payload));
        }
        assert_eq!(peer.receive().payload, [0x03, 0xE9]);
    });
    let client = client_of(&server.url()).compression(None).connect().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..MESSAGES {
                client.write_binary(&pattern(n as usize * 7, n)).unwrap();
            }
        });
        let (mut told, mut echoed) = (0, 0);
        while told < MESSAGES || echoed < MESSAGES {
            let message = client.read().unwrap();
            if let Message::Text(text) = message.message() {
                assert_eq!(text, told.to_string());
                told += 1;
            } else {
                assert!(message.message().as_bytes() == pattern(echoed as usize * 7, echoed));
                echoed += 1;
            }
        }
    });
    drop(client);
    server.join();
}

/// While nobody is inside a client, the background follows too.
#[test]
fn rfc8446_4_6_3_new_keys_come_while_nobody_calls() {
    let (go, wait) = mpsc::channel::<()>();
    let server = TlsServer::start(server_config("TLSv1.3"), 1, move |stream| {
        let mut peer = Peer::accept(stream);
        for n in 0..50_u32 {
            peer.stream.conn.refresh_traffic_keys().unwrap();
            peer.send(&frame(0x89, &n.to_be_bytes()));
            assert_eq!(peer.receive().payload, n.to_be_bytes());
        }
        go.send(()).unwrap();
        assert_eq!(peer.message().payload, b"back");
        peer.send(&frame(0x81, b"welcome"));
        assert_eq!(peer.receive().payload, [0x03, 0xE9]);
    });
    let client = client_of(&server.url()).connect().unwrap();
    wait.recv().unwrap();
    client.write_text("back").unwrap();
    assert_eq!(client.read_text().unwrap(), "welcome");
    drop(client);
    server.join();
}

/// Many that ask for new keys and say nothing: an attack on the processor, which ends.
#[test]
fn s37_a_flood_of_key_updates_ends_the_connection_and_nothing_else() {
    let builder = secured(plain(), "TLSv1.3");
    let (listener, calls, _callers) = start_every(builder, RunOn::Loop, |_, _| Ok(Reply::Nothing));
    let mut client = dialled(listener.local_addr(), client_config("TLSv1.3")).upgrade("");
    assert_eq!(next(&calls), "open");
    for _ in 0..1000 {
        let refreshed = client.stream.conn.refresh_traffic_keys();
        let sent = client.stream.conn.write_tls(&mut client.stream.sock);
        if refreshed.is_err() || sent.is_err() {
            break;
        }
    }
    let error = next(&calls);
    assert!(error.starts_with("error ") && error.contains("TLS"), "{error}");
    assert_eq!(next(&calls), "close 1006");
    client.drain();
    let other = echo(plain(), "TLSv1.3");
    towards(&other).connect().unwrap().close().unwrap();
    towards(&listener).connect().unwrap().close().unwrap();
}
