//! While no thread is inside a client, the background drives it; and it gives back what it took.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Client, ClientError, Deadline, KeepAliveOptions, Limits, MessageBuf};

use super::peer::{BINARY, CLOSE, PATIENCE, PING, PONG, Peer, Server, TEXT, close_body, frame};

/// Keeps a client without calling it until the server's script has ended.
fn untouched(server: Server, client: &Client) {
    server.join();
    // It is still there.
    let _ = client.id();
}

#[test]
fn a_client_that_nobody_reads_answers_pings() {
    let server = Server::start(|mut peer| {
        for payload in [&b"one"[..], b"", &[7; 125]] {
            let start = Instant::now();
            peer.frame(PING, payload);
            let pong = peer.receive();
            assert_eq!((pong.opcode, &*pong.payload), (PONG, payload));
            // Promised are 100 ms; a machine that is busy may take longer, and not for ever.
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        }
    });
    let client = server.connect();
    untouched(server, &client);
    assert!(client.is_open() || client.read().is_err());
}

#[test]
fn a_client_that_nobody_reads_answers_a_close() {
    let server = Server::start(|mut peer| {
        peer.frame(TEXT, b"before it");
        peer.close(3005, "maintenance");
        peer.expect_close(&close_body(3005, ""));
    });
    let client = server.connect();
    untouched(server, &client);
    assert!(!client.is_open());
    assert_eq!(client.read_text().unwrap(), "before it");
    let error = client.read().unwrap_err();
    assert_eq!(error.to_string(), "connection closed with code 3005: maintenance");
}

/// The server does not end the connection, and nobody calls.
#[test]
fn a_closed_connection_is_left_after_a_while_without_a_call() {
    let server = Server::start(|mut peer| {
        peer.close(1000, "");
        peer.expect_close(&close_body(1000, ""));
        peer.expect_end();
    });
    let client = server.connect();
    untouched(server, &client);
    assert!(client.read().unwrap_err().is_normal_close());
}

#[test]
fn a_client_that_nobody_reads_is_kept_alive_and_notices_a_dead_server() {
    let server = Server::start(|mut peer: Peer| {
        for _ in 0..20 {
            let ping = peer.receive();
            assert_eq!(ping.opcode, PING);
            peer.frame(PONG, &ping.payload);
        }
        assert_eq!(peer.receive().opcode, PING);
        peer.expect_end();
    });
    let mut keep_alive = KeepAliveOptions::default();
    keep_alive.interval = Some(Duration::from_millis(20));
    keep_alive.timeout = Some(Duration::from_secs(2));
    let client = server.builder().keep_alive(keep_alive).connect().unwrap();
    untouched(server, &client);
    let error = client.read().unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(Deadline::KeepAlive)), "{error:?}");
}

#[test]
fn a_message_that_does_not_end_is_given_up_without_a_call() {
    let server = Server::start(|mut peer| {
        peer.send(&frame(TEXT, b"begun"));
        peer.expect_close(&close_body(1008, ""));
    });
    let mut limits = Limits::default();
    limits.max_assembly_time = Duration::from_millis(80);
    let client = server.builder().limits(limits).connect().unwrap();
    untouched(server, &client);
    assert!(matches!(client.read(), Err(ClientError::Limit(_))));
}

/// What comes is received up to the limit, and then the server has to wait.
#[test]
fn messages_are_received_ahead_up_to_the_limit() {
    const MESSAGES: u32 = 20_000;
    let server = Server::narrow(|mut peer| {
        let writer = thread::spawn({
            let mut stream = peer.stream.try_clone().unwrap();
            move || {
                for number in 0..MESSAGES {
                    let mut payload = [0; 1_000];
                    payload[..4].copy_from_slice(&number.to_be_bytes());
                    stream.write_all(&frame(0x80 | BINARY, &payload)).unwrap();
                }
            }
        });
        assert_eq!(peer.receive().payload, b"all of it");
        writer.join().unwrap();
    });
    let builder = server.builder().receive_buffer(Some(4096)).max_read_ahead(100_000);
    let client = builder.custody_after(Duration::from_millis(1)).connect().unwrap();
    let start = Instant::now();
    while client.stats().queued_ahead < 90 {
        assert!(start.elapsed() < PATIENCE);
        thread::yield_now();
    }
    assert!(client.stats().queued_ahead < 300, "{:?}", client.stats());
    for number in 0..MESSAGES {
        let message = client.read_binary().unwrap();
        assert_eq!(message[..4], number.to_be_bytes());
    }
    client.write_text("all of it").unwrap();
    server.join();
}

/// Each round hands the connection to the background, which a Pong proves as nobody is inside, and
/// back to the thread that reads; with a message before, behind or around that.
#[test]
fn ten_thousand_hand_overs_lose_nothing() {
    const ROUNDS: u32 = 10_000;
    let (ponged, wait) = mpsc::channel();
    let (read, done) = mpsc::channel();
    let server = Server::start(move |mut peer| {
        for number in 0..ROUNDS {
            let payload = number.to_be_bytes();
            let (message, ping) = (frame(0x80 | BINARY, &payload), frame(0x80 | PING, &payload));
            let (first, rest) = message.split_at(number as usize % (message.len() + 1));
            // A control frame does not stand inside another frame.
            let before = if rest.is_empty() { [first, &ping] } else { [&ping, first] };
            peer.send(&before.concat());
            let mut pong = peer.receive();
            while pong.opcode != PONG {
                assert_eq!(pong.payload, b"as well");
                pong = peer.receive();
            }
            assert_eq!(pong.payload, payload);
            ponged.send(()).unwrap();
            peer.send(rest);
            done.recv().unwrap();
        }
        peer.close(1000, "");
        while peer.receive().opcode != CLOSE {}
    });
    let mut limits = Limits::default();
    limits.max_control_frames = u32::MAX;
    let builder = server.builder().limits(limits).custody_after(Duration::ZERO);
    let client = builder.connect().unwrap();
    let mut message = MessageBuf::new();
    for number in 0..ROUNDS {
        wait.recv().unwrap();
        if number % 4 == 0 {
            client.write_text("as well").unwrap();
        }
        assert!(client.read_into(&mut message).unwrap());
        assert_eq!(message.message().as_bytes(), number.to_be_bytes());
        read.send(()).unwrap();
    }
    assert_eq!(client.stats().pongs_sent, u64::from(ROUNDS));
    assert!(!client.read_into(&mut message).unwrap());
    server.join();
}

/// The same with several threads that read and write as they like.
#[test]
fn hand_overs_between_many_threads_lose_nothing() {
    const MESSAGES: u32 = 6_000;
    let server = Server::start(|mut peer| {
        let mut stream = peer.stream.try_clone().unwrap();
        let writer = thread::spawn(move || {
            for number in 0..MESSAGES {
                stream.write_all(&frame(0x80 | BINARY, &number.to_be_bytes())).unwrap();
                if number % 64 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            stream.write_all(&frame(0x80 | CLOSE, &close_body(1000, ""))).unwrap();
        });
        let mut messages = 0;
        loop {
            match peer.receive().opcode {
                CLOSE => break,
                _ => messages += 1,
            }
        }
        assert_eq!(messages, 2 * 500);
        writer.join().unwrap();
    });
    let client = server.builder().custody_after(Duration::ZERO).connect().unwrap();
    let mut seen: Vec<u32> = thread::scope(|scope| {
        let writers = (0..2)
            .map(|_| scope.spawn(|| (0..500).for_each(|_| client.write_text("as well").unwrap())));
        for writer in writers.collect::<Vec<_>>() {
            writer.join().unwrap();
        }
        let read = || {
            let (mut mine, mut message) = (Vec::new(), MessageBuf::new());
            while client.read_into(&mut message).unwrap() {
                let bytes = message.message().as_bytes().try_into().unwrap();
                mine.push(u32::from_be_bytes(bytes));
            }
            assert!(mine.is_sorted());
            mine
        };
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(read)).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..MESSAGES));
    server.join();
}

/// What a write that timed out had begun leaves without a further call: nobody is inside, or a
/// thread is inside a read, which does not know of it.
#[test]
fn the_rest_of_a_write_that_timed_out_leaves_without_a_call() {
    for inside in [false, true] {
        let (go, wait) = mpsc::channel();
        let server = Server::narrow(move |mut peer: Peer| {
            wait.recv().unwrap();
            assert_eq!(peer.message().payload, vec![7; 4 << 20]);
            peer.frame(TEXT, b"whole");
            peer.expect_close(&close_body(1001, ""));
        });
        let builder = server.builder().send_buffer(Some(4096));
        let builder = builder.write_timeout(Some(Duration::from_millis(30)));
        let client = builder.connect().unwrap();
        thread::scope(|scope| {
            let reader = inside.then(|| scope.spawn(|| client.read_text().unwrap()));
            let error = client.write_binary(&vec![7; 4 << 20]).unwrap_err();
            let begun = matches!(error, ClientError::TimedOut(Deadline::WriteUnfinished));
            assert!(begun, "{error:?}");
            go.send(()).unwrap();
            if let Some(reader) = reader {
                assert_eq!(reader.join().unwrap(), "whole");
            } else {
                let start = Instant::now();
                while client.stats().queued_ahead == 0 {
                    assert!(start.elapsed() < PATIENCE);
                    thread::sleep(Duration::from_millis(1));
                }
                assert_eq!(client.read_text().unwrap(), "whole");
            }
        });
        drop(client);
        server.join();
    }
}

/// Nobody reads, and the only write waits for room at a server that is gone.
#[test]
fn a_blocked_write_ends_with_keep_alive() {
    let (done, wait) = mpsc::channel::<()>();
    let server = Server::narrow(move |peer: Peer| {
        let _ = wait.recv();
        drop(peer);
    });
    let mut keep_alive = KeepAliveOptions::default();
    keep_alive.interval = Some(Duration::from_millis(50));
    keep_alive.timeout = Some(Duration::from_millis(100));
    let builder = server.builder().send_buffer(Some(4096)).keep_alive(keep_alive);
    let client = builder.write_timeout(None).connect().unwrap();
    let error = client.write_binary(&vec![0; 4 << 20]).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(Deadline::KeepAlive)), "{error:?}");
    done.send(()).unwrap();
    server.join();
}

/// A server that takes what is sent is alive, though no Ping can reach it before the message.
#[test]
fn a_server_that_reads_slowly_is_not_dead() {
    let server = Server::narrow(move |mut peer: Peer| {
        let mut left = 600_000_usize;
        let mut bytes = [0; 4_000];
        while left > 0 {
            // For longer than keep-alive allows, in sum.
            thread::sleep(Duration::from_millis(20));
            let n = left.min(bytes.len());
            std::io::Read::read_exact(&mut peer.stream, &mut bytes[..n]).unwrap();
            left -= n;
        }
        peer.frame(TEXT, b"at last");
        while !matches!(std::io::Read::read(&mut peer.stream, &mut bytes), Ok(0) | Err(_)) {}
    });
    let mut keep_alive = KeepAliveOptions::default();
    keep_alive.interval = Some(Duration::from_millis(200));
    keep_alive.timeout = Some(Duration::from_secs(2));
    let builder = server.builder().send_buffer(Some(4096)).keep_alive(keep_alive);
    let client = builder.max_frame_size(1 << 20).connect().unwrap();
    client.write_binary(&vec![0; 600_000]).unwrap();
    assert_eq!(client.read_text().unwrap(), "at last");
    drop(client);
    server.join();
}

#[test]
fn a_client_that_is_dropped_in_custody_goes_away() {
    for _ in 0..50 {
        let server = Server::start(|mut peer| {
            peer.frame(PING, b"who drives?");
            assert_eq!(peer.receive().opcode, PONG);
            peer.expect_close(&close_body(1001, ""));
            peer.expect_end();
        });
        let client = server.builder().custody_after(Duration::ZERO).connect().unwrap();
        let start = Instant::now();
        while client.stats().pongs_sent == 0 {
            assert!(start.elapsed() < PATIENCE);
            thread::yield_now();
        }
        drop(client);
        server.join();
    }
}

#[test]
fn without_custody_nothing_happens_between_calls() {
    let (go, wait) = mpsc::channel();
    let server = Server::start(move |mut peer| {
        peer.frame(PING, b"anybody?");
        peer.stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(peer.try_receive().is_err());
        peer.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        go.send(()).unwrap();
        assert_eq!(peer.receive().opcode, PONG);
        peer.frame(TEXT, b"here");
    });
    let client = server.builder().custody(false).connect().unwrap();
    wait.recv().unwrap();
    assert_eq!(client.read_text().unwrap(), "here");
    server.join();
}

/// A read that is under way for long, and one that comes back, are driven by their thread: the
/// background has nothing to give them.
#[test]
fn a_thread_that_reads_all_the_time_drives() {
    let server = Server::start(|mut peer| {
        for number in 0..30_u32 {
            thread::sleep(Duration::from_millis(u64::from(number)));
            peer.frame(BINARY, &number.to_be_bytes());
        }
        peer.close(1000, "");
        peer.expect_close(&close_body(1000, ""));
    });
    let client = server.builder().custody_after(Duration::from_millis(1)).connect().unwrap();
    for number in 0..30_u32 {
        assert_eq!(client.read_binary().unwrap(), number.to_be_bytes());
    }
    assert!(client.read().unwrap_err().is_normal_close());
    server.join();
}

/// With its clients in custody, or a thread inside, the background has nothing to look at.
#[test]
#[cfg(target_os = "linux")]
fn the_background_sleeps_when_there_is_nothing_to_do() {
    let test = concat!(module_path!(), "::the_background_sleeps_when_there_is_nothing_to_do");
    wirewright_tests::services::in_own_process(test, || {
        let (done, wait) = mpsc::channel::<()>();
        let server = Server::host(move |host| {
            let peers = [host.accept(), host.accept()];
            let _ = wait.recv();
            drop(peers);
        });
        let builder = server.builder().custody_after(Duration::from_millis(2));
        let (left, read) = (builder.connect().unwrap(), builder.connect().unwrap());
        thread::scope(|scope| {
            let reader = scope.spawn(|| read.read().unwrap_err());
            // As long as the background takes to see that, however slow the machine is.
            let start = Instant::now();
            loop {
                let before = times_awake();
                thread::sleep(Duration::from_millis(200));
                if before.is_some() && times_awake() == before {
                    break;
                }
                assert!(start.elapsed() < PATIENCE, "it goes on looking");
            }
            done.send(()).unwrap();
            reader.join().unwrap();
        });
        drop(left);
        server.join();
    });
}

/// How often the background has waited so far; `None` until it runs and has its name.
#[cfg(target_os = "linux")]
fn times_awake() -> Option<u64> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let status = tasks.filter_map(|task| std::fs::read_to_string(task.join("status")).ok());
    // The system keeps the first 15 characters of a name.
    let mut status = status.filter(|status| status.starts_with("Name:\twirewright-clie\n"));
    let status = status.next()?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    Some(line.unwrap().trim().parse().unwrap())
}
