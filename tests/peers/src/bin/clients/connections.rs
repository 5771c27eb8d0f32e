//! The contestants as connections that one thread writes to and reads from, or two.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tungstenite::WebSocket;
use tungstenite::protocol::Role;
use wirewright::{Client, KeepAliveOptions};
use wirewright_peers::Result;
use wirewright_peers::frames::{self, BINARY, Frame, mask_key};

use crate::job::Job;

/// No protocol: frames made in advance, headers read only.
pub const BARE: &str = "TcpStream";
pub const TUNGSTENITE: &str = "tungstenite";
pub const OURS: &str = "wirewright";
pub const WITHOUT_CUSTODY: &str = "wirewright without custody";
/// The client pings a server that is silent for `--keep-alive` seconds.
pub const KEPT_ALIVE: &str = "wirewright with keep-alive";

/// Sends one message in one call.
pub trait Writer: Send {
    fn write(&mut self, payload: &Bytes) -> Result<()>;
}

/// Waits for a message, and gives what has come: one, or several.
pub trait Reader: Send {
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<()>;
}

/// Both in one.
pub trait Connection: Writer + Reader {
    /// Pings that it has sent by itself and that were answered.
    fn answered(&self) -> u64 {
        0
    }
}

struct BareWriter {
    stream: TcpStream,
    payload: Bytes,
    frame: Vec<u8>,
}

impl Writer for BareWriter {
    fn write(&mut self, payload: &Bytes) -> Result<()> {
        let same = (self.payload.as_ptr(), self.payload.len()) == (payload.as_ptr(), payload.len());
        if self.frame.is_empty() || !same {
            self.payload = payload.clone();
            self.frame.clear();
            let mask = Some(mask_key(0));
            Frame {
                fin: true,
                opcode: BINARY,
                mask,
                payload,
            }
            .write_to(&mut self.frame);
        }
        Ok(self.stream.write_all(&self.frame)?)
    }
}

struct BareReader {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Reader for BareReader {
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        loop {
            let read = self.stream.read(&mut self.buffer[self.filled..])?;
            if read == 0 {
                return Err("the server closed a connection".into());
            }
            let (before, mut rest) = (self.filled + read, &self.buffer[..self.filled + read]);
            while let Some((_, payload, behind)) = frames::parse(rest) {
                take(payload);
                rest = behind;
            }
            self.filled = rest.len();
            let consumed = before - self.filled;
            self.buffer.copy_within(consumed..before, 0);
            if consumed > 0 {
                return Ok(());
            }
        }
    }
}

struct Bare(BareWriter, BareReader);

impl Bare {
    fn open(job: &Job) -> Result<Self> {
        let stream = frames::open(job.addr)?;
        let writer = BareWriter {
            stream: stream.try_clone()?,
            payload: Bytes::new(),
            frame: Vec::new(),
        };
        let reader = BareReader {
            stream,
            buffer: vec![0; (64 << 10) + job.size],
            filled: 0,
        };
        Ok(Self(writer, reader))
    }
}

impl Writer for Bare {
    fn write(&mut self, payload: &Bytes) -> Result<()> {
        self.0.write(payload)
    }
}

impl Reader for Bare {
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.1.read(take)
    }
}

impl Connection for Bare {}

impl Writer for WebSocket<TcpStream> {
    fn write(&mut self, payload: &Bytes) -> Result<()> {
        Ok(self.send(tungstenite::Message::Binary(payload.clone()))?)
    }
}

impl Reader for WebSocket<TcpStream> {
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        take(&WebSocket::read(self)?.into_data());
        Ok(())
    }
}

impl Connection for WebSocket<TcpStream> {}

struct Ours(Arc<Client>);

impl Writer for Ours {
    fn write(&mut self, payload: &Bytes) -> Result<()> {
        Ok(self.0.write_binary(payload)?)
    }
}

impl Reader for Ours {
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        Ok(self.0.read_with(|message| take(message.as_bytes()))?)
    }
}

impl Connection for Ours {
    fn answered(&self) -> u64 {
        self.0.stats().pongs_received
    }
}

fn tungstenite(addr: SocketAddr) -> Result<WebSocket<TcpStream>> {
    let stream = frames::open(addr)?;
    Ok(WebSocket::from_raw_socket(stream, Role::Client, None))
}

fn ours(job: &Job) -> Result<Client> {
    let mut builder = Client::builder(&format!("ws://{}/", job.addr)).compression(None);
    if job.client == WITHOUT_CUSTODY {
        builder = builder.custody(false);
    }
    if job.client == KEPT_ALIVE {
        let mut options = KeepAliveOptions::default();
        options.interval = Some(Duration::from_secs_f64(job.keep_alive));
        builder = builder.keep_alive(options);
    }
    Ok(builder.connect()?)
}

/// A connection of the job's contestant.
pub fn open(job: &Job) -> Result<Box<dyn Connection>> {
    Ok(match job.client.as_str() {
        BARE => Box::new(Bare::open(job)?),
        TUNGSTENITE => Box::new(tungstenite(job.addr)?),
        OURS | WITHOUT_CUSTODY | KEPT_ALIVE => Box::new(Ours(Arc::new(ours(job)?))),
        other => return Err(format!("no such client: {other}").into()),
    })
}

/// All of the job's connections, checked.
pub fn open_all(job: &Job) -> Result<Vec<Box<dyn Connection>>> {
    let open = |_| {
        let mut connection = open(job)?;
        check(job, &mut *connection)?;
        Ok(connection)
    };
    (0..job.clients).map(open).collect()
}

/// One connection for two threads, checked.
pub fn open_split(job: &Job) -> Result<(Box<dyn Writer>, Box<dyn Reader>)> {
    let mut halves: (Box<dyn Writer>, Box<dyn Reader>) = match job.client.as_str() {
        BARE => {
            let Bare(writer, reader) = Bare::open(job)?;
            (Box::new(writer), Box::new(reader))
        }
        TUNGSTENITE => {
            // Each half is a whole WebSocket on a handle of its own of the one socket. The
            // reader's answers to Pings would go between the bytes of the writer's frames: it
            // works while the server sends messages only. A mutex around one WebSocket is no
            // choice, as a read would keep it until a message comes.
            let reader = tungstenite(job.addr)?;
            let stream = reader.get_ref().try_clone()?;
            let writer = WebSocket::from_raw_socket(stream, Role::Client, None);
            (Box::new(writer), Box::new(reader))
        }
        OURS | WITHOUT_CUSTODY | KEPT_ALIVE => {
            let client = Arc::new(ours(job)?);
            (Box::new(Ours(Arc::clone(&client))), Box::new(Ours(client)))
        }
        other => return Err(format!("no such client: {other}").into()),
    };
    check_with(job, |payload, take| {
        halves.0.write(payload)?;
        halves.1.read(take)
    })?;
    Ok(halves)
}

/// Messages to check a connection with: of the size to come, of another, and without a byte.
pub fn samples(size: usize) -> [Bytes; 3] {
    [size, size / 2 + 1, 0].map(|size| (0..size).map(|i| (i * 31 + i / 251) as u8).collect())
}

/// Has the samples echoed, one at a time, and compares what comes back.
pub fn check(job: &Job, connection: &mut dyn Connection) -> Result<()> {
    check_with(job, |payload, take| {
        connection.write(payload)?;
        connection.read(take)
    })
}

fn check_with(
    job: &Job,
    mut trip: impl FnMut(&Bytes, &mut dyn FnMut(&[u8])) -> Result<()>,
) -> Result<()> {
    for payload in samples(job.size) {
        let mut same = false;
        trip(&payload, &mut |echo| same = echo == payload)?;
        if !same {
            return Err("the echo differs from the message".into());
        }
    }
    Ok(())
}
