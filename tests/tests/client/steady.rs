//! What a connection costs once it runs.

use std::io::Write;
use std::time::Duration;

use wirewright::{Compression, Message, MessageBuf};
use wirewright_tests::alloc::Meter;

use super::peer::{CLOSE, PATIENCE, PING, PONG, Peer, Server, answer, frame, read_head};

/// Gives every message back as it came, compressed or not, with a Ping before every tenth.
fn echo(extension: Option<&'static str>) -> Server {
    Server::raw(move |mut stream| {
        let mut answer = answer(&read_head(&mut stream));
        if let Some(extension) = extension {
            let line = format!("\r\nSec-WebSocket-Extensions: {extension}\r\n\r\n");
            answer = answer.replace("\r\n\r\n", &line);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        let mut peer = Peer { stream };
        let mut count = 0;
        loop {
            let message = peer.receive();
            match message.opcode {
                PONG => continue,
                CLOSE => return peer.frame(CLOSE, &message.payload),
                _ => count += 1,
            }
            assert!(!message.rsv1 || extension.is_some());
            if count % 10 == 0 {
                peer.frame(PING, b"still there?");
            }
            let bits = 0x80 | u8::from(message.rsv1) << 6;
            peer.send(&frame(bits | message.opcode, &message.payload));
        }
    })
}

/// In the steady state no message and no Ping allocates, in either direction, plain or compressed.
#[test]
fn no_message_allocates() {
    let extensions = [
        None,
        Some("permessage-deflate"),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
    ];
    for extension in extensions {
        let server = echo(extension);
        let compression = extension.map(|_| Compression::default());
        // On a machine that is busy a pause may be long enough for custody to change, which is not
        // the steady state.
        let builder = server.builder().compression(compression).custody_after(PATIENCE);
        let client = builder.connect().unwrap();
        let text = "{\"price\": 17, \"size\": 4, \"side\": \"bid\"}".repeat(70);
        let mut message = MessageBuf::new();
        let mut round = || {
            for len in [0, 64, text.len()] {
                client.write_text(&text[..len]).unwrap();
                assert!(client.read_into(&mut message).unwrap());
                assert_eq!(message.message(), Message::Text(&text[..len]));
            }
            client.write_binary(text.as_bytes()).unwrap();
            client.read_with(|message| assert_eq!(message.as_bytes(), text.as_bytes())).unwrap();
        };
        (0..200).for_each(|_| round());
        let meter = Meter::new();
        (0..200).for_each(|_| round());
        assert_eq!(meter.allocations(), 0, "{extension:?}");
        client.close().unwrap();
        server.join();
    }
}

#[test]
fn spinning_reads_the_same() {
    for timeout in [None, Some(Duration::from_millis(20))] {
        let server = echo(None);
        let spin = Duration::from_millis(2);
        let client = server.builder().spin(spin).read_timeout(timeout).connect().unwrap();
        for _ in 0..100 {
            client.write_text("around").unwrap();
            loop {
                match client.read_text() {
                    Ok(text) => break assert_eq!(text, "around"),
                    Err(error) => assert!(error.is_timeout(), "{error:?}"),
                }
            }
        }
        if timeout.is_some() {
            assert!(client.read().unwrap_err().is_timeout());
        }
        client.close().unwrap();
        server.join();
    }
}
