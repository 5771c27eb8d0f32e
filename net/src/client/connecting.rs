//! Connecting without waiting for it.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Duration;

use super::recovery::WORKERS;
use super::{Client, ClientBuilder, ClientError};

/// A connection that is being opened ([`ClientBuilder::begin_connect`]). Dropping it gives that
/// up; an attempt that is under way ends by itself, and comes to nothing.
pub struct Connecting {
    result: Receiver<Result<Client, ClientError>>,
    /// Dropped with this, which ends the waiting between attempts.
    _wanted: Sender<()>,
    #[cfg(unix)]
    signal: std::os::unix::net::UnixStream,
}

impl ClientBuilder {
    /// Begins to [connect](Self::connect), on a thread of a pool, as a name may have to be
    /// resolved, and credentials may block.
    ///
    /// ```no_run
    /// use wirewright::Client;
    ///
    /// let mut connecting = Client::builder("ws://example.com/").begin_connect()?;
    /// // Once its descriptor is readable, or at any other time:
    /// if let Some(client) = connecting.poll()? {
    ///     client.try_write("hello")?;
    /// }
    /// # Ok::<(), wirewright::ClientError>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Network`] if the system has no thread or descriptor for it.
    pub fn begin_connect(&self) -> Result<Connecting, ClientError> {
        #[cfg(unix)]
        let (signal, done) =
            std::os::unix::net::UnixStream::pair().map_err(ClientError::Network)?;
        let (sender, result) = mpsc::channel();
        let (wanted, unwanted) = mpsc::channel();
        let plan = self.clone();
        let job = move || {
            let client = plan.connect_patiently(|delay| is_wanted_after(delay, &unwanted));
            // Nobody there to take it: it goes.
            let _ = sender.send(client);
            // Before the signal, so that there is nothing more to come once that is seen.
            drop(sender);
            #[cfg(unix)]
            drop(done);
        };
        WORKERS.submit(Box::new(job)).map_err(ClientError::Network)?;
        Ok(Connecting {
            result,
            _wanted: wanted,
            #[cfg(unix)]
            signal,
        })
    }
}

/// Waits, unless nobody wants the connection any more.
fn is_wanted_after(delay: Duration, unwanted: &Receiver<()>) -> bool {
    unwanted.recv_timeout(delay) == Err(RecvTimeoutError::Timeout)
}

impl Connecting {
    /// The client, once it is connected.
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`]; [`ClientError::Aborted`] if it was asked again after that,
    /// or if credentials or a handler panicked.
    pub fn poll(&mut self) -> Result<Option<Client>, ClientError> {
        match self.result.try_recv() {
            Ok(client) => client.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ClientError::Aborted),
        }
    }

    /// Waits for the client.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn wait(self) -> Result<Client, ClientError> {
        self.result.recv().unwrap_or(Err(ClientError::Aborted))
    }
}

/// Readable once [`poll`](Self::poll) has an answer. It is to be waited for and not read.
#[cfg(unix)]
impl std::os::fd::AsFd for Connecting {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.signal.as_fd()
    }
}

/// As [`as_fd`](std::os::fd::AsFd::as_fd).
#[cfg(unix)]
impl std::os::fd::AsRawFd for Connecting {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.signal.as_raw_fd()
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}
