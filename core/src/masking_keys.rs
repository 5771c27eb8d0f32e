//! Where a client's masking keys come from.

use alloc::boxed::Box;
use core::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A source of masking keys: "derived from a strong source of entropy" and such that "the
/// masking key for a given frame MUST NOT make it simple for a server/proxy to predict the
/// masking key for a subsequent frame" (RFC 6455 §5.3).
///
/// It is a stream cipher keyed by a seed that the caller draws from the system, once for each
/// connection. A process that forks must seed anew in the child.
pub struct MaskingKeys(Box<ChaCha8Rng>);

impl MaskingKeys {
    /// A source with a secret, random seed, used for nothing else.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Box::new(ChaCha8Rng::from_seed(seed)))
    }

    /// The key of the next frame.
    #[inline]
    pub(crate) fn next_key(&mut self) -> [u8; 4] {
        self.0.next_u32().to_ne_bytes()
    }
}

impl fmt::Debug for MaskingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskingKeys(***)")
    }
}
