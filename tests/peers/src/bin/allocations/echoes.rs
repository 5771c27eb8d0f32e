//! Echo servers in this process, each with its connection on a thread that counts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::thread;

use futures_util::{SinkExt, StreamExt};
use tokio_rustls::TlsAcceptor;
use wirewright::{Caller, Outcome, Rejection, Reply, Service, UpgradeRequest};
use wirewright_peers::bare::Bare;
use wirewright_peers::frames::{self, BINARY, Frame, mask_key};
use wirewright_peers::transport::Transport;
use wirewright_peers::{Result, tls};

use crate::{Count, Span};

/// One message after the other over a connection of its own, as many as are counted.
pub fn drive(addr: SocketAddr, span: Span) -> Result<()> {
    let config = tls::client_config(false)?;
    let mut stream = Transport::connect(addr, Some(&config))?;
    frames::connect(&mut stream)?;
    let (mut message, payload) = (Vec::new(), vec![7; span.size]);
    let mask = Some(mask_key(0));
    Frame {
        fin: true,
        opcode: BINARY,
        mask,
        payload: &payload,
    }
    .write_to(&mut message);
    let mut head = [0; 2];
    for _ in 0..span.warm_up + span.messages {
        stream.write_all(&message)?;
        stream.read_exact(&mut head)?;
        // The length's own bytes, and the key where the bytes came back as they were.
        let longer = match head[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let key = if head[1] & 0x80 == 0 { 0 } else { 4 };
        let mut rest = vec![0; longer + key + span.size];
        stream.read_exact(&mut rest)?;
    }
    Ok(())
}

struct Counting(Count);

impl Service for Counting {
    fn on_binary(&mut self, caller: &Caller, bytes: &[u8]) -> Outcome {
        self.0.message();
        let _ = caller.write_binary(bytes)?;
        Ok(Reply::Nothing)
    }
}

pub fn wirewright(count: Count) -> Result<SocketAddr> {
    // For the one connection that there will be.
    let count = Mutex::new(Some(count));
    let upgrade = move |_: &UpgradeRequest| {
        let count = count.lock().ok().and_then(|mut count| count.take());
        count.map(Counting).ok_or(Rejection::forbidden())
    };
    let listener = tls::listener()?.start("127.0.0.1:0", upgrade)?;
    let addr = listener.local_addr();
    thread::spawn(move || listener.wait());
    Ok(addr)
}

pub fn bare(mut count: Count) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (addr, mut tls) = (listener.local_addr()?, Bare::new(tls::server_config()?)?);
    thread::spawn(move || {
        // The end is that of the connection.
        let _ = echo_bytes(&listener, &mut tls, &mut count);
    });
    Ok(addr)
}

/// Sends back what comes as it comes, behind the handshake.
fn echo_bytes(listener: &TcpListener, tls: &mut Bare, count: &mut Count) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let (mut wire, mut plain, mut sealed) = (vec![0; 128 * 1024], Vec::new(), Vec::new());
    let (mut head, mut echoed, mut due) = (Some(Vec::new()), 0, 0);
    let mut frame = Vec::new();
    let payload = vec![7; count.span.size];
    let mask = Some(mask_key(0));
    Frame {
        fin: true,
        opcode: BINARY,
        mask,
        payload: &payload,
    }
    .write_to(&mut frame);
    loop {
        let read = stream.read(&mut wire)?;
        if read == 0 {
            return Ok(());
        }
        plain.clear();
        sealed.clear();
        tls.open(&mut wire[..read], &mut plain, &mut sealed)?;
        if let Some(request) = &mut head {
            request.extend_from_slice(&plain);
            if let Some(response) = frames::response_to(request, "")? {
                tls.seal(response.as_bytes(), &mut sealed)?;
                head = None;
            }
        } else {
            echoed += plain.len();
            while due + frame.len() <= echoed {
                due += frame.len();
                count.message();
            }
            tls.seal(&plain, &mut sealed)?;
        }
        stream.write_all(&sealed)?;
    }
}

pub fn tokio_tungstenite(count: Count) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (addr, config) = (listener.local_addr()?, tls::server_config()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::spawn(move || {
        // The end is that of the connection.
        let _ = runtime.block_on(echo_messages(listener, TlsAcceptor::from(config), count));
    });
    Ok(addr)
}

async fn echo_messages(listener: TcpListener, tls: TlsAcceptor, mut count: Count) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let mut socket = tokio_tungstenite::accept_async(tls.accept(stream).await?).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        count.message();
        socket.send(message).await?;
    }
    Ok(())
}
