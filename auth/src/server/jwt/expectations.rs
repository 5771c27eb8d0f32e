//! What a token must say.

use std::collections::BTreeMap;
use std::time::Duration;

use wirewright_core::handshake::Identity;

use super::JwtError;
use super::claims::Claims;
use super::token::Header;

/// What is asked for of header and claims; what is not asked for may be missing.
#[derive(Clone)]
pub(super) struct Expectations {
    pub(super) token_type: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) jwt_id: Option<String>,
    pub(super) audience: Vec<String>,
    pub(super) any_audience: bool,
    /// Others, as text.
    pub(super) claims: BTreeMap<String, String>,
    pub(super) leeway: Duration,
    pub(super) require_expiry: bool,
    pub(super) scope_key: String,
    pub(super) name_claim: Option<String>,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            token_type: None,
            key_id: None,
            issuer: None,
            subject: None,
            jwt_id: None,
            audience: Vec::new(),
            any_audience: false,
            claims: BTreeMap::new(),
            leeway: Duration::ZERO,
            require_expiry: true,
            scope_key: "scope".into(),
            name_claim: None,
        }
    }
}

impl Expectations {
    pub(super) fn check_header(&self, header: &Header) -> Result<(), JwtError> {
        if self.key_id.is_some() && self.key_id != header.key_id {
            return Err(JwtError::KeyId);
        }
        let is_wanted = |wanted: &String| {
            header.token_type.as_ref().is_some_and(|given| media_type(given) == media_type(wanted))
        };
        match self.token_type.as_ref().is_none_or(is_wanted) {
            true => Ok(()),
            false => Err(JwtError::TokenType),
        }
    }

    /// Checks the claims of a token whose signature is valid.
    pub(super) fn check(&self, claims: &Claims, now: Duration) -> Result<Identity, JwtError> {
        let expires = self.check_times(claims, now)?;
        for (name, wanted) in [("iss", &self.issuer), ("sub", &self.subject), ("jti", &self.jwt_id)]
        {
            let given = claims.text(name)?;
            if let Some(wanted) = wanted {
                same(name, given, wanted)?;
            }
        }
        self.check_audience(claims)?;
        for (name, wanted) in &self.claims {
            same(name, claims.any(name).as_deref(), wanted)?;
        }
        let mut identity = Identity::new(self.name(claims)?);
        identity.scopes = claims.scopes(&self.scope_key)?;
        identity.attributes = claims.attributes();
        identity.expires = expires;
        Ok(identity)
    }

    /// Whether it is not too late for a token that was accepted before.
    pub(super) fn is_current(identity: &Identity, now: Duration) -> bool {
        identity.expires.is_none_or(|expires| now < expires)
    }

    /// Whether it is time for the token; until when, leeway included, as whoever asks later has no
    /// other clock.
    fn check_times(&self, claims: &Claims, now: Duration) -> Result<Option<Duration>, JwtError> {
        let expires = claims.date("exp")?.map(|expires| expires + self.leeway);
        match expires {
            None if self.require_expiry => return Err(JwtError::ClaimMissing("exp".into())),
            // "the current date/time MUST be before the expiration date/time" (RFC 7519 §4.1.4).
            Some(expires) if now >= expires => return Err(JwtError::Expired),
            _ => {}
        }
        for name in ["nbf", "iat"] {
            // "the current date/time MUST be after or equal to the not-before date/time" (§4.1.5).
            if claims.date(name)?.is_some_and(|from| now + self.leeway < from) {
                return Err(JwtError::NotYetValid(name));
            }
        }
        Ok(expires)
    }

    /// "If the principal processing the claim does not identify itself with a value in the "aud"
    /// claim when this claim is present, then the JWT MUST be rejected" (RFC 7519 §4.1.3).
    fn check_audience(&self, claims: &Claims) -> Result<(), JwtError> {
        let name = || "aud".to_owned();
        match claims.list("aud")? {
            _ if self.any_audience => Ok(()),
            None if self.audience.is_empty() => Ok(()),
            None => Err(JwtError::ClaimMissing(name())),
            Some(given) => match self.audience.iter().any(|wanted| given.contains(&&**wanted)) {
                true => Ok(()),
                false => Err(JwtError::ClaimMismatch(name())),
            },
        }
    }

    /// Who it is; nobody in particular where the token has no `sub` and no other claim was named.
    fn name(&self, claims: &Claims) -> Result<String, JwtError> {
        let Some(name) = &self.name_claim else {
            return Ok(claims.text("sub")?.unwrap_or_default().to_owned());
        };
        let value = claims.text(name)?.ok_or_else(|| JwtError::ClaimMissing(name.clone()))?;
        Ok(value.to_owned())
    }
}

/// "StringOrURI values are compared as case-sensitive strings with no transformations or
/// canonicalizations applied" (RFC 7519 §2).
fn same(name: &str, given: Option<&str>, wanted: &str) -> Result<(), JwtError> {
    match given {
        None => Err(JwtError::ClaimMissing(name.into())),
        Some(given) if given == wanted => Ok(()),
        Some(_) => Err(JwtError::ClaimMismatch(name.into())),
    }
}

/// "it is RECOMMENDED that producers omit an "application/" prefix [...] when no other '/' appears
/// in the media type value" (RFC 7515 §4.1.9); media types have no case (RFC 2045 §5.1).
fn media_type(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("application/") {
        Some(short) if !short.contains('/') => short.to_owned(),
        _ => name,
    }
}
