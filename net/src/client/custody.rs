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

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};

use super::background::{self, Letter};
use super::driver::{Driver, Reader};

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
        static NEXT_KEY: AtomicUsize = AtomicUsize::new(background::FIRST_KEY);
        let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
        Self { state: AtomicU8::new(Party::Off as u8), key }
    }

    pub(super) fn party(&self) -> Party {
        Party::from(self.state.load(Ordering::Relaxed))
    }

    #[inline]
    fn is_driven(&self) -> bool {
        self.state.load(Ordering::Relaxed) == Party::Driven as u8
    }

    /// From one party to another, unless somebody was faster.
    pub(super) fn change(&self, from: Party, to: Party) -> bool {
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

    /// The same, and says who did so far: the background may just be about to wait until this
    /// thread leaves, and then has to be told.
    fn replace(&self, party: Party) -> Party {
        Party::from(self.state.swap(party as u8, Ordering::SeqCst))
    }
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
        if self.custody.party() == Party::Off {
            // That changes under this turn only.
            return;
        }
        let before = self.custody.replace(Party::Driven);
        let Some(background) = background::running() else { return };
        match before {
            Party::Background => {
                background.deregister(&reader.link.socket);
                background.tell(Letter::Watch(self.custody.key));
            }
            Party::Inside => background.tell(Letter::Watch(self.custody.key)),
            Party::Driven | Party::Quiet | Party::Off => {}
        }
    }

    /// A thread has given the reader's turn back, and may be long before it calls again.
    #[inline]
    pub(super) fn leave(&self) {
        if !self.custody.is_driven() {
            self.has_left();
        }
    }

    #[cold]
    fn has_left(&self) {
        let custody = &self.custody;
        match custody.party() {
            Party::Quiet => drop(custody.change(Party::Quiet, Party::Driven)),
            Party::Inside => {
                if custody.change(Party::Inside, Party::Driven)
                    && let Some(background) = background::running()
                {
                    background.tell(Letter::Watch(custody.key));
                }
            }
            Party::Driven | Party::Background | Party::Off => {}
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
