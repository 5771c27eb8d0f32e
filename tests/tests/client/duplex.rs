//! Both directions at once: two threads, or one that must not be deaf while it cannot speak.

use std::sync::mpsc;
use std::thread;

use wirewright::{Client, MessageBuf};

use super::peer::{BINARY, CLOSE, Frame, PING, PONG, Peer, Server, TEXT, frame};

/// The size of message `number`, as both sides know it: mostly small, some of several frames.
fn size(number: u32) -> usize {
    let scattered = number.wrapping_mul(2_654_435_761).rotate_left(11) as usize;
    scattered % [10, 200, 3_000, 60_000][number as usize % 4]
}

fn message(number: u32) -> Vec<u8> {
    let mut bytes = vec![number.to_le_bytes()[0]; size(number) + 4];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}

const MESSAGES: u32 = 3_000;

/// The server's sender: a Ping now and then, and no other before its Pong has come, as the last
/// of several may stand for all.
fn send_all(mut peer: Peer, pongs: &mpsc::Receiver<Frame>) {
    for number in 0..MESSAGES {
        peer.send(&frame(0x82, &message(number)));
        if number % 50 == 0 {
            peer.frame(PING, &number.to_be_bytes());
            assert_eq!(pongs.recv().unwrap().payload, number.to_be_bytes());
        }
    }
}

/// The server's receiver: says how many Pings there were.
fn receive_all(peer: &mut Peer, pongs: &mpsc::Sender<Frame>) -> u32 {
    let (mut pings, mut number, mut whole) = (0, 0, Vec::new());
    while number < MESSAGES {
        let frame = peer.receive();
        match frame.opcode {
            PONG => pongs.send(frame.clone()).unwrap(),
            PING => pings += 1,
            _ => whole.extend(frame.payload),
        }
        if frame.opcode < CLOSE && frame.fin {
            assert_eq!(whole, message(number), "{number}");
            whole.clear();
            number += 1;
        }
    }
    pings
}

/// Buffers of the smallest kind on both ends and both ends writing all the time: whoever is stuck
/// with a message must go on taking the other's. Pings go both ways between them.
#[test]
fn both_sides_write_and_nothing_is_lost() {
    let server = Server::narrow(|mut peer| {
        let writer = Peer { stream: peer.stream.try_clone().unwrap() };
        let (pong, pongs) = mpsc::channel();
        let sender = thread::spawn(move || send_all(writer, &pongs));
        assert_eq!(receive_all(&mut peer, &pong), MESSAGES / 100);
        // The last Pongs come behind the last message.
        while let Ok(frame) = peer.try_receive() {
            if frame.opcode == PONG {
                pong.send(frame).unwrap();
            }
        }
        sender.join().unwrap();
    });
    let client = server.builder().send_buffer(Some(4096)).receive_buffer(Some(4096));
    let client = client.connect().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = MessageBuf::new();
            for number in 0..MESSAGES {
                assert!(client.read_into(&mut buffer).unwrap());
                assert_eq!(buffer.message().as_bytes(), message(number), "{number}");
            }
        });
        scope.spawn(|| {
            for number in 0..MESSAGES {
                client.write_binary(&message(number)).unwrap();
                if number % 100 == 0 {
                    client.ping(b"here").unwrap();
                }
            }
        });
    });
    client.abort();
    server.join();
}

/// One thread, and a server that reads nothing until what it writes is taken.
#[test]
fn a_lone_writer_takes_in_what_the_server_must_send_first() {
    const MESSAGES: u32 = 400;
    let server = Server::narrow(|mut peer| {
        for _ in 0..MESSAGES {
            let message = peer.message();
            peer.send(&frame(0x80 | message.opcode, &message.payload));
        }
        peer.expect_close(&[0x03, 0xE8]);
        peer.close(1000, "");
    });
    let builder = server.builder().send_buffer(Some(4096)).receive_buffer(Some(4096));
    let client = builder.max_read_ahead(64 << 20).connect().unwrap();
    for number in 0..MESSAGES {
        client.write_binary(&message(number)).unwrap();
    }
    for number in 0..MESSAGES {
        assert_eq!(client.read_binary().unwrap(), message(number));
    }
    client.close().unwrap();
    server.join();
}

/// What is read ahead is bounded: a server that only writes is held up.
#[test]
fn reading_ahead_ends_at_its_limit() {
    let (told, wait) = mpsc::channel();
    let (got, all) = mpsc::channel();
    let server = Server::narrow(move |mut peer| {
        let writer = peer.stream.try_clone().unwrap();
        let writer = thread::spawn(move || {
            let mut sent = 0;
            while std::io::Write::write_all(&mut &writer, &frame(0x82, &[0; 1_000])).is_ok() {
                sent += 1;
            }
            sent
        });
        wait.recv().unwrap();
        assert_eq!(peer.message().payload.len(), 4 << 20);
        got.send(()).unwrap();
        while peer.try_receive().is_ok() {}
        assert!(writer.join().unwrap() < 8_000);
    });
    let builder = server.builder().send_buffer(Some(4096)).receive_buffer(Some(4096));
    let builder = builder.max_read_ahead(100_000).max_frame_size(64 << 20);
    let client = builder.connect().unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| client.write_binary(&vec![0; 4 << 20]));
        thread::sleep(std::time::Duration::from_millis(100));
        told.send(()).unwrap();
        writer.join().unwrap().unwrap();
    });
    // All of it is there in order, behind the part that was taken ahead.
    for _ in 0..200 {
        assert_eq!(client.read_binary().unwrap(), [0; 1_000]);
    }
    all.recv().unwrap();
    // The server's sender is stuck until there is nobody to send to.
    drop(client);
    server.join();
}

/// The server stops reading; a reader has its messages though a writer is stuck.
#[test]
fn a_stuck_writer_does_not_hold_up_a_reader() {
    const MESSAGES: u32 = 500;
    let (go, wait) = mpsc::channel();
    let server = Server::narrow(move |mut peer| {
        for number in 0..MESSAGES {
            peer.frame(BINARY, &message(number));
        }
        wait.recv().unwrap();
        assert_eq!(peer.message().payload.len(), 4 << 20);
        peer.frame(TEXT, b"done");
        peer.expect_close(&[0x03, 0xE9]);
    });
    let client = server.builder().send_buffer(Some(4096)).connect().unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| client.write_binary(&vec![0; 4 << 20]));
        for number in 0..MESSAGES {
            assert_eq!(client.read_binary().unwrap(), message(number));
        }
        assert!(!writer.is_finished());
        go.send(()).unwrap();
        writer.join().unwrap().unwrap();
    });
    assert_eq!(client.read_text().unwrap(), "done");
    drop(client);
    server.join();
}

/// A client is shared as it is.
#[test]
fn a_client_is_send_and_sync() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Client>();
}
