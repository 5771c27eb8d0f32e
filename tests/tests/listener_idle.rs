//! Silence and age.

use std::time::{Duration, Instant};

use wirewright::{Caller, Client, CloseCode, KeepAliveOptions, Outcome, Reply, RunOn};
use wirewright_tests::raw_client::{PATIENCE, PING, PONG, RawClient, TEXT};
use wirewright_tests::services::{Call, echo, expect_calls, next, plain, start_every};

const SHORT: Duration = Duration::from_millis(200);

#[test]
fn silence_is_told_again_and_again_and_the_connection_stays() {
    let mut options = KeepAliveOptions::default();
    options.interval = Some(Duration::from_millis(20));
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        let builder = plain().idle_timeout(Some(SHORT)).keep_alive(options);
        let (listener, calls, open) = start_every(builder, runs_on, echo);
        let client = RawClient::open(listener.local_addr());
        let mut answering = client.stream.try_clone().unwrap();
        // Pings and Pongs go on all the time, and are no messages.
        let pongs = std::thread::spawn(move || {
            let pong = wirewright_tests::raw::frame(wirewright_core::Role::Server, PONG, b"");
            while std::io::Write::write_all(&mut answering, &pong).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let caller = next(&open);
        expect_calls(&calls, &["open"]);
        let start = Instant::now();
        expect_calls(&calls, &["idle", "idle", "idle"]);
        assert!(start.elapsed() >= 2 * SHORT, "{:?}", start.elapsed());
        // A message in either direction begins it anew.
        let start = Instant::now();
        let _ = caller.write_text("out").unwrap();
        let calls = calls.iter().filter(|line| !line.starts_with("ping"));
        let mut calls = calls.skip_while(|line| line == "idle" && start.elapsed() < SHORT);
        assert_eq!(calls.next().as_deref(), Some("idle"));
        assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
        drop(client.stream.shutdown(std::net::Shutdown::Both));
        pongs.join().unwrap();
    }
}

#[test]
fn a_busy_connection_is_not_idle() {
    let builder = plain().idle_timeout(Some(2 * SHORT)).idle_close(Some(3 * SHORT));
    let (listener, calls, _open) = start_every(builder, RunOn::Loop, echo);
    let mut client = RawClient::open(listener.local_addr());
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    while start.elapsed() < 6 * SHORT {
        let before = Instant::now();
        client.barrier();
        std::thread::sleep(Duration::from_millis(10));
        longest = longest.max(before.elapsed());
    }
    let idle = calls.try_iter().filter(|line| line == "idle").count();
    assert!(idle == 0 || longest >= SHORT, "{idle} times");
}

#[test]
fn a_close_of_on_idle_timeout_is_sent() {
    let close = |_: &Caller, call: &Call<'_>| -> Outcome {
        Ok(match call {
            Call::Idle => Reply::Close(CloseCode::NORMAL, "asleep?".into()),
            _ => Reply::Nothing,
        })
    };
    let builder = plain().idle_timeout(Some(SHORT));
    let (listener, calls, _open) = start_every(builder, RunOn::Loop, close);
    let mut client = RawClient::open(listener.local_addr());
    client.expect_close(1000);
    client.close(1000);
    client.expect_end();
    expect_calls(&calls, &["open", "idle", "close 1000"]);
}

#[test]
fn a_panic_in_on_idle_timeout_is_1011() {
    let builder = plain().idle_timeout(Some(SHORT));
    let (listener, _calls, _open) = start_every(builder, RunOn::Loop, |_, call| match call {
        Call::Idle => panic!("inside a callback"),
        _ => Ok(Reply::Nothing),
    });
    let mut client = RawClient::open(listener.local_addr());
    client.expect_close(1011);
    client.expect_end();
}

#[test]
fn silence_may_close_with_1001() {
    let (listener, calls, _open) = start_every(plain().idle_close(Some(SHORT)), RunOn::Loop, echo);
    let start = Instant::now();
    let mut client = RawClient::open(listener.local_addr());
    client.frame(PING, "no message");
    client.expect(PONG, "no message");
    client.expect_close(1001);
    assert!(start.elapsed() >= SHORT && start.elapsed() < PATIENCE);
    client.close(1001);
    client.expect_end();
    expect_calls(&calls, &["open", "ping no message", "close 1001"]);
}

#[test]
fn a_connection_that_has_lived_long_enough_ends_with_1001_and_not_with_all_others() {
    let builder = plain().max_lifetime(Some(2 * SHORT), SHORT);
    let (listener, _calls, _open) = start_every(builder, RunOn::Loop, echo);
    let url = format!("ws://{}/", listener.local_addr());
    let start = Instant::now();
    let clients: Vec<_> = (0..8).map(|_| Client::connect(url.as_str()).unwrap()).collect();
    for client in clients {
        // However busy it is.
        let _ = client.write_text("busy");
        while client.read().is_ok() {}
        assert!(start.elapsed() >= SHORT && start.elapsed() < PATIENCE);
    }
    let mut client = RawClient::open(listener.local_addr());
    client.frame(TEXT, "x");
    client.expect(TEXT, "x");
    client.expect_close(1001);
}
