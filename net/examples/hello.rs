//! A listener and two clients over TCP on this machine, with what happens printed step by step;
//! ends by itself.
//!
//! `cargo run -p wirewright --example hello`

#![expect(clippy::print_stdout, reason = "a program that shows what happens")]

use std::error::Error;
use std::time::Duration;

use wirewright::{
    Caller, Client, ClientError, Close, Listener, Message, Outcome, Rejection, Reply, Service,
    UpgradeRequest,
};

type Step = Result<(), Box<dyn Error>>;

fn main() -> Step {
    let listener = Listener::builder().sub_protocols(["echo.v1"]).start("127.0.0.1:0", upgrade)?;
    let address = listener.local_addr();
    println!("listener: listening on ws://{address}/echo");

    let client = Client::builder(&format!("ws://{address}/echo"))
        .sub_protocols(["echo.v2", "echo.v1"])?
        .read_timeout(Some(Duration::from_secs(10)))
        .connect()?;
    println!("client:   connected, sub-protocol {:?}", client.sub_protocol().unwrap_or_default());

    text(&client)?;
    binary(&client)?;
    compressed(&client)?;
    pings(&client)?;
    refused(&format!("ws://{address}/nowhere"))?;

    client.close()?;
    println!("client:   closed cleanly");
    listener.shutdown(Duration::from_secs(5));
    println!("listener: shut down");
    Ok(())
}

// --- the listener's side: runs on its event loops -----------------------------------------------

/// What becomes of a request: a service for the connection, or a refusal.
fn upgrade(request: &UpgradeRequest) -> Result<Echo, Rejection> {
    match request.path() {
        "/echo" => Ok(Echo),
        _ => Err(Rejection::not_found().body("only /echo is here")),
    }
}

/// One value for each connection.
struct Echo;

impl Service for Echo {
    fn on_open(&mut self, caller: &Caller) -> Outcome {
        println!("listener: connection from {} is open", caller.peer_addr().ip());
        Ok(Reply::Nothing)
    }

    fn on_text(&mut self, caller: &Caller, text: &str) -> Outcome {
        if text == "ping me" {
            let _ = caller.ping(b"are you there?")?;
        }
        let _ = caller.write_text(text)?;
        Ok(Reply::Nothing)
    }

    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        let _ = caller.write_binary(bytes)?;
        Ok(Reply::Nothing)
    }

    fn on_ping(&mut self, _caller: &Caller, payload: &[u8]) -> Outcome {
        println!("listener: got a Ping  {:?}", String::from_utf8_lossy(payload));
        Ok(Reply::Pong)
    }

    fn on_pong(&mut self, _caller: &Caller, payload: &[u8]) -> Outcome {
        println!("listener: got a Pong  {:?}", String::from_utf8_lossy(payload));
        Ok(Reply::Nothing)
    }

    fn on_close(&mut self, _caller: &Caller, close: Close<'_>) {
        println!("listener: connection is over, code {}", close.code());
    }
}

// --- the client's side: each call drives the connection while it lasts --------------------------

fn text(client: &Client) -> Step {
    client.write_text("hello, grüß dich, 你好")?;
    let echo = client.read_text()?;
    println!("client:   text       {echo:?} came back");
    expect(echo == "hello, grüß dich, 你好", "the text that was sent")
}

/// A message that is cut into frames on its way and put together again.
fn binary(client: &Client) -> Step {
    let sent: Vec<u8> = (0..200_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    client.write_binary(&sent)?;
    // The message is lent where it lies; nothing is copied.
    let same = client.read_with(|echo| echo == Message::Binary(&sent))?;
    println!("client:   binary     {} bytes came back", sent.len());
    expect(same, "the bytes that were sent")
}

fn compressed(client: &Client) -> Step {
    let response = client.response();
    let agreed = response.head().header_str("Sec-WebSocket-Extensions");
    println!("client:   agreed on  {}", agreed.unwrap_or("no compression"));
    expect(response.deflate().is_some(), "permessage-deflate")?;
    let sent = r#"{"price":101.25,"size":3},"#.repeat(400);
    client.write_text(&sent)?;
    let echo = client.read_text()?;
    println!("client:   compressed {} bytes of JSON came back", echo.len());
    expect(echo == sent, "the JSON that was sent")
}

/// Pings in both directions; the engine answers them by itself.
fn pings(client: &Client) -> Step {
    client.ping(b"from the client")?;
    client.write_text("ping me")?;
    expect(client.read_text()? == "ping me", "the text behind the pings")?;
    // Once this is back, the listener has read the Pong that went before it.
    client.write_text("done")?;
    expect(client.read_text()? == "done", "the text behind the pong")?;
    println!("client:   answered the listener's Ping while it was reading");
    Ok(())
}

fn refused(url: &str) -> Step {
    match Client::connect(url) {
        Err(ClientError::Refused(refused)) => {
            let body = String::from_utf8_lossy(refused.body());
            println!("client:   /nowhere   is refused with {}: {body:?}", refused.status());
            expect(refused.status() == 404, "404")
        }
        Err(other) => Err(other.into()),
        Ok(_) => Err("/nowhere was accepted".into()),
    }
}

fn expect(holds: bool, what: &str) -> Step {
    if holds { Ok(()) } else { Err(format!("expected {what}").into()) }
}
