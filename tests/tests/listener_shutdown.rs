//! The end of a listener.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Caller, Listener, Outcome, Reply, SendError};
use wirewright_tests::raw_client::{PATIENCE, RawClient, TEXT, request};
use wirewright_tests::services::{Call, echo, expect_calls, logged, next, plain, start_echo};

const SHORT: Duration = Duration::from_millis(300);
const SLACK: Duration = Duration::from_secs(10);

/// The port is free, and nobody answers there.
fn expect_free(addr: SocketAddr) {
    assert!(TcpStream::connect(addr).is_err(), "still listening");
    let again = plain().start(addr, logged(mpsc::channel().0, echo)).unwrap();
    RawClient::open(again.local_addr()).barrier();
    TcpListener::bind(addr).unwrap_err();
}

#[test]
fn shutdown_says_1001_behind_what_is_queued_and_frees_the_port() {
    for loops in [1, 4] {
        let (log, calls) = mpsc::channel();
        let builder = plain().threads(loops);
        let greet = |caller: &Caller, call: &Call<'_>| {
            Ok(match call {
                Call::Open => {
                    // More than the system takes of a peer that does not read.
                    for _ in 0..90 {
                        let _ = caller.write_binary(&[9; 100_000])?;
                    }
                    Reply::Text("last".into())
                }
                _ => Reply::Nothing,
            })
        };
        let listener =
            builder.max_queued(16 << 20).start("127.0.0.1:0", logged(log, greet)).unwrap();
        let addr = listener.local_addr();
        let mut clients = (0..6).map(|_| RawClient::open(addr)).collect::<Vec<_>>();
        (0..6).for_each(|_| expect_calls(&calls, &["open"]));
        let stopper = thread::spawn(move || {
            let start = Instant::now();
            listener.shutdown(PATIENCE);
            assert!(start.elapsed() < PATIENCE - SLACK, "it waited for nobody");
            listener
        });
        for client in &mut clients {
            (0..90).for_each(|_| assert_eq!(client.message(), [9; 100_000]));
            client.expect(TEXT, "last");
            client.expect_close(1001);
            client.close(1001);
            client.expect_end();
        }
        let listener = stopper.join().unwrap();
        (0..6).for_each(|_| expect_calls(&calls, &["close 1001"]));
        expect_free(addr);
        drop(listener);
    }
}

#[test]
fn shutdown_does_not_wait_longer_than_it_is_told() {
    let (log, calls) = mpsc::channel();
    let listener = plain().start("127.0.0.1:0", logged(log, echo)).unwrap();
    let mut silent = RawClient::open(listener.local_addr());
    expect_calls(&calls, &["open"]);
    let mut opening = RawClient::silent(listener.local_addr());
    opening.send(&request("")[..50]);
    silent.barrier();
    expect_calls(&calls, &["text barrier"]);
    let start = Instant::now();
    listener.shutdown(SHORT);
    assert!(start.elapsed() >= SHORT && start.elapsed() < SHORT + SLACK, "{:?}", start.elapsed());
    silent.expect_close(1001);
    silent.rest();
    // In its handshake it is dropped without an answer.
    assert_eq!(opening.rest(), b"");
    expect_calls(&calls, &["close 1006"]);
    expect_free(listener.local_addr());
}

#[test]
fn abort_and_drop_end_at_once_without_a_close() {
    let ends: [fn(Listener); 3] =
        [|listener| listener.abort(), drop, |listener| listener.shutdown(Duration::ZERO)];
    for (number, end) in ends.into_iter().enumerate() {
        let (log, calls) = mpsc::channel();
        let (callers, open) = mpsc::channel();
        let callers = Mutex::new(callers);
        let callers = Arc::new(callers);
        let hand_out = move |caller: &Caller, call: &Call<'_>| {
            if let Call::Open = call {
                callers.lock().unwrap().send(caller.clone())?;
            }
            Ok(Reply::Nothing)
        };
        let listener = plain().threads(2).start("127.0.0.1:0", logged(log, hand_out)).unwrap();
        let addr = listener.local_addr();
        let mut clients = [RawClient::open(addr), RawClient::open(addr)];
        expect_calls(&calls, &["open", "open"]);
        let start = Instant::now();
        end(listener);
        assert!(start.elapsed() < SLACK);
        expect_calls(&calls, &["close 1006", "close 1006"]);
        for client in &mut clients {
            let rest = client.rest();
            assert!(number == 2 || rest.is_empty(), "{rest:?}");
        }
        let caller = next(&open);
        assert_eq!(caller.write_text("late"), Err(SendError::Closed));
        expect_free(addr);
    }
}

#[test]
fn everybody_who_waits_for_the_end_sees_it() {
    let listener = start_echo(plain());
    let mut client = RawClient::open(listener.local_addr());
    client.barrier();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            listener.wait();
            assert!(over.load(Ordering::SeqCst), "the end before it was asked for");
        });
        // It has begun to wait, most likely; both orders must do.
        thread::sleep(Duration::from_millis(50));
        let stopper = scope.spawn(|| {
            over.store(true, Ordering::SeqCst);
            listener.shutdown(PATIENCE);
            // What the stopper may rely on.
            TcpStream::connect(listener.local_addr()).unwrap_err();
            thread::park_timeout(Duration::ZERO);
            Instant::now()
        });
        client.expect_close(1001);
        // The listener ends when this client has answered, not before.
        thread::sleep(SHORT);
        let answered = Instant::now();
        client.close(1001);
        assert!(stopper.join().unwrap() >= answered, "shutdown returned before the end");
        waiter.join().unwrap();
    });
}

#[test]
fn a_second_stop_shortens_the_first() {
    let listener = start_echo(plain());
    let mut client = RawClient::open(listener.local_addr());
    thread::scope(|scope| {
        let first = scope.spawn(|| listener.shutdown(PATIENCE));
        client.expect_close(1001);
        let start = Instant::now();
        listener.abort();
        first.join().unwrap();
        assert!(start.elapsed() < SLACK);
    });
}

#[test]
fn shutdown_may_spread_its_closes_over_a_window() {
    const CLIENTS: u32 = 8;
    let window = 2 * SHORT;
    let listener = start_echo(plain().shutdown_spread(window));
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|_| RawClient::open(listener.local_addr())).collect();
    clients.iter_mut().for_each(RawClient::barrier);
    let start = Instant::now();
    let stopper = thread::spawn(move || listener.shutdown(PATIENCE));
    let closed = clients.iter_mut().map(|client| {
        client.expect_close(1001);
        let after = start.elapsed();
        client.close(1001);
        client.expect_end();
        after
    });
    let mut closed: Vec<_> = closed.collect();
    closed.sort_unstable();
    // None before its time; how much later is the machine's affair.
    for (number, after) in (0..CLIENTS).zip(closed) {
        assert!(after >= window / CLIENTS * number, "{number}: {after:?}");
    }
    stopper.join().unwrap();
    assert!(start.elapsed() < PATIENCE - SLACK);
}

#[test]
fn an_abort_ends_a_shutdown_that_is_spread() {
    let listener = start_echo(plain().shutdown_spread(PATIENCE));
    let mut clients = [(); 3].map(|()| RawClient::open(listener.local_addr()));
    clients.iter_mut().for_each(RawClient::barrier);
    let start = Instant::now();
    thread::scope(|scope| {
        let shutdown = scope.spawn(|| listener.shutdown(2 * PATIENCE));
        clients[0].expect_close(1001);
        // The others have not been told yet, and are served.
        clients[2].barrier();
        listener.abort();
        shutdown.join().unwrap();
    });
    assert!(start.elapsed() < SLACK);
    clients.iter_mut().for_each(|client| drop(client.rest()));
}

#[test]
fn a_callback_may_stop_its_own_listener() {
    let place = Arc::new(Mutex::new(None::<Listener>));
    let (stopped, told) = mpsc::channel();
    let (held, stopped) = (Arc::clone(&place), Mutex::new(stopped));
    let stopped = Arc::new(stopped);
    let stop = move |_: &Caller, call: &Call<'_>| -> Outcome {
        if let Call::Text("stop") = call {
            held.lock().unwrap().as_ref().expect("was put there").shutdown(PATIENCE);
            stopped.lock().unwrap().send(())?;
        }
        Ok(Reply::Nothing)
    };
    let (log, calls) = mpsc::channel();
    let listener = plain().start("127.0.0.1:0", logged(log, stop)).unwrap();
    let mut client = RawClient::open(listener.local_addr());
    *place.lock().unwrap() = Some(listener);
    client.frame(TEXT, "stop");
    let () = next(&told);
    client.expect_close(1001);
    client.close(1001);
    client.expect_end();
    expect_calls(&calls, &["open", "text stop", "close 1001"]);
    place.lock().unwrap().take().unwrap().wait();
}

#[test]
fn whoever_connects_meanwhile_is_not_left_hanging() {
    for _ in 0..5 {
        let listener = start_echo(plain().threads(4));
        let addr = listener.local_addr();
        let connecting = AtomicBool::new(true);
        let over = thread::scope(|scope| {
            let threads = [(); 3].map(|()| {
                scope.spawn(|| {
                    let mut streams = Vec::new();
                    while let Ok(stream) = TcpStream::connect(addr) {
                        streams.push(stream);
                        if streams.len() > 200 || !connecting.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    streams
                })
            });
            thread::sleep(Duration::from_millis(5));
            listener.shutdown(Duration::ZERO);
            connecting.store(false, Ordering::Relaxed);
            threads.map(|thread| thread.join().unwrap())
        });
        // The listener itself is kept.
        for stream in over.into_iter().flatten() {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // A connection that the system had not finished when the listening socket closed is
            // told so when it speaks, and not before.
            let _ = std::io::Write::write(&mut &stream, b"GET");
            let end = std::io::Read::read(&mut &stream, &mut [0]);
            let hangs = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
            assert!(!end.as_ref().is_err_and(hangs), "neither accepted nor closed");
        }
        drop(listener);
    }
}
