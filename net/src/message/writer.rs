//! What a message is written with.

use std::fmt;
use std::io;

use wirewright_core::FrameWriter;

/// Takes a message's payload, from [`Client::write_with`](crate::Client::write_with) and
/// [`Caller::write_with`](crate::Caller::write_with), through [`io::Write`] or [`fmt::Write`].
///
/// What is written lands where it will be sent from, so that it needs no buffer, and no write
/// fails.
#[derive(Debug)]
pub struct MessageWriter<'a>(To<'a>);

#[derive(Debug)]
enum To<'a> {
    Frame(FrameWriter<'a>),
    Bytes(&'a mut Vec<u8>),
}

impl<'a> MessageWriter<'a> {
    pub(crate) const fn to_frame(frame: FrameWriter<'a>) -> Self {
        Self(To::Frame(frame))
    }

    pub(crate) const fn to_bytes(bytes: &'a mut Vec<u8>) -> Self {
        Self(To::Bytes(bytes))
    }

    /// Appends `bytes` to the payload.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            To::Frame(frame) => frame.extend(bytes),
            To::Bytes(to) => to.extend_from_slice(bytes),
        }
    }
}

impl io::Write for MessageWriter<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for MessageWriter<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}
