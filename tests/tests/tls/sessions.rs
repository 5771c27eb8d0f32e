//! Sessions that are resumed, or not, and connections that come back.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use wirewright::tls::{ServerTls, ServerTlsBuilder};
use wirewright::{Caller, ClientError, Listener, Outcome, Reply, Retry};
use wirewright_tests::certificates::{client_tls, server_tls};
use wirewright_tests::raw_client::PATIENCE;
use wirewright_tests::services::{Call, plain, start_at};

use super::{VERSIONS, towards};

/// Says of each connection whether it was resumed, and echoes.
fn telling(addr: &str, tls: ServerTls) -> (Listener, Receiver<bool>) {
    let (told, tell) = mpsc::channel();
    let service = move |caller: &Caller, call: &Call<'_>| -> Outcome {
        match call {
            Call::Open => told.send(caller.security().unwrap().is_resumed)?,
            Call::Text(text) => return Ok(Reply::Text((*text).to_owned())),
            _ => {}
        }
        Ok(Reply::Nothing)
    };
    (start_at(addr, plain().tls(tls), service), tell)
}

#[test]
fn sessions_are_resumed_unless_either_side_is_against_it() {
    type Options = fn(ServerTlsBuilder) -> ServerTlsBuilder;
    let servers: [(Options, bool); 4] = [
        (|tls| tls, true),
        (|tls| tls.tickets(false), true),
        (|tls| tls.sessions(0), true),
        (|tls| tls.tickets(false).sessions(0), false),
    ];
    for version in VERSIONS {
        for (number, (options, keeps)) in servers.into_iter().enumerate() {
            for sessions in [256, 0] {
                let tls = options(server_tls().versions([version])).build().unwrap();
                let (listener, told) = telling("127.0.0.1:0", tls);
                let tls = client_tls().sessions(sessions).build().unwrap();
                let builder = towards(&listener).tls(tls);
                for n in 0..3 {
                    let client = builder.connect().unwrap();
                    client.write_text("hello").unwrap();
                    assert_eq!(client.read_text().unwrap(), "hello");
                    client.close().unwrap();
                    let expected = n > 0 && keeps && sessions > 0;
                    let resumed = told.recv_timeout(PATIENCE).unwrap();
                    assert_eq!(resumed, expected, "{version}, {number}, {sessions}, {n}");
                }
            }
        }
    }
}

/// A client whose server is started anew, with the same or another memory of sessions.
#[test]
fn a_client_that_connects_again_resumes_its_session_where_the_server_can() {
    let mut retry = Retry::default();
    retry.interval = Duration::from_millis(50);
    retry.max_interval = Duration::from_millis(200);
    retry.max_count = Some(500);
    retry.healthy_after = Duration::ZERO;
    for version in VERSIONS {
        for same in [true, false] {
            let tls = || server_tls().versions([version]).build().unwrap();
            let first = tls();
            let (listener, told) = telling("127.0.0.1:0", first.clone());
            let addr = listener.local_addr().to_string();
            let client = towards(&listener).retry(Some(retry)).connect().unwrap();
            client.write_text("hello").unwrap();
            assert_eq!(client.read_text().unwrap(), "hello");
            assert!(!told.recv_timeout(PATIENCE).unwrap());
            listener.abort();
            listener.wait();
            drop(listener);
            let (again, told) = telling(&addr, if same { first } else { tls() });
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), same, "{version}");
            let back = loop {
                // What was written while nobody was there may be lost with the connection.
                match client.write_text("again") {
                    Ok(()) => break client.read_text(),
                    Err(error) => assert!(!matches!(error, ClientError::Tls(_)), "{error:?}"),
                }
            };
            assert_eq!(back.unwrap(), "again");
            client.close().unwrap();
            drop(again);
        }
    }
}
