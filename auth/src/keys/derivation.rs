//! What deriving a key from a password costs, which a file says itself (RFC 8018 §5.2, RFC 7914).

use pkcs8::AlgorithmIdentifierRef;
use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, PBES2_OID};

/// Rounds of PBKDF2, or of what PKCS#12 had before it, in all of a file: some seconds of work.
const MAX_ROUNDS: u64 = 5_000_000;
/// KiB that scrypt may hold at once: 256 MiB.
const MAX_MEMORY: u64 = 256 * 1024;
/// KiB that scrypt may write in all of a file: 1 GiB, about a second of work.
const MAX_WORK: u64 = 1024 * 1024;
/// How deep what a file holds may be inside one another, to be looked at; it is by a dozen.
const MAX_DEPTH: u32 = 32;
/// `pkcs-12PbeIds` (RFC 7292 appendix C), which derive a key and an initialization vector.
const PKCS12_PBE: &str = "1.2.840.113549.1.12.1.";

/// What all derivations of a file cost.
#[derive(Default)]
pub(super) struct Cost {
    rounds: u64,
    work: u64,
}

impl Cost {
    /// Whether a key that is encrypted so may be decrypted.
    pub(super) fn check(scheme: &EncryptionScheme) -> Result<(), String> {
        Self::default().add(scheme)
    }

    /// Whether a PKCS#12 file may be opened, as far as it shows before it is. What is encrypted
    /// within something encrypted does not show.
    pub(super) fn check_file(der: &[u8]) -> Result<(), String> {
        Self::default().walk(der, MAX_DEPTH)
    }

    fn add(&mut self, scheme: &EncryptionScheme) -> Result<(), String> {
        match scheme.pbes2().map(|parameters| &parameters.kdf) {
            Some(Kdf::Pbkdf2(parameters)) => self.add_rounds(parameters.iteration_count.into()),
            Some(Kdf::Scrypt(parameters)) => {
                let blocks = u64::from(parameters.block_size).max(1);
                let memory = parameters.cost_parameter.saturating_mul(blocks).div_ceil(8);
                self.add_scrypt(parameters.cost_parameter, memory, parameters.parallelization)
            }
            // Others cannot be derived here at all.
            _ => Ok(()),
        }
    }

    fn add_rounds(&mut self, rounds: u64) -> Result<(), String> {
        self.rounds = self.rounds.saturating_add(rounds);
        match self.rounds {
            0..=MAX_ROUNDS => Ok(()),
            rounds => Err(format!(
                "asks for {rounds} rounds to derive a key from its password, more than {MAX_ROUNDS}"
            )),
        }
    }

    fn add_scrypt(&mut self, cost: u64, memory: u64, passes: u16) -> Result<(), String> {
        self.work = self.work.saturating_add(memory.saturating_mul(passes.into()));
        let work = self.work;
        match () {
            // The library takes its logarithm, and panics where there is none.
            () if !cost.is_power_of_two() => {
                Err(format!("has {cost} for the cost of scrypt, not a power of two"))
            }
            () if memory > MAX_MEMORY => Err(format!(
                "asks for {memory} KiB of memory to derive a key from its password, more than \
                 {MAX_MEMORY}"
            )),
            () if work > MAX_WORK => Err(format!(
                "has {work} KiB written to derive keys from its password, more than {MAX_WORK}"
            )),
            () => Ok(()),
        }
    }

    /// Looks through one value behind the other, and into each. Where the bytes are not DER, they
    /// are no derivation's parameters either.
    fn walk(&mut self, der: &[u8], depth: u32) -> Result<(), String> {
        let Ok(mut reader) = SliceReader::new(der) else { return Ok(()) };
        while let (false, Ok(value)) = (reader.is_finished(), AnyRef::decode(&mut reader)) {
            let tag = value.tag();
            if tag == Tag::Sequence {
                self.add_algorithm(&value)?;
            }
            if tag.is_constructed() || tag == Tag::OctetString {
                let depth = depth.checked_sub(1).ok_or("has values too deep inside one another")?;
                self.walk(value.value(), depth)?;
            }
        }
        Ok(())
    }

    fn add_algorithm(&mut self, value: &AnyRef<'_>) -> Result<(), String> {
        let Ok(algorithm) = value.decode_as::<AlgorithmIdentifierRef<'_>>() else { return Ok(()) };
        if algorithm.oid == PBES2_OID {
            return EncryptionScheme::try_from(algorithm)
                .map_or(Ok(()), |scheme| self.add(&scheme));
        }
        if !algorithm.oid.to_string().starts_with(PKCS12_PBE) {
            return Ok(());
        }
        // "pkcs-12PbeParams ::= SEQUENCE { salt OCTET STRING, iterations INTEGER }".
        let rounds = algorithm.parameters.and_then(|parameters| {
            let read = parameters.sequence(|reader| {
                <&OctetStringRef>::decode(reader)?;
                u64::decode(reader)
            });
            read.ok()
        });
        self.add_rounds(rounds.unwrap_or_default().saturating_mul(2))
    }
}
