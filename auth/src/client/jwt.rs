//! Tokens that the client issues itself (RFC 7519).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::crypto::aws_lc_rs;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use wirewright_core::Uri;
use wirewright_core::handshake::{Credentials, CredentialsError, Headers};

use super::{authorization, clear_text};
use crate::{ConfigError, JwtAlgorithm, SigningKey};

/// The longest lifetime: what is stolen of a token is stolen for as long.
const MAX_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// Issues a signed token for every handshake, shown as `Authorization: Bearer …`.
///
/// None is used twice, so that each lives its whole [lifetime](JwtIssuerBuilder::lifetime) from
/// the handshake on.
///
/// ```no_run
/// use wirewright_auth::{JwtAlgorithm, JwtIssuer, SigningKey};
///
/// let credentials = JwtIssuer::builder()
///     .signature(JwtAlgorithm::Es256, SigningKey::from_pem_file("client.pem", None)?)
///     .key_id("2026-07")
///     .issuer("https://trader.example.com")
///     .subject("trader-7")
///     .audience(["https://feed.example.com"])
///     .unique_jwt_id()
///     .build()?;
/// # let _: &dyn wirewright_core::handshake::Credentials = &credentials;
/// # Ok::<(), wirewright_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct JwtIssuer {
    algorithm: JwtAlgorithm,
    key: SigningKey,
    /// The header as it is sent.
    header: String,
    /// All but the times, and an id that is new every time.
    claims: Claims,
    unique_id: bool,
    lifetime: Duration,
    allow_clear_text: bool,
}

/// Claims, whose values show nowhere: they may be anybody's secret.
#[derive(Clone, Default)]
struct Claims(Map<String, Value>);

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// A token that could not be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtIssueError {
    /// This machine's clock is before 1970.
    #[error("clock is before 1970")]
    Clock,
    /// The library that signs has failed.
    #[error("token could not be signed")]
    Signature,
    /// There are no random numbers for an id.
    #[error("no random numbers for a token's id")]
    Random,
}

impl JwtIssuer {
    /// Claims and key to be set; [`signature`](JwtIssuerBuilder::signature) is required.
    pub fn builder() -> JwtIssuerBuilder {
        JwtIssuerBuilder::default()
    }

    /// Issues a token that is valid from `now` on: for what else wants one, such as the JWT bearer
    /// grant of OAuth 2.0 (RFC 7523).
    ///
    /// # Errors
    /// [`JwtIssueError`], all of this machine's fault.
    pub fn issue(&self, now: SystemTime) -> Result<SecretString, JwtIssueError> {
        let now = now.duration_since(UNIX_EPOCH).map_err(|_| JwtIssueError::Clock)?.as_secs();
        let mut claims = self.claims.0.clone();
        // A part of a second is rounded up, as a token of no lifetime is of no use.
        let lifetime = self.lifetime.as_secs() + u64::from(self.lifetime.subsec_nanos() > 0);
        claims.insert("iat".into(), now.into());
        claims.insert("nbf".into(), now.into());
        claims.insert("exp".into(), now.saturating_add(lifetime).into());
        if self.unique_id {
            claims.insert("jti".into(), unique_id()?.into());
        }
        let claims = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
        let mut token = [self.header.as_str(), ".", &claims].concat();
        let signature = self.key.sign(self.algorithm, token.as_bytes());
        let signature = signature.map_err(|_| JwtIssueError::Signature)?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token.into())
    }
}

/// 128 random bits: "The identifier value MUST be assigned in a manner that ensures that there is a
/// negligible probability that the same value will be accidentally assigned to a different data
/// object" (RFC 7519 §4.1.7).
fn unique_id() -> Result<String, JwtIssueError> {
    let mut id = [0; 16];
    let random = aws_lc_rs::default_provider().secure_random;
    random.fill(&mut id).map_err(|_| JwtIssueError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(id))
}

impl Credentials for JwtIssuer {
    fn headers(&self, uri: &Uri, headers: &mut Headers) -> Result<(), CredentialsError> {
        clear_text::check(uri, self.allow_clear_text)?;
        let token = self.issue(SystemTime::now()).map_err(CredentialsError::permanent)?;
        authorization::set(headers, "Bearer", &token)
    }
}

/// What a [`JwtIssuer`] writes into its tokens.
#[derive(Clone, Debug)]
#[must_use]
pub struct JwtIssuerBuilder {
    signature: Option<(JwtAlgorithm, SigningKey)>,
    key_id: Option<String>,
    claims: Claims,
    custom: Claims,
    unique_id: bool,
    lifetime: Duration,
    allow_clear_text: bool,
}

impl Default for JwtIssuerBuilder {
    fn default() -> Self {
        Self {
            signature: None,
            key_id: None,
            claims: Claims::default(),
            custom: Claims::default(),
            unique_id: false,
            lifetime: Duration::from_secs(300),
            allow_clear_text: false,
        }
    }
}

impl JwtIssuerBuilder {
    /// How tokens are signed, and with what. Required: there are no unsigned ones here.
    pub fn signature(mut self, algorithm: JwtAlgorithm, key: SigningKey) -> Self {
        self.signature = Some((algorithm, key));
        self
    }

    /// The key's name, `kid` in the header (RFC 7515 §4.1.4). None by default.
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// Who issues, `iss` (RFC 7519 §4.1.1). None by default.
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        self.claim("iss", issuer.into())
    }

    /// Whom the token speaks of, the user's name: `sub` (RFC 7519 §4.1.2). None by default.
    pub fn subject(self, subject: impl Into<String>) -> Self {
        self.claim("sub", subject.into())
    }

    /// Whom the token is meant for, `aud` (RFC 7519 §4.1.3); a list of one is written as a string.
    /// None by default.
    pub fn audience<S: Into<String>>(self, audience: impl IntoIterator<Item = S>) -> Self {
        let mut audience: Vec<String> = audience.into_iter().map(Into::into).collect();
        match (audience.len(), audience.pop()) {
            (1, Some(only)) => self.claim("aud", only),
            (_, last) => {
                audience.extend(last);
                self.claim("aud", audience)
            }
        }
    }

    /// The token's id, `jti`, the same in all (RFC 7519 §4.1.7). None by default.
    pub fn jwt_id(mut self, id: impl Into<String>) -> Self {
        self.unique_id = false;
        self.claim("jti", id.into())
    }

    /// An id, `jti`, for each token of its own: 128 random bits.
    pub const fn unique_jwt_id(mut self) -> Self {
        self.unique_id = true;
        self
    }

    /// Claims beside those that have a method here, such as `scope`. None by default.
    pub fn custom_claims(mut self, claims: Map<String, Value>) -> Self {
        self.custom = Claims(claims);
        self
    }

    /// How long a token is valid, rounded up to seconds: `exp` is as much behind `iat` and `nbf`,
    /// the time of the handshake (RFC 7519 §4.1.4). 300 s by default, a year at most.
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Whether tokens may be sent over `ws` to another machine, for everybody on the way to read.
    /// `false` by default: the handshake then fails with [`ClearTextError`](crate::ClearTextError).
    pub const fn allow_clear_text(mut self, allow: bool) -> Self {
        self.allow_clear_text = allow;
        self
    }

    /// Checks what was set.
    ///
    /// # Errors
    /// [`ConfigError`] without a [`signature`](Self::signature), for a key that is none for the
    /// algorithm, a secret shorter than its hash (RFC 7518 §3.2), a lifetime of zero or over a
    /// year, an audience of nobody, and custom claims that have a method here (those of RFC 7519
    /// §4.1).
    pub fn build(mut self) -> Result<JwtIssuer, ConfigError> {
        let (algorithm, key) = self.signature.ok_or_else(|| {
            ConfigError::new("`signature`", "is required, as unsigned tokens anybody can write")
        })?;
        key.check(algorithm)?;
        if self.lifetime.is_zero() || self.lifetime > MAX_LIFETIME {
            return Err(ConfigError::new("`lifetime`", "is zero, or over a year"));
        }
        if self.claims.0.get("aud") == Some(&json!([])) {
            return Err(ConfigError::new("`audience`", "is an empty list"));
        }
        let registered = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
        if let Some(name) = registered.iter().find(|name| self.custom.0.contains_key(**name)) {
            let problem = format!("hold `{name}`, which is not custom (RFC 7519 §4.1)");
            return Err(ConfigError::new("`custom_claims`", problem));
        }
        self.claims.0.extend(self.custom.0);
        let mut header = json!({ "typ": "JWT", "alg": algorithm.name() });
        if let (Some(key_id), Value::Object(header)) = (self.key_id, &mut header) {
            header.insert("kid".into(), key_id.into());
        }
        Ok(JwtIssuer {
            algorithm,
            key,
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            claims: self.claims,
            unique_id: self.unique_id,
            lifetime: self.lifetime,
            allow_clear_text: self.allow_clear_text,
        })
    }

    fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.0.insert(name.into(), value.into());
        self
    }
}
