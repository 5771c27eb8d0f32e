//! Writing: frames, deadlines, and what goes between.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use wirewright::{ClientError, Deadline, Misuse};

use super::peer::{BINARY, CONT, PATIENCE, PING, PONG, Peer, Server, TEXT};

#[test]
fn messages_are_cut_at_the_frame_size() {
    for (size, len) in [(1, 5), (7, 100), (65_536, 65_537), (65_536, 400_000), (1 << 20, 3 << 20)] {
        let server = Server::start(move |mut peer| {
            let mut left = len;
            let mut opcode = BINARY;
            while left > 0 {
                let frame = peer.receive();
                let expected = left.min(size);
                left -= expected;
                assert_eq!((frame.opcode, frame.fin), (opcode, left == 0));
                assert_eq!(frame.payload.len(), expected);
                opcode = CONT;
            }
            let text = peer.message();
            assert_eq!(text.opcode, TEXT);
            assert_eq!(String::from_utf8(text.payload).unwrap(), "aüö".repeat(50_000));
        });
        let client = server.builder().outgoing_frame_size(size).connect().unwrap();
        client.write_binary(&vec![7; len]).unwrap();
        // The cuts fall inside characters, and the frames do not.
        client.write_message(&*"aüö".repeat(50_000)).unwrap();
        server.join();
    }
}

#[test]
fn control_frames_hold_125_bytes() {
    let server = Server::start(|mut peer| {
        for opcode in [PING, PONG] {
            let frame = peer.receive();
            assert_eq!((frame.opcode, frame.payload), (opcode, vec![1; 125]));
        }
        assert_eq!(peer.receive().payload, b"");
    });
    let client = server.connect();
    for result in [client.ping(&[0; 126]), client.pong(&[0; 126])] {
        let error = result.unwrap_err();
        assert!(matches!(error, ClientError::Misuse(Misuse::ControlTooLong(126))), "{error:?}");
    }
    client.ping(&[1; 125]).unwrap();
    client.pong(&[1; 125]).unwrap();
    client.write_text("").unwrap();
    server.join();
}

/// What a write that timed out had begun is sent once, whole, and first.
#[test]
fn a_write_that_timed_out_is_finished_by_what_comes_next() {
    for (len, control) in [(1 << 20, false), (1 << 20, true), (100, false)] {
        let (go, wait) = mpsc::channel();
        let server = Server::narrow(move |mut peer: Peer| {
            wait.recv().unwrap();
            let mut whole = 0_u8;
            loop {
                let message = peer.message();
                if message.payload == b"end" {
                    break;
                }
                assert_eq!(message.payload, vec![whole; len], "{whole}");
                whole += 1;
            }
            assert!(whole > 0);
            peer.frame(TEXT, &[b'0' + whole.min(9)]);
        });
        let builder = server.builder().send_buffer(Some(4096));
        let builder = builder.write_timeout(Some(Duration::from_millis(30)));
        let client = builder.connect().unwrap();
        let mut begun = 0_u8;
        loop {
            match client.write_binary(&vec![begun; len]) {
                Ok(()) => begun += 1,
                Err(ClientError::TimedOut(Deadline::WriteUnfinished)) => {
                    begun += 1;
                    break;
                }
                other => panic!("{other:?}"),
            }
            if begun == 200 {
                break;
            }
        }
        // Nothing of these is begun while the rest of the other is in the way.
        if len > 100 {
            let error = client.write_text("not this").unwrap_err();
            assert!(matches!(error, ClientError::TimedOut(Deadline::Write)), "{error:?}");
            assert!(client.is_open());
        }
        go.send(()).unwrap();
        if control {
            while client.ping(b"").is_err() {}
        }
        while let Err(error) = client.write_text("end") {
            assert!(matches!(error, ClientError::TimedOut(Deadline::Write)), "{error:?}");
        }
        assert_eq!(client.read_text().unwrap(), char::from(b'0' + begun.min(9)).to_string());
        server.join();
    }
}

/// A Ping is answered while the only thread is blocked in a write, between two frames of its
/// message.
#[test]
fn a_pong_goes_between_the_frames_of_a_message() {
    let server = Server::narrow(|mut peer| {
        peer.frame(PING, b"in between");
        let mut frames = 0;
        let pong = loop {
            let frame = peer.receive();
            if frame.opcode == PONG {
                break frame;
            }
            assert!(!frame.fin, "the message first");
            frames += 1;
        };
        assert!(frames > 0);
        assert_eq!(pong.payload, b"in between");
        while !peer.receive().fin {}
        peer.frame(TEXT, b"all of it");
    });
    let client = server.builder().send_buffer(Some(4096)).connect().unwrap();
    client.write_binary(&vec![0; 8 << 20]).unwrap();
    assert_eq!(client.read_text().unwrap(), "all of it");
    server.join();
}

/// A reader that cannot have the sender's turn leaves its Pong to the writer that has it.
#[test]
fn a_pong_is_sent_by_the_writer_that_is_in_the_way() {
    const ROUNDS: u32 = 200;
    let server = Server::narrow(|mut peer| {
        for number in 0..ROUNDS {
            peer.frame(PING, &number.to_be_bytes());
            // No other Ping comes before this one's Pong, so that none may stand for it.
            loop {
                let frame = peer.receive();
                if frame.opcode == PONG {
                    assert_eq!(frame.payload, number.to_be_bytes());
                    break;
                }
            }
        }
        peer.close(1000, "");
        while peer.receive().opcode != super::peer::CLOSE {}
    });
    let client = server.builder().send_buffer(Some(4096)).connect().unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| client.read().unwrap_err());
        while client.write_binary(&[0; 20_000]).is_ok() {}
        assert!(reader.join().unwrap().is_normal_close());
    });
    server.join();
}

#[test]
fn writes_from_many_threads_are_whole() {
    const THREADS: u8 = 4;
    let server = Server::start(|mut peer| {
        let mut next = [0_u8; THREADS as usize];
        for _ in 0..u32::from(THREADS) * 100 {
            let message = peer.message();
            let [thread, number, rest @ ..] = &*message.payload else { panic!("short") };
            assert!(rest.iter().all(|byte| byte == number));
            assert_eq!(next[usize::from(*thread)], *number);
            next[usize::from(*thread)] += 1;
        }
    });
    let client = server.builder().write_timeout(Some(PATIENCE)).connect().unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = &client;
            scope.spawn(move || {
                for number in 0..100 {
                    let mut message = vec![number; 2 + usize::from(number) * 3_000];
                    message[0] = thread;
                    client.write_binary(&message).unwrap();
                }
            });
        }
    });
    server.join();
}
