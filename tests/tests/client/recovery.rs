//! A connection that is lost, and the one that takes its place.

use std::net::Shutdown;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{
    Client, ClientBuilder, ClientError, ClientState, CloseCode, Credentials, CredentialsError,
    Deadline, Headers, KeepAliveOptions, Retry, Uri,
};
use wirewright_tests::services::{echo, plain, start_at};

use super::peer::{
    CLOSE, Host, PATIENCE, PING, PONG, Server, TEXT, answer, close_body, header, read_head,
};

/// Delays that a test can wait for, and no dice.
pub(super) fn quick(max_count: Option<u32>) -> Retry {
    let mut retry = Retry::default();
    retry.interval = Duration::from_millis(2);
    retry.max_interval = Duration::from_millis(20);
    retry.jitter = false;
    retry.max_count = max_count;
    retry
}

/// What a client's user was told, in words.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn hear(&self, builder: ClientBuilder) -> ClientBuilder {
        let told = self.clone();
        builder.on_state(move |state| {
            told.push(match state {
                ClientState::Connected => "connected".into(),
                ClientState::Disconnected { error } => format!("lost: {error}"),
                ClientState::Retrying { attempt, delay, .. } => {
                    format!("attempt {attempt} in {} ms", delay.as_millis())
                }
                ClientState::GaveUp { .. } => "gave up".into(),
                other => panic!("{other:?}"),
            });
        })
    }

    fn push(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn so_far(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for so many.
    fn wait(&self, count: usize) -> Vec<String> {
        let start = Instant::now();
        loop {
            let told = self.so_far();
            if told.len() >= count {
                return told;
            }
            assert!(start.elapsed() < PATIENCE, "{told:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

pub(super) fn lose(peer: super::peer::Peer) {
    peer.stream.shutdown(Shutdown::Both).unwrap();
    drop(peer);
}

#[test]
fn a_blocked_read_goes_on_over_the_new_connection() {
    let server = Server::host(|host| {
        let mut peer = host.accept();
        peer.frame(TEXT, b"first");
        assert_eq!(peer.receive().payload, b"read it");
        lose(peer);
        let mut peer = host.accept();
        peer.frame(TEXT, b"second");
        peer.expect_close(&close_body(1000, ""));
        peer.close(1000, "");
    });
    let told = Told::default();
    let client = told.hear(server.builder().retry(Some(quick(None)))).connect().unwrap();
    let (id, response) = (client.id(), client.response());
    assert_eq!(client.read_text().unwrap(), "first");
    client.write_text("read it").unwrap();
    assert_eq!(client.read_text().unwrap(), "second");
    assert!(client.is_open());
    assert_ne!(client.id(), id);
    assert!(!Arc::ptr_eq(&client.response(), &response));
    assert_eq!(client.stats().messages_received, 1);
    let expected =
        ["connected", "lost: connection closed with code 1006", "attempt 1 in 2 ms", "connected"];
    assert_eq!(told.wait(4), expected);
    client.close().unwrap();
    server.join();
    assert_eq!(told.so_far().len(), 4, "a close is no loss");
}

/// Nobody is inside: the background notices, and there is a connection for the next call.
#[test]
fn a_connection_is_opened_again_though_nobody_calls() {
    let server = Server::host(|host| {
        for _ in 0..3 {
            lose(host.accept());
        }
        let mut peer = host.accept();
        peer.frame(PING, b"there?");
        assert_eq!(peer.receive().opcode, PONG);
        peer.frame(TEXT, b"here");
        peer.expect_close(&close_body(1001, ""));
    });
    let client = server.builder().retry(Some(quick(None))).connect().unwrap();
    let start = Instant::now();
    while client.stats().messages_received == 0 {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.read_text().unwrap(), "here");
    drop(client);
    server.join();
}

/// What came before the end is read before what came since, and nothing of a message that did not
/// come whole.
#[test]
fn messages_of_the_old_connection_are_read_first() {
    let server = Server::host(|host| {
        let mut peer = host.accept();
        for text in ["one", "two", "three"] {
            peer.frame(TEXT, text.as_bytes());
        }
        peer.send(&[0x81, 10, b'c', b'u', b't']);
        lose(peer);
        let mut peer = host.accept();
        peer.frame(TEXT, b"four");
        peer.expect_close(&close_body(1001, ""));
    });
    let client = server.builder().retry(Some(quick(None))).connect().unwrap();
    let start = Instant::now();
    // All of that happens while nobody reads.
    while client.stats().queued_ahead < 4 {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(1));
    }
    for text in ["one", "two", "three", "four"] {
        assert_eq!(client.read_text().unwrap(), text);
    }
    drop(client);
    server.join();
}

/// The whole message, not what was left of it.
#[test]
fn a_write_that_failed_is_sent_again_whole() {
    let payload = vec![7; 4 << 20];
    let expected = payload.clone();
    let server = Server::host(move |host| {
        let mut peer = host.accept();
        // A part of it, then an end that resets: there is unread data.
        let mut some = [0; 10_000];
        std::io::Read::read_exact(&mut peer.stream, &mut some).unwrap();
        lose(peer);
        let mut peer = host.accept();
        assert_eq!(peer.message().payload, expected);
        peer.expect_close(&close_body(1001, ""));
    });
    let builder = server.builder().retry(Some(quick(None))).send_buffer(Some(16_384));
    let client = builder.connect().unwrap();
    client.write_binary(&payload).unwrap();
    assert_eq!(client.stats().messages_sent, 1);
    drop(client);
    server.join();
}

/// While a connection is lost a write waits for the next, up to its deadline.
#[test]
fn a_write_waits_for_the_new_connection_up_to_its_deadline() {
    let (go, wait) = mpsc::channel();
    let server = Server::host(move |host| {
        lose(host.accept());
        wait.recv().unwrap();
        let mut peer = host.accept();
        assert_eq!(peer.receive().payload, b"at last");
        peer.expect_close(&close_body(1001, ""));
    });
    let builder = server.builder().retry(Some(quick(None)));
    let builder = builder.read_timeout(Some(Duration::from_millis(40)));
    let client = builder.write_timeout(Some(Duration::from_millis(40))).connect().unwrap();
    // The handshake of the next connection is not answered yet.
    let error = client.read().unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(Deadline::Read)), "{error:?}");
    let error = client.write_text("not yet").unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(Deadline::Write)), "{error:?}");
    assert!(!client.is_open());
    // These are not sent again, and say how it is.
    assert_eq!(client.ping(b"").unwrap_err().close_code(), Some(CloseCode::ABNORMAL));
    go.send(()).unwrap();
    while let Err(error) = client.write_text("at last") {
        assert!(error.is_timeout(), "{error:?}");
    }
    drop(client);
    server.join();
}

#[test]
fn the_hook_comes_before_all_others() {
    let server = Server::host(|host| {
        lose(host.accept());
        let mut peer = host.accept();
        assert_eq!(peer.receive().payload, b"subscribe 1");
        peer.frame(TEXT, b"subscribed");
        peer.frame(TEXT, b"news");
        assert_eq!(peer.receive().payload, b"user");
        peer.expect_close(&close_body(1001, ""));
    });
    let told = Told::default();
    let (count, hook) = (Arc::new(AtomicU32::new(0)), told.clone());
    let builder = told.hear(server.builder().retry(Some(quick(None))));
    let builder = builder.on_reconnect(move |client| {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        client.write_text(&format!("subscribe {number}"))?;
        // The user's threads wait for us.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(client.read_text()?, "subscribed");
        hook.push("hook".into());
        Ok(())
    });
    let client = builder.connect().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(client.read_text().unwrap(), "news"));
        // From then on nothing is taken by the system for the connection that is lost.
        told.wait(2);
        client.write_text("user").unwrap();
    });
    let told = told.wait(5);
    assert_eq!(told[2..], ["attempt 1 in 2 ms", "hook", "connected"]);
    drop(client);
    server.join();
}

/// A hook that fails because its connection is lost is a failed attempt like others.
#[test]
fn a_hook_that_fails_is_tried_again() {
    let server = Server::host(|host| {
        lose(host.accept());
        lose(host.accept());
        let mut peer = host.accept();
        peer.frame(TEXT, b"ready");
        peer.frame(TEXT, b"for all");
        peer.expect_close(&close_body(1001, ""));
    });
    let builder = server.builder().retry(Some(quick(None)));
    let builder =
        builder.on_reconnect(|client| client.read_text().map(|text| assert_eq!(text, "ready")));
    let client = builder.connect().unwrap();
    assert_eq!(client.read_text().unwrap(), "for all");
    drop(client);
    server.join();
}

#[test]
fn the_budget_of_an_outage_is_used_up() {
    let server = Server::host(|host| {
        let peer = host.accept();
        // Nothing listens any more.
        drop(host);
        lose(peer);
    });
    let told = Told::default();
    let client = told.hear(server.builder().retry(Some(quick(Some(3))))).connect().unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| match client.read().unwrap_err() {
                ClientError::GaveUp(last) => {
                    assert!(matches!(*last, ClientError::Connect { .. }), "{last:?}");
                }
                other => panic!("{other:?}"),
            });
        }
    });
    for error in [client.read().unwrap_err(), client.write_text("late").unwrap_err()] {
        assert!(matches!(error, ClientError::GaveUp(_)), "{error:?}");
    }
    let expected = [
        "connected",
        "lost: connection closed with code 1006",
        "attempt 1 in 2 ms",
        "attempt 2 in 4 ms",
        "attempt 3 in 8 ms",
        "gave up",
    ];
    assert_eq!(told.wait(6), expected);
    server.join();
}

/// A connection that lived too short does not renew the budget.
#[test]
fn a_server_that_accepts_and_drops_uses_up_the_budget() {
    let server = Server::host(|host| {
        for _ in 0..4 {
            lose(host.accept());
        }
        drop(host);
    });
    let client = server.builder().retry(Some(quick(Some(3)))).connect().unwrap();
    let error = client.read().unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL), "{error:?}");
    server.join();
}

#[test]
fn each_outage_has_its_own_budget() {
    let server = Server::host(|host| {
        for _ in 0..10 {
            lose(host.accept());
        }
        let mut peer = host.accept();
        peer.frame(TEXT, b"stays");
        peer.expect_close(&close_body(1001, ""));
    });
    let mut retry = quick(Some(1));
    retry.healthy_after = Duration::ZERO;
    let client = server.builder().retry(Some(retry)).connect().unwrap();
    assert_eq!(client.read_text().unwrap(), "stays");
    drop(client);
    server.join();
}

/// Refusals end it, but for those that ask to come back.
#[test]
fn retry_after_is_honoured_and_other_refusals_are_final() {
    let server = Server::host(|host| {
        lose(host.accept());
        host.refuse("HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
        let refused = Instant::now();
        let past = "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT";
        host.refuse(&format!("HTTP/1.1 429 Slow down\r\n{past}\r\nContent-Length: 0\r\n\r\n"));
        assert!(refused.elapsed() >= Duration::from_secs(1), "{:?}", refused.elapsed());
        host.refuse("HTTP/1.1 403 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
    });
    let told = Told::default();
    let client = told.hear(server.builder().retry(Some(quick(None)))).connect().unwrap();
    match client.read().unwrap_err() {
        ClientError::GaveUp(last) => match &*last {
            ClientError::Refused(refused) => assert_eq!(refused.status(), 403),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    let told = told.wait(6);
    assert_eq!(told[2..5], ["attempt 1 in 2 ms", "attempt 2 in 1004 ms", "attempt 3 in 8 ms"]);
    server.join();
}

/// What the server ends on purpose stays ended.
#[test]
fn a_close_is_not_retried() {
    for code in [1000, 1001, 1012, 4000] {
        let server = Server::host(move |host| {
            let mut peer = host.accept();
            peer.close(code, "");
            peer.expect_close(&close_body(code, ""));
            drop(peer);
            // Whoever connected now would be heard.
            host.listener.set_nonblocking(true).unwrap();
            thread::sleep(Duration::from_millis(30));
            assert!(host.listener.accept().is_err());
        });
        let client = server.builder().retry(Some(quick(None))).connect().unwrap();
        let error = client.read().unwrap_err();
        assert_eq!(error.close_code().map(CloseCode::value), Some(code));
        let error = client.write_text("late").unwrap_err();
        assert_eq!(error.close_code().map(CloseCode::value), Some(code));
        server.join();
    }
}

#[test]
fn a_violation_is_not_retried() {
    let server = Server::host(|host| {
        let mut peer = host.accept();
        peer.send(&[0xF0, 0]);
        assert_eq!(peer.receive().opcode, CLOSE);
        drop(peer);
    });
    let client = server.builder().retry(Some(quick(None))).connect().unwrap();
    for _ in 0..2 {
        assert!(matches!(client.read(), Err(ClientError::Violation(_))));
    }
    server.join();
}

/// A dead server counts as lost.
#[test]
fn silence_is_a_loss() {
    let server = Server::host(|host| {
        let silent = host.accept();
        let mut peer = host.accept();
        peer.frame(TEXT, b"speaks");
        // The old connection was ended.
        let mut silent = silent;
        while silent.try_receive().is_ok() {}
        peer.close(1000, "");
        while peer.receive().opcode != CLOSE {}
    });
    let mut keep_alive = KeepAliveOptions::default();
    keep_alive.interval = Some(Duration::from_millis(20));
    keep_alive.timeout = Some(Duration::from_secs(1));
    let builder = server.builder().retry(Some(quick(None))).keep_alive(keep_alive);
    let client = builder.connect().unwrap();
    assert_eq!(client.read_text().unwrap(), "speaks");
    assert!(client.read().unwrap_err().is_normal_close());
    server.join();
}

/// The first attempt is retried as the table says.
#[test]
fn the_first_connection_is_retried_where_that_may_help() {
    let addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let told = Told::default();
    let url = format!("ws://{addr}/");
    let builder = Client::builder(&url).retry(Some(quick(Some(2))));
    let error = told.hear(builder).connect().unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
    assert_eq!(told.so_far(), ["attempt 1 in 2 ms", "attempt 2 in 4 ms", "gave up"]);

    let server = Server::host(|host| {
        // Ends without an answer: as good as a reset.
        drop(host.accept_raw());
        host.refuse("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    let error = server.builder().retry(Some(quick(None))).connect().unwrap_err();
    assert!(matches!(error, ClientError::Refused(_)), "{error:?}");
    server.join();
}

#[test]
fn abort_and_close_end_the_waiting_at_once() {
    for close in [false, true] {
        let server = Server::host(|host| {
            let peer = host.accept();
            drop(host);
            lose(peer);
        });
        let mut retry = quick(None);
        (retry.interval, retry.max_interval) = (PATIENCE * 10, PATIENCE * 10);
        let told = Told::default();
        let client = told.hear(server.builder().retry(Some(retry))).connect().unwrap();
        let start = Instant::now();
        thread::scope(|scope| {
            let reader = scope.spawn(|| client.read().unwrap_err());
            let writer = scope.spawn(|| {
                loop {
                    if let Err(error) = client.write_text("into the void") {
                        return error;
                    }
                }
            });
            told.wait(3);
            if close {
                let error = client.close().unwrap_err();
                assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL), "{error:?}");
            } else {
                client.abort();
            }
            for error in [reader.join().unwrap(), writer.join().unwrap()] {
                let ended = error.close_code() == Some(CloseCode::ABNORMAL);
                assert!(if close { ended } else { matches!(error, ClientError::Aborted) });
            }
        });
        assert!(start.elapsed() < PATIENCE);
        assert_eq!(matches!(client.read(), Err(ClientError::Aborted)), !close);
        server.join();
    }
}

/// Whoever aborts while a hook runs ends that too.
#[test]
fn abort_ends_a_hook_that_waits() {
    let server = Server::host(|host| {
        lose(host.accept());
        let mut peer = host.accept();
        assert_eq!(peer.receive().payload, b"hook");
        peer.expect_end();
    });
    let (began, wait) = mpsc::channel();
    let builder = server.builder().retry(Some(quick(None))).read_timeout(None);
    let builder = builder.on_reconnect(move |client| {
        client.write_text("hook")?;
        let _ = began.send(());
        client.read().map(drop)
    });
    let client = builder.connect().unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| client.read().unwrap_err());
        wait.recv().unwrap();
        client.abort();
        assert!(matches!(reader.join().unwrap(), ClientError::Aborted));
    });
    server.join();
}

#[derive(Default)]
struct Numbered(AtomicU32);

impl Credentials for Numbered {
    fn headers(&self, _: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        if number == 1 {
            return Err(CredentialsError::transient("the token service is asleep"));
        }
        headers.set("Authorization", &format!("Bearer {number}"))?;
        Ok(())
    }
}

/// Each handshake has its own, and a service that gives them out may fail for a while.
#[test]
fn credentials_are_asked_anew_for_each_attempt() {
    let accept = |host: &Host, token: &str| {
        let mut stream = host.accept_raw();
        let request = read_head(&mut stream);
        assert_eq!(header(&request, "Authorization"), Some(token));
        std::io::Write::write_all(&mut stream, answer(&request).as_bytes()).unwrap();
        super::peer::Peer { stream }
    };
    let server = Server::host(move |host| {
        lose(accept(&host, "Bearer 0"));
        let mut peer = accept(&host, "Bearer 2");
        peer.frame(TEXT, b"renewed");
        peer.expect_close(&close_body(1001, ""));
    });
    let builder = server.builder().retry(Some(quick(None))).credentials(Numbered::default());
    let client = builder.connect().unwrap();
    assert_eq!(client.read_text().unwrap(), "renewed");
    drop(client);
    server.join();
}

/// Whoever drops a client that waits to connect again ends that.
#[test]
fn a_client_that_is_dropped_does_not_connect_again() {
    let server = Server::host(|host| {
        lose(host.accept());
        host.listener.set_nonblocking(true).unwrap();
        thread::sleep(Duration::from_millis(60));
        assert!(host.listener.accept().is_err());
    });
    let mut retry = quick(None);
    (retry.interval, retry.max_interval) = (Duration::from_millis(30), Duration::from_millis(30));
    let told = Told::default();
    let client = told.hear(server.builder().retry(Some(retry))).connect().unwrap();
    told.wait(3);
    drop(client);
    server.join();
    assert_eq!(told.so_far().len(), 3);
}

/// S-34: a server that restarts has all its clients back soon, and not at once.
#[test]
fn s34_two_hundred_clients_come_back_to_a_restarted_listener() {
    const CLIENTS: usize = 200;
    let listener = start_at("127.0.0.1:0", plain(), echo);
    let addr = listener.local_addr().to_string();
    let (back, delays) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(Vec::new())));
    let connect = |_| {
        let (back, delays) = (Arc::clone(&back), Arc::clone(&delays));
        let builder = Client::builder(&format!("ws://{addr}/")).retry(Some(Retry::default()));
        let builder = builder.on_state(move |state| match state {
            ClientState::Connected => drop(back.fetch_add(1, Ordering::Relaxed)),
            ClientState::Retrying { attempt: 1, delay, .. } => delays.lock().unwrap().push(delay),
            _ => {}
        });
        builder.read_timeout(Some(PATIENCE)).connect().unwrap()
    };
    let clients: Vec<Client> = (0..CLIENTS).map(connect).collect();
    assert_eq!(back.swap(0, Ordering::Relaxed), 200);
    let restarted = Instant::now();
    listener.abort();
    let listener = start_at(&addr, plain(), echo);
    while back.load(Ordering::Relaxed) < 200 {
        assert!(restarted.elapsed() < PATIENCE, "{back:?} are back");
        thread::sleep(Duration::from_millis(5));
    }
    for client in &clients {
        client.write_text("back").unwrap();
        assert_eq!(client.read_text().unwrap(), "back");
    }
    let delays = delays.lock().unwrap();
    assert!(delays.len() >= CLIENTS);
    // Of 200 throws of the dice, a tenth of the time has none in one of a billion cases.
    for tenth in 0..10 {
        let range = Duration::from_millis(tenth * 100)..Duration::from_millis(tenth * 100 + 100);
        assert!(delays.iter().any(|delay| range.contains(delay)), "{tenth}: {delays:?}");
    }
    drop(clients);
    listener.abort();
}

/// Two hundred outages at any moment, in one direction or both, with threads that read and write
/// all the time, and a hook that does both.
#[test]
fn outages_under_load_lock_nothing_up() {
    const OUTAGES: u32 = 200;
    let server = Server::host(|host| {
        for number in 0..OUTAGES {
            let mut peer = host.accept();
            let mut left = number * 977 % 20_000;
            while left > 0 && (number == 0 || left % 3 > 0) {
                let mut bytes = [0; 1000];
                let n = std::io::Read::read(&mut peer.stream, &mut bytes).unwrap();
                left = left.saturating_sub(u32::try_from(n).unwrap());
                peer.frame(TEXT, b"hook or user");
            }
            let ways = [Shutdown::Both, Shutdown::Read, Shutdown::Write];
            peer.stream.shutdown(ways[number as usize % 3]).unwrap();
        }
        let mut peer = host.accept();
        assert_eq!(peer.message().payload, b"hook");
        peer.frame(TEXT, b"hook or user");
        // One for each reader.
        peer.frame(TEXT, b"done");
        peer.frame(TEXT, b"done");
        while peer.receive().opcode != CLOSE {}
        peer.close(1000, "");
    });
    let mut retry = quick(None);
    retry.interval = Duration::ZERO;
    let builder = server.builder().retry(Some(retry)).custody_after(Duration::from_millis(1));
    let builder = builder.on_reconnect(|client| {
        client.write_text("hook")?;
        client.read_text().map(|text| assert_eq!(text, "hook or user"))
    });
    let client = builder.connect().unwrap();
    let done = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) == 0 {
                    client.write_binary(&[0; 4_000]).unwrap();
                }
            });
            scope.spawn(|| {
                // Messages that are cut are not seen.
                loop {
                    match &*client.read_text().unwrap() {
                        "done" => break done.store(1, Ordering::Relaxed),
                        text => assert_eq!(text, "hook or user"),
                    }
                }
            });
        }
    });
    client.close().unwrap();
    server.join();
}

/// What 500 clients leave behind that were lost, dropped in custody, and dropped in the middle of
/// an outage: nothing.
#[test]
#[cfg(target_os = "linux")]
fn clients_leave_no_descriptor_and_no_thread() {
    let test = concat!(module_path!(), "::clients_leave_no_descriptor_and_no_thread");
    wirewright_tests::services::in_own_process(test, || {
        let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
        let round = || {
            let server = Server::host(|host| {
                for number in 0..99 {
                    let mut peer = host.accept();
                    if number % 3 == 1 {
                        lose(peer);
                        peer = host.accept();
                    }
                    peer.frame(PING, b"");
                    while peer.receive().opcode != PONG {}
                    if number % 3 == 0 {
                        lose(peer);
                    } else {
                        while peer.try_receive().is_ok() {}
                    }
                }
            });
            for number in 0..99 {
                let mut retry = quick(None);
                if number % 3 == 0 {
                    (retry.interval, retry.max_interval) = (PATIENCE * 10, PATIENCE * 10);
                }
                let builder = server.builder().retry(Some(retry));
                let client = builder.custody_after(Duration::from_millis(1)).connect().unwrap();
                let start = Instant::now();
                while client.stats().pongs_sent == 0 || (number % 3 == 0 && client.is_open()) {
                    assert!(start.elapsed() < PATIENCE);
                    thread::sleep(Duration::from_micros(100));
                }
            }
            server.join();
        };
        round();
        let before = (count("fd"), count("task"));
        (0..5).for_each(|_| round());
        let start = Instant::now();
        while (count("fd"), count("task")) > before {
            // A pool's threads wait for work for a while.
            assert!(start.elapsed() < PATIENCE, "{before:?} {:?}", (count("fd"), count("task")));
            thread::sleep(Duration::from_millis(5));
        }
    });
}
