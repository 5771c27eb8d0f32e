//! An in-memory socket that is always ready: it gives the stream over and over and takes
//! everything. Both directions copy, as a kernel would.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Result;

/// The socket.
#[derive(Debug)]
pub struct Wire {
    input: &'static [u8],
    position: usize,
    sink: Vec<u8>,
    written: usize,
}

impl Wire {
    /// For an engine that decodes.
    #[must_use]
    pub fn reading(input: &'static [u8]) -> Self {
        Self {
            input,
            position: 0,
            sink: vec![0; 4096],
            written: 0,
        }
    }

    /// For an engine that encodes messages of `size` bytes: the sink is larger than any one
    /// frame and small enough to stay in the cache, as a socket's buffer does.
    #[must_use]
    pub fn writing(size: usize) -> Self {
        // An odd length, so that each time around the writes begin elsewhere in a cache line:
        // a copy between places that happen to be aligned alike is a fifth faster, and which
        // engine the allocator gives that is chance.
        let sink = vec![0; (256 * 1024).max(size + 64) + 17];
        Self {
            input: &[],
            position: 0,
            sink,
            written: 0,
        }
    }

    /// The next bytes of the stream, as many as `limit` at most.
    pub fn give(&mut self, limit: usize) -> &'static [u8] {
        let rest = &self.input[self.position..];
        let part = &rest[..rest.len().min(limit)];
        self.position = (self.position + part.len()) % self.input.len();
        part
    }

    /// Takes bytes away, from the start again when the sink is full.
    pub fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let part = bytes.len().min(self.sink.len() - self.written);
            self.sink[self.written..self.written + part].copy_from_slice(&bytes[..part]);
            self.written = (self.written + part) % self.sink.len();
            bytes = &bytes[part..];
        }
    }

    /// What has been written since the sink was last full.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.sink[..self.written]
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = self.give(buffer.len());
        buffer[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        slices.iter().for_each(|slice| self.put(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(self.give(buffer.remaining()));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The result of a future that has no reason to wait.
///
/// # Errors
/// When it waits: a mistake of the adapter, for the wire is always ready.
pub fn now<T>(future: impl Future<Output = T>) -> Result<T> {
    Ok(future
        .now_or_never()
        .ok_or("an engine waits for an in-memory wire")?)
}
