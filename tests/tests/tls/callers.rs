//! A listener's other ways of sending, its queues, and a client in a loop of its user's own, over
//! TLS.

use std::thread;
use std::time::{Duration, Instant};

use wirewright::{
    Caller, Client, ClientError, CloseCode, Message, Outcome, Reply, RunOn, SendError, Sent,
    WhenFull,
};
use wirewright_tests::raw_client::PATIENCE;
use wirewright_tests::services::{Call, echo as echoes, next, plain, start, start_every, until};

use super::{VERSIONS, echo, pattern, secured, towards};

fn quiet(_: &Caller, _: &Call<'_>) -> Outcome {
    Ok(Reply::Nothing)
}

/// Reads what was published, in order, up to this number; how many there were.
fn read_up_to(client: &Client, end: u32) -> usize {
    let (mut last, mut count) = (None, 0);
    while last != Some(end) {
        let text = client.read_text().unwrap();
        let n: u32 = text[..8].parse().unwrap();
        assert!(last <= Some(n), "{last:?} then {n}");
        assert_eq!(text.len(), 2008);
        (last, count) = (Some(n), count + 1);
    }
    count
}

/// Queues that fill, of which some is dropped: what arrives is in order and whole.
#[test]
fn what_is_published_arrives_in_order_and_what_is_dropped_breaks_nothing() {
    const LAST: u32 = 1500;
    for version in VERSIONS {
        for when_full in [WhenFull::DropOldest, WhenFull::DropNew, WhenFull::Refuse] {
            let subscribe = |caller: &Caller, call: &Call<'_>| -> Outcome {
                if let Call::Open = call {
                    let _ = caller.subscribe("news")?;
                }
                Ok(Reply::Nothing)
            };
            let builder = plain().when_full(when_full).max_queued(100_000);
            let listener = start(secured(builder, version), subscribe);
            let clients: Vec<_> =
                (0..3).map(|_| towards(&listener).custody(false).connect().unwrap()).collect();
            let topics = listener.topics();
            until("all listen", || topics.subscribers("news") == 3);
            let publish = |n: u32| {
                let news = format!("{n:08}{}", "x".repeat(2000));
                while topics.publish("news", Message::Text(&news)).is_err() {
                    // The loop does not keep up.
                    thread::yield_now();
                }
            };
            (0..LAST).for_each(publish);
            thread::scope(|scope| {
                let readers: Vec<_> =
                    clients.iter().map(|client| scope.spawn(|| read_up_to(client, LAST))).collect();
                // Again and again, until there was room for it with everybody.
                while !readers.iter().all(thread::ScopedJoinHandle::is_finished) {
                    publish(LAST);
                    thread::sleep(Duration::from_millis(5));
                }
                for reader in readers {
                    let count = reader.join().unwrap();
                    assert!(count > 10, "{when_full:?}: {count}");
                }
            });
            assert_eq!(listener.stats().errors.total(), 0);
        }
    }
}

#[test]
fn many_threads_send_and_callbacks_run_on_workers() {
    const EACH: u32 = 300;
    for version in VERSIONS {
        for runs_on in [RunOn::Loop, RunOn::Workers] {
            let builder = secured(plain().max_queued(64 << 20), version);
            let (listener, _calls, callers) = start_every(builder, runs_on, echoes);
            let client = towards(&listener).connect().unwrap();
            let caller = next(&callers);
            thread::scope(|scope| {
                for thread in 0..4_u32 {
                    let caller = &caller;
                    scope.spawn(move || {
                        for n in 0..EACH {
                            let _ = caller.write_text(&format!("{thread} {n}")).unwrap();
                        }
                    });
                }
                scope.spawn(|| {
                    for n in 0..EACH {
                        client.write_binary(&pattern(n as usize, n)).unwrap();
                    }
                });
                let (mut told, mut echoed) = ([0; 4], 0);
                while told != [EACH; 4] || echoed < EACH {
                    let message = client.read().unwrap();
                    match message.message() {
                        Message::Text(text) => {
                            let (thread, n) = text.split_once(' ').unwrap();
                            let thread: usize = thread.parse().unwrap();
                            assert_eq!(n, told[thread].to_string());
                            told[thread] += 1;
                        }
                        Message::Binary(bytes) => {
                            assert!(bytes == pattern(echoed as usize, echoed), "{echoed}");
                            echoed += 1;
                        }
                    }
                }
            });
            client.close().unwrap();
        }
    }
}

/// What is sealed counts as well as what is not yet (S-36), and all that was taken arrives.
#[test]
fn s36_what_waits_over_tls_is_within_the_cap() {
    const CAP: usize = 200_000;
    const MESSAGE: usize = 10_000;
    /// A record more for each that is under way, and frames' headers.
    const MORE: usize = MESSAGE + 1_000;
    for version in VERSIONS {
        let builder = secured(plain().max_queued(CAP), version);
        let (listener, _calls, callers) = start_every(builder, RunOn::Loop, quiet);
        let client = towards(&listener).receive_buffer(Some(32 << 10)).custody(false);
        let client = client.connect().unwrap();
        let caller = next(&callers);
        let (mut taken, mut most) = (0_u32, 0);
        let full = loop {
            match caller.write_binary(&pattern(MESSAGE, taken)) {
                Ok(Sent::Queued(queued)) => most = most.max(queued),
                Ok(_) => {}
                Err(error) => break error,
            }
            taken += 1;
            assert!(caller.queued() <= CAP + MORE, "{}", caller.queued());
        };
        assert!(matches!(full, SendError::Full { .. }), "{full:?}");
        assert!((CAP - MORE..=CAP + MORE).contains(&most), "{version}: {most}");
        for n in 0..taken {
            assert!(client.read_binary().unwrap() == pattern(MESSAGE, n), "{version}: {n}");
        }
        until("the queue is empty", || caller.queued() == 0);
        let _ = caller.write_text("and there is room again").unwrap();
        assert_eq!(client.read_text().unwrap(), "and there is room again");
        client.close().unwrap();
    }
}

#[test]
fn s36_a_full_queue_that_closes_says_so_over_tls() {
    for version in VERSIONS {
        let builder =
            plain().max_queued(100_000).when_full(WhenFull::Close(CloseCode::TRY_AGAIN_LATER));
        let (listener, calls, callers) = start_every(secured(builder, version), RunOn::Loop, quiet);
        let client = towards(&listener).receive_buffer(Some(32 << 10)).custody(false);
        let client = client.connect().unwrap();
        let caller = next(&callers);
        while caller.write_binary(&[7; 10_000]).is_ok() {}
        let error = loop {
            if let Err(error) = client.read() {
                break error;
            }
        };
        assert_eq!(error.close_code().map(CloseCode::value), Some(1013), "{error:?}");
        assert!(calls.iter().any(|line| line.starts_with("close")));
    }
}

/// All that was queued leaves before the Close (1001), over TLS too.
#[test]
fn a_shutdown_loses_nothing_that_is_queued() {
    for version in VERSIONS {
        let builder = secured(plain().max_queued(8 << 20), version);
        let (listener, _calls, callers) = start_every(builder, RunOn::Loop, quiet);
        let client = towards(&listener).receive_buffer(Some(32 << 10)).custody(false);
        let client = client.connect().unwrap();
        let caller = next(&callers);
        for n in 0..200 {
            let _ = caller.write_binary(&pattern(20_000, n)).unwrap();
        }
        thread::scope(|scope| {
            scope.spawn(|| listener.shutdown(PATIENCE));
            for n in 0..200 {
                assert!(client.read_binary().unwrap() == pattern(20_000, n), "{version}: {n}");
            }
            assert_eq!(client.read().unwrap_err().close_code(), Some(CloseCode::GOING_AWAY));
        });
    }
}

/// Waits for the socket, or the time, and does what is due.
#[cfg(unix)]
fn turn(client: &Client) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut flags = PollFlags::IN;
    flags.set(PollFlags::OUT, client.wants_write());
    let until = client.next_timeout().map_or(PATIENCE, |at| at - Instant::now());
    let until = Timespec::try_from(until.min(PATIENCE) + Duration::from_millis(1)).unwrap();
    poll(&mut [PollFd::new(&client.descriptor(), flags)], Some(&until)).unwrap();
    if client.next_timeout().is_some_and(|at| at <= Instant::now()) {
        client.handle_timeout();
    }
    client.flush();
}

/// Nothing that has arrived is left in the layer while a loop waits for its socket.
#[test]
#[cfg(unix)]
fn a_loop_of_ones_own_drives_a_client_over_tls() {
    for version in VERSIONS {
        let listener = echo(plain().max_queued(8 << 20), version);
        let builder = towards(&listener).custody(false).send_buffer(Some(4096));
        let client = builder.connect().unwrap();
        let (mut sent, mut received) = (0, 0);
        let len = |n: u32| [0, 10, 20_000, 60_000][n as usize % 4];
        while received < 200 {
            while sent < 200 && client.try_write(&*pattern(len(sent), sent)).unwrap() {
                sent += 1;
            }
            while let Some(message) = client.try_read().unwrap() {
                let expected = pattern(len(received), received);
                assert!(message.message().as_bytes() == expected, "{version}: {received}");
                received += 1;
            }
            // What reading has sent on its way leaves room for more.
            if received < 200 && (sent == 200 || client.wants_write()) {
                turn(&client);
            }
        }
        assert!(!client.wants_write());
        client.close().unwrap();
        assert!(matches!(client.try_read(), Err(ClientError::Closed { .. })));
    }
}

/// Messages that came in one record, more than the first of which a loop asks for later.
#[test]
fn what_came_with_a_message_is_there_when_it_is_asked_for() {
    for version in VERSIONS {
        let burst = |caller: &Caller, call: &Call<'_>| -> Outcome {
            if let Call::Text(_) = call {
                // Corked: they leave in one write, and in few records.
                for n in 0..20 {
                    let _ = caller.write_text(&n.to_string())?;
                }
            }
            Ok(Reply::Nothing)
        };
        let listener = start(secured(plain(), version), burst);
        let client = towards(&listener).custody(false).connect().unwrap();
        client.write_text("go").unwrap();
        for n in 0..20 {
            assert_eq!(client.read_text().unwrap(), n.to_string(), "{version}");
        }
        client.close().unwrap();
    }
}
