//! One function per peer: it takes an accepted socket and echoes until the end.
//!
//! The `_batched` variants answer all the messages that one read brought with one write. Not what
//! the peers' own examples do, but the best that can be had of them with many messages in flight:
//! by `feed` and `flush` where their interface batches, by a corked socket under them where not.

use std::net::SocketAddr;

use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use sockudo_ws::WebSocketStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_websockets::{Limits, ServerBuilder};
use tungstenite::protocol::WebSocketConfig;
use wirewright_peers::servers::MAX_MESSAGE;
use wirewright_peers::{Result, frames};

use crate::corked::Corked;

pub fn serve<F>(addr: SocketAddr, echo: impl Fn(TcpStream) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let listener = TcpListener::bind(addr).await?;
        println!("listening on {addr}");
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let echo = echo(stream);
            // An error is a client that went away: the load does so at its end. Unconstrained,
            // as the peers' own benchmark servers are: tokio's budget costs a yield.
            tokio::task::spawn_local(tokio::task::unconstrained(async {
                let _ = echo.await;
            }));
        }
    })
}

/// The handshake for the peers that take a stream on which it has been done.
async fn shake_hands(stream: &mut TcpStream) -> Result<()> {
    shake_hands_with(stream, "").await
}

/// As [`shake_hands`], with more header lines in the answer.
pub async fn shake_hands_with(stream: &mut TcpStream, headers: &str) -> Result<()> {
    let mut head = Vec::new();
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("closed during the handshake".into());
        }
        if let Some(response) = frames::response_to(&head, headers)? {
            return Ok(stream.write_all(response.as_bytes()).await?);
        }
    }
}

pub async fn fastwebsockets(mut stream: TcpStream) -> Result<()> {
    shake_hands(&mut stream).await?;
    echo_frames(WebSocket::after_handshake(stream, Role::Server)).await
}

pub async fn fastwebsockets_batched(mut stream: TcpStream) -> Result<()> {
    shake_hands(&mut stream).await?;
    echo_frames(WebSocket::after_handshake(
        Corked::new(stream),
        Role::Server,
    ))
    .await
}

async fn echo_frames<S: AsyncRead + AsyncWrite + Unpin>(socket: WebSocket<S>) -> Result<()> {
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

/// Echoes each message with a write of its own.
pub async fn echo<S, M, E>(mut socket: S, is_data: impl Fn(&M) -> bool) -> Result<()>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: std::error::Error + 'static,
{
    while let Some(message) = socket.next().await {
        let message = message?;
        if is_data(&message) {
            socket.send(message).await?;
        }
    }
    Ok(())
}

/// Echoes with one flush for all the messages that are ready together.
async fn echo_batched<S, M, E>(mut socket: S, is_data: impl Fn(&M) -> bool) -> Result<()>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: std::error::Error + 'static,
{
    loop {
        let next = match socket.next().now_or_never() {
            Some(ready) => ready,
            None => {
                socket.flush().await?;
                socket.next().await
            }
        };
        let Some(message) = next else { return Ok(()) };
        let message = message?;
        if is_data(&message) {
            socket.feed(message).await?;
        }
    }
}

fn is_tokio_websockets_data(message: &tokio_websockets::Message) -> bool {
    message.is_text() || message.is_binary()
}

fn tokio_websockets_builder() -> ServerBuilder {
    let config = tokio_websockets::Config::default().frame_size(usize::MAX);
    let limits = Limits::default().max_payload_len(Some(MAX_MESSAGE));
    ServerBuilder::new().config(config).limits(limits)
}

pub async fn tokio_websockets(mut stream: TcpStream) -> Result<()> {
    shake_hands(&mut stream).await?;
    echo(
        tokio_websockets_builder().serve(stream),
        is_tokio_websockets_data,
    )
    .await
}

pub async fn tokio_websockets_batched(mut stream: TcpStream) -> Result<()> {
    shake_hands(&mut stream).await?;
    let socket = tokio_websockets_builder().serve(Corked::new(stream));
    echo(socket, is_tokio_websockets_data).await
}

pub async fn accept_sockudo(mut stream: TcpStream) -> Result<WebSocketStream<TcpStream>> {
    shake_hands(&mut stream).await?;
    Ok(WebSocketStream::server(stream, sockudo_config()))
}

/// No timers: the other peers have none either.
pub fn sockudo_config() -> sockudo_ws::Config {
    sockudo_ws::Config::builder()
        .max_payload_length(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .idle_timeout(0)
        .auto_ping(false)
        .build()
}

pub fn is_sockudo_data(message: &sockudo_ws::Message) -> bool {
    message.is_text() || message.is_binary()
}

pub async fn sockudo(stream: TcpStream) -> Result<()> {
    echo(accept_sockudo(stream).await?, is_sockudo_data).await
}

pub async fn sockudo_batched(stream: TcpStream) -> Result<()> {
    echo_batched(accept_sockudo(stream).await?, is_sockudo_data).await
}

async fn accept_tokio_tungstenite<S>(stream: S) -> Result<tokio_tungstenite::WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default().max_frame_size(Some(MAX_MESSAGE));
    Ok(tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?)
}

fn is_tungstenite_data(message: &tungstenite::Message) -> bool {
    message.is_text() || message.is_binary()
}

pub async fn tokio_tungstenite<S>(stream: S) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    echo(accept_tokio_tungstenite(stream).await?, is_tungstenite_data).await
}

pub async fn tokio_tungstenite_batched<S>(stream: S) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    echo_batched(accept_tokio_tungstenite(stream).await?, is_tungstenite_data).await
}
