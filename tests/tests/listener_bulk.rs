//! Much at once: large messages, many messages, and others who want their turn meanwhile.

use std::io::Write;
use std::thread;

use wirewright_core::Role;
use wirewright_tests::duplex::pattern;
use wirewright_tests::raw::frame;
use wirewright_tests::raw_client::{BINARY, RawClient, TEXT};
use wirewright_tests::services::{plain, start_echo};

/// Writes while the caller reads, or both sides would wait for room.
fn send_beside(client: &RawClient, bytes: Vec<u8>) -> thread::JoinHandle<()> {
    let mut stream = client.stream.try_clone().unwrap();
    thread::spawn(move || stream.write_all(&bytes).unwrap())
}

#[test]
fn messages_of_1_and_16_mib_come_back_as_they_were() {
    // In frames of 64 KiB both ways, and in one frame.
    for frames in [65_536, 16 << 20] {
        let builder = plain().max_frame_size(frames).max_message_size(16 << 20);
        let listener = start_echo(builder.max_queued(1 << 20));
        let mut client = RawClient::open(listener.local_addr());
        for len in [1 << 20, 16 << 20] {
            let whole = pattern(len, 0);
            let mut bytes = Vec::with_capacity(len + 4096);
            let last = len.div_ceil(frames) - 1;
            for (number, part) in whole.chunks(frames).enumerate() {
                let opcode = if number == 0 { 2 } else { 0 };
                let fin = if number == last { 0x80 } else { 0 };
                bytes.extend(frame(Role::Server, fin | opcode, part));
            }
            let writer = send_beside(&client, bytes);
            let answer = client.message();
            assert!(answer == whole, "{len} bytes in frames of {frames} were changed");
            writer.join().unwrap();
        }
        client.barrier();
    }
}

#[test]
fn a_thousand_messages_of_64_kib_in_a_row_come_back_in_order() {
    let listener = start_echo(plain());
    let mut client = RawClient::open(listener.local_addr());
    let mut stream = client.stream.try_clone().unwrap();
    let message = pattern(65_536, 0);
    let sent = message.clone();
    let writer = thread::spawn(move || {
        let mut bytes = frame(Role::Server, BINARY, &sent);
        for number in 0..1000_u32 {
            // The header takes 14 bytes; the mask of the first payload bytes stays as it is.
            let plain = number.to_be_bytes();
            let masked = wirewright_tests::raw::transform(Role::Server, &plain);
            bytes[14..18].copy_from_slice(&masked);
            stream.write_all(&bytes).unwrap();
        }
    });
    for number in 0..1000_u32 {
        let (first, answer) = client.receive();
        assert_eq!((first, &answer[..4]), (BINARY, &number.to_be_bytes()[..]));
        assert!(answer[4..] == message[4..], "message {number} was changed");
    }
    writer.join().unwrap();
}

#[test]
fn a_flood_of_tiny_messages_leaves_others_their_turn() {
    const MESSAGES: usize = 300_000;
    let listener = start_echo(plain());
    let mut flooder = RawClient::open(listener.local_addr());
    let writer = send_beside(&flooder, frame(Role::Server, TEXT, b"x").repeat(MESSAGES));
    let reader = thread::spawn(move || {
        (0..MESSAGES).for_each(|_| assert_eq!(flooder.receive(), (TEXT, b"x".to_vec())));
    });
    let mut other = RawClient::open(listener.local_addr());
    let mut served = 0;
    while !reader.is_finished() {
        other.barrier();
        served += 1;
    }
    // A loop that let one connection drain its socket first would have served it some times only.
    assert!(served >= 5, "the other was served {served} times");
    reader.join().unwrap();
    writer.join().unwrap();
}

#[test]
fn a_peer_that_floods_without_end_does_not_hold_up_others() {
    let listener = start_echo(plain());
    let mut flooder = RawClient::open(listener.local_addr());
    let mut stream = flooder.stream.try_clone().unwrap();
    let message = frame(Role::Server, BINARY, &[0; 60_000]);
    let writer = thread::spawn(move || while stream.write_all(&message).is_ok() {});
    let reader = thread::spawn(move || flooder.drain());
    let mut other = RawClient::open(listener.local_addr());
    (0..100).for_each(|_| other.barrier());
    listener.abort();
    writer.join().unwrap();
    reader.join().unwrap();
}
