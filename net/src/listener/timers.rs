//! A timer wheel: when to look at which connection again.

use std::time::Duration;

use mio::Token;

/// One turn of the wheel is some 33 s; what lies further ahead goes round more than once.
const SLOTS: usize = 1024;
/// The wheel's tick. Deadlines are seconds; one that fires this much late harms nobody.
const TICK_MILLIS: u64 = 32;

/// Wake-ups by time. They are never cancelled or moved: a connection whose deadline went further
/// away is looked at in vain once, and asks again. That is cheaper than a change per message.
#[derive(Debug)]
pub(crate) struct Timers {
    slots: Vec<Vec<Entry>>,
    /// All ticks up to this one have been taken out.
    done: u64,
    /// No entry is due before this tick.
    earliest: u64,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tick: u64,
    token: Token,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { slots: vec![Vec::new(); SLOTS], done: 0, earliest: u64::MAX, len: 0 }
    }

    /// Wakes `token` at `at`, or later by up to a tick and a 64th of the time until then. So what
    /// is due at about the same time is done together: an idle listener sends many Pings in a row,
    /// and finds their Pongs together, instead of being woken for each.
    pub(crate) fn insert(&mut self, now: Duration, at: Duration, token: Token) {
        let tick = (tick(at) + 1).max(self.done + 1);
        let ahead = tick.saturating_sub(self::tick(now));
        let tick = tick.next_multiple_of(1 << (ahead / 64).max(1).ilog2());
        self.earliest = self.earliest.min(tick);
        self.slots[slot(tick)].push(Entry { tick, token });
        self.len += 1;
    }

    /// How long until something may be due; `None` if nothing ever is.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        if self.len == 0 {
            return None;
        }
        let millis = self.earliest.saturating_mul(TICK_MILLIS);
        Some(Duration::from_millis(millis).saturating_sub(now))
    }

    /// Moves what is due into `due`.
    pub(crate) fn expire(&mut self, now: Duration, due: &mut Vec<Token>) {
        let current = tick(now);
        if current < self.earliest {
            return;
        }
        let ticks = (current - self.done).min(SLOTS as u64);
        for tick in current - ticks + 1..=current {
            let entries = &mut self.slots[slot(tick)];
            entries.retain(|entry| {
                let later = entry.tick > current;
                if !later {
                    due.push(entry.token);
                    self.len -= 1;
                }
                later
            });
            if entries.is_empty() {
                // A wheel that was full once need not stay so.
                entries.shrink_to(16);
            }
        }
        self.done = current;
        let next = (current + 1..=current + SLOTS as u64)
            .find(|&tick| self.slots[slot(tick)].iter().any(|entry| entry.tick == tick));
        self.earliest = match next {
            Some(tick) => tick,
            None if self.len == 0 => u64::MAX,
            // Only entries beyond a whole turn: look again after that.
            None => current + SLOTS as u64,
        };
    }
}

fn tick(at: Duration) -> u64 {
    u64::try_from(at.as_millis() / u128::from(TICK_MILLIS)).unwrap_or(u64::MAX / 2)
}

fn slot(tick: u64) -> usize {
    // No truncation: the remainder is below `SLOTS`.
    usize::try_from(tick % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(TICK_MILLIS);

    #[test]
    fn wakes_in_time_and_not_before() {
        let mut timers = Timers::new();
        let at = [5, 40, 400, 32_000, 33_000, 70_000, 500_000];
        for (token, millis) in at.into_iter().enumerate() {
            timers.insert(Duration::ZERO, Duration::from_millis(millis), Token(token));
        }
        let mut woken = vec![None; at.len()];
        let mut now = Duration::ZERO;
        while let Some(wait) = timers.wait(now) {
            now += wait.max(Duration::from_millis(1));
            let mut due = Vec::new();
            timers.expire(now, &mut due);
            for token in due {
                assert_eq!(woken[token.0], None, "woken once");
                woken[token.0] = Some(now);
            }
        }
        for (millis, woken) in at.into_iter().zip(woken) {
            let (at, woken) = (Duration::from_millis(millis), woken.unwrap());
            assert!(woken >= at && woken <= at + at / 64 + 2 * TICK, "{at:?} at {woken:?}");
        }
    }

    #[test]
    fn what_is_due_at_about_the_same_time_is_done_together() {
        let mut timers = Timers::new();
        let (now, later) = (Duration::from_secs(1000), Duration::from_secs(25));
        // Connections that were opened within a second, to be pinged after 25.
        for token in 0..1000 {
            let opened = now + Duration::from_millis(token);
            let token = Token(usize::try_from(token).unwrap());
            timers.insert(opened, opened + later, token);
        }
        let (mut due, mut wake_ups) = (Vec::new(), 0);
        let mut now = now + Duration::from_secs(1);
        while let Some(wait) = timers.wait(now) {
            now += wait;
            timers.expire(now, &mut due);
            wake_ups += 1;
        }
        assert_eq!(due.len(), 1000);
        assert!(wake_ups <= 6, "{wake_ups}");
    }

    #[test]
    fn a_deadline_in_the_past_is_due_at_once() {
        let mut timers = Timers::new();
        let mut due = Vec::new();
        timers.expire(Duration::from_secs(100), &mut due);
        timers.insert(Duration::from_secs(100), Duration::from_secs(1), Token(7));
        let wait = timers.wait(Duration::from_secs(100)).unwrap();
        assert!(wait <= 2 * TICK);
        timers.expire(Duration::from_secs(100) + wait, &mut due);
        assert_eq!(due, [Token(7)]);
    }
}
