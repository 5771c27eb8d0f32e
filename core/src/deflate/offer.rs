//! The negotiation of permessage-deflate in `Sec-WebSocket-Extensions` (RFC 6455 §9.1, RFC 7692
//! §5 and §7.1), as functions from values to values.

use alloc::string::String;
use core::fmt::Write as _;

use super::parameters::{
    CLIENT_BITS, CLIENT_TAKEOVER, ClientBits, Header, MAX_BITS, MIN_BITS, Parameters, SERVER_BITS,
    SERVER_TAKEOVER,
};
use crate::config::{Compression, Role};

/// What a handshake agreed on (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agreement {
    /// The server starts each message with an empty window (§7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client starts each message with an empty window (§7.1.1.2).
    pub client_no_context_takeover: bool,
    /// Base-2 logarithm of the largest window the server compresses with, 8–15 (§7.1.2.1).
    pub server_max_window_bits: u8,
    /// Base-2 logarithm of the largest window the client compresses with, 8–15 (§7.1.2.2).
    pub client_max_window_bits: u8,
}

/// How one direction of a connection is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Base-2 logarithm of its greatest size in bytes, 8–15.
    pub bits: u8,
    /// Whether it is kept from message to message.
    pub takeover: bool,
}

impl Agreement {
    /// The window of what an endpoint in this role sends.
    #[must_use]
    pub const fn sending(self, role: Role) -> Window {
        match role {
            Role::Client => Window {
                bits: self.client_max_window_bits,
                takeover: !self.client_no_context_takeover,
            },
            Role::Server => Window {
                bits: self.server_max_window_bits,
                takeover: !self.server_no_context_takeover,
            },
        }
    }

    /// The window of what an endpoint in this role receives.
    #[must_use]
    pub const fn receiving(self, role: Role) -> Window {
        match role {
            Role::Client => self.sending(Role::Server),
            Role::Server => self.sending(Role::Client),
        }
    }
}

/// Why `Sec-WebSocket-Extensions` fails the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// The header is not a list of extensions (RFC 6455 §9.1).
    #[error("malformed `Sec-WebSocket-Extensions` header")]
    Malformed,
    /// The server accepted an extension that was not offered (RFC 6455 §4.1, §9.1).
    #[error("server accepted an extension that was not offered")]
    NotOffered,
    /// The server accepted permessage-deflate twice (RFC 7692 §5).
    #[error("server accepted permessage-deflate twice")]
    Repeated,
    /// A parameter that is unknown, repeated, or has a value it cannot have (RFC 7692 §7).
    #[error("server answered permessage-deflate with an unknown, repeated or invalid parameter")]
    Parameter,
    /// The server accepted permessage-deflate without a parameter the offer insisted on (RFC 7692
    /// §7.1.1.1, §7.1.2.1).
    #[error("server accepted permessage-deflate without {0}, which the offer asked for")]
    Missing(&'static str),
    /// A window larger than the offer allows (RFC 7692 §7.1.2).
    #[error("server answered {parameter}={value}, over the {offered} of the offer")]
    WindowBits {
        /// `server_max_window_bits` or `client_max_window_bits`.
        parameter: &'static str,
        /// The answer's value.
        value: u8,
        /// The offer's value.
        offered: u8,
    },
}

/// The value of the request's `Sec-WebSocket-Extensions`.
///
/// `client_max_window_bits` is always among the parameters: without it a server could not ask for
/// a smaller window (RFC 7692 §7.1.2.2).
#[must_use]
pub fn offer(compression: &Compression) -> String {
    let mut value = String::from(NAME);
    if !compression.receive_takeover {
        push(&mut value, SERVER_TAKEOVER, None);
    }
    if !compression.send_takeover {
        push(&mut value, CLIENT_TAKEOVER, None);
    }
    let receive = receive_bits(compression);
    if receive < MAX_BITS {
        push(&mut value, SERVER_BITS, Some(receive));
    }
    let send = send_bits(compression);
    push(&mut value, CLIENT_BITS, (send < MAX_BITS).then_some(send));
    value
}

/// A server's answer to the request's `Sec-WebSocket-Extensions` lines, in the order received:
/// the agreement and the value of the response's header; `None` to go on uncompressed, without
/// that header.
///
/// The first offer that can be accepted is ("the order of extensions listed by the client [...]
/// represents a preference of the client", RFC 6455 §9.1); other extensions are passed over.
///
/// # Errors
/// [`ExtensionError::Malformed`], whichever line is: "If a value is received by either the client
/// or the server during negotiation that does not conform to the ABNF below, the recipient of such
/// malformed data MUST immediately _Fail the WebSocket Connection_" (RFC 6455 §9.1).
pub fn answer<'a>(
    compression: &Compression,
    values: impl Iterator<Item = &'a str>,
) -> Result<Option<(Agreement, String)>, ExtensionError> {
    let mut accepted = None;
    for value in values {
        let mut header = Header::new(value);
        while let Some(name) = header.extension()? {
            let parameters = Parameters::read(&mut header)?;
            // "A server MUST decline an extension negotiation offer for this extension if any of
            // the following conditions are met": a parameter not defined for an offer, an invalid
            // value, a parameter twice, a parameter it does not support (RFC 7692 §7).
            if let (None, NAME, Some(offer)) = (&accepted, name, parameters) {
                accepted = answer_to(compression, &offer);
            }
        }
        header.finish()?;
    }
    Ok(accepted)
}

/// A client's reading of the response's `Sec-WebSocket-Extensions`, for what [`offer`] offered
/// with the same `compression`; several lines are to be joined by commas.
///
/// # Errors
/// Any [`ExtensionError`]: each fails the handshake.
pub fn accept(compression: &Compression, value: &str) -> Result<Agreement, ExtensionError> {
    let mut header = Header::new(value);
    let mut agreement = None;
    while let Some(name) = header.extension()? {
        let parameters = Parameters::read(&mut header)?;
        // "The server MUST NOT include an extension that was not indicated by the client"; the
        // client MUST fail the connection (RFC 6455 §9.1, §4.1).
        if name != NAME {
            return Err(ExtensionError::NotOffered);
        }
        // "If the extension negotiation response accepts more than one [...] the client MUST _Fail
        // the WebSocket Connection_" where both use the same bit (RFC 7692 §5).
        if agreement.is_some() {
            return Err(ExtensionError::Repeated);
        }
        // "A client MUST _Fail the WebSocket Connection_ if the peer server accepted an extension
        // negotiation offer for this extension with an extension negotiation response meeting any
        // of the following conditions": as on a server (RFC 7692 §7).
        let response = parameters.ok_or(ExtensionError::Parameter)?;
        agreement = Some(agree(compression, &response)?);
    }
    header.finish()?;
    agreement.ok_or(ExtensionError::Malformed)
}

/// Answers one well-formed offer; `None` declines it.
fn answer_to(compression: &Compression, offer: &Parameters) -> Option<(Agreement, String)> {
    let server_bits = send_bits(compression).min(offer.server_bits.unwrap_or(MAX_BITS));
    let receive = receive_bits(compression);
    let client_bits = match offer.client_bits {
        ClientBits::Absent => MAX_BITS,
        ClientBits::Supported => receive,
        ClientBits::AtMost(bits) => receive.min(bits),
    };
    // "If a received extension negotiation offer doesn't have the 'client_max_window_bits'
    // extension parameter, the corresponding extension negotiation response to the offer MUST NOT
    // include [it]" (RFC 7692 §7.1.2.2): the client may use 32 KiB, and where that is more than we
    // are to hold, the offer is declined.
    if client_bits > receive {
        return None;
    }
    let agreement = Agreement {
        // "A server accepts [...] by including the 'server_no_context_takeover' extension
        // parameter in the response"; it may do so unasked (RFC 7692 §7.1.1.1).
        server_no_context_takeover: offer.server_no_takeover || !compression.send_takeover,
        client_no_context_takeover: offer.client_no_takeover || !compression.receive_takeover,
        server_max_window_bits: server_bits,
        client_max_window_bits: client_bits,
    };
    let mut value = String::from(NAME);
    if agreement.server_no_context_takeover {
        push(&mut value, SERVER_TAKEOVER, None);
    }
    if agreement.client_no_context_takeover {
        push(&mut value, CLIENT_TAKEOVER, None);
    }
    // "A server accepts an extension negotiation offer with this parameter by including [it] with
    // the same or smaller value" (RFC 7692 §7.1.2.1).
    if offer.server_bits.is_some() || server_bits < MAX_BITS {
        push(&mut value, SERVER_BITS, Some(server_bits));
    }
    if client_bits < MAX_BITS {
        push(&mut value, CLIENT_BITS, Some(client_bits));
    }
    Some((agreement, value))
}

/// Compares a server's response with what was offered.
fn agree(compression: &Compression, response: &Parameters) -> Result<Agreement, ExtensionError> {
    // What the offer asks of the server is accepted "by including the [...] parameter in the
    // response" (RFC 7692 §7.1.1.1, §7.1.2.1); left out, some other offer was accepted, and there
    // was none.
    if !compression.receive_takeover && !response.server_no_takeover {
        return Err(ExtensionError::Missing(SERVER_TAKEOVER));
    }
    let receive = receive_bits(compression);
    let server_bits = response.server_bits.unwrap_or(MAX_BITS);
    if server_bits > receive {
        return Err(match response.server_bits {
            None => ExtensionError::Missing(SERVER_BITS),
            Some(value) => {
                ExtensionError::WindowBits { parameter: SERVER_BITS, value, offered: receive }
            }
        });
    }
    let send = send_bits(compression);
    let client_bits = match response.client_bits {
        // "Absence of this extension parameter in an extension negotiation response indicates that
        // the server can receive messages compressed using an LZ77 sliding window of up to 32,768
        // bytes" (RFC 7692 §7.1.2.2).
        ClientBits::Absent => send,
        // The value may be left out of an offer only.
        ClientBits::Supported => return Err(ExtensionError::Parameter),
        ClientBits::AtMost(value) if value > send => {
            return Err(ExtensionError::WindowBits {
                parameter: CLIENT_BITS,
                value,
                offered: send,
            });
        }
        ClientBits::AtMost(value) => value,
    };
    Ok(Agreement {
        server_no_context_takeover: response.server_no_takeover,
        client_no_context_takeover: response.client_no_takeover || !compression.send_takeover,
        server_max_window_bits: server_bits,
        client_max_window_bits: client_bits,
    })
}

fn push(value: &mut String, name: &str, bits: Option<u8>) {
    value.push_str("; ");
    value.push_str(name);
    if let Some(bits) = bits {
        // Writing to a string does not fail.
        let _ = write!(value, "={bits}");
    }
}

fn send_bits(compression: &Compression) -> u8 {
    compression.send_window_bits.clamp(MIN_BITS, MAX_BITS)
}

fn receive_bits(compression: &Compression) -> u8 {
    compression.receive_window_bits.clamp(MIN_BITS, MAX_BITS)
}

const NAME: &str = "permessage-deflate";
