//! Handshakes and frames made by hand, so that the load depends on no WebSocket library.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tungstenite::handshake::derive_accept_key;

use crate::Result;

/// Opcode of a text frame.
pub const TEXT: u8 = 1;
/// Opcode of a binary frame.
pub const BINARY: u8 = 2;
/// Opcode of a Ping.
pub const PING: u8 = 9;
/// Opcode of a Pong.
pub const PONG: u8 = 10;

/// The key of every request, and what a server makes of it (RFC 6455 §1.3).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One frame of a message: what stands before its payload, and the payload.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Whether it ends the message.
    pub fin: bool,
    /// 0 continues, 1 is text, 2 is binary.
    pub opcode: u8,
    /// The key, for a frame that a client sends.
    pub mask: Option<[u8; 4]>,
    /// The bytes before masking.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Appends the frame as it goes over the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.fin) << 7 | self.opcode);
        let mask_bit = u8::from(self.mask.is_some()) << 7;
        match self.payload.len() {
            len @ 0..=125 => out.push(mask_bit | len as u8),
            len @ 126..=65535 => {
                out.push(mask_bit | 126);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(mask_bit | 127);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        match self.mask {
            None => out.extend_from_slice(self.payload),
            Some(key) => {
                out.extend_from_slice(&key);
                let masked = self
                    .payload
                    .iter()
                    .zip(key.iter().cycle())
                    .map(|(b, k)| b ^ k);
                out.extend(masked);
            }
        }
    }
}

/// Takes the first frame, which must be whole and unmasked: its first byte, its payload and what
/// follows.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match second {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        length => (usize::from(length), rest),
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    Some((first, payload, rest))
}

/// A key that differs from frame to frame and is the same in every run.
#[must_use]
pub fn mask_key(index: usize) -> [u8; 4] {
    (index as u32 + 1).wrapping_mul(0x9E37_79B9).to_le_bytes()
}

/// Opens a WebSocket connection on `stream` and reads exactly the server's head.
///
/// # Errors
/// When the server does not answer as [`check_head`] wants it.
pub fn connect(stream: &mut (impl Read + Write)) -> Result<()> {
    connect_with(stream, "").map(drop)
}

/// As [`connect`], with more header lines, each of which ends in CR LF; the server's head.
///
/// # Errors
/// As [`connect`].
pub fn connect_with(stream: &mut (impl Read + Write), headers: &str) -> Result<String> {
    stream.write_all(request(headers).as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 8192 || stream.read(&mut byte)? == 0 {
            return Err("the handshake ended early".into());
        }
        head.push(byte[0]);
    }
    check_head(&head)?;
    Ok(String::from_utf8(head)?)
}

/// A client's request, with more header lines, each of which ends in CR LF.
#[must_use]
pub fn request(headers: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
        Sec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// Judges a server's whole head by its status and by what it made of the key.
///
/// # Errors
/// When it does not accept [`request`].
pub fn check_head(head: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(head)?;
    if !text.starts_with("HTTP/1.1 101") || !text.contains(ACCEPT) {
        return Err(format!("refused: {text}").into());
    }
    Ok(())
}

/// Opens a TCP connection that delays nothing, and a WebSocket connection on it.
///
/// # Errors
/// As [`connect`], and what TCP fails with.
pub fn open(addr: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    connect(&mut stream)?;
    Ok(stream)
}

/// The answer to the request in `head`, once `head` holds all of it, with more header lines, each
/// of which ends in CR LF.
///
/// # Errors
/// When the request names no key.
pub fn response_to(head: &[u8], headers: &str) -> Result<Option<String>> {
    if !head.ends_with(b"\r\n\r\n") {
        return Ok(None);
    }
    let text = std::str::from_utf8(head)?;
    let key = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .ok_or("the request has no Sec-WebSocket-Key")?
        .1
        .trim();
    Ok(Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{headers}\r\n",
        derive_accept_key(key.as_bytes())
    )))
}
