//! A slot map whose keys die with their entry.

use mio::Token;

/// Entries by [`Token`]. A token holds its slot's generation, so that an event for a connection
/// that is gone never reaches the one that took its place.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: usize,
    entry: Option<T>,
}

/// The low half of a token is the slot, the high half its generation.
const HALF: u32 = usize::BITS / 2;
const LOW: usize = (1 << HALF) - 1;

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The token that the next [`insert`](Self::insert) uses. The two lowest generations of no
    /// slot are given out, so that a loop may use small tokens for itself.
    pub(crate) fn next_token(&self) -> Token {
        let index = self.free.last().copied().unwrap_or(self.slots.len());
        let generation = self.slots.get(index).map_or(1, |slot| slot.generation);
        Token(generation << HALF | index)
    }

    /// Puts `entry` where [`next_token`](Self::next_token) said.
    pub(crate) fn insert(&mut self, entry: T) {
        self.len += 1;
        match self.free.pop() {
            Some(index) => self.slots[index].entry = Some(entry),
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // By an eighth, as doubling would hold a connection's worth for each.
                    self.slots.reserve_exact((self.slots.len() / 8).max(64));
                }
                self.slots.push(Slot { generation: 1, entry: Some(entry) });
            }
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let slot = self.slots.get_mut(token.0 & LOW)?;
        if slot.generation != token.0 >> HALF {
            return None;
        }
        slot.entry.as_mut()
    }

    pub(crate) fn get(&self, token: Token) -> Option<&T> {
        let slot = self.slots.get(token.0 & LOW)?;
        slot.entry.as_ref().filter(|_| slot.generation == token.0 >> HALF)
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<T> {
        let index = token.0 & LOW;
        let slot = self.slots.get_mut(index)?;
        if slot.generation != token.0 >> HALF {
            return None;
        }
        let entry = slot.entry.take()?;
        // Zero is left out: those are the loop's own tokens.
        slot.generation = (slot.generation + 1) & LOW;
        if slot.generation == 0 {
            slot.generation = 1;
        }
        self.free.push(index);
        self.len -= 1;
        Some(entry)
    }

    /// The tokens of all entries there are.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let live = self.slots.iter().enumerate().filter(|(_, slot)| slot.entry.is_some());
        live.map(|(index, slot)| Token(slot.generation << HALF | index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s39_a_token_dies_with_its_entry() {
        let mut slots = Slots::new();
        let first = slots.next_token();
        slots.insert("first");
        assert_eq!(slots.get_mut(first), Some(&mut "first"));
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.next_token();
        slots.insert("second");
        assert_ne!(first, second);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get_mut(second), Some(&mut "second"));
        assert_eq!(slots.len(), 1);
    }
}
