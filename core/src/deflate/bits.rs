//! Bits out of bytes, lowest first (RFC 1951 §3.1.1).

/// Takes bits from the front of the input, lowest first.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    /// Bits above `count` are those that follow in `input`, or zero.
    pub(super) bits: u64,
    count: u32,
}

impl<'a> Reader<'a> {
    /// Reads on from the `rest` of another.
    pub(super) const fn new(input: &'a [u8], bits: u64, count: u32) -> Self {
        Self { input, bits, count }
    }

    /// The same reader, for a loop to keep in registers.
    pub(super) const fn copy_of(other: &Self) -> Self {
        Self { input: other.input, bits: other.bits, count: other.count }
    }

    /// What was taken from the input and not used.
    pub(super) const fn rest(&self) -> (u64, u32) {
        (self.bits & ((1 << self.count) - 1), self.count)
    }

    /// Takes in what fits: at least 56 bits are there afterwards, or all that the input has.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if let Some((chunk, _)) = self.input.split_first_chunk::<8>() {
            self.bits |= u64::from_le_bytes(*chunk) << self.count;
            // As many whole bytes as there was room for; parts of one more lie above `count`.
            self.input = &self.input[((63 - self.count) >> 3) as usize..];
            self.count |= 56;
        } else {
            self.refill_slowly();
        }
    }

    #[cold]
    fn refill_slowly(&mut self) {
        while let (0..=55, [byte, rest @ ..]) = (self.count, self.input) {
            self.bits |= u64::from(*byte) << self.count;
            self.count += 8;
            self.input = rest;
        }
    }

    /// Whether `n` ≤ 56 bits are there, or can be had.
    pub(super) fn need(&mut self, n: u32) -> bool {
        if self.count < n {
            self.refill();
        }
        self.has(n)
    }

    /// Whether two refills will take in all that they could.
    #[inline(always)]
    pub(super) const fn is_ample(&self) -> bool {
        self.input.len() >= 16
    }

    #[inline]
    pub(super) const fn has(&self, n: u32) -> bool {
        self.count >= n
    }

    /// The next `n` bits, as if zeros followed the input.
    #[inline(always)]
    pub(super) const fn peek(&self, n: u32) -> usize {
        low(self.bits, n)
    }

    /// Drops `n` bits, which must be there.
    #[inline(always)]
    pub(super) const fn drop(&mut self, n: u32) {
        self.bits >>= n;
        self.count -= n;
    }

    #[inline(always)]
    pub(super) const fn take(&mut self, n: u32) -> usize {
        let value = self.peek(n);
        self.drop(n);
        value
    }

    /// Drops what is left of the byte at hand.
    pub(super) const fn align(&mut self) {
        self.drop(self.count % 8);
    }

    /// Copies whole bytes, at most `n`; says how many.
    pub(super) fn copy(&mut self, n: usize, to: &mut [u8]) -> usize {
        let n = n.min(to.len());
        let mut copied = 0;
        while copied < n && self.count >= 8 {
            to[copied] = self.take(8).to_le_bytes()[0];
            copied += 1;
        }
        if copied < n {
            // No bits are left but those of bytes that are now copied, or taken anew.
            self.bits = 0;
            let more = (n - copied).min(self.input.len());
            to[copied..copied + more].copy_from_slice(&self.input[..more]);
            self.input = &self.input[more..];
            copied += more;
        }
        copied
    }
}

/// The lowest `n` bits, at most 16.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most 16 bits are left")]
pub(super) const fn low(bits: u64, n: u32) -> usize {
    (bits & ((1 << n) - 1)) as usize
}
