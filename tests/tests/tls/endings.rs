//! How connections over TLS end, and what each end makes of it: a goodbye, or a cut (RFC 8446
//! §6.1).

use std::error::Error as _;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::time::Duration;

use wirewright::tls::TlsError;
use wirewright::{ClientError, CloseCode, Reply, RunOn};
use wirewright_tests::raw_client::{CLOSE, PATIENCE, TEXT};
use wirewright_tests::services::{echo, expect_calls, next, plain, start_every};
use wirewright_tests::tls_peer::{TlsServer, ToClient, client_config, dialled, server_config};

use super::{VERSIONS, client_of, secured, towards};
use crate::client::peer::{Peer, close_body, frame};

/// The cause of an error of TLS.
#[track_caller]
fn cause(error: &ClientError) -> TlsError {
    let ClientError::Tls(error) = error else { panic!("{error:?}") };
    error.source().unwrap().downcast_ref::<TlsError>().expect("a cause of TLS").clone()
}

type End = fn(Peer<ToClient>);

/// Sends what rustls has ready.
fn flush(peer: &mut Peer<ToClient>) {
    while peer.stream.conn.wants_write() {
        peer.stream.conn.write_tls(&mut peer.stream.sock).unwrap();
    }
}

fn says_goodbye(mut peer: Peer<ToClient>) {
    peer.stream.conn.send_close_notify();
    flush(&mut peer);
}

fn cuts(peer: Peer<ToClient>) {
    peer.stream.sock.shutdown(Shutdown::Write).unwrap();
    let _ = { peer.stream.sock }.read(&mut [0; 100]);
}

/// The beginning of a record, which looks whole to whoever does not count.
fn cuts_a_record(mut peer: Peer<ToClient>) {
    let mut record = Vec::new();
    peer.stream.conn.writer().write_all(&frame(0x81, b"never seen")).unwrap();
    peer.stream.conn.write_tls(&mut record).unwrap();
    peer.stream.sock.write_all(&record[..record.len() - 1]).unwrap();
    cuts(peer);
}

#[test]
fn rfc8446_6_1_a_client_tells_a_cut_from_a_goodbye() {
    for version in VERSIONS {
        for (end, is_cut) in [(says_goodbye as End, false), (cuts, true), (cuts_a_record, true)] {
            let server = TlsServer::start(server_config(version), 1, move |stream| {
                let mut peer = Peer::accept(stream);
                peer.send(&frame(0x81, b"before it"));
                end(peer);
            });
            let client = client_of(&server.url()).connect().unwrap();
            assert_eq!(client.read_text().unwrap(), "before it", "{version}");
            let error = client.read().unwrap_err();
            if is_cut {
                assert_eq!(cause(&error), TlsError::Truncated { open: true }, "{version}");
                assert!(error.is_transient() && error.to_string().contains("close_notify"));
            } else {
                assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL), "{version}: {error:?}");
            }
            server.join();
        }
    }
}

/// A message of several frames whose last one never comes is not taken for whole.
#[test]
fn rfc8446_6_1_a_message_that_is_cut_is_none() {
    for version in VERSIONS {
        let server = TlsServer::start(server_config(version), 1, |stream| {
            let mut peer = Peer::accept(stream);
            peer.send(&frame(0x01, b"all but the end"));
            cuts(peer);
        });
        let error = client_of(&server.url()).connect().unwrap().read().unwrap_err();
        assert!(matches!(cause(&error), TlsError::Truncated { .. }));
        server.join();
    }
}

/// Behind both Close frames the goodbye of TLS says nothing that is not known (RFC 6455 §7.1.1).
#[test]
fn a_close_without_a_goodbye_is_a_close() {
    for version in VERSIONS {
        let server = TlsServer::start(server_config(version), 2, |stream| {
            let mut peer = Peer::accept(stream);
            peer.send(&frame(0x88, &close_body(1000, "bye")));
            assert_eq!(peer.receive().payload, close_body(1000, ""));
            cuts(peer);
        });
        let client = client_of(&server.url()).connect().unwrap();
        assert!(client.read().unwrap_err().is_normal_close(), "{version}");
        let client = client_of(&server.url()).connect().unwrap();
        let closed = client.close();
        assert!(closed.is_ok(), "{closed:?}");
        server.join();
    }
}

/// "Each party MUST send a "close_notify" alert before closing its write side": rustls takes the
/// end for an error where it is missing.
#[test]
fn rfc8446_6_1_a_client_says_goodbye() {
    type Leave = fn(wirewright::Client);
    let ways: [(&str, Leave); 3] = [
        ("close", |client| client.close().unwrap()),
        ("drop", drop),
        ("after a violation", |client| drop(client.read().unwrap_err())),
    ];
    for version in VERSIONS {
        for (name, leave) in ways {
            let (saw, seen) = mpsc::channel();
            let server = TlsServer::start(server_config(version), 1, move |stream| {
                let mut peer = Peer::accept(stream);
                if name == "after a violation" {
                    peer.send(&[0xF1, 0]);
                }
                let close = peer.receive();
                assert_eq!(close.opcode, CLOSE & 0xF, "{name}");
                if name == "close" {
                    peer.send(&frame(CLOSE, &close.payload));
                    peer.stream.conn.send_close_notify();
                    flush(&mut peer);
                }
                saw.send(peer.stream.read(&mut [0; 100])).unwrap();
            });
            leave(client_of(&server.url()).connect().unwrap());
            let end = seen.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(end, Ok(0)), "{version}, {name}: {end:?}");
            server.join();
        }
    }
}

/// Once both have said Close, a server may have said goodbye and wait for the client's before it
/// ends the transport, while the client waits for that end (RFC 6455 §7.1.1).
#[test]
fn rfc8446_6_1_a_client_answers_a_goodbye_before_the_transport_ends() {
    for version in VERSIONS {
        for in_background in [false, true] {
            let (saw, seen) = mpsc::channel();
            let server = TlsServer::start(server_config(version), 1, move |stream| {
                let mut peer = Peer::accept(stream);
                if in_background {
                    peer.send(&frame(CLOSE, &close_body(1000, "")));
                }
                let close = peer.receive();
                assert_eq!(close.opcode, CLOSE & 0xF);
                if !in_background {
                    peer.send(&frame(CLOSE, &close.payload));
                }
                peer.stream.conn.send_close_notify();
                flush(&mut peer);
                let goodbye = peer.stream.read(&mut [0; 100]);
                // It has not given up: it waits still.
                peer.stream.sock.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                let end = peer.stream.sock.peek(&mut [0]);
                saw.send((goodbye, end)).unwrap();
            });
            let client = client_of(&server.url()).connect().unwrap();
            if !in_background {
                client.close().unwrap();
            }
            let (goodbye, end) = seen.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(goodbye, Ok(0)), "{version}, {in_background}: {goodbye:?}");
            assert!(end.is_err(), "{version}, {in_background}: {end:?}");
            server.join();
        }
    }
}

#[test]
fn rfc8446_6_1_a_listener_tells_a_cut_from_a_goodbye() {
    for version in VERSIONS {
        let builder = secured(plain(), version);
        let (listener, calls, _callers) =
            start_every(builder, RunOn::Loop, |_, _| Ok(Reply::Nothing));
        let open = || dialled(listener.local_addr(), client_config(version)).upgrade("");
        let mut client = open();
        client.frame(TEXT, "before it");
        client.stream.conn.send_close_notify();
        client.stream.flush().unwrap();
        expect_calls(&calls, &["open", "text before it", "close 1006"]);
        // "each party MUST send", and TLS 1.2 wants the answer too (RFC 5246 §7.2.1).
        client.expect_end();

        let mut client = open();
        client.frame(TEXT, "before it");
        client.stream.sock.shutdown(Shutdown::Write).unwrap();
        expect_calls(&calls, &["open", "text before it"]);
        let error = next(&calls);
        assert!(error.starts_with("error ") && error.contains("close_notify"), "{error}");
        expect_calls(&calls, &["close 1006"]);
        assert_eq!(listener.stats().errors.total(), 1);
        drop(client);
    }
}

/// A record that was changed on its way ends the connection with an alert; what came before it
/// counts, and nothing behind it does.
#[test]
fn rfc8446_5_2_a_changed_record_ends_the_connection() {
    for version in VERSIONS {
        let builder = secured(plain(), version);
        let (listener, calls, _callers) = start_every(builder, RunOn::Loop, echo);
        let mut client = dialled(listener.local_addr(), client_config(version)).upgrade("");
        let mut bytes = Vec::new();
        for text in ["one", "two", "three"] {
            let frame =
                wirewright_tests::raw::frame(wirewright_core::Role::Server, TEXT, text.as_bytes());
            client.stream.conn.writer().write_all(&frame).unwrap();
            client.stream.conn.write_tls(&mut bytes).unwrap();
        }
        let second = bytes.len() / 2;
        bytes[second] ^= 1;
        client.stream.sock.write_all(&bytes).unwrap();
        expect_calls(&calls, &["open", "text one"]);
        let error = next(&calls);
        assert!(error.starts_with("error ") && error.contains("changed on its way"), "{error}");
        expect_calls(&calls, &["close 1006"]);
        let mut end = client.try_receive();
        while let Ok(Some(_)) = end {
            end = client.try_receive();
        }
        let alert = end.unwrap_err().to_string();
        assert!(alert.contains("BadRecordMac"), "{alert}");
    }
}

#[test]
fn codes_of_both_sides_arrive() {
    for version in VERSIONS {
        let builder = secured(plain(), version);
        let (listener, calls, callers) = start_every(builder, RunOn::Loop, echo);
        let client = towards(&listener).connect().unwrap();
        client.close_with(4001, "done", None).unwrap();
        expect_calls(&calls, &["open", "close 4001"]);
        drop(next(&callers));
        let client = towards(&listener).connect().unwrap();
        next(&callers).close(4002, "you are done").unwrap();
        match client.read() {
            Err(ClientError::Closed { code, reason }) => {
                assert_eq!((code.value(), &*reason), (4002, "you are done"));
            }
            other => panic!("{other:?}"),
        }
        expect_calls(&calls, &["open", "close 4002"]);
        let client = towards(&listener).connect().unwrap();
        expect_calls(&calls, &["open"]);
        listener.shutdown(Duration::from_secs(10));
        assert_eq!(client.read().unwrap_err().close_code(), Some(CloseCode::GOING_AWAY));
        expect_calls(&calls, &["close 1001"]);
        assert_eq!(listener.stats().errors.total(), 0, "{version}");
    }
}

/// Both ends end at once, and nobody is left waiting.
#[test]
fn an_abort_and_a_drop_are_noticed() {
    for version in VERSIONS {
        let builder = secured(plain(), version);
        let (listener, calls, callers) = start_every(builder, RunOn::Loop, echo);
        let client = towards(&listener).connect().unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| client.read());
            expect_calls(&calls, &["open"]);
            client.abort();
            assert!(matches!(reader.join().unwrap(), Err(ClientError::Aborted)));
        });
        // No goodbye: it is a cut to the other end.
        assert!(next(&calls).contains("close_notify"));
        expect_calls(&calls, &["close 1006"]);
        drop(towards(&listener).connect().unwrap());
        expect_calls(&calls, &["open", "close 1001"]);

        drop((next(&callers), next(&callers)));
        let client = towards(&listener).connect().unwrap();
        next(&callers).abort();
        let error = client.read().unwrap_err();
        assert!(
            matches!(error, ClientError::Tls(_)) || error.close_code() == Some(CloseCode::ABNORMAL),
            "{version}: {error:?}"
        );
    }
}
