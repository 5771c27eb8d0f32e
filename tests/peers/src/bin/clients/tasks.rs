//! The same with two tasks on one thread, the halves of a peer's stream: for those whom a reader
//! and a writer suffice, of whatever kind.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use futures_util::future::try_join;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Message};
use wirewright_peers::{Result, frames};

use crate::connections::samples;
use crate::flow::{Gate, spawn};
use crate::job::Job;

pub const NAME: &str = "tokio-websockets in two tasks";

pub fn start(job: &Job, gate: &Arc<Gate>) {
    let (job, gate) = (job.clone(), Arc::clone(gate));
    spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // As the peers' servers are: tokio's budget costs a yield.
        runtime.block_on(tokio::task::unconstrained(exchange(&job, &gate)))
    });
}

async fn exchange(job: &Job, gate: &Gate) -> Result<()> {
    let stream = frames::open(job.addr)?;
    stream.set_nonblocking(true)?;
    let stream = TcpStream::from_std(stream)?;
    let (mut sink, mut source) = ClientBuilder::new().take_over(stream).split();
    for payload in samples(job.size) {
        sink.send(Message::binary(payload.clone())).await?;
        let echo = source.next().await.ok_or("closed")??;
        if payload != echo.as_payload()[..] {
            return Err("the echo differs from the message".into());
        }
    }
    let [payload, ..] = samples(job.size);
    let waiting: Cell<Option<Waker>> = Cell::new(None);
    let write = async {
        for sent in 0.. {
            poll_fn(|context| {
                if gate.has_room(sent) {
                    return Poll::Ready(());
                }
                waiting.set(Some(context.waker().clone()));
                Poll::Pending
            })
            .await;
            // One call for each message, as the blocking clients do it.
            sink.send(Message::binary(payload.clone())).await?;
        }
        Ok(())
    };
    let read = async {
        while let Some(echo) = source.next().await {
            if echo?.as_payload().len() != job.size {
                return Err("an echo is not as long as its message".into());
            }
            gate.count();
            if let Some(writer) = waiting.take() {
                writer.wake();
            }
        }
        Err("the server closed a connection".into())
    };
    try_join(read, write).await.map(|((), ())| ())
}
