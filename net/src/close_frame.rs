//! Close frames that have a name, each with the reason that goes with it.

use std::borrow::Cow;

use wirewright_core::{Close, CloseCode, MAX_CLOSE_REASON, Misuse};

/// A Close frame to be sent: what a callback returns, and what
/// [`Client::close_frame`](crate::Client::close_frame) and
/// [`Caller::close_frame`](crate::Caller::close_frame) take.
///
/// ```
/// use wirewright::{CloseFrame, Reply};
///
/// let reply: Reply = CloseFrame::policy_violation().into();
/// let frame = CloseFrame::custom(4001, "the auction is over")?;
/// # Ok::<(), wirewright::Misuse>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: Cow<'static, str>,
}

impl CloseFrame {
    /// 1000, without a reason: the purpose is fulfilled.
    #[must_use]
    pub const fn normal() -> Self {
        Self::with(CloseCode::NORMAL, "")
    }

    /// 1001: this end goes away. A reason of over 123 bytes is cut.
    #[must_use]
    pub fn going_away(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::cut(CloseCode::GOING_AWAY, reason)
    }

    /// 1002, "Connection closed due to protocol error".
    #[must_use]
    pub const fn protocol_error() -> Self {
        Self::with(CloseCode::PROTOCOL_ERROR, "Connection closed due to protocol error")
    }

    /// 1003, "Endpoint received unsupported frame".
    #[must_use]
    pub const fn unsupported_data() -> Self {
        Self::with(CloseCode::UNSUPPORTED_DATA, "Endpoint received unsupported frame")
    }

    /// 1007, "Payload does not match the expected format or encoding".
    #[must_use]
    pub const fn invalid_payload() -> Self {
        let reason = "Payload does not match the expected format or encoding";
        Self::with(CloseCode::INVALID_PAYLOAD, reason)
    }

    /// 1008, "Received message violates its policy".
    #[must_use]
    pub const fn policy_violation() -> Self {
        Self::with(CloseCode::POLICY_VIOLATION, "Received message violates its policy")
    }

    /// 1009, "The received message exceeds the allowed size limit".
    #[must_use]
    pub const fn message_too_big() -> Self {
        let reason = "The received message exceeds the allowed size limit";
        Self::with(CloseCode::MESSAGE_TOO_BIG, reason)
    }

    /// 1011, "Internal server error occurred".
    #[must_use]
    pub const fn internal_error() -> Self {
        Self::with(CloseCode::INTERNAL_ERROR, "Internal server error occurred")
    }

    /// 3000, "credentials expired": "Unauthorized" of IANA's registry of close codes, the 401 of a
    /// connection that is open.
    #[must_use]
    pub const fn credentials_expired() -> Self {
        Self::with(CloseCode::UNAUTHORIZED, "credentials expired")
    }

    /// Any code that may be sent: 1000–1003, 1007–1014, 3000–4999.
    ///
    /// # Errors
    /// [`Misuse::CloseCode`] for another one, [`Misuse::CloseReasonTooLong`] for a reason of over
    /// 123 bytes.
    pub fn custom(code: u16, reason: impl Into<Cow<'static, str>>) -> Result<Self, Misuse> {
        let reason = reason.into();
        let code = Close::new(code, &reason)?.code();
        Ok(Self { code, reason })
    }

    /// The same with another reason; one of over 123 bytes is cut.
    #[must_use]
    pub fn with_reason(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::cut(self.code, reason)
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason; may be empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    const fn with(code: CloseCode, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// A Close whose reason, if it is too long, ends between two characters.
    pub(crate) fn cut(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > MAX_CLOSE_REASON {
            let end = reason.floor_char_boundary(MAX_CLOSE_REASON);
            reason.to_mut().truncate(end);
        }
        Self { code, reason }
    }
}
