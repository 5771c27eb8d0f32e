//! What the server may not send (RFC 6455 §5, §7.1.7): the client says so and ends.

use wirewright::{ClientError, Limit, Violation};

use super::peer::{CONT, PING, Server, TEXT, close_body, frame};

#[derive(Debug)]
enum Fault {
    Violation(Violation),
    Limit(&'static str),
}

use Fault::{Limit as Over, Violation as Broke};

/// As many bytes as a read has room for, and the last of them is wrong: nothing follows.
fn cut_texts() -> [(Vec<u8>, u16, Fault); 4] {
    [4096, 16_384, 20_480, 32_768].map(|size| {
        let mut text = frame(TEXT, &[b'x'; 65_000]);
        text.truncate(size);
        text[size - 1] = 0xFF;
        (text, 1007, Broke(Violation::TextUtf8))
    })
}

#[test]
fn each_fault_is_told_to_both_sides() {
    let big = frame(0x82, &vec![0; 65_537]);
    let whole = frame(0x02, &[0; 60_000]);
    let many = [whole, frame(CONT, &[0; 60_000]).repeat(300)].concat();
    let cases: Vec<(Vec<u8>, u16, Fault)> = vec![
        (vec![0x81, 0x81, 1, 2, 3, 4, 0], 1002, Broke(Violation::Masked)),
        (vec![0xC1, 0x00], 1002, Broke(Violation::ReservedBits(4))),
        (vec![0x91, 0x00], 1002, Broke(Violation::ReservedBits(1))),
        (vec![0x83, 0x00], 1002, Broke(Violation::ReservedOpCode(3))),
        (vec![0x8B, 0x00], 1002, Broke(Violation::ReservedOpCode(11))),
        (vec![0x82, 126, 0, 5], 1002, Broke(Violation::LengthNotMinimal(5))),
        (vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002, Broke(Violation::LengthSignBit)),
        (frame(PING, b""), 1002, Broke(Violation::ControlFragmented)),
        (vec![0x89, 126, 0, 126], 1002, Broke(Violation::ControlTooLong)),
        (frame(0x80 | CONT, b"x"), 1002, Broke(Violation::UnexpectedContinuation)),
        (
            [frame(TEXT, b"x"), frame(0x81, b"y")].concat(),
            1002,
            Broke(Violation::ExpectedContinuation),
        ),
        (frame(0x88, &[3]), 1002, Broke(Violation::CloseLength)),
        (frame(0x88, &close_body(1005, "")), 1002, Broke(Violation::CloseCode(1005))),
        (frame(0x88, &close_body(999, "")), 1002, Broke(Violation::CloseCode(999))),
        (frame(0x88, &[3, 232, 0xFF]), 1007, Broke(Violation::CloseReasonUtf8)),
        (frame(0x81, &[0xC0, 0x80]), 1007, Broke(Violation::TextUtf8)),
        ([frame(TEXT, &[0xE2]), frame(0x80, &[0x28])].concat(), 1007, Broke(Violation::TextUtf8)),
        (big, 1009, Over("max_frame_size")),
        (many, 1009, Over("max_message_size")),
        ([frame(TEXT, b""), frame(CONT, b"").repeat(5_000)].concat(), 1008, Over("max_fragments")),
    ];
    for (bytes, code, fault) in cases.into_iter().chain(cut_texts()) {
        let server = Server::start(move |mut peer| {
            peer.send(&frame(0x81, b"before"));
            let writer = peer.stream.try_clone().unwrap();
            // The client may end before all of it is sent.
            let writer = std::thread::spawn(move || {
                let _ = std::io::Write::write_all(&mut &writer, &bytes);
                writer
            });
            peer.expect_close(&close_body(code, ""));
            drop((writer.join().unwrap(), peer));
        });
        let client = server.connect();
        assert_eq!(client.read_text().unwrap(), "before");
        for _ in 0..2 {
            match (client.read().unwrap_err(), &fault) {
                (ClientError::Violation(found), Broke(expected)) => assert_eq!(found, *expected),
                (ClientError::Limit(found), Over(name)) => {
                    assert!(found.to_string().contains(name), "{found}");
                }
                other => panic!("{other:?}"),
            }
            assert!(!client.is_open());
        }
        // Writing fails for the same reason.
        let error = client.write_text("more").unwrap_err();
        assert!(matches!(error, ClientError::Violation(_) | ClientError::Limit(_)), "{error:?}");
        server.join();
    }
}

/// A message that is never completed runs into its deadline, though bytes keep coming.
#[test]
fn a_message_that_takes_too_long_to_arrive() {
    let server = Server::start(|mut peer| {
        peer.send(&frame(TEXT, b"slow"));
        peer.expect_close(&close_body(1008, ""));
    });
    let mut limits = wirewright::Limits::default();
    limits.max_assembly_time = std::time::Duration::from_millis(30);
    let client = server.builder().limits(limits).connect().unwrap();
    let error = client.read().unwrap_err();
    assert!(matches!(error, ClientError::Limit(Limit::AssemblyTime { .. })), "{error:?}");
    server.join();
}
