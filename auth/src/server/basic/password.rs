//! A password as it is kept, and whether another is the same.

use std::collections::BTreeSet;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordVerifier};
use pbkdf2::Pbkdf2;
use scrypt::Scrypt;
use subtle::{Choice, ConstantTimeEq as _};

use crate::server::keyed::{Key, Output};

/// KiB that a hash may ask for, as each verification takes them: 256 MiB.
const MAX_MEMORY: u64 = 256 * 1024;
/// KiB that a hash may write in all its passes: 1 GiB, about a second of work.
const MAX_WORK: u64 = 1024 * 1024;
/// Iterations of PBKDF2, some seconds of work.
const MAX_ROUNDS: u32 = 5_000_000;

pub(crate) enum Password {
    /// Under the store's key; its length shows in no time.
    Plain(Output),
    Argon2(Box<PasswordHash>),
    Scrypt(Box<PasswordHash>),
    Pbkdf2(Box<PasswordHash>),
}

/// Why a password cannot be used. Shows nothing of it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("password is empty")]
    Empty,
    #[error("password holds a control character, which no client can send (RFC 7617 §2)")]
    Control,
    #[error("password is plain text, which `allow_plain_passwords` does not allow")]
    Plain,
    #[error(
        "password is hashed in a way that is not known here: argon2id, argon2i, argon2d, \
         scrypt, pbkdf2-sha256 and pbkdf2-sha512 are"
    )]
    Unknown,
    #[error("password is not a hash of the PHC string format: {0}")]
    Phc(password_hash::phc::Error),
    #[error("password's hash has no salt or no output")]
    Incomplete,
    #[error("password's hash names a parameter twice")]
    Repeated,
    #[error("password's hash has parameters that cannot be: {0}")]
    Parameters(password_hash::Error),
    #[error(
        "password's hash takes {0} KiB of memory for each verification, more than {MAX_MEMORY}"
    )]
    Memory(u64),
    #[error("password's hash writes {0} KiB for each verification, more than {MAX_WORK}")]
    Work(u64),
    #[error("password's hash takes {0} rounds, more than {MAX_ROUNDS}")]
    Rounds(u32),
}

impl Password {
    /// Reads a hash as a PHC string, or a plain password if those are allowed.
    pub(crate) fn parse(text: &str, allow_plain: bool, key: &Key) -> Result<Self, PasswordError> {
        if text.is_empty() {
            return Err(PasswordError::Empty);
        }
        match scheme(text) {
            None if !allow_plain => Err(PasswordError::Plain),
            None if text.contains(char::is_control) => Err(PasswordError::Control),
            None => Ok(Self::Plain(key.digest([text.as_bytes()]))),
            Some(scheme) => Self::hash(text, scheme),
        }
    }

    fn hash(text: &str, scheme: &str) -> Result<Self, PasswordError> {
        let wrap = match scheme {
            "argon2id" | "argon2i" | "argon2d" => Self::Argon2,
            "scrypt" => Self::Scrypt,
            "pbkdf2-sha256" | "pbkdf2-sha512" => Self::Pbkdf2,
            _ => return Err(PasswordError::Unknown),
        };
        let mut hash = PasswordHash::new(text).map_err(PasswordError::Phc)?;
        let (Some(_), Some(output)) = (&hash.salt, &hash.hash) else {
            return Err(PasswordError::Incomplete);
        };
        let mut names = BTreeSet::new();
        if !hash.params.iter().all(|(name, _)| names.insert(name)) {
            return Err(PasswordError::Repeated);
        }
        // "If the version is absent, it is 0x10" in strings of Argon2's first programs.
        if scheme.starts_with("argon2") {
            hash.version.get_or_insert(0x10);
        }
        // Others leave out what the output shows anyhow.
        let length = u32::try_from(output.len()).unwrap_or(u32::MAX);
        if scheme.starts_with("pbkdf2") && hash.params.get("l").is_none() {
            hash.params.add_decimal("l", length).map_err(PasswordError::Phc)?;
        }
        let password = wrap(Box::new(hash));
        password.check_cost()?;
        Ok(password)
    }

    /// Whether a file asks for more than a handshake may cost.
    fn check_cost(&self) -> Result<(), PasswordError> {
        let parameters = PasswordError::Parameters;
        let (memory, passes) = match self {
            Self::Plain(_) => return Ok(()),
            Self::Argon2(hash) => {
                let version = hash.version.map(argon2::Version::try_from).transpose();
                version.map_err(|error| parameters(error.into()))?;
                let params = argon2::Params::try_from(&**hash).map_err(parameters)?;
                (params.m_cost().into(), params.t_cost().into())
            }
            Self::Scrypt(hash) => scrypt_cost(hash)?,
            Self::Pbkdf2(hash) => {
                let rounds = pbkdf2::Params::try_from(&**hash).map_err(parameters)?.rounds();
                return match rounds > MAX_ROUNDS {
                    true => Err(PasswordError::Rounds(rounds)),
                    false => Ok(()),
                };
            }
        };
        let work = memory.saturating_mul(passes);
        match () {
            () if memory > MAX_MEMORY => Err(PasswordError::Memory(memory)),
            () if work > MAX_WORK => Err(PasswordError::Work(work)),
            () => Ok(()),
        }
    }

    /// Whether this is the password; takes the same time for each one that it is not.
    pub(crate) fn verify(&self, password: &[u8], key: &Key) -> Choice {
        let verified = match self {
            Self::Plain(digest) => return digest.ct_eq(&key.digest([password])),
            Self::Argon2(hash) => Argon2::default().verify_password(password, &**hash),
            Self::Scrypt(hash) => Scrypt::default().verify_password(password, &**hash),
            Self::Pbkdf2(hash) => Pbkdf2::default().verify_password(password, &**hash),
        };
        Choice::from(u8::from(verified.is_ok()))
    }

    pub(crate) const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

/// KiB, and how often they are written.
fn scrypt_cost(hash: &PasswordHash) -> Result<(u64, u64), PasswordError> {
    // The library multiplies two of them as they are.
    let is_small = |value: u32| value <= u16::MAX.into();
    if !hash.params.iter().filter_map(|(_, value)| value.decimal().ok()).all(is_small) {
        return Err(PasswordError::Parameters(password_hash::Error::ParamsInvalid));
    }
    let params = scrypt::Params::try_from(hash).map_err(PasswordError::Parameters)?;
    let memory = params.n().saturating_mul(params.r().into()).div_ceil(8);
    Ok((memory, params.p().into()))
}

/// The name of the hash, of what looks like a PHC string or one of its predecessors: `$name$…`.
fn scheme(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('$')?.split_once('$')?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!name.is_empty() && name.bytes().all(is_allowed)).then_some(name)
}
