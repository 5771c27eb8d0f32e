//! Who stops whom: peers that are not to be read from, senders that wait.

use std::sync::{MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::caller::Caller;
use super::sending::{PAUSED, Sending, WAITERS};
use crate::error::SendError;

impl Caller {
    /// Stops reading from the peer until [`resume`](Self::resume), from any thread; from a callback
    /// of the same connection at once. What the peer sends meanwhile waits in its own system and in
    /// ours, and then it waits itself. That goes for its Pings and its Close too, while keep-alive
    /// does not hold its silence against it.
    pub fn pause(&self) {
        self.hold(PAUSED);
    }

    /// Reads on.
    pub fn resume(&self) {
        self.release(PAUSED);
    }

    /// Waits until the queue has fallen to its low mark
    /// ([`queue_marks`](crate::ListenerBuilder::queue_marks)), or returns at once if it is not
    /// above; `false` if that took longer than `timeout`. For threads that publish: on the event
    /// loop of the connection, which would wait for itself, it never waits.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wirewright::{Caller, SendError};
    ///
    /// /// Sends as fast as the peer reads.
    /// fn feed(caller: &Caller, text: &str) -> Result<(), SendError> {
    ///     while let Err(SendError::Full { .. }) = caller.write_text(text) {
    ///         caller.wait_drained(Duration::from_secs(60))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SendError::Closed`] once the connection is over.
    pub fn wait_drained(&self, timeout: Duration) -> Result<bool, SendError> {
        let low = self.tuning().low();
        let may_wait = !self.is_on_loop();
        let start = Instant::now();
        let mut sending = self.lock();
        loop {
            if sending.stream.is_none() {
                return Err(SendError::Closed);
            }
            if sending.queued() <= low {
                return Ok(true);
            }
            let left = timeout.saturating_sub(start.elapsed());
            let drained = sending.await_drain();
            if left.is_zero() || !may_wait {
                return Ok(false);
            }
            let waited = drained.wait_timeout(sending, left);
            sending = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether this is the thread of the connection's loop.
    pub(super) fn is_on_loop(&self) -> bool {
        self.0.link.thread.get() == Some(&thread::current().id())
    }

    /// Whether the queue is short; if not, the loop will look at the connection when it is.
    pub(crate) fn is_drained(&self) -> bool {
        let mut sending = self.lock();
        let drained = sending.queued() <= self.tuning().low();
        if !drained {
            sending.above |= WAITERS;
        }
        drained
    }

    /// Notes what was sent on another than the usual way, and has the loop look at the connection
    /// if it is to.
    pub(super) fn note_and_look(&self, mut sending: MutexGuard<'_, Sending>) {
        let look = self.note(&mut sending) && !sending.corked;
        drop(sending);
        if look {
            self.look();
        }
    }

    /// Stops reading, for this reason.
    pub(crate) fn hold(&self, reason: u8) {
        let mut sending = self.lock();
        sending.hold |= reason;
        self.note(&mut sending);
    }

    /// Takes this reason away, and reads on if it was the last.
    pub(crate) fn release(&self, reason: u8) {
        let mut sending = self.lock();
        let held = sending.held();
        sending.hold &= !reason;
        let go = held != 0 && sending.held() == 0;
        self.note(&mut sending);
        drop(sending);
        if go {
            self.look();
        }
    }

    pub(crate) fn max_pending(&self) -> usize {
        self.tuning().max_pending
    }

    pub(crate) fn max_streams(&self) -> usize {
        self.tuning().max_streams
    }
}
