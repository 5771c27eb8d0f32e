//! One token endpoint, and how it is asked (RFC 6749 §3.2).

use std::time::{Duration, Instant};

use super::error::OAuth2Error;
use super::response::TokenResponse;
use super::store::Failure;
use crate::http::{Answer, Endpoint};
use crate::oauth2::{ClientAuthentication, Extra, Form, OAuth2Client};

pub(super) struct TokenEndpoint {
    pub(super) endpoint: Endpoint,
    pub(super) authentication: ClientAuthentication,
    /// Joined by spaces already; `None` for whatever the server grants.
    pub(super) scope: Option<String>,
    pub(super) extra: Extra,
}

/// A token that was granted.
pub(super) struct Granted {
    pub(super) response: TokenResponse,
    /// When it was asked for, from which on its lifetime counts at the latest.
    pub(super) asked: Instant,
}

impl TokenEndpoint {
    /// Asks with the parameters of a grant; those that all grants have are added.
    pub(super) fn ask<'a>(
        &'a self,
        mut form: Form<'a>,
        client: Option<&'a OAuth2Client>,
    ) -> Result<Granted, Failure> {
        let authentication = self.authentication;
        let authorization = client.and_then(|it| it.authenticate(authentication, &mut form));
        form.extend(&self.extra);
        let asked = Instant::now();
        let answer = self.endpoint.post_form(&form.encode(), authorization.as_ref());
        let answer = answer.map_err(|error| Failure { error: error.into(), retry_after: None })?;
        let retry_after = answer.retry_after;
        match self.read(&answer, &form) {
            Ok(response) => {
                let lifetime = response.expires_in;
                tracing::debug!(endpoint = self.endpoint.url(), ?lifetime, "access token granted");
                Ok(Granted { response, asked })
            }
            Err(error) => Err(Failure { error, retry_after }),
        }
    }

    /// The longest that one request takes.
    pub(super) const fn timeout(&self) -> Duration {
        self.endpoint.request_timeout()
    }

    pub(super) fn waited(&self) -> OAuth2Error {
        OAuth2Error::Waited { url: self.endpoint.url().to_owned(), limit: self.timeout() }
    }

    fn read(&self, answer: &Answer, form: &Form<'_>) -> Result<TokenResponse, OAuth2Error> {
        let status = answer.status;
        let url = || self.endpoint.url().to_owned();
        let is_secret = |text: &str| form.shows_in(text);
        let problem = if matches!(status, 200..=299) {
            match TokenResponse::read(&answer.body, &is_secret) {
                Ok(response) => return Ok(response),
                Err(problem) => Some(problem),
            }
        } else {
            TokenResponse::refusal(&answer.body, &is_secret)
        };
        Err(match problem {
            Some(source) => OAuth2Error::Response { url: url(), status, source },
            None => OAuth2Error::Status { url: url(), status },
        })
    }
}
