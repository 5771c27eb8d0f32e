//! The bodies of the fuzz targets for files of keys and certificates.

use std::fmt;

use secrecy::SecretString;
use wirewright_auth::{SigningKey, VerifyingKey};
use wirewright_tls::{ClientTls, Identity, ServerTls, Trust};

use crate::fuzzing_input::{CANARY, Scratch};
use crate::rng::Dice;

/// PEM, or DER, gives a key or certificate or an error that shows nothing of it.
pub fn pem(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let password = password(&mut dice);
    let text = dice.raw(usize::MAX);
    shown(SigningKey::from_pem(text, password.as_ref()));
    shown(VerifyingKey::from_pem(text));
    let mut identity = Identity::pem(text, text);
    if let Some(password) = password {
        identity = identity.password(password);
    }
    shown(ServerTls::builder().identity(identity).build());
    shown(ClientTls::builder().trust(Trust::pem(text)).build());
}

/// A PKCS#12 file likewise.
pub fn pkcs12(data: &[u8]) {
    let mut dice = Dice::scripted(data);
    let password = password(&mut dice).unwrap_or_default();
    let alias = dice.one_in(4).then_some("gateway");
    let der = dice.raw(usize::MAX);
    let file = Scratch::new(der);
    shown(SigningKey::from_pkcs12_file(file.path(), &password, alias));
    shown(VerifyingKey::from_pkcs12_file(file.path(), &password, alias));
    let mut identity = Identity::pkcs12(der, password.clone());
    if let Some(alias) = alias {
        identity = identity.alias(alias);
    }
    shown(ServerTls::builder().identity(identity).build());
    shown(ClientTls::builder().trust(Trust::pkcs12_file(file.path(), password)).build());
}

/// Those of the seeds, none, and one that is wrong.
fn password(dice: &mut Dice<'_>) -> Option<SecretString> {
    let passwords = [None, Some(CANARY), Some(""), Some("another")];
    dice.pick(&passwords).map(SecretString::from)
}

/// That neither what was read nor why it was not shows a secret, and that both are short.
fn shown<T: fmt::Debug, E: fmt::Debug + fmt::Display>(read: Result<T, E>) {
    let text = match read {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!text.contains(CANARY), "{text}");
    assert!(text.len() < 100_000, "{text}");
}
