//! Queues that are full: what their policy says, who hears of it, and what all of them may hold.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{
    Budget, Caller, Client, CloseCode, Compression, Message, MessageBuf, Reply, RunOn, SendError,
    Sent, WhenFull,
};
use wirewright_core::Role;
use wirewright_tests::raw::header;
use wirewright_tests::raw_client::{BINARY, PATIENCE, PING, RawClient, TEXT};
use wirewright_tests::services::{Call, echo, expect_calls, next, plain, start_every, until};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn nothing(_: &Caller, _: &Call<'_>) -> wirewright::Outcome {
    Ok(Reply::Nothing)
}

/// A message of this length that tells its number.
fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut message = vec![7; len];
    message[..4].copy_from_slice(&number.to_be_bytes());
    message
}

fn number(message: &[u8]) -> u32 {
    u32::from_be_bytes(*message.first_chunk().unwrap())
}

/// Sends until the queue is at its cap, and as many messages again; how many, and what became of
/// the last.
fn overfill(caller: &Caller, len: usize) -> Vec<Result<Sent, SendError>> {
    let mut sent = Vec::new();
    let full =
        |sent: &Result<Sent, SendError>| !matches!(sent, Ok(Sent::Written | Sent::Queued(_)));
    let stats = || caller.stats().dropped;
    while !sent.last().is_some_and(full) && stats() == 0 {
        sent.push(caller.write_binary(&numbered(u32::try_from(sent.len()).unwrap(), len)));
    }
    for _ in 0..sent.len() {
        sent.push(caller.write_binary(&numbered(u32::try_from(sent.len()).unwrap(), len)));
    }
    sent
}

#[test]
fn s35_a_full_queue_that_drops_what_is_new_keeps_what_it_has() {
    let (listener, _calls, open) =
        start_every(plain().when_full(WhenFull::DropNew), RunOn::Loop, nothing);
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    let sent = overfill(&caller, 10 * KIB);
    let dropped = sent.iter().filter(|sent| **sent == Ok(Sent::Dropped)).count();
    assert!(dropped > 1 && sent.iter().all(Result::is_ok));
    assert_eq!(caller.stats().dropped, dropped as u64);
    assert!(caller.queued() < MIB + 11 * KIB, "{}", caller.queued());
    for (expected, _) in sent.iter().enumerate().filter(|(_, sent)| **sent != Ok(Sent::Dropped)) {
        assert_eq!(number(&client.message()) as usize, expected);
    }
}

#[test]
fn s35_a_full_queue_that_drops_what_is_old_ends_with_what_is_new() {
    let builder = plain().when_full(WhenFull::DropOldest);
    let (listener, _calls, open) = start_every(builder, RunOn::Loop, nothing);
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    let sent = overfill(&caller, 10 * KIB).len();
    let dropped = usize::try_from(caller.stats().dropped).unwrap();
    assert!(dropped > 1 && caller.queued() < MIB + 11 * KIB, "{dropped}, {}", caller.queued());
    caller.close(1000, "").unwrap();
    let (mut got, mut last) = (Vec::new(), None);
    while got.len() < sent - dropped {
        let message = client.message();
        let number = number(&message);
        assert_eq!(message, numbered(number, 10 * KIB), "whole");
        assert!(last.is_none_or(|last| last < number), "{number} after {last:?}");
        last = Some(number);
        got.push(number);
    }
    assert_eq!(last.unwrap() as usize, sent - 1, "the newest is there");
    // What is missing are the oldest that had not begun to leave, in as many pieces as the system
    // took more in between; what waited in the end is in one piece, but for 64 KiB that are encoded
    // ahead and may be older.
    let gaps = got.windows(2).rposition(|pair| pair[1] != pair[0] + 1);
    let waited = got.len() - 1 - gaps.expect("something was dropped");
    assert!(waited * 10 * KIB >= MIB - 96 * KIB, "{got:?}");
    client.expect_close(1000);
}

#[test]
fn s35_dropping_what_is_old_leaves_a_compressors_window_whole() {
    let builder = plain().compression(Some(Compression::default()));
    let builder = builder.max_queued(64 * KIB).when_full(WhenFull::DropOldest);
    let (listener, _calls, open) = start_every(builder, RunOn::Loop, nothing);
    let url = format!("ws://{}/", listener.local_addr());
    let client = Client::builder(&url).connect().unwrap();
    let caller = next(&open);
    // Texts that repeat each other, and numbers that do not compress to nothing.
    let text = |number: u32| {
        let mut seed = u64::from(number) + 1;
        let noise: String = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            format!("{:016x}", seed ^ seed >> 31)
        })
        .take(60)
        .collect();
        format!("{number} the same beginning for all of them {noise}")
    };
    let mut count = 0;
    while caller.stats().dropped < 500 {
        let _ = caller.write_text(&text(count)).unwrap();
        count += 1;
    }
    caller.close(1000, "").unwrap();
    let (mut read, mut got) = (MessageBuf::new(), 0);
    let mut last = None;
    while client.read_into(&mut read).unwrap() {
        let Message::Text(found) = read.message() else { panic!("not a text") };
        let number = found.split(' ').next().unwrap().parse().unwrap();
        assert!(found == text(number), "message {number} is not what was sent");
        assert!(last < Some(number));
        last = Some(number);
        got += 1;
    }
    assert_eq!((last, got), (Some(count - 1), count as u64 - caller.stats().dropped));
}

#[test]
fn s35_a_full_queue_that_closes_says_so_to_both_sides() {
    let code = CloseCode::TRY_AGAIN_LATER;
    let builder = plain().when_full(WhenFull::Close(code)).max_queued(256 * KIB);
    let (listener, calls, open) = start_every(builder, RunOn::Loop, nothing);
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    let sent = overfill(&caller, 10 * KIB);
    let taken = sent.iter().take_while(|sent| sent.is_ok()).count();
    assert!(matches!(sent[taken], Err(SendError::Full { cap: 0x4_0000, .. })), "{:?}", sent[taken]);
    assert!(sent[taken + 1..].iter().all(|sent| *sent == Err(SendError::Closed)));
    expect_calls(&calls, &["open"]);
    let error = next(&calls);
    assert!(error.starts_with("error peer does not read: queue of"), "{error}");
    (0..taken).for_each(|expected| assert_eq!(number(&client.message()) as usize, expected));
    client.expect_close(1013);
    client.close(1013);
    client.expect_end();
    assert_eq!(calls.iter().find(|line| line != "drain").unwrap(), "close 1013");
}

#[test]
fn s35_a_queue_that_has_drained_says_so_once_each_time() {
    let (listener, calls, open) = start_every(plain(), RunOn::Loop, nothing);
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    expect_calls(&calls, &["open"]);
    for _ in 0..3 {
        let mut count = 0;
        while caller.write_binary(&numbered(count, 10 * KIB)).is_ok() {
            count += 1;
        }
        assert_eq!(calls.try_recv().ok(), None, "before it has drained");
        (0..count).for_each(|expected| assert_eq!(number(&client.message()), expected));
        expect_calls(&calls, &["drain"]);
    }
    // A queue that stays below its mark says nothing.
    client.frame(TEXT, "end");
    expect_calls(&calls, &["text end"]);
}

#[test]
fn s35_who_sends_from_on_drain_sends_as_fast_as_the_peer_reads() {
    const MESSAGES: u32 = 1500;
    for runs_on in [RunOn::Loop, RunOn::Workers] {
        let sent = Arc::new(AtomicU32::new(0));
        let fill = move |caller: &Caller, call: &Call<'_>| {
            if let Call::Open | Call::Drain = call {
                while sent.load(Relaxed) < MESSAGES
                    && caller.write_binary(&numbered(sent.load(Relaxed), 4 * KIB)).is_ok()
                {
                    sent.fetch_add(1, Relaxed);
                }
            }
            Ok(Reply::Nothing)
        };
        let (listener, _calls, _open) = start_every(plain(), runs_on, fill);
        let mut client = RawClient::narrow(listener.local_addr());
        for expected in 0..MESSAGES {
            assert_eq!(number(&client.message()), expected, "{runs_on:?}");
        }
    }
}

#[test]
fn s35_a_thread_waits_for_a_window_that_opens_slowly() {
    const MESSAGES: u32 = 1200;
    let (listener, _calls, open) = start_every(plain(), RunOn::Loop, nothing);
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    assert_eq!(caller.wait_drained(PATIENCE), Ok(true), "nothing waits");
    let publisher = thread::spawn(move || {
        let mut waits = 0;
        for number in 0..MESSAGES {
            while let Err(error) = caller.write_binary(&numbered(number, 4 * KIB)) {
                assert!(matches!(error, SendError::Full { .. }), "{error}");
                assert_eq!(caller.wait_drained(PATIENCE), Ok(true));
                waits += 1;
            }
        }
        waits
    });
    for expected in 0..MESSAGES {
        assert_eq!(number(&client.message()), expected);
    }
    assert!(publisher.join().unwrap() > 0, "it never had to wait");
}

#[test]
fn s35_who_waits_for_a_queue_hears_of_time_and_of_the_end() {
    let (listener, _calls, open) = start_every(plain(), RunOn::Loop, nothing);
    let client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    while caller.write_binary(&[1; 10 * KIB]).is_ok() {}
    let start = Instant::now();
    assert_eq!(caller.wait_drained(Duration::from_millis(50)), Ok(false));
    assert!(start.elapsed() >= Duration::from_millis(50));
    let (begun, begins) = mpsc::channel();
    let waiter = thread::spawn(move || {
        begun.send(()).unwrap();
        caller.wait_drained(PATIENCE)
    });
    let () = next(&begins);
    client.reset();
    assert_eq!(waiter.join().unwrap(), Err(SendError::Closed));
}

#[test]
fn s35_a_budget_bounds_the_queues_of_all_listeners_that_share_it() {
    let budget = Budget::bytes(512 * KIB as u64);
    let listeners =
        [(); 2].map(|()| start_every(plain().budget(budget.clone()), RunOn::Loop, echo));
    let mut refused = 0;
    let mut slow = Vec::new();
    for (listener, _, open) in listeners.iter().cycle().take(4) {
        let client = RawClient::narrow(listener.local_addr());
        let caller = next(open);
        // Each is far below its own cap.
        let error = (0..600).find_map(|_| caller.write_binary(&[5; 10 * KIB]).err());
        assert!(caller.queued() < MIB);
        refused += usize::from(error == Some(SendError::Exhausted { max: 512 * KIB as u64 }));
        slow.push((client, caller));
    }
    assert!(refused >= 3, "{refused}");
    // One message each may come on top.
    let used = usize::try_from(budget.used()).unwrap();
    assert!((512 * KIB..700 * KIB).contains(&used), "{used}");
    // Whoever reads is sent to all the same.
    for (listener, ..) in &listeners {
        RawClient::open(listener.local_addr()).barrier();
    }
    let (client, caller) = slow.pop().unwrap();
    drop(client);
    until("the end of a connection", || !caller.is_open());
    drop(slow);
    until("all is given back", || budget.used() == 0);
}

#[test]
fn s07_a_budget_bounds_incomplete_messages_and_ends_the_largest() {
    let budget = Budget::bytes(100 * KIB as u64);
    let (listener, calls, _open) = start_every(plain().budget(budget.clone()), RunOn::Loop, echo);
    let addr = listener.local_addr();
    let begin = |len: usize| {
        let mut client = RawClient::open(addr);
        client.send(header(Role::Server, BINARY, 65_000));
        client.send(vec![0; len]);
        let held = budget.used();
        (client, held)
    };
    let (mut large, _) = begin(60 * KIB);
    until("the large one is held", || budget.used() >= 60 * KIB as u64);
    let (mut small, _) = begin(20 * KIB);
    until("the small one is held", || budget.used() >= 80 * KIB as u64);
    let (mut other, _) = begin(30 * KIB);
    large.expect_close(1013);
    drop(large);
    let lost = "error all that is held is over 102400 bytes, the limit of `budget`";
    let mut lines: Vec<_> = (0..5).map(|_| next(&calls)).collect();
    lines.retain(|line| line != "open");
    assert_eq!(lines, [lost, "close 1006"]);
    // The others go on where they were.
    for (client, len) in [(&mut small, 20 * KIB), (&mut other, 30 * KIB)] {
        client.send(vec![0; 65_000 - len]);
        assert_eq!(client.message().len(), 65_000);
    }
    until("all is given back", || budget.used() == 0);
}

#[test]
fn s07_an_incomplete_message_is_not_ended_for_the_sake_of_longer_queues() {
    let budget = Budget::bytes(300 * KIB as u64);
    let (listener, calls, open) = start_every(plain().budget(budget.clone()), RunOn::Loop, echo);
    let mut slow = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    while caller.write_binary(&[5; 10 * KIB]).is_ok() {}
    assert!(budget.used() > budget.max());
    let mut client = RawClient::open(listener.local_addr());
    client.send(header(Role::Server, BINARY, 65_000));
    client.send(vec![0; 30 * KIB]);
    let mut lines = calls.iter().filter(|line| line != "open" && line != "drain");
    let lost = "error all that is held is over 307200 bytes, the limit of `budget`";
    assert_eq!([lines.next().unwrap(), lines.next().unwrap()], [lost, "close 1006"]);
    assert!(!caller.is_open());
    slow.drain();
    client.send(vec![0; 65_000 - 30 * KIB]);
    assert_eq!(client.message().len(), 65_000);
}

#[test]
fn s16_control_frames_pass_by_messages_that_may_be_dropped() {
    let builder = plain().when_full(WhenFull::DropOldest);
    let (listener, _calls, open) = start_every(builder, RunOn::Loop, echo);
    let mut client = RawClient::narrow(listener.local_addr());
    let caller = next(&open);
    let sent = overfill(&caller, 10 * KIB).len();
    let _ = caller.ping(b"here").unwrap();
    let mut before = 0;
    while client.receive() != (PING, b"here".to_vec()) {
        before += 1;
    }
    assert!(before < sent / 2, "{before} of {sent}");
}
