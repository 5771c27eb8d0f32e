//! While no thread is inside a client over TLS, the background drives it; and it gives back what
//! it took.

use std::sync::mpsc;
use std::time::Duration;

use wirewright::{Caller, Client, CloseCode, KeepAliveOptions, Outcome, Reply, RunOn};
use wirewright_tests::raw_client::PATIENCE;
use wirewright_tests::services::{Call, next, plain, start, start_every, until};

use super::{VERSIONS, pattern, secured, towards};

#[test]
fn a_client_that_nobody_reads_answers_pings() {
    for version in VERSIONS {
        let (pongs, pong) = mpsc::channel();
        let service = move |caller: &Caller, call: &Call<'_>| -> Outcome {
            match call {
                Call::Open => drop(caller.ping(b"are you there")?),
                Call::Pong(payload) => pongs.send(payload.to_vec())?,
                _ => {}
            }
            Ok(Reply::Nothing)
        };
        let listener = start(secured(plain(), version), service);
        let client = towards(&listener).connect().unwrap();
        assert_eq!(pong.recv_timeout(PATIENCE).unwrap(), b"are you there");
        client.close().unwrap();
    }
}

/// Left alone and called again many times, with pings and messages at every moment of that.
#[test]
fn a_client_that_leaves_and_comes_back_loses_nothing() {
    const ROUNDS: u32 = 60;
    for version in VERSIONS {
        let builder = secured(plain(), version);
        let answer = |caller: &Caller, call: &Call<'_>| -> Outcome {
            if let Call::Binary(bytes) = call {
                let _ = caller.write_binary(bytes)?;
                let _ = caller.ping(b"between")?;
            }
            Ok(Reply::Nothing)
        };
        let (listener, calls, callers) = start_every(builder, RunOn::Loop, answer);
        let client = towards(&listener).custody_after(Duration::from_millis(1)).connect().unwrap();
        let caller = next(&callers);
        for round in 0..ROUNDS {
            let message = pattern(round as usize * 300, round);
            client.write_binary(&message).unwrap();
            // The background takes in what comes while nobody reads.
            until("it is in custody", || client.stats().queued_ahead > 0 || round % 3 != 0);
            let _ = caller.write_text("unasked").unwrap();
            let mut unasked = 0;
            let mut came = false;
            while !came || unasked == 0 {
                let read = client.read().unwrap();
                match read.message() {
                    wirewright::Message::Text(text) => {
                        assert_eq!(text, "unasked");
                        unasked += 1;
                    }
                    wirewright::Message::Binary(bytes) => {
                        assert!(bytes == message, "{version}: {round}");
                        came = true;
                    }
                }
            }
        }
        client.close().unwrap();
        let log: Vec<String> = calls.try_iter().collect();
        assert!(log.iter().all(|line| !line.starts_with("error")), "{log:?}");
    }
}

#[test]
fn a_client_that_nobody_reads_answers_a_close() {
    for version in VERSIONS {
        let (listener, calls, callers) =
            start_every(secured(plain(), version), RunOn::Loop, |_, _| Ok(Reply::Nothing));
        let client = towards(&listener).connect().unwrap();
        next(&callers).close(3005, "maintenance").unwrap();
        assert_eq!([next(&calls), next(&calls)], ["open", "close 3005"]);
        until("it has noticed", || !client.is_open());
        let error = client.read().unwrap_err();
        assert_eq!(error.to_string(), "connection closed with code 3005: maintenance");
        assert_eq!(listener.stats().errors.total(), 0);
    }
}

#[test]
fn keep_alive_goes_on_while_nobody_calls() {
    for version in VERSIONS {
        let (pings, ping) = mpsc::channel();
        let service = move |_: &Caller, call: &Call<'_>| -> Outcome {
            if let Call::Ping(_) = call {
                pings.send(())?;
                return Ok(Reply::Pong);
            }
            Ok(Reply::Nothing)
        };
        let listener = start(secured(plain(), version), service);
        let mut keep_alive = KeepAliveOptions::default();
        keep_alive.interval = Some(Duration::from_millis(20));
        keep_alive.timeout = Some(PATIENCE);
        let client: Client = towards(&listener).keep_alive(keep_alive).connect().unwrap();
        for _ in 0..10 {
            ping.recv_timeout(PATIENCE).unwrap();
        }
        client.close().unwrap();
        assert_eq!(client.read().unwrap_err().close_code(), Some(CloseCode::NORMAL));
    }
}
