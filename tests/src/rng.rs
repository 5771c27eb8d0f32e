//! Chance that can be had again: from a seed, or from a fuzzer's bytes.

/// A source of choices. The same seed, or the same bytes, make the same choices.
#[derive(Clone, Debug)]
pub struct Dice<'a> {
    /// Choices are drawn from here until it is used up, then from `state`.
    script: &'a [u8],
    state: u64,
}

impl Dice<'static> {
    /// Choices that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Dice { script: &[], state: seed }
    }
}

impl<'a> Dice<'a> {
    /// Choices that follow from a fuzzer's input, so that a small change of it is a small change
    /// of what happens.
    #[must_use]
    pub fn scripted(script: &'a [u8]) -> Self {
        Dice { script, state: 0 }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        if let Some((number, rest)) = self.script.split_first_chunk::<8>() {
            self.script = rest;
            return u64::from_le_bytes(*number);
        }
        self.roll()
    }

    /// A number below `n`; 0 if `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n.max(1) as u64;
        let number = match (self.script, n) {
            ([first, rest @ ..], ..=256) => {
                self.script = rest;
                u64::from(*first)
            }
            ([first, second, rest @ ..], _) => {
                self.script = rest;
                u64::from(u16::from_le_bytes([*first, *second]))
            }
            _ => self.roll(),
        };
        usize::try_from(number % n).unwrap_or(0)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// The next bytes of the script, at most so many.
    pub fn raw(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.script.split_at(len.min(self.script.len()));
        self.script = rest;
        bytes
    }

    /// Whether the script is used up, so that what follows is the same for all.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.script.is_empty()
    }

    /// `len` bytes of noise. They take one number of a script, whatever their length.
    pub fn noise(&mut self, len: usize) -> Vec<u8> {
        let mut dice = Dice::new(self.number());
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&dice.roll().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }
}
