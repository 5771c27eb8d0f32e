//! Where credentials may go, and what becomes of those that a server has refused.

use wirewright_core::Uri;
use wirewright_core::handshake::{ClientRequest, Headers, Refused};

use super::builder::ClientBuilder;
use super::connect::Plan;
use super::error::ClientError;

/// Fields that hold credentials by definition (RFC 9110 §11.6.2, §11.7.2).
const FIELDS: [&str; 2] = ["Authorization", "Proxy-Authorization"];
/// A parameter of the query that does (RFC 6750 §2.3).
const PARAMETER: &str = "access_token";

impl ClientBuilder {
    /// Whether credentials may go over plain `ws` to another machine, where whoever is on the way
    /// reads them. They may not by default: connecting is then
    /// [`ClientError::ClearTextCredentials`], before anything is connected to or
    /// [`credentials`](Self::credentials) are asked, if one of the URLs would be such.
    ///
    /// Credentials are whatever [`credentials`](Self::credentials) give, the headers
    /// `Authorization` and `Proxy-Authorization`, and `access_token` in a query (RFC 6750 §2.3).
    /// Cookies are not, as many hold no secret: those that do are the caller's to keep off `ws`, as
    /// with other headers. User information of a URL is sent by none but `credentials`. A server is
    /// on this machine if its host is `localhost`, a name below it (RFC 6761 §6.3), an address of
    /// loopback, or it is behind a Unix socket, and no proxy elsewhere is on the way.
    pub const fn allow_clear_text_credentials(mut self, allow: bool) -> Self {
        self.allow_clear_text = allow;
        self
    }
}

impl Plan {
    /// Whether what says who the client is may go to the server of this URI.
    pub(super) fn may_identify(&self, uri: &Uri) -> Result<(), ClientError> {
        let is_private = uri.is_secure() || self.allow_clear_text || self.reach.is_here(uri);
        if is_private || !self.has_credentials(uri) {
            return Ok(());
        }
        Err(ClientError::ClearTextCredentials(uri.clone()))
    }

    fn has_credentials(&self, uri: &Uri) -> bool {
        let headers = self.request.header_fields();
        let query = uri.path_and_query().split_once('?').map_or("", |(_, query)| query);
        let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
        self.credentials.is_some()
            || FIELDS.iter().any(|name| headers.get(name).is_some())
            || names.any(|name| name == PARAMETER)
    }

    /// The request with what says who the client is; and what `credentials` gave of that.
    pub(super) fn identified(
        &self,
        mut request: ClientRequest,
    ) -> Result<(ClientRequest, Headers), ClientError> {
        self.may_identify(request.uri())?;
        if !self.cookies.is_empty() {
            request = request.set_header("Cookie", &self.cookies)?;
        }
        let mut given = Headers::new();
        if let Some(credentials) = &self.credentials {
            credentials.headers(request.uri(), &mut given)?;
        }
        Ok((request.headers(&given), given))
    }

    /// Whether there may be other credentials than those that the server has refused (RFC 9110
    /// §15.5.2: "the user agent MAY repeat the request with a new or replaced Authorization header
    /// field").
    pub(super) fn has_others(&self, uri: &Uri, sent: &Headers, refused: &Refused) -> bool {
        let Some(credentials) = &self.credentials else { return false };
        if refused.status() != 401 || sent.is_empty() {
            return false;
        }
        let others = credentials.refused(uri, sent);
        tracing::debug!(url = %uri, others, "credentials refused");
        others
    }
}
