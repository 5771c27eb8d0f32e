//! What can go wrong with a connection, and whose fault it is.

use rustls::{AlertDescription, Error, InvalidMessage};
use wirewright_core::LayerError;

use crate::certificate_error::CertificateProblem;

/// Why a secure connection failed.
///
/// It is the [source](std::error::Error::source) of the [`LayerError`] that a layer gives, and can
/// be had from there with `downcast_ref::<TlsError>()`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The peer's certificate was looked at and refused.
    #[error("the peer's certificate is refused: {0}")]
    Certificate(#[from] CertificateProblem),
    /// The host of the URI is neither a DNS name nor an address, so no certificate can be for it.
    #[error("{0:?} is not a name or an address that a certificate could be for")]
    HostName(String),
    /// The peer and this side have no version, cipher suite, group or protocol in common.
    #[error("the peer and this side have nothing in common: {0}")]
    Incompatible(String),
    /// The client asked for a name (SNI, RFC 6066 §3) that the listener has no certificate for,
    /// while it refuses such.
    #[error("the client asked for {0}, which no certificate of the listener is for")]
    UnknownName(String),
    /// The peer sent a fatal alert (RFC 8446 §6.2).
    #[error("the peer refused with the alert {name} ({code})")]
    Alert {
        /// Its number.
        code: u8,
        /// Its name, such as `certificate_expired`.
        name: String,
    },
    /// The first bytes of the peer are not TLS; it may speak plain HTTP.
    #[error("the peer does not speak TLS: {0}")]
    NotTls(String),
    /// The peer broke the rules of the protocol.
    #[error("the peer broke the rules of TLS: {0}")]
    Misbehaved(String),
    /// A record was changed on its way, or was not protected with the keys that were agreed on.
    #[error("a record of the peer could not be decrypted: it was changed on its way")]
    Corrupted,
    /// The transport has ended without the peer's `close_notify` (RFC 8446 §6.1).
    #[error("the peer ended the transport without close_notify{}", truncated(*.open))]
    Truncated {
        /// Whether the handshake was done by then.
        open: bool,
    },
    /// Something was to be sent before the handshake was done.
    #[error("nothing can be sent before the handshake is done")]
    NotOpen,
    /// Something was to be sent behind `close_notify`.
    #[error("nothing can be sent behind close_notify")]
    SaidGoodbye,
    /// As much was sent as the keys are good for, and TLS 1.2 has no way to change them: 2^24
    /// records with AES-GCM. TLS 1.3 changes its keys by itself.
    #[error("as much was sent as the keys of a TLS 1.2 connection are good for")]
    KeysExhausted,
    /// This side is at fault, or its system is.
    #[error("tls failed on this side: {0}")]
    Internal(String),
}

impl TlsError {
    /// Whether another attempt may succeed: not where the other side's certificate, name,
    /// version or suites are the reason, or this side's in the other's eyes.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Certificate(_)
            | Self::HostName(_)
            | Self::Incompatible(_)
            | Self::UnknownName(_) => false,
            Self::Alert { code, .. } => !is_final(*code),
            _ => true,
        }
    }
}

/// Whether an alert says something of certificates or of what was offered, and so will be met
/// again.
fn is_final(code: u8) -> bool {
    use AlertDescription as Alert;
    matches!(
        Alert::from(code),
        Alert::HandshakeFailure
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::ProtocolVersion
            | Alert::InsufficientSecurity
            | Alert::MissingExtension
            | Alert::UnsupportedExtension
            | Alert::UnrecognisedName
            | Alert::BadCertificateStatusResponse
            | Alert::CertificateRequired
            | Alert::NoApplicationProtocol
    )
}

const fn truncated(open: bool) -> &'static str {
    if open { ": what has arrived may not be all that it sent" } else { ", during the handshake" }
}

impl From<TlsError> for LayerError {
    fn from(error: TlsError) -> Self {
        if error.is_transient() { Self::transient(error) } else { Self::permanent(error) }
    }
}

impl From<Error> for TlsError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::Certificate(error.into()),
            Error::NoCertificatesPresented => Self::Certificate(CertificateProblem::Missing),
            Error::AlertReceived(alert) => {
                Self::Alert { code: alert.into(), name: alert_name(alert) }
            }
            Error::PeerIncompatible(why) => Self::Incompatible(words(&format!("{why:?}"))),
            Error::NoApplicationProtocol => {
                Self::Incompatible("no application protocol (alpn)".to_owned())
            }
            Error::PeerMisbehaved(why) => Self::Misbehaved(words(&format!("{why:?}"))),
            Error::InvalidMessage(
                why @ (InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion),
            ) => Self::NotTls(words(&format!("{why:?}"))),
            Error::InvalidMessage(why) => Self::Misbehaved(words(&format!("{why:?}"))),
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerSentOversizedRecord => Self::Misbehaved(error.to_string()),
            Error::DecryptError => Self::Corrupted,
            other => Self::Internal(other.to_string()),
        }
    }
}

/// An alert's name as RFC 8446 §6 writes it, made of rustls's.
fn alert_name(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => "unknown_ca".to_owned(),
        AlertDescription::UnrecognisedName => "unrecognized_name".to_owned(),
        AlertDescription::BadRecordMac => "bad_record_mac".to_owned(),
        AlertDescription::Unknown(_) => "unknown".to_owned(),
        other => words(&format!("{other:?}")).replace(' ', "_"),
    }
}

/// `NoCipherSuitesInCommon` as `no cipher suites in common`, as rustls says some things only in
/// names of its own.
pub(crate) fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !before.is_ascii_uppercase() && before != ' ' {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
        before = letter;
    }
    words
}
