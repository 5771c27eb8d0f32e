//! A thread that sends as much as a connection takes, all the time, and what becomes of what its
//! peer says meanwhile.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use wirewright::{Caller, Reply, SendError};
use wirewright_core::Role;
use wirewright_tests::raw::frame;
use wirewright_tests::raw_client::{PING, RawClient, TEXT};
use wirewright_tests::services::{Call, next, plain, start};

use crate::alone;

/// A peer that reads steadily, at some 3 MB a second, and writes as much as is read of it.
#[test]
fn reading_goes_on_while_another_thread_keeps_the_queue_full() {
    const TIME: Duration = Duration::from_secs(10);
    let _alone = alone();
    let (told, callers) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let listener = start(plain(), move |caller: &Caller, call: &Call<'_>| {
        match call {
            Call::Open => told.lock().unwrap().send(caller.clone())?,
            Call::Text(_) => drop(count.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        Ok(Reply::Nothing)
    });
    let client = RawClient::open(listener.local_addr());
    let caller = next(&callers);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if let Err(SendError::Full { .. }) = caller.write_binary(&[7; 1_000]) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let mut reader = client.stream.try_clone().unwrap();
        scope.spawn({
            let over = &over;
            move || {
                let mut some = vec![0; 16 * 1024];
                while !over.load(Ordering::Relaxed) {
                    let _ = reader.read_exact(&mut some);
                    thread::sleep(Duration::from_millis(5));
                }
            }
        });
        // As fast as it is heard, each message with a Ping behind it.
        let start = Instant::now();
        let mut writer = client.stream.try_clone().unwrap();
        scope.spawn({
            let over = &over;
            move || {
                let mut message = frame(Role::Server, TEXT, &[b's'; 8_000]);
                message.extend(frame(Role::Server, PING, b"?"));
                while !over.load(Ordering::Relaxed) && writer.write_all(&message).is_ok() {}
            }
        });
        thread::sleep(TIME);
        let count = heard.load(Ordering::SeqCst);
        over.store(true, Ordering::Relaxed);
        println!("starved: {count} messages heard in {:.1?}", start.elapsed());
        listener.abort();
        assert!(count > 1_000, "{count}");
    });
}
