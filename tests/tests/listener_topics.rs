//! Topics: one message to all who subscribed, whatever becomes of them meanwhile.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use wirewright::{
    Budget, Caller, Client, Compression, ListenerBuilder, Message, Outcome, Reply, RunOn,
    SendError, Topics, WhenFull,
};
use wirewright_tests::raw_client::{BINARY, PATIENCE, RawClient, TEXT};
use wirewright_tests::services::{Call, next, plain, start_every, until};

/// Does what its texts say: `+topic`, `-topic`, `topic!message`; and echoes all else.
fn chat(caller: &Caller, call: &Call<'_>) -> Outcome {
    let Call::Text(text) = call else { return Ok(Reply::Nothing) };
    Ok(if let Some(topic) = text.strip_prefix('+') {
        Reply::Text(caller.subscribe(topic)?.to_string())
    } else if let Some(topic) = text.strip_prefix('-') {
        Reply::Text(caller.unsubscribe(topic).to_string())
    } else if let Some((topic, message)) = text.split_once('!') {
        Reply::Text(caller.publish(topic, Message::Text(message))?.to_string())
    } else {
        Reply::Text((*text).to_owned())
    })
}

fn ask(client: &mut RawClient, text: &str, answer: &str) {
    client.frame(TEXT, text);
    client.expect(TEXT, answer);
}

#[test]
fn a_message_goes_to_the_subscribers_of_its_topic_and_not_to_its_sender() {
    for loops in [1, 3] {
        let (listener, _calls, _open) = start_every(plain().threads(loops), RunOn::Loop, chat);
        let topics = listener.topics();
        let mut clients = [(); 6].map(|()| RawClient::open(listener.local_addr()));
        let [a, b, c, ..] = &mut clients;
        for client in [&mut *a, &mut *b] {
            ask(client, "+news", "true");
            ask(client, "+news", "false");
        }
        ask(c, "+sport", "true");
        assert_eq!((topics.subscribers("news"), topics.subscribers("sport")), (2, 1));
        ask(a, "news!from a", "1");
        b.expect(TEXT, "from a");
        assert_eq!(topics.publish("news", Message::Binary(&[0; 70_000])), Ok(2));
        for client in [&mut *a, &mut *b] {
            assert_eq!(client.message(), [0; 70_000]);
        }
        assert_eq!(topics.publish("nothing", Message::Text("x")), Ok(0));
        ask(a, "-news", "true");
        ask(a, "-news", "false");
        assert_eq!(topics.publish("news", Message::Text("to b")), Ok(1));
        b.expect(TEXT, "to b");
        for client in &mut clients {
            client.barrier();
        }
        drop(clients);
        until("subscriptions end with their connections", || topics.is_empty());
    }
}

#[test]
fn subscribers_get_it_compressed_as_their_connections_agreed() {
    let builder = plain().threads(2).compression(Some(Compression::default()));
    let (listener, _calls, open) = start_every(builder, RunOn::Loop, chat);
    let url = format!("ws://{}/", listener.local_addr());
    let mut narrow = Compression::shared();
    narrow.receive_window_bits = 10;
    let kinds = [
        None,
        Some(Compression::default()),
        Some(Compression::shared()),
        Some(Compression::shared()),
        Some(narrow),
    ];
    let clients = kinds.map(|kind| Client::builder(&url).compression(kind).connect().unwrap());
    for _ in &clients {
        assert_eq!(next(&open).subscribe("all"), Ok(true));
    }
    for round in 0..20 {
        let text = format!("{round} {}", "the same words again and again ".repeat(round * 40));
        assert_eq!(listener.topics().publish("all", Message::Text(&text)), Ok(5));
        for client in &clients {
            assert_eq!(client.read_text().unwrap(), text);
        }
    }
}

#[test]
fn listeners_may_share_their_topics() {
    let topics = Topics::new();
    let start = || start_every(plain().topics(topics.clone()), RunOn::Loop, chat).0;
    let listeners = [start(), start()];
    let mut clients = listeners.each_ref().map(|it| RawClient::open(it.local_addr()));
    for client in &mut clients {
        ask(client, "+both", "true");
    }
    assert_eq!(topics.publish("both", Message::Text("x")), Ok(2));
    for client in &mut clients {
        client.expect(TEXT, "x");
    }
    let [first, second] = listeners;
    drop(first);
    assert_eq!(topics.publish("both", Message::Text("y")), Ok(1));
    clients[1].expect(TEXT, "y");
    drop(second);
    assert!(topics.is_empty());
}

/// Publishers number their messages; each subscriber checks that those of each grow by one.
#[derive(Default)]
struct Orders(HashMap<u32, u32>);

impl Orders {
    fn check(&mut self, message: &[u8]) {
        let text = str::from_utf8(message).unwrap();
        let mut numbers = text.split(' ').map(|number| number.parse().unwrap());
        let (publisher, number) = (numbers.next().unwrap(), numbers.next().unwrap());
        if let Some(last) = self.0.insert(publisher, number) {
            assert_eq!(number, last + 1, "of publisher {publisher}");
        }
    }
}

/// Subscribes, listens for a while, and is gone in one way or another.
fn come_and_go(addr: SocketAddr, way: usize) {
    let mut client = RawClient::open(addr);
    client.frame(TEXT, "+feed");
    // What is published before the answer leaves may come before it.
    while client.receive().1 != b"true" {}
    client.frame(TEXT, "end");
    let mut orders = Orders::default();
    loop {
        match client.message() {
            end if end == b"end" => break,
            message => orders.check(&message),
        }
    }
    match way % 3 {
        0 => client.reset(),
        1 => drop(client),
        _ => client.close(1000),
    }
}

#[test]
fn a_thousand_subscribers_come_and_go_while_four_threads_publish() {
    const PUBLISHERS: u32 = 4;
    const MESSAGES: u32 = 30;
    const STAYING: usize = 400;
    const GOING: usize = 600;
    let builder = plain().threads(3);
    let (listener, _calls, _open) = start_every(builder, RunOn::Loop, chat);
    let (addr, topics) = (listener.local_addr(), listener.topics());
    let mut staying: Vec<_> = (0..STAYING).map(|_| RawClient::open(addr)).collect();
    staying.iter_mut().for_each(|client| ask(client, "+feed", "true"));
    let start = Barrier::new(PUBLISHERS as usize + 2);
    let gone = AtomicUsize::new(0);
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let (start, gone) = (&start, &gone);
                scope.spawn(move || {
                    start.wait();
                    for number in 0..MESSAGES {
                        let text = format!("{publisher} {number}");
                        let sent = topics.publish("feed", Message::Text(&text)).unwrap();
                        assert!(sent >= STAYING);
                        // Not all before the first of the others has come.
                        let share = GOING * number as usize / MESSAGES as usize / 2;
                        until("others come and go", || gone.load(Ordering::SeqCst) >= share);
                    }
                })
            })
            .collect();
        for half in 0..2 {
            let (start, gone) = (&start, &gone);
            scope.spawn(move || {
                start.wait();
                for number in 0..GOING / 2 {
                    come_and_go(addr, number + half);
                    gone.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let share = staying.len().div_ceil(2);
        for clients in staying.chunks_mut(share) {
            scope.spawn(move || {
                for client in clients {
                    let mut orders = Orders::default();
                    for _ in 0..PUBLISHERS * MESSAGES {
                        orders.check(&client.message());
                    }
                    assert_eq!(orders.0, (0..PUBLISHERS).map(|it| (it, MESSAGES - 1)).collect());
                }
            });
        }
        for publisher in publishers {
            publisher.join().unwrap();
        }
    });
    until("those who went are counted out", || topics.subscribers("feed") == STAYING);
    drop(staying);
    until("all are counted out", || topics.is_empty());
}

/// Publishes until every slow subscriber's queue has been full; what the quick one got.
fn publish_to_slow_and_quick(builder: ListenerBuilder) -> (Vec<Caller>, Vec<RawClient>) {
    let (listener, _calls, open) = start_every(builder, RunOn::Loop, chat);
    let addr = listener.local_addr();
    let mut quick = RawClient::open(addr);
    let _ = next(&open);
    ask(&mut quick, "+feed", "true");
    let mut slow = Vec::new();
    let mut callers = Vec::new();
    for _ in 0..5 {
        let mut client = RawClient::narrow(addr);
        ask(&mut client, "+feed", "true");
        slow.push(client);
        callers.push(next(&open));
    }
    let mut number = 0_u32;
    let full = |caller: &Caller| caller.stats().dropped > 0 || !caller.is_open();
    while !callers.iter().all(full) {
        let mut message = vec![1; 10_000];
        message[..4].copy_from_slice(&number.to_be_bytes());
        assert!(listener.topics().publish("feed", Message::Binary(&message)).is_ok());
        quick.expect(BINARY, &message);
        number += 1;
    }
    quick.barrier();
    // Ends the connections of those who are not read from, too.
    drop(listener);
    (callers, slow)
}

#[test]
fn s35_slow_subscribers_lose_what_their_queue_has_no_room_for_and_nobody_else_does() {
    for policy in [WhenFull::Refuse, WhenFull::DropNew, WhenFull::DropOldest] {
        let budget = Budget::bytes(64 << 20);
        let builder = plain().when_full(policy).max_queued(256 << 10).budget(budget.clone());
        let (callers, slow) = publish_to_slow_and_quick(builder);
        assert!(callers.iter().all(|caller| caller.stats().dropped > 0), "{policy:?}");
        drop((callers, slow));
        until("all is given back", || budget.used() == 0);
    }
}

#[test]
fn s17_subscribers_that_are_closed_while_it_is_published_harm_nobody() {
    let code = wirewright::CloseCode::TRY_AGAIN_LATER;
    let builder = plain().when_full(WhenFull::Close(code)).max_queued(128 << 10);
    let (callers, slow) = publish_to_slow_and_quick(builder);
    assert!(callers.iter().all(|caller| caller.subscribe("late") == Err(SendError::Closed)));
    drop(slow);
}

#[test]
fn what_is_published_waits_once_for_many_that_do_not_read() {
    let budget = Budget::bytes(64 << 20);
    let (listener, _calls, open) = start_every(plain().budget(budget.clone()), RunOn::Loop, chat);
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(RawClient::narrow(listener.local_addr()));
        next(&open).subscribe("feed").unwrap();
    }
    let mut control = RawClient::open(listener.local_addr());
    let caller = next(&open);
    caller.subscribe("feed").unwrap();
    // Beyond what the system takes for each.
    for _ in 0..50 {
        listener.topics().publish("feed", Message::Binary(&[3; 60_000])).unwrap();
        control.message();
    }
    // A copy for each would be twenty times as much as was published.
    assert!(budget.used() < 5 * 50 * 60_000, "{}", budget.used());
    for client in &mut slow {
        for _ in 0..50 {
            assert_eq!(client.message().len(), 60_000);
        }
    }
    until("all has left", || budget.used() == 0);
}

#[test]
fn s35_publishing_to_a_loop_that_does_not_keep_up_is_refused_until_it_does() {
    let (key, door) = mpsc::channel::<()>();
    let door = Arc::new(Mutex::new(door));
    let builder = plain().max_queued(64 << 20);
    let (listener, _calls, open) = start_every(builder, RunOn::Loop, move |_, call| {
        if let Call::Text("block") = call {
            let _ = door.lock().unwrap().recv_timeout(PATIENCE);
        }
        Ok(Reply::Nothing)
    });
    let mut client = RawClient::open(listener.local_addr());
    next(&open).subscribe("feed").unwrap();
    client.frame(TEXT, "block");
    // One that was handed on before the door was shut counts no longer.
    let mut sent = 0;
    let refused = loop {
        match listener.topics().publish("feed", Message::Binary(&vec![0; 100_000])) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 1000, "100 MB were taken in");
    };
    assert!(matches!(refused, SendError::Full { cap: 0x100_0000, .. }), "{refused}");
    key.send(()).unwrap();
    until("there is room again", || {
        listener.topics().publish("feed", Message::Text("last")).is_ok()
    });
    while client.message() != b"last" {}
}

#[test]
fn publishing_from_every_thread_has_one_order_for_all() {
    let (listener, _calls, _open) = start_every(plain().threads(3), RunOn::Loop, chat);
    let mut clients = [(); 6].map(|()| RawClient::open(listener.local_addr()));
    clients.iter_mut().for_each(|client| ask(client, "+feed", "true"));
    let topics = listener.topics();
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for number in 0..100 {
                    let text = format!("{thread} {number}");
                    topics.publish("feed", Message::Text(&text)).unwrap();
                }
            });
        }
    });
    let [first, others @ ..] = &mut clients;
    for _ in 0..400 {
        let message = first.message();
        for other in &mut *others {
            assert_eq!(other.message(), message);
        }
    }
}
