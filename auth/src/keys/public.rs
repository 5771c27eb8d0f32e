//! Public keys in the forms that they are written in.

use jsonwebtoken::DecodingKey;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::VerifyingKey;
use super::pem::{self, Section};
use crate::algorithm::KeyKind;

/// The first public key of a PEM text.
pub(super) fn from_pem(text: &[u8]) -> Result<VerifyingKey, String> {
    let key = pem::find(text, |Section { label, der }| match label {
        "PUBLIC KEY" => Some(from_spki_der(&der)),
        "RSA PUBLIC KEY" => Some(from_pkcs1(&der)),
        "CERTIFICATE" => Some(from_certificate(&der)),
        _ => None,
    })?;
    key.ok_or_else(|| "holds neither a public key nor a certificate in PEM form".into())
}

/// The same, or the key of a certificate as DER.
pub(super) fn from_pem_or_der(bytes: &[u8]) -> Result<VerifyingKey, String> {
    if pem::is_pem(bytes) { from_pem(bytes) } else { from_certificate(bytes) }
}

/// The key of a certificate that is valid now (RFC 5280 §4.1.2.5).
pub(super) fn from_certificate(der: &[u8]) -> Result<VerifyingKey, String> {
    let Ok(([], certificate)) = X509Certificate::from_der(der) else {
        return Err("holds something that is not an X.509 certificate (RFC 5280)".into());
    };
    let validity = certificate.validity();
    if !validity.is_valid() {
        let (from, until) = (validity.not_before, validity.not_after);
        return Err(format!("holds a certificate that is valid from {from} to {until}, not now"));
    }
    from_spki(certificate.public_key())
}

/// RFC 5280 §4.1.2.7.
fn from_spki_der(der: &[u8]) -> Result<VerifyingKey, String> {
    match SubjectPublicKeyInfo::from_der(der) {
        Ok(([], key)) => from_spki(&key),
        _ => Err("holds a public key that is malformed (RFC 5280 §4.1.2.7)".into()),
    }
}

fn from_spki(spki: &SubjectPublicKeyInfo<'_>) -> Result<VerifyingKey, String> {
    let oid = &spki.algorithm.algorithm;
    let bits = &*spki.subject_public_key.data;
    if *oid == OID_PKCS1_RSAENCRYPTION {
        return from_pkcs1(bits);
    }
    if *oid == OID_SIG_ED25519 {
        return ed25519(bits);
    }
    if *oid != OID_KEY_TYPE_EC_PUBLIC_KEY {
        return Err(format!("holds a public key of a kind that is not known here ({oid})"));
    }
    let curve = spki.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    match curve {
        Some(curve) if curve == OID_EC_P256 => point(KeyKind::P256, bits),
        Some(curve) if curve == OID_NIST_EC_P384 => point(KeyKind::P384, bits),
        _ => Err("holds a key on an elliptic curve other than P-256 and P-384".into()),
    }
}

/// RFC 8017 §A.1.1.
fn from_pkcs1(der: &[u8]) -> Result<VerifyingKey, String> {
    match RSAPublicKey::from_der(der) {
        Ok(([], key)) => rsa(key.modulus, key.exponent),
        _ => Err("holds an RSA public key that is malformed (RFC 8017 §A.1.1)".into()),
    }
}

/// The key of a modulus and an exponent, most significant byte first. "A key of size 2048 bits or
/// larger MUST be used" (RFC 7518 §3.3); beyond 8192 verifying costs too much.
pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<VerifyingKey, String> {
    let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = modulus.len() * 8 - leading;
    match bits {
        2048..=8192 => {
            let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
            Ok(VerifyingKey::new(KeyKind::Rsa, key))
        }
        _ => Err(format!("holds an RSA key of {bits} bits, not 2048 to 8192")),
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    number.get(start..).unwrap_or_default()
}

/// The key of a point on a curve, uncompressed: 4, x, y (SEC 1 §2.3.3).
pub(super) fn point(kind: KeyKind, point: &[u8]) -> Result<VerifyingKey, String> {
    let length = if kind == KeyKind::P256 { 65 } else { 97 };
    match point.first() {
        Some(4) if point.len() == length => {
            Ok(VerifyingKey::new(kind, DecodingKey::from_ec_der(point)))
        }
        _ => Err(format!("holds {kind} that is not an uncompressed point of {length} bytes")),
    }
}

/// RFC 8032 §5.1.5.
pub(super) fn ed25519(key: &[u8]) -> Result<VerifyingKey, String> {
    match key.len() {
        32 => Ok(VerifyingKey::new(KeyKind::Ed25519, DecodingKey::from_ed_der(key))),
        length => Err(format!("holds an Ed25519 key of {length} bytes, not 32")),
    }
}
