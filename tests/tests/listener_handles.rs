//! What callers carry and do beside sending: values, pausing, ending, figures.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Caller, KeepAliveOptions, Reply, RunOn, SendError};
use wirewright_core::Role;
use wirewright_tests::raw::frame;
use wirewright_tests::raw_client::{BINARY, PATIENCE, PING, PONG, RawClient, TEXT};
use wirewright_tests::services::{Call, echo, expect_calls, next, plain, start_every, until};

/// Tells when it is dropped.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn attributes_are_kept_by_name_and_type_and_end_with_the_connection() {
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        let (seen, sees) = mpsc::channel();
        let call = move |caller: &Caller, call: &Call<'_>| {
            match call {
                Call::Open => caller.set_attribute("count", 1_u32),
                Call::Close(_) => seen.send(caller.attribute::<u32>("count"))?,
                _ => {}
            }
            Ok(Reply::Nothing)
        };
        let (listener, _calls, open) = start_every(plain(), runs_on, call);
        let client = RawClient::open(listener.local_addr());
        let caller = next(&open);
        until("it is there", || caller.attribute("count") == Some(1_u32));
        assert_eq!(caller.attribute::<i64>("count"), None);
        assert_eq!(caller.attribute::<u32>("other"), None);
        caller.set_attribute("name", "somebody".to_owned());
        assert_eq!(caller.remove_attribute::<u32>("name"), None, "of another type");
        assert_eq!(caller.remove_attribute::<String>("name").as_deref(), Some("somebody"));
        assert_eq!(caller.remove_attribute::<String>("name"), None);
        let (dropped, drops) = mpsc::channel();
        caller.set_attribute("guard", Arc::new(Guard(dropped)));
        // One that holds its own caller does not keep it alive for ever.
        caller.set_attribute("caller", caller.clone());
        caller.set_attribute("count", 2_u32);
        drop(client);
        assert_eq!(next(&sees), Some(2), "still there in on_close");
        let () = next(&drops);
        caller.set_attribute("late", 1_u32);
        assert_eq!(caller.attribute::<u32>("late"), None);
        assert!(caller.identity().is_none());
    }
}

#[test]
fn a_paused_connection_is_not_read_from_and_loses_nothing() {
    let mut options = KeepAliveOptions::default();
    // Long enough for a busy machine, whose peers answer late.
    options.interval = Some(Duration::from_millis(100));
    options.timeout = Some(Duration::from_millis(900));
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        let call = |caller: &Caller, call: &Call<'_>| {
            if let Call::Text("pause") = call {
                caller.pause();
            }
            echo(caller, call)
        };
        let (listener, calls, open) = start_every(plain().keep_alive(options), runs_on, call);
        let mut client = RawClient::open(listener.local_addr());
        let caller = next(&open);
        expect_calls(&calls, &["open"]);
        client.frame(TEXT, "pause");
        while client.receive() != (TEXT, b"pause".to_vec()) {}
        expect_calls(&calls, &["text pause"]);
        client.frame(TEXT, "one");
        client.frame(TEXT, "two");
        // More than twice what a silent peer has; its answers lie where nobody reads.
        let mut other = RawClient::open(listener.local_addr());
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(2_200) {
            other.frame(PING, "");
            while other.receive().0 != PONG {}
            // More often than the limit on control frames allows would be the end of it.
            thread::sleep(Duration::from_millis(5));
        }
        assert!(calls.try_iter().all(|line| line == "open" || line == "ping "));
        assert!(caller.is_open(), "taken for dead");
        caller.resume();
        let texts = calls.iter().filter(|line| line.starts_with("text"));
        assert_eq!(texts.take(2).collect::<Vec<_>>(), ["text one", "text two"]);
        drop(client);
    }
}

#[test]
fn pausing_in_the_middle_of_a_read_stops_before_the_next_message() {
    let (paused, pauses) = mpsc::channel();
    let (listener, calls, open) = start_every(plain(), RunOn::Loop, move |caller, call| {
        if let Call::Text("pause") = call {
            caller.pause();
            paused.send(())?;
        }
        Ok(Reply::Nothing)
    });
    let mut client = RawClient::open(listener.local_addr());
    let caller = next(&open);
    let texts = ["pause", "next", "pause", "last"];
    client.send(texts.map(|text| frame(Role::Server, TEXT, text.as_bytes())).concat());
    expect_calls(&calls, &["open", "text pause"]);
    let () = next(&pauses);
    RawClient::open(listener.local_addr()).half_close();
    expect_calls(&calls, &["open", "close 1006"]);
    caller.resume();
    expect_calls(&calls, &["text next", "text pause"]);
    let () = next(&pauses);
    caller.resume();
    expect_calls(&calls, &["text last"]);
    // Resumed without need, and over while paused.
    caller.resume();
    caller.pause();
    caller.abort();
    expect_calls(&calls, &["close 1006"]);
}

#[test]
fn the_end_of_a_peer_is_seen_while_it_is_not_read_from() {
    let (paused, pauses) = mpsc::channel();
    let (listener, calls, open) = start_every(plain(), RunOn::Loop, move |caller, call| {
        if let Call::Open = call {
            caller.pause();
            paused.send(())?;
        }
        Ok(Reply::Nothing)
    });
    let mut client = RawClient::open(listener.local_addr());
    let caller = next(&open);
    let () = next(&pauses);
    client.frame(TEXT, "unread");
    client.reset();
    expect_calls(&calls, &["open"]);
    assert!(next(&calls).starts_with("error transport failed"));
    expect_calls(&calls, &["close 1006"]);
    assert!(!caller.is_open());
}

#[test]
fn abort_ends_a_connection_from_any_thread_whatever_waits() {
    let (listener, calls, open) = start_every(plain(), RunOn::Loop, echo);
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    while caller.write_binary(&[0; 10_000]).is_ok() {}
    let waiter = thread::spawn({
        let caller = caller.clone();
        move || caller.wait_drained(PATIENCE)
    });
    caller.abort();
    assert_eq!(waiter.join().unwrap(), Err(SendError::Closed));
    expect_calls(&calls, &["open", "close 1006"]);
    client.drain();
    caller.abort();
    assert_eq!((caller.is_open(), caller.queued()), (false, 0));
}

#[test]
fn a_close_may_have_a_time_of_its_own() {
    let short = Duration::from_millis(200);
    let (listener, calls, open) = start_every(plain(), RunOn::Loop, echo);
    let mut client = RawClient::open(listener.local_addr());
    let caller = next(&open);
    let start = Instant::now();
    caller.close_with(4000, "soon", short).unwrap();
    assert_eq!(caller.close_with(4000, "", short), Err(SendError::Closed));
    client.expect_close(4000);
    client.rest();
    assert!(start.elapsed() >= short && start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    expect_calls(&calls, &["open", "close 1006"]);
}

#[test]
fn figures_count_messages_and_bytes_both_ways() {
    let mut options = KeepAliveOptions::default();
    options.interval = Some(Duration::from_millis(50));
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        let (listener, _calls, open) = start_every(plain().keep_alive(options), runs_on, echo);
        let mut client = RawClient::open(listener.local_addr());
        let caller = next(&open);
        assert_eq!((caller.stats().messages_in, caller.rtt()), (0, None));
        let before = caller.stats().bytes_out;
        for _ in 0..10 {
            client.frame(BINARY, [1; 100]);
            while client.receive().0 != BINARY {}
        }
        // The turn that answered may not be over yet.
        until("they are counted", || caller.stats().messages_in == 10);
        let stats = caller.stats();
        assert_eq!(stats.messages_out, 10);
        assert!(stats.bytes_in >= 10 * 106 && stats.bytes_in < 10 * 106 + 400, "{stats:?}");
        assert!(stats.bytes_out - before >= 10 * 102, "{stats:?}");
        loop {
            let (first, payload) = client.receive();
            if first == PING {
                client.frame(PONG, payload);
                break;
            }
        }
        until("the round trip is measured", || caller.rtt().is_some());
        assert!(caller.stats().rtt.unwrap() < PATIENCE && caller.stats().age > Duration::ZERO);
    }
}
