//! Servers that send each message they get to everybody, its sender included, on one thread.
//!
//! The payload is shared by reference count. The peers' connections are tasks with a channel each,
//! as their own examples do it; sockudo-ws brings the hub before the channels with it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use sockudo_ws::PubSub;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::accept_async_with_config;
use tungstenite::protocol::WebSocketConfig;
use wirewright::{
    Caller, KeepAliveOptions, Listener, Message, Outcome, Rejection, Reply, Service, UpgradeRequest,
};
use wirewright_peers::Result;

use crate::peers;

const TOPIC: &str = "all";

/// What tungstenite's documentation advises for many connections. It writes zeros over all of it
/// before every attempt to read: with the usual 128 KiB that is most of what a delivery costs.
const READ_BUFFER: usize = 4096;

struct Subscriber;

impl Service for Subscriber {
    fn on_open(&mut self, caller: &Caller) -> Outcome {
        caller.subscribe(TOPIC)?;
        Ok(Reply::Nothing)
    }

    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        // The caller's own `publish` would leave the caller out.
        caller.topics().publish(TOPIC, Message::Binary(bytes))?;
        Ok(Reply::Nothing)
    }
}

pub fn wirewright(addr: SocketAddr) -> Result<()> {
    let upgrade = |_: &UpgradeRequest| Ok::<_, Rejection>(Subscriber);
    // No Pings: the peers send none either, and the subscribers do not answer any.
    let builder = Listener::builder()
        .threads(1)
        .compression(None)
        .keep_alive(KeepAliveOptions::off());
    let listener = builder.start(addr, upgrade)?;
    println!("listening on {addr}");
    listener.wait();
    Ok(())
}

pub fn tokio_tungstenite(addr: SocketAddr) -> Result<()> {
    let hub: Rc<RefCell<Vec<UnboundedSender<tungstenite::Message>>>> = Rc::default();
    peers::serve(addr, move |stream| {
        let hub = Rc::clone(&hub);
        async move {
            let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
            let socket = accept_async_with_config(stream, Some(config)).await?;
            let (sender, inbox) = unbounded_channel();
            hub.borrow_mut().push(sender);
            attend(socket, inbox, |message: tungstenite::Message| {
                if message.is_binary() {
                    // Whoever has gone is forgotten.
                    let send = |to: &UnboundedSender<_>| to.send(message.clone()).is_ok();
                    hub.borrow_mut().retain(send);
                }
            })
            .await
        }
    })
}

pub fn sockudo(addr: SocketAddr) -> Result<()> {
    let hub = Arc::new(PubSub::new());
    peers::serve(addr, move |stream| {
        let hub = Arc::clone(&hub);
        async move {
            let socket = peers::accept_sockudo(stream).await?;
            let (sender, inbox) = unbounded_channel();
            let subscriber = hub.create_subscriber(sender);
            hub.subscribe(subscriber, TOPIC);
            let attended = attend(socket, inbox, |message: sockudo_ws::Message| {
                if message.is_binary() {
                    hub.publish(TOPIC, message);
                }
            })
            .await;
            hub.remove_subscriber(subscriber);
            attended
        }
    })
}

enum Turn<M, E> {
    Deliver(M),
    Received(Result<M, E>),
    End,
}

/// A connection's life: what its channel holds leaves in one write, what it receives is published.
async fn attend<S, M, E>(
    mut socket: S,
    mut inbox: UnboundedReceiver<M>,
    publish: impl Fn(M),
) -> Result<()>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: std::error::Error + 'static,
{
    loop {
        match turn(&mut socket, &mut inbox).await {
            Turn::Deliver(message) => {
                socket.feed(message).await?;
                while let Ok(message) = inbox.try_recv() {
                    socket.feed(message).await?;
                }
                socket.flush().await?;
            }
            Turn::Received(message) => publish(message?),
            Turn::End => return Ok(()),
        }
    }
}

/// The channel before the socket, which is not asked while there is something to deliver.
async fn turn<S, M, E>(socket: &mut S, inbox: &mut UnboundedReceiver<M>) -> Turn<M, E>
where
    S: Stream<Item = Result<M, E>> + Unpin,
{
    std::future::poll_fn(|cx| {
        if let Poll::Ready(Some(message)) = inbox.poll_recv(cx) {
            return Poll::Ready(Turn::Deliver(message));
        }
        let received = socket.poll_next_unpin(cx);
        received.map(|message| message.map_or(Turn::End, Turn::Received))
    })
    .await
}
