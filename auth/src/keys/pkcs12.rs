//! PKCS#12 files, key stores and trust stores alike (RFC 7292).

use p12_keystore::{CertificateBag, Pkcs12Archive};
use secrecy::{ExposeSecret as _, SecretString};

use super::derivation::Cost;
use super::{SigningKey, VerifyingKey, private, public};

/// A private key of the file.
pub(super) fn signing(
    der: &[u8],
    password: &SecretString,
    alias: Option<&str>,
) -> Result<SigningKey, String> {
    let archive = open(der, password)?;
    let keys = archive.keys.iter().map(|bag| (bag.friendly_name.as_deref(), bag));
    private::from_pkcs8(choose("private key", keys, alias)?.key.as_der())
}

/// The key of a certificate of the file.
pub(super) fn verifying(
    der: &[u8],
    password: &SecretString,
    alias: Option<&str>,
) -> Result<VerifyingKey, String> {
    let archive = open(der, password)?;
    let certificates = archive.certs.iter().map(|bag| (name(bag, &archive), bag));
    public::from_certificate(choose("certificate", certificates, alias)?.cert.as_der())
}

fn open(der: &[u8], password: &SecretString) -> Result<Pkcs12Archive, String> {
    Cost::check_file(der)?;
    // The library's errors say little, and might say what is inside.
    Pkcs12Archive::from_pkcs12(der, password.expose_secret()).map_err(|_| {
        "is not a PKCS#12 file (RFC 7292) that this password opens, or is encrypted in a way that \
         is not known here"
            .into()
    })
}

/// The name that a certificate goes by: that of its private key, if it has one.
fn name<'a>(bag: &'a CertificateBag, archive: &'a Pkcs12Archive) -> Option<&'a str> {
    let id = bag.local_key_id.as_deref();
    let is_its = |other: &&p12_keystore::PrivateKeyBag| {
        id.is_some() && other.local_key_id.as_ref().map(AsRef::as_ref) == id
    };
    let key = archive.keys.iter().find(is_its).and_then(|key| key.friendly_name.as_deref());
    key.or(bag.friendly_name.as_deref())
}

/// The one of this alias, or the only one.
fn choose<'a, T>(
    kind: &str,
    bags: impl Iterator<Item = (Option<&'a str>, T)>,
    alias: Option<&str>,
) -> Result<T, String> {
    let (mut names, mut found) = (Vec::new(), Vec::new());
    for (name, bag) in bags {
        let name = name.unwrap_or_default();
        names.push(format!("{name:?}"));
        // Key stores of Java hold aliases in lower case, and take them in any.
        if alias.is_none_or(|alias| name.to_lowercase() == alias.to_lowercase()) {
            found.push(bag);
        }
    }
    let names = names.join(", ");
    match (found.len(), alias, found.pop()) {
        (1, _, Some(bag)) => Ok(bag),
        (0, None, _) => Err(format!("holds no {kind}")),
        (0, Some(alias), _) => Err(format!("holds no {kind} of alias {alias:?}, only {names}")),
        (many, None, _) => Err(format!("holds {many} of the kind {kind}; give an alias: {names}")),
        (many, Some(alias), _) => Err(format!("holds {many} of the kind {kind}, alias {alias:?}")),
    }
}
