//! An exchange in which all send at once, and bytes that say where they belong.

use std::thread;

use wirewright::{Caller, Client, Message, MessageBuf};

/// Bytes that say where they belong.
#[must_use]
pub fn pattern(len: usize, seed: u32) -> Vec<u8> {
    let counters = (seed..).flat_map(|n| n.wrapping_mul(0x9E37_79B1).to_be_bytes());
    counters.take(len).collect()
}

/// One thread writes to a listener that echoes what is binary, one has `say` send texts from the
/// listener's side, Pings go both ways, and all of it is read: whole, and each kind in order.
///
/// # Panics
/// If anything is missing or was changed.
pub fn both_write(client: &Client, caller: &Caller, messages: u32, say: impl Fn(&str) + Sync) {
    let len = |n: u32| (n as usize * 37) % 5000;
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..messages {
                client.write_binary(&pattern(len(n), n)).unwrap();
                if n % 100 == 0 {
                    client.ping(b"here").unwrap();
                }
            }
        });
        scope.spawn(|| {
            for n in 0..messages {
                say(&n.to_string());
                if n % 100 == 0 {
                    let _ = caller.ping(b"there").unwrap();
                }
            }
        });
        let (mut echoed, mut told) = (0, 0);
        let mut buffer = MessageBuf::new();
        while echoed < messages || told < messages {
            assert!(client.read_into(&mut buffer).unwrap());
            if let Message::Text(text) = buffer.message() {
                assert_eq!(text, told.to_string());
                told += 1;
            } else {
                assert!(buffer.message().as_bytes() == pattern(len(echoed), echoed), "{echoed}");
                echoed += 1;
            }
        }
    });
}
