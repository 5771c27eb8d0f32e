//! Private keys in the forms that they are written in.

use jsonwebtoken::EncodingKey;
use pkcs8::der::asn1::{ContextSpecific, OctetStringRef};
use pkcs8::der::{self, Decode as _, Encode as _, Reader as _, SliceReader, TagNumber};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use super::SigningKey;
use super::derivation::Cost;
use super::pem::{self, Section};
use crate::algorithm::KeyKind;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The first private key of a PEM text.
pub(super) fn from_pem(text: &[u8], password: Option<&SecretString>) -> Result<SigningKey, String> {
    let key = pem::find(text, |Section { label, der }| match label {
        "PRIVATE KEY" => Some(from_pkcs8(&der)),
        "ENCRYPTED PRIVATE KEY" => Some(from_encrypted(&der, password)),
        "RSA PRIVATE KEY" => Some(from_pkcs1(&der)),
        "EC PRIVATE KEY" => Some(from_sec1(&der)),
        _ => None,
    })?;
    key.ok_or_else(|| "holds no private key in PEM form".into())
}

/// RFC 5958.
pub(super) fn from_pkcs8(der: &[u8]) -> Result<SigningKey, String> {
    let key = PrivateKeyInfoRef::try_from(der)
        .map_err(|_| "holds a private key that is not PKCS#8 (RFC 5958)")?;
    let oid = key.algorithm.oid;
    match oid {
        RSA => from_pkcs1(key.private_key.as_bytes()),
        EC => {
            let curve = key.algorithm.parameters_oid().map_err(|_| unknown_curve())?;
            SigningKey::proven(curve_kind(curve)?, EncodingKey::from_ec_der(der))
        }
        ED25519 => SigningKey::proven(KeyKind::Ed25519, EncodingKey::from_ed_der(der)),
        _ => Err(format!("holds a private key of a kind that is not known here ({oid})")),
    }
}

fn from_encrypted(der: &[u8], password: Option<&SecretString>) -> Result<SigningKey, String> {
    let password = password.ok_or("holds an encrypted private key; its password is to be given")?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|_| "holds an encrypted private key that is not PKCS#8, or not of PBES2")?;
    Cost::check(&encrypted.encryption_algorithm)?;
    // What is wrong is not told apart by the library.
    let key = encrypted.decrypt(password.expose_secret()).map_err(|_| {
        "holds an encrypted private key for which the password is wrong, or which is encrypted \
         otherwise than by PBES2 with AES and SHA-2"
    })?;
    from_pkcs8(key.as_bytes())
}

/// RFC 8017 §A.1.2.
fn from_pkcs1(der: &[u8]) -> Result<SigningKey, String> {
    SigningKey::proven(KeyKind::Rsa, EncodingKey::from_rsa_der(der))
}

/// RFC 5915, put into PKCS#8, as the library wants it.
fn from_sec1(der: &[u8]) -> Result<SigningKey, String> {
    let malformed = |_| "holds an elliptic curve's private key that is malformed (RFC 5915)";
    let curve = sec1_curve(der).map_err(malformed)?.ok_or_else(unknown_curve)?;
    let parameters = Some(der::asn1::AnyRef::from(&curve));
    let algorithm = AlgorithmIdentifierRef { oid: EC, parameters };
    let key = OctetStringRef::new(der).map_err(malformed)?;
    let wrapped = PrivateKeyInfoRef::new(algorithm, key).to_der().map_err(malformed)?;
    let wrapped = Zeroizing::new(wrapped);
    SigningKey::proven(curve_kind(curve)?, EncodingKey::from_ec_der(&wrapped))
}

/// "parameters [0] ECParameters {{ NamedCurve }} OPTIONAL" of an ECPrivateKey (RFC 5915 §3).
fn sec1_curve(der: &[u8]) -> der::Result<Option<ObjectIdentifier>> {
    SliceReader::new(der)?.sequence(|reader| {
        u8::decode(reader)?;
        <&OctetStringRef>::decode(reader)?;
        let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(reader, TagNumber(0))?;
        // The public key behind it, which the library compares with the private one.
        reader.read_slice(reader.remaining_len())?;
        Ok(curve.map(|curve| curve.value))
    })
}

fn curve_kind(curve: ObjectIdentifier) -> Result<KeyKind, String> {
    match curve {
        P256 => Ok(KeyKind::P256),
        P384 => Ok(KeyKind::P384),
        _ => Err(unknown_curve()),
    }
}

fn unknown_curve() -> String {
    "holds a key on an elliptic curve other than P-256 and P-384".into()
}
