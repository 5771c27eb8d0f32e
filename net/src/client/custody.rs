//! Who drives a client: the thread that is inside a read or, when for a while there was none, the
//! process's [background](super::background).
//!
//! ```text
//!             looked at                looked at, nobody inside
//!   Driven ─────────────▶ Quiet ─────────────────────────────────▶ Background
//!      ▲  ◀───────────── call │                                         │
//!      │                      │ for long, somebody inside                │
//!      │                      ▼                                         │
//!      └──── has left ──── Inside                                       │
//!      └──────────────────────────────────────────────────── call ──────┘
//! ```
//!
//! The background looks at a driven or quiet client from time to time, at one inside not at all,
//! and at one in its own custody when something happens. It takes custody only with the reader's
//! turn, and a reader takes it back with that turn: so nobody reads without knowing who drives.

use super::background::{self, Letter};
use super::driver::{Driver, Reader};
use super::sync::{AtomicU8, Ordering, fence};
use super::turn::{Taken, Turn};

/// Who drives, as one byte that each call looks at.
#[derive(Debug)]
pub(super) struct Custody {
    state: AtomicU8,
    /// What the background knows this client by.
    pub(super) key: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Party {
    /// A thread was inside since the background last looked.
    Driven,
    /// Nobody called since the background last looked.
    Quiet,
    /// A thread has been inside a read for so long that the background waits for it to leave.
    Inside,
    /// The background drives.
    Background,
    /// The background has nothing to do with it.
    Off,
}

impl Custody {
    pub(super) fn new() -> Self {
        Self { state: AtomicU8::new(Party::Off as u8), key: background::next_key() }
    }

    pub(super) fn party(&self) -> Party {
        Party::from(self.state.load(Ordering::Relaxed))
    }

    #[inline]
    fn is_driven(&self) -> bool {
        self.state.load(Ordering::Relaxed) == Party::Driven as u8
    }

    /// From one party to another, unless somebody was faster.
    fn change(&self, from: Party, to: Party) -> bool {
        let (from, to) = (from as u8, to as u8);
        let changed = self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed);
        // Against the fence with which a turn is given back: either the background finds the
        // turn free, or who leaves finds this.
        fence(Ordering::SeqCst);
        changed.is_ok()
    }

    /// Whoever has the reader's turn says who drives from now on.
    pub(super) fn set(&self, party: Party) {
        self.state.store(party as u8, Ordering::SeqCst);
    }

    /// Whoever has the reader's turn drives from now on; who did so far.
    #[cold]
    fn take_back(&self) -> Party {
        if self.party() == Party::Off {
            // That changes under this turn only.
            return Party::Off;
        }
        // In one step: the background may just be about to wait until this thread leaves, and
        // then has to be told.
        Party::from(self.state.swap(Party::Driven as u8, Ordering::SeqCst))
    }

    /// A thread has given the reader's turn back; whether the background waited for that.
    #[cold]
    fn has_left(&self) -> bool {
        match self.party() {
            Party::Quiet => {
                // It begins to count anew.
                self.change(Party::Quiet, Party::Driven);
                false
            }
            Party::Inside => self.change(Party::Inside, Party::Driven),
            Party::Driven | Party::Background | Party::Off => false,
        }
    }

    /// The background looks at a client that is not in its custody. `inside` counts looks in a
    /// row at which a thread was inside.
    pub(super) fn look<'a, T>(&self, turn: &'a Turn<T>, inside: &mut u32) -> Look<'a, T> {
        match self.party() {
            Party::Driven => {
                *inside = 0;
                self.change(Party::Driven, Party::Quiet);
                Look::Later
            }
            Party::Quiet => match turn.try_acquire() {
                Some(taken) => {
                    *inside = 0;
                    let mine = self.change(Party::Quiet, Party::Background);
                    if mine { Look::Mine(taken) } else { Look::Later }
                }
                None if *inside < LONG_INSIDE => {
                    *inside += 1;
                    Look::Later
                }
                None if self.change(Party::Quiet, Party::Inside) => {
                    *inside = 0;
                    // Who left just before that told nobody.
                    match turn.try_acquire() {
                        Some(taken) if self.change(Party::Inside, Party::Background) => {
                            Look::Mine(taken)
                        }
                        _ => Look::Told,
                    }
                }
                None => Look::Later,
            },
            Party::Inside | Party::Background | Party::Off => Look::Told,
        }
    }
}

/// Looks in a row at which a thread was inside a read, before none is taken until it leaves.
const LONG_INSIDE: u32 = if cfg!(loom) { 0 } else { 20 };

/// What came of looking at a client.
#[derive(Debug)]
pub(super) enum Look<'a, T> {
    /// Look again after a while.
    Later,
    /// The background drives, and has the reader's turn.
    Mine(Taken<'a, T>),
    /// There is no need to look before somebody says so.
    Told,
}

impl From<u8> for Party {
    fn from(state: u8) -> Self {
        match state {
            0 => Self::Driven,
            1 => Self::Quiet,
            2 => Self::Inside,
            3 => Self::Background,
            _ => Self::Off,
        }
    }
}

impl Driver {
    /// A thread has the reader's turn, and drives as long as it has it.
    #[inline]
    pub(super) fn enter(&self, reader: &Reader) {
        if !self.custody.is_driven() {
            self.take_back(reader);
        }
    }

    #[cold]
    fn take_back(&self, reader: &Reader) {
        let before = self.custody.take_back();
        let Some(background) = background::running() else { return };
        if before == Party::Background {
            background.deregister(&reader.link.socket);
        }
        if matches!(before, Party::Background | Party::Inside) {
            background.tell(Letter::Watch(self.custody.key));
        }
    }

    /// A thread has given the reader's turn back, and may be long before it calls again.
    #[inline]
    pub(super) fn leave(&self) {
        if !self.custody.is_driven()
            && self.custody.has_left()
            && let Some(background) = background::running()
        {
            background.tell(Letter::Watch(self.custody.key));
        }
    }

    /// Something is left to be sent that no thread waits for.
    #[cold]
    pub(super) fn leave_rest(&self) {
        if self.custody.party() != Party::Off
            && let Some(background) = background::running()
        {
            background.tell(Letter::Flush(self.custody.key));
        }
    }
}

#[cfg(all(test, loom))]
mod tests;
