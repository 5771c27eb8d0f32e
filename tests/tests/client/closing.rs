//! The closing handshake (RFC 6455 §7) from both sides, and all the ways around it.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{ClientError, CloseCode, Deadline, MessageBuf, Misuse};

use super::peer::{CLOSE, PATIENCE, PING, Peer, Server, TEXT, close_body, frame};

/// "the client SHOULD wait for the server to close the connection" (RFC 6455 §7.1.1).
#[test]
fn close_waits_for_the_echo_and_for_the_server_to_end() {
    let server = Server::start(|mut peer| {
        peer.expect_close(&close_body(3001, "enough"));
        peer.close(3001, "");
        // The client is still there.
        peer.stream.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
        let error = peer.try_receive().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    });
    let client = server.connect();
    client.close_with(3001, "enough", Some(PATIENCE)).unwrap();
    assert!(!client.is_open());
    server.join();
    after_own_close(&client);
}

fn after_own_close(client: &wirewright::Client) {
    let sent = |result| matches!(result, Err(ClientError::Misuse(Misuse::CloseSent)));
    assert!(sent(client.close()));
    assert!(sent(client.write_text("late")));
    assert!(sent(client.write_binary(b"late")));
    assert!(sent(client.ping(b"late")));
    assert!(matches!(client.read(), Err(ClientError::Closed { .. })));
}

#[test]
fn a_server_that_does_not_end_is_left_after_a_while() {
    let server = Server::start(|mut peer| {
        peer.expect_close(&close_body(1000, ""));
        peer.close(1000, "");
        peer.expect_end();
    });
    let client = server.connect();
    client.close().unwrap();
    server.join();
}

#[test]
fn an_echo_with_another_code() {
    let server = Server::start(|mut peer| {
        peer.expect_close(&close_body(1000, ""));
        peer.close(1001, "");
    });
    let client = server.connect();
    match client.close() {
        Err(ClientError::CloseEcho { sent, echoed }) => {
            assert_eq!((sent, echoed), (CloseCode::NORMAL, CloseCode::GOING_AWAY));
        }
        other => panic!("{other:?}"),
    }
    server.join();
}

#[test]
fn no_echo_but_the_end() {
    let server = Server::start(|mut peer| {
        peer.expect_close(&close_body(1000, ""));
    });
    let client = server.connect();
    let error = client.close().unwrap_err();
    assert!(matches!(error, ClientError::CloseUnanswered), "{error:?}");
    assert_eq!(client.read().unwrap_err().close_code(), Some(CloseCode::ABNORMAL));
    server.join();
}

/// The timeout of a close is absolute, whatever the server sends meanwhile.
#[test]
fn no_echo_at_all() {
    for chatty in [false, true] {
        let server = Server::start(move |mut peer| {
            peer.expect_close(&close_body(1000, ""));
            while chatty && std::io::Write::write_all(&mut peer.stream, &frame(0x81, b"x")).is_ok()
            {
                thread::sleep(Duration::from_millis(1));
            }
            peer.expect_end();
        });
        let client = server.connect();
        let timeout = Duration::from_millis(50);
        let start = Instant::now();
        let error = client.close_with(1000, "", Some(timeout)).unwrap_err();
        assert!(matches!(error, ClientError::TimedOut(Deadline::Close)), "{error:?}");
        assert!((timeout..PATIENCE).contains(&start.elapsed()));
        assert!(!client.is_open());
        server.join();
    }
}

#[test]
fn a_timeout_of_zero_sends_the_close_and_ends() {
    let server = Server::start(|mut peer| {
        peer.expect_close(&close_body(1000, ""));
        peer.expect_end();
    });
    let client = server.connect();
    let error = client.close_with(1000, "", Some(Duration::ZERO)).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(Deadline::Close)), "{error:?}");
    server.join();
}

#[test]
fn a_close_that_cannot_be_sent_changes_nothing() {
    let server = Server::start(|mut peer| {
        assert_eq!(peer.receive().payload, b"still open");
        peer.expect_close(&close_body(1000, &"x".repeat(123)));
        peer.close(1000, "");
    });
    let client = server.connect();
    for code in [0, 20, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        let error = client.close_with(code, "", None).unwrap_err();
        assert!(matches!(error, ClientError::Misuse(Misuse::CloseCode(_))), "{error:?}");
    }
    let error = client.close_with(1000, &"x".repeat(124), None).unwrap_err();
    assert!(matches!(error, ClientError::Misuse(Misuse::CloseReasonTooLong(124))), "{error:?}");
    assert!(client.is_open());
    client.write_text("still open").unwrap();
    client.close_with(1000, &"x".repeat(123), None).unwrap();
    server.join();
}

/// "When sending a Close frame in response, the endpoint typically echos the status code it
/// received" (RFC 6455 §5.5.1).
#[test]
fn the_servers_close_is_answered_with_its_code() {
    let closes = [
        (close_body(1000, ""), close_body(1000, "")),
        (close_body(1001, "restart"), close_body(1001, "")),
        (close_body(4999, "ü"), close_body(4999, "")),
        (vec![], vec![]),
    ];
    for (sent, answer) in closes {
        let close = sent.clone();
        let server = Server::start(move |mut peer| {
            peer.send(&[frame(0x81, b"last words"), frame(0x88, &close)].concat());
            peer.expect_close(&answer);
        });
        let client = server.connect();
        assert_eq!(client.read_text().unwrap(), "last words");
        let code = sent.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        for _ in 0..2 {
            match client.read() {
                Err(ClientError::Closed { code: found, reason }) => {
                    assert_eq!(found.value(), code);
                    assert_eq!(reason.as_bytes(), sent.get(2..).unwrap_or_default());
                }
                other => panic!("{other:?}"),
            }
            assert!(!client.is_open());
        }
        let normal = client.read_into(&mut MessageBuf::new());
        assert_eq!(matches!(normal, Ok(false)), [1000, 1005].contains(&code));
        for result in [client.write_text("late"), client.ping(b""), client.close()] {
            assert_eq!(result.unwrap_err().close_code().map(CloseCode::value), Some(code));
        }
        server.join();
    }
}

#[test]
fn a_connection_that_is_dropped_is_1006() {
    let server = Server::start(|mut peer| {
        peer.send(&[frame(0x81, b"whole"), vec![0x81, 5, b'h']].concat());
        peer.stream.shutdown(Shutdown::Both).unwrap();
    });
    let client = server.connect();
    assert_eq!(client.read_text().unwrap(), "whole");
    for _ in 0..2 {
        let error = client.read().unwrap_err();
        assert_eq!(error.to_string(), "connection closed with code 1006");
    }
    assert!(client.read_into(&mut MessageBuf::new()).is_err());
    assert_eq!(client.write_text("x").unwrap_err().close_code(), Some(CloseCode::ABNORMAL));
    assert_eq!(client.close().unwrap_err().close_code(), Some(CloseCode::ABNORMAL));
    server.join();
}

/// A writer learns the code that the server closed with, though nobody reads.
#[test]
fn a_writer_learns_why_the_server_closed() {
    let server = Server::start(|mut peer| {
        peer.close(1013, "try later");
        peer.stream.shutdown(Shutdown::Write).unwrap();
        drop(peer);
    });
    let client = server.connect();
    let start = Instant::now();
    let error = loop {
        match client.write_binary(&[0; 10_000]) {
            Ok(()) => assert!(start.elapsed() < PATIENCE),
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "connection closed with code 1013: try later");
    server.join();
}

#[test]
fn messages_before_the_servers_close_can_be_read_after_close() {
    let server = Server::start(|mut peer| {
        peer.frame(TEXT, b"on its way");
        peer.frame(PING, b"no answer after a close");
        peer.expect_close(&close_body(1000, ""));
        peer.frame(TEXT, b"and another");
        peer.close(1000, "");
    });
    let client = server.connect();
    client.close().unwrap();
    assert_eq!(client.read_text().unwrap(), "on its way");
    assert_eq!(client.read_text().unwrap(), "and another");
    assert!(client.read().unwrap_err().is_normal_close());
    server.join();
}

#[test]
fn a_reader_of_another_thread_ends_with_the_close() {
    let server = Server::start(|mut peer| {
        assert_eq!(peer.receive().payload, b"ready");
        peer.expect_close(&close_body(1000, ""));
        peer.close(1000, "");
    });
    let client = server.connect();
    thread::scope(|scope| {
        let reader = scope.spawn(|| client.read_into(&mut MessageBuf::new()));
        client.write_text("ready").unwrap();
        client.close().unwrap();
        assert!(!reader.join().unwrap().unwrap());
    });
    server.join();
}

/// S-17: one Close is sent, whoever asks for it and how often.
#[test]
fn s17_closes_from_many_threads_are_one() {
    let server = Server::start(|mut peer| {
        peer.expect_close(&close_body(1000, ""));
        peer.close(1000, "");
        // One more Close would come now.
        peer.stream.shutdown(Shutdown::Write).unwrap();
        peer.expect_end();
    });
    let client = server.connect();
    let done = thread::scope(|scope| {
        let closers: Vec<_> = (0..8).map(|_| scope.spawn(|| client.close())).collect();
        let join = |closer: thread::ScopedJoinHandle<'_, _>| closer.join().unwrap();
        closers.into_iter().map(join).collect::<Vec<_>>()
    });
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1, "{done:?}");
    server.join();
}

#[test]
fn abort_wakes_a_reader_a_writer_and_those_in_line() {
    let (done, wait) = mpsc::channel::<()>();
    let server = Server::narrow(move |peer: Peer| {
        let _ = wait.recv();
        drop(peer);
    });
    let client = server.builder().send_buffer(Some(4096)).connect().unwrap();
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| client.read().map(drop))).collect();
        let writers: Vec<_> =
            (0..2).map(|_| scope.spawn(|| client.write_binary(&[0; 4 << 20]))).collect();
        // Some of them may not have begun; they find the same.
        thread::sleep(Duration::from_millis(20));
        client.abort();
        for thread in readers.into_iter().chain(writers) {
            let error = thread.join().unwrap().unwrap_err();
            assert!(matches!(error, ClientError::Aborted), "{error:?}");
        }
    });
    assert!(!client.is_open());
    assert!(matches!(client.close(), Err(ClientError::Aborted)));
    done.send(()).unwrap();
    server.join();
}

#[test]
fn a_close_does_not_wait_longer_than_its_timeout_for_a_blocked_writer() {
    let (done, wait) = mpsc::channel::<()>();
    let server = Server::narrow(move |peer: Peer| {
        let _ = wait.recv();
        drop(peer);
    });
    let client = server.builder().send_buffer(Some(4096)).connect().unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| client.write_binary(&[0; 4 << 20]));
        thread::sleep(Duration::from_millis(20));
        let error = client.close_with(1000, "", Some(Duration::from_millis(20))).unwrap_err();
        assert!(matches!(error, ClientError::TimedOut(Deadline::Close)), "{error:?}");
        assert!(writer.join().unwrap().is_err());
    });
    done.send(()).unwrap();
    server.join();
}

#[test]
fn a_client_that_is_dropped_goes_away() {
    let server = Server::start(|mut peer| {
        let close = peer.receive();
        assert_eq!((close.opcode, close.payload), (CLOSE, close_body(1001, "")));
        peer.expect_end();
    });
    drop(server.connect());
    server.join();
}

/// Both sides close at once: each takes the other's Close for the answer (RFC 6455 §5.5.1).
#[test]
fn two_closes_that_cross_on_a_client() {
    for code in [1000, 1001] {
        let server = Server::start(move |mut peer| {
            peer.close(code, "me too");
            peer.expect_close(&close_body(1000, ""));
            peer.stream.shutdown(Shutdown::Write).unwrap();
            peer.expect_end();
        });
        // Nobody answers the server's Close before the client sends its own.
        let client = server.builder().custody(false).connect().unwrap();
        match client.close() {
            Ok(()) => assert_eq!(code, 1000),
            Err(ClientError::CloseEcho { sent, echoed }) => {
                assert_eq!((sent.value(), echoed.value()), (1000, code));
            }
            other => panic!("{other:?}"),
        }
        server.join();
    }
}

#[test]
fn a_close_without_a_timeout_waits_as_long_as_it_takes() {
    let (go, wait) = mpsc::channel();
    let (asked, closing) = mpsc::channel();
    let server = Server::start(move |mut peer| {
        peer.expect_close(&close_body(1000, ""));
        asked.send(()).unwrap();
        wait.recv().unwrap();
        peer.close(1000, "");
    });
    let builder = server.builder().close_timeout(Some(Duration::ZERO));
    let client = builder.read_timeout(Some(Duration::ZERO)).connect().unwrap();
    thread::scope(|scope| {
        let closer = scope.spawn(|| client.close_with(1000, "", None));
        closing.recv().unwrap();
        thread::sleep(Duration::from_millis(50));
        assert!(!closer.is_finished());
        go.send(()).unwrap();
        closer.join().unwrap().unwrap();
    });
    server.join();
}

/// The background had the connection, and hands it to whoever closes it.
#[test]
fn a_close_takes_custody_back() {
    let server = Server::start(|mut peer| {
        peer.frame(PING, b"");
        assert_eq!(peer.receive().opcode, super::peer::PONG);
        peer.expect_close(&close_body(1000, ""));
        peer.frame(TEXT, b"behind it");
        peer.close(1000, "");
    });
    let client = server.builder().custody_after(Duration::ZERO).connect().unwrap();
    let start = Instant::now();
    while client.stats().pongs_sent == 0 {
        assert!(start.elapsed() < PATIENCE);
        thread::yield_now();
    }
    client.close().unwrap();
    assert_eq!(client.read_text().unwrap(), "behind it");
    server.join();
}
