//! Messages both ways: of all sizes, compressed, at once, through little room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wirewright::{Caller, Compression, Json, Outcome, Reply, SendError};
use wirewright_tests::duplex::{both_write, pattern};
use wirewright_tests::raw_client::PATIENCE;
use wirewright_tests::services::{Call, next, plain, start_every};

use super::{VERSIONS, echo, secured, towards};

#[test]
fn messages_of_all_sizes_come_back() {
    for version in VERSIONS {
        let limits = plain().max_message_size(8 << 20).max_queued(16 << 20);
        let listener = echo(limits, version);
        let client = towards(&listener).connect().unwrap();
        assert!(client.is_secure());
        // About a record's limit of 2^14, with and without a frame's header.
        let sizes = [0, 1, 125, 126, 16_370, 16_376, 16_380, 16_383, 16_384, 16_385];
        let large = [32_768, 65_535, 65_536, 65_537, 131_072, 1 << 20, 5 << 20];
        for len in sizes.into_iter().chain(large) {
            let message = pattern(len, 1);
            client.write_binary(&message).unwrap();
            assert!(client.read_binary().unwrap() == message, "{version}: {len}");
        }
        client.write_json(&serde_json::json!({ "n": 1 })).unwrap();
        let Json(value) = client.read_message::<Json<serde_json::Value>>().unwrap();
        assert_eq!(value["n"], 1);
        client.close().unwrap();
        let traffic = listener.stats().traffic;
        assert_eq!((traffic.messages_in, listener.stats().errors.total()), (18, 0));
    }
}

#[test]
fn compressed_messages_come_back() {
    for version in VERSIONS {
        let listener = echo(plain().compression(Some(Compression::default())), version);
        let builder = towards(&listener).compression(Some(Compression::default()));
        let client = builder.connect().unwrap();
        let words = "Steady as she goes, mixed with größere Zeichen. ".repeat(500);
        for round in 0..20 {
            let text = &words[..47 * (round + 1)];
            client.write_text(text).unwrap();
            assert_eq!(client.read_text().unwrap(), text);
            client.write_binary(&pattern(30_000, 5)).unwrap();
            assert!(client.read_binary().unwrap() == pattern(30_000, 5));
        }
        let traffic = listener.stats().traffic;
        assert!(traffic.bytes_in < 20 * 30_300, "{traffic:?}");
        client.close().unwrap();
    }
}

/// One thread writes, one reads, the listener echoes, and a thread of its own sends in between;
/// all of it through buffers that hold little.
#[test]
fn both_sides_write_through_small_buffers_and_nothing_is_lost() {
    for version in VERSIONS {
        let back = |caller: &Caller, call: &Call<'_>| -> Outcome {
            if let Call::Binary(bytes) = call {
                let _ = caller.write_binary(bytes)?;
            }
            Ok(Reply::Nothing)
        };
        let builder = secured(plain().max_queued(64 << 10), version);
        let (listener, _, callers) = start_every(builder, wirewright::RunOn::Loop, back);
        let client = towards(&listener).send_buffer(Some(4096)).receive_buffer(Some(32 << 10));
        let client = client.connect().unwrap();
        let caller = next(&callers);
        both_write(&client, &caller, 2000, |text| {
            // Echoes may have filled the queue.
            while let Err(error) = caller.write_text(text) {
                assert!(matches!(error, SendError::Full { .. }), "{error}");
                assert_eq!(caller.wait_drained(PATIENCE), Ok(true));
            }
        });
        client.close().unwrap();
    }
}

/// A writer that the socket takes no more from does not hold up a reader: it has the layer for a
/// record at a time, and not while it waits.
#[test]
fn a_blocked_writer_does_not_hold_up_a_reader() {
    const MESSAGES: u32 = 500;
    for version in VERSIONS {
        let pause = |caller: &Caller, call: &Call<'_>| -> Outcome {
            if let Call::Open = call {
                caller.pause();
            }
            Ok(Reply::Nothing)
        };
        let builder = secured(plain(), version);
        let (listener, _, callers) = start_every(builder, wirewright::RunOn::Loop, pause);
        let client = towards(&listener).send_buffer(Some(4096)).max_frame_size(1 << 20);
        let client = client.write_timeout(None).connect().unwrap();
        let caller = next(&callers);
        let written = AtomicBool::new(false);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let result = client.write_binary(&vec![7; 30 << 20]);
                written.store(true, Ordering::SeqCst);
                result
            });
            let reader = scope.spawn(|| {
                for n in 0..MESSAGES {
                    assert_eq!(client.read_text().unwrap(), n.to_string());
                }
                assert!(!written.load(Ordering::SeqCst), "the writer was never blocked");
            });
            for n in 0..MESSAGES {
                let _ = caller.write_text(&n.to_string()).unwrap();
            }
            reader.join().unwrap();
            client.abort();
            writer.join().unwrap().unwrap_err();
        });
    }
}

/// The reverse: while a reader waits for a message that does not come, others write.
#[test]
fn a_waiting_reader_does_not_hold_up_a_writer() {
    for version in VERSIONS {
        let at_the_end = |_: &Caller, call: &Call<'_>| -> Outcome {
            Ok(match call {
                Call::Text("done") => Reply::Text("all of it".to_owned()),
                _ => Reply::Nothing,
            })
        };
        let listener = wirewright_tests::services::start(secured(plain(), version), at_the_end);
        let client = towards(&listener).send_buffer(Some(4096)).connect().unwrap();
        thread::scope(|scope| {
            let reader = scope.spawn(|| client.read_text());
            let writers: Vec<_> = (0..3_u32)
                .map(|seed| {
                    let client = &client;
                    scope.spawn(move || {
                        for n in 0..200 {
                            client.write_binary(&pattern(n * 30, seed)).unwrap();
                        }
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            assert!(!reader.is_finished());
            client.write_text("done").unwrap();
            assert_eq!(reader.join().unwrap().unwrap(), "all of it");
        });
        assert_eq!(listener.stats().traffic.messages_in, 601);
        client.close().unwrap();
    }
}
