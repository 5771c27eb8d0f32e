//! What a user decides about Pings and is told of Pongs.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wirewright::{KeepAliveOptions, Misuse, PongReply};

use super::peer::{PATIENCE, PING, PONG, Server, TEXT, close_body};

/// A server that pings with these and says what came back before its last message.
fn pinging(payloads: &'static [&'static [u8]], pongs: &'static [&'static [u8]]) -> Server {
    Server::start(move |mut peer| {
        for payload in payloads {
            peer.frame(PING, payload);
        }
        for expected in pongs {
            let pong = peer.receive();
            assert_eq!((pong.opcode, &*pong.payload), (PONG, *expected));
        }
        peer.frame(TEXT, b"done");
        peer.expect_close(&close_body(1001, ""));
    })
}

/// Whether a thread reads or the background drives.
#[test]
fn handlers_decide_about_pongs() {
    for reads in [true, false] {
        let server = pinging(
            &[b"same", b"other", b"none", b"panic", b"last"],
            &[b"same", b"another", b"panic", b"last"],
        );
        let builder = server.builder().on_ping(|payload| match payload {
            b"other" => PongReply::with(b"another").unwrap(),
            b"none" => PongReply::nothing(),
            b"panic" => std::panic::resume_unwind(Box::new("in a handler")),
            _ => PongReply::echo(),
        });
        let client = builder.connect().unwrap();
        if reads {
            assert_eq!(client.read_text().unwrap(), "done");
        } else {
            let start = std::time::Instant::now();
            while client.stats().queued_ahead == 0 {
                assert!(start.elapsed() < PATIENCE);
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(client.read_text().unwrap(), "done");
        }
        assert_eq!((client.stats().pings_received, client.stats().pongs_sent), (5, 4));
        drop(client);
        server.join();
    }
    assert_eq!(PongReply::with(&[0; 126]), Err(Misuse::ControlTooLong(126)));
    assert!(PongReply::with(&[0; 125]).is_ok());
}

/// Pongs come to the handler whoever asked for them, and a Pong to keep-alive's Ping has a round
/// trip.
#[test]
fn pongs_are_told_and_round_trips_measured() {
    let server = Server::start(|mut peer| {
        peer.frame(PONG, b"unasked");
        let mut answered = 0;
        while answered < 2 {
            let frame = peer.receive();
            if frame.opcode == PING {
                peer.frame(PONG, &frame.payload);
                answered += 1;
            }
        }
        peer.close(1000, "");
        peer.expect_close(&close_body(1000, ""));
    });
    let mut keep_alive = KeepAliveOptions::default();
    keep_alive.interval = Some(Duration::from_millis(20));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (told, pongs) = mpsc::channel();
    let log = Arc::clone(&seen);
    let builder = server.builder().keep_alive(keep_alive).on_pong(move |payload| {
        log.lock().unwrap().push(payload.to_vec());
        let _ = told.send(());
    });
    let client = builder.connect().unwrap();
    assert_eq!(client.stats().round_trip, None);
    for _ in 0..3 {
        pongs.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(seen.lock().unwrap()[0], b"unasked");
    assert!(client.read().unwrap_err().is_normal_close());
    let stats = client.stats();
    assert_eq!((stats.pongs_received, stats.pings_sent), (3, 2));
    let trip = stats.round_trip.unwrap();
    assert!(trip > Duration::ZERO && trip < PATIENCE, "{trip:?}");
    server.join();
}
