//! Peers that send more than they may.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Rate, RunOn, WhenExceeded};
use wirewright_core::Role;
use wirewright_tests::raw::frame;
use wirewright_tests::raw_client::{BINARY, PATIENCE, PING, PONG, RawClient, TEXT};
use wirewright_tests::services::{echo, expect_calls, next, plain, start_every};

const SLOW: Rate = Rate { per_second: 1, burst: 20 };

#[test]
fn s40_more_messages_than_the_rate_allows_are_1008() {
    let builder = plain().message_rate(Some(SLOW));
    let (listener, calls, _open) = start_every(builder, RunOn::Loop, echo);
    for runs in [1, 7, 30] {
        let mut client = RawClient::open(listener.local_addr());
        let mut writer = client.stream.try_clone().unwrap();
        let writer = thread::spawn(move || {
            // One by one, some at a time, all at once.
            let message = frame(Role::Server, TEXT, b"m");
            (0..30).step_by(runs).all(|_| writer.write_all(&message.repeat(runs)).is_ok())
        });
        let mut echoed = 0;
        while client.receive() == (TEXT, b"m".to_vec()) {
            echoed += 1;
        }
        assert!((20..25).contains(&echoed), "{echoed}");
        client.rest();
        writer.join().unwrap();
        expect_calls(&calls, &["open"]);
        (0..echoed).for_each(|_| expect_calls(&calls, &["text m"]));
        let over = "error over 1 messages a second, the limit of `message_rate`";
        expect_calls(&calls, &[over, "close 1006"]);
    }
}

#[test]
fn s40_messages_may_wait_until_the_rate_allows_them() {
    let rate = Rate { per_second: 100, burst: 10 };
    let builder = plain().message_rate(Some(rate)).when_exceeded(WhenExceeded::Pause);
    let (listener, _calls, _open) = start_every(builder, RunOn::Loop, echo);
    let mut client = RawClient::open(listener.local_addr());
    let start = Instant::now();
    let messages =
        (0..60).map(|number: u32| frame(Role::Server, TEXT, number.to_string().as_bytes()));
    client.send(messages.collect::<Vec<_>>().concat());
    (0..60).for_each(|number| client.expect(TEXT, number.to_string()));
    // Ten at once, and the others at their pace.
    assert!(start.elapsed() >= Duration::from_millis(480), "{:?}", start.elapsed());
    assert!(start.elapsed() < PATIENCE / 2);
    // Whoever paused is not held to it afterwards.
    client.barrier();
}

#[test]
fn s40_more_bytes_than_the_rate_allows_are_1008_or_wait() {
    let rate = Some(Rate { per_second: 100_000, burst: 50_000 });
    let message = vec![1; 10_000];
    let (listener, calls, _open) = start_every(plain().byte_rate(rate), RunOn::Loop, echo);
    let mut client = RawClient::open(listener.local_addr());
    let mut writer = client.stream.try_clone().unwrap();
    let flood = frame(Role::Server, BINARY, &message).repeat(100);
    let writer = thread::spawn(move || writer.write_all(&flood).is_ok());
    while client.receive().0 == BINARY {}
    client.rest();
    writer.join().unwrap();
    let over = "error over 100000 bytes a second, the limit of `byte_rate`";
    assert!(calls.iter().any(|line| line == over));
    assert_eq!(next(&calls), "close 1006");

    let builder = plain().byte_rate(rate).when_exceeded(WhenExceeded::Pause);
    let (listener, _calls, _open) = start_every(builder, RunOn::Loop, echo);
    let mut client = RawClient::open(listener.local_addr());
    let mut writer = client.stream.try_clone().unwrap();
    let flood = frame(Role::Server, BINARY, &message).repeat(20);
    let start = Instant::now();
    let writer = thread::spawn(move || writer.write_all(&flood).unwrap());
    (0..20).for_each(|_| assert_eq!(client.message(), message));
    writer.join().unwrap();
    client.frame(PING, "");
    client.expect(PONG, "");
    // 200 kB: 50 at once, at most 128 in one read, and the others at their pace.
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

#[test]
fn s40_a_peer_within_its_rates_notices_nothing() {
    let rate = Some(Rate::per_second(1_000_000));
    let builder = plain().message_rate(rate).byte_rate(rate);
    let (listener, calls, _open) = start_every(builder, RunOn::Workers, echo);
    let mut client = RawClient::open(listener.local_addr());
    (0..200).for_each(|_| client.barrier());
    assert!(calls.try_iter().all(|line| line == "open" || line == "text barrier"));
}
