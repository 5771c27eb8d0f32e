//! A lock that is waited for in line and no longer than a deadline.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};
use std::time::Instant;

use super::sync::{AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, fence};

/// Guards one half of a connection. Beside what a [`Mutex`] does, whoever waits has a deadline,
/// and those who wait are served in the order in which they came: a thread that reads in a loop
/// must not starve another.
///
/// A panic inside does not spoil it: what callers run under it is their own closure over a
/// borrowed message, and that changes nothing of ours.
#[derive(Debug)]
pub(super) struct Turn<T> {
    value: Mutex<T>,
    /// How many are in line; looked at without the line's own lock on the fast path.
    waiting: AtomicUsize,
    line: Mutex<Line>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    next: u64,
    tickets: VecDeque<u64>,
}

impl<T> Turn<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            waiting: AtomicUsize::new(0),
            line: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    /// Takes the turn; `None` if it did not come by the deadline.
    #[inline]
    pub(super) fn acquire(&self, deadline: Option<Instant>) -> Option<Taken<'_, T>> {
        if self.waiting.load(Ordering::Relaxed) == 0
            && let Some(taken) = self.try_acquire()
        {
            return Some(taken);
        }
        self.stand_in_line(deadline, || false)
    }

    /// As [`acquire`](Self::acquire), for somebody who no longer wants it once `is_served`, of
    /// which [`wake`](Self::wake) tells: then it is `None` as well.
    pub(super) fn acquire_unless(
        &self,
        deadline: Option<Instant>,
        is_served: impl Fn() -> bool,
    ) -> Option<Taken<'_, T>> {
        if is_served() {
            return None;
        }
        if self.waiting.load(Ordering::Relaxed) == 0
            && let Some(taken) = self.try_acquire()
        {
            return Some(taken);
        }
        self.stand_in_line(deadline, is_served)
    }

    /// Has those in line look again whether they are served.
    pub(super) fn wake(&self) {
        drop(Wake(self));
    }

    /// Takes the turn if nobody has it at this moment, past those in line: for what is done
    /// without waiting.
    #[inline]
    pub(super) fn try_acquire(&self) -> Option<Taken<'_, T>> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Taken { value, _wake: Wake(self) })
    }

    pub(super) fn into_inner(self) -> T {
        self.value.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody stands in line, as far as is known.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    #[cold]
    fn stand_in_line(
        &self,
        deadline: Option<Instant>,
        is_served: impl Fn() -> bool,
    ) -> Option<Taken<'_, T>> {
        let mut line = self.lock_line();
        let ticket = line.next;
        line.next += 1;
        line.tickets.push_back(ticket);
        self.waiting.store(line.tickets.len(), Ordering::Relaxed);
        // Against the fence in `Wake`: either we see the value free, or who frees it sees us.
        fence(Ordering::SeqCst);
        loop {
            if line.tickets.front() == Some(&ticket)
                && let Some(taken) = self.try_acquire()
            {
                self.leave(&mut line, ticket);
                return Some(taken);
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            line = match left {
                _ if is_served() => {
                    self.leave(&mut line, ticket);
                    self.moved.notify_all();
                    return None;
                }
                Some(left) if left.is_zero() => {
                    self.leave(&mut line, ticket);
                    // We may have been woken to no avail.
                    self.moved.notify_all();
                    return None;
                }
                Some(left) => {
                    let woken = self.moved.wait_timeout(line, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.moved.wait(line).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn leave(&self, line: &mut Line, ticket: u64) {
        line.tickets.retain(|&other| other != ticket);
        self.waiting.store(line.tickets.len(), Ordering::Relaxed);
    }

    fn lock_line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that is had; dropping it gives it to the next in line.
#[derive(Debug)]
pub(super) struct Taken<'a, T> {
    // Fields drop in this order: first the value is free, then the line is told.
    value: MutexGuard<'a, T>,
    _wake: Wake<'a, T>,
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Taken<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

#[derive(Debug)]
struct Wake<'a, T>(&'a Turn<T>);

impl<T> Drop for Wake<'_, T> {
    #[inline]
    fn drop(&mut self) {
        fence(Ordering::SeqCst);
        if self.0.waiting.load(Ordering::Relaxed) > 0 {
            // Under the line's lock, so that nobody is between looking and waiting.
            let line = self.0.lock_line();
            self.0.moved.notify_all();
            drop(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn gives_up_at_the_deadline_and_leaves_the_line() {
        let turn = Turn::new(0);
        let taken = turn.acquire(None).unwrap();
        let deadline = Instant::now() + Duration::from_millis(10);
        assert!(turn.acquire(Some(deadline)).is_none());
        assert!(Instant::now() >= deadline);
        drop(taken);
        assert!(turn.acquire(Some(Instant::now())).is_some());
    }

    #[test]
    fn whoever_is_served_leaves_the_line() {
        let turn = Turn::new(0);
        let served = std::sync::atomic::AtomicBool::new(false);
        let taken = turn.acquire(None).unwrap();
        thread::scope(|scope| {
            let waiting = scope
                .spawn(|| turn.acquire_unless(None, || served.load(Ordering::SeqCst)).is_none());
            while turn.waiting.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            served.store(true, Ordering::SeqCst);
            turn.wake();
            assert!(waiting.join().unwrap());
        });
        drop(taken);
        assert!(turn.acquire_unless(None, || true).is_none());
        assert!(turn.acquire_unless(None, || false).is_some());
    }

    #[test]
    fn every_turn_is_had_alone_and_nobody_starves() {
        let turn = Arc::new(Turn::new(0_u64));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let turn = Arc::clone(&turn);
                thread::spawn(move || {
                    for _ in 0..5_000 {
                        let mut taken = turn.acquire(None).unwrap();
                        let seen = *taken;
                        thread::yield_now();
                        *taken = seen + 1;
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*turn.acquire(None).unwrap(), 20_000);
    }

    #[test]
    fn a_panic_inside_leaves_it_usable() {
        let turn = Arc::new(Turn::new(7));
        let other = Arc::clone(&turn);
        let result = thread::spawn(move || {
            let _taken = other.acquire(None);
            panic!("inside");
        });
        assert!(result.join().is_err());
        assert_eq!(*turn.acquire(None).unwrap(), 7);
    }
}
