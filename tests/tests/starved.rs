//! A thread that sends as much as a connection takes, all the time, and what becomes of what its
//! peer says meanwhile.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use wirewright::{Caller, Listener, Reply, SendError};
use wirewright_core::Role;
use wirewright_tests::raw::frame;
use wirewright_tests::raw_client::{PING, RawClient, TEXT};
use wirewright_tests::services::{Call, limits, next, plain, start, until};

use crate::alone;

/// Ends the threads of a test, also where it fails.
struct Stop<'a>(&'a AtomicBool, &'a Listener);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.abort();
    }
}

/// A peer that reads steadily, at some 3 MB a second, and writes as much as is read of it.
#[test]
fn reading_goes_on_while_another_thread_keeps_the_queue_full() {
    /// So much of what the peer says must be heard once the queue is full: more than its socket
    /// and ours hold.
    const MORE: usize = 10_000;
    let _alone = alone();
    let (told, callers) = mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    // Each message has a Ping behind it, as fast as they are heard.
    let builder = plain().config(limits(|limits| limits.max_control_frames = u32::MAX));
    let listener = start(builder, move |caller: &Caller, call: &Call<'_>| {
        match call {
            Call::Open => told.lock().unwrap().send(caller.clone())?,
            Call::Text(_) => drop(count.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        Ok(Reply::Nothing)
    });
    let client = RawClient::open(listener.local_addr());
    let caller = next(&callers);
    let (over, full) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let _stop = Stop(&over, &listener);
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                match caller.write_binary(&[7; 1_000]) {
                    Ok(_) => {}
                    Err(SendError::Full { .. }) => {
                        full.fetch_add(1, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(1));
                    }
                    Err(_) => return,
                }
            }
        });
        let mut reader = client.stream.try_clone().unwrap();
        scope.spawn({
            let over = &over;
            move || {
                let mut some = vec![0; 16 * 1024];
                while !over.load(Ordering::SeqCst) && reader.read_exact(&mut some).is_ok() {
                    thread::sleep(Duration::from_millis(5));
                }
            }
        });
        let mut writer = client.stream.try_clone().unwrap();
        scope.spawn({
            let over = &over;
            move || {
                let mut message = frame(Role::Server, TEXT, &[b's'; 8_000]);
                message.extend(frame(Role::Server, PING, b"?"));
                while !over.load(Ordering::SeqCst) && writer.write_all(&message).is_ok() {}
            }
        });
        until("the queue is full", || full.load(Ordering::SeqCst) > 100);
        let before = heard.load(Ordering::SeqCst);
        until("the peer is heard", || heard.load(Ordering::SeqCst) > before + MORE);
        assert!(caller.is_open());
    });
}
