//! What was agreed on with a peer, and what its certificate says.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};
use wirewright_core::{PeerCertificate, Security};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::choices;
use crate::side::Side;

/// What `side` has agreed on.
pub(crate) fn of(side: &impl Side) -> Security {
    let state = side.state();
    let mut security = Security::default();
    security.protocol = state.protocol_version().map_or("", version_name);
    security.cipher_suite = state.negotiated_cipher_suite().map_or("", choices::suite_name);
    security.application_protocol =
        state.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    security.server_name = side.server_name().map(str::to_owned);
    security.is_resumed = state.handshake_kind() == Some(HandshakeKind::Resumed);
    security.peer = peer(state).map(Box::new);
    security
}

fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        // No other can be agreed on.
        other => other.as_str().unwrap_or(""),
    }
}

fn peer(state: &CommonState) -> Option<PeerCertificate> {
    let chain = state.peer_certificates()?;
    let (_, own) = X509Certificate::from_der(chain.first()?).ok()?;
    let mut peer = PeerCertificate::default();
    peer.subject = own.subject().to_string();
    peer.common_name =
        own.subject().iter_common_name().find_map(|name| name.as_str().ok()).map(str::to_owned);
    peer.issuer = own.issuer().to_string();
    peer.serial = own.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
    peer.names = names(&own);
    let not_after = own.validity().not_after.timestamp();
    peer.not_after = Duration::from_secs(u64::try_from(not_after).unwrap_or(0));
    peer.chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
    Some(peer)
}

/// The alternative names of a certificate that have a form to show (RFC 5280 §4.2.1.6).
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some((*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).to_string()),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
    }
}

/// The DNS names that a certificate is for, in lower case.
pub(crate) fn dns_names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
}

/// When a certificate begins and ceases to be valid, counted from the Unix epoch.
pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Option<(Duration, Duration)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let seconds = |time: i64| Duration::from_secs(u64::try_from(time).unwrap_or(0));
    let validity = certificate.validity();
    Some((seconds(validity.not_before.timestamp()), seconds(validity.not_after.timestamp())))
}
