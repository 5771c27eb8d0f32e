//! The one client of HTTP in this crate: it blocks, each request has a connection and a deadline of
//! its own, answers are small.

mod answer;
mod dial;
mod error;
mod exchange;
mod options;
mod tls;
mod url;

use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use wirewright_core::Uri;
use wirewright_core::handshake::{CredentialsError, Headers};

pub(crate) use self::answer::Answer;
use self::dial::Timed;
pub use self::error::EndpointError;
use self::exchange::{Failure, MAX_BODY, exchange};
pub use self::options::HttpOptions;
use self::url::{parse, shown};
use crate::error::ConfigError;
use crate::loopback::is_loopback;

/// An HTTP endpoint, and how to reach it.
pub(crate) struct Endpoint {
    /// With `ws` for `http`: both have the same parts, and credentials are made for these.
    uri: Uri,
    /// What may be shown.
    url: Arc<str>,
    secure: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    headers: Headers,
    options: HttpOptions,
}

impl Endpoint {
    /// Takes the URL apart and reads the files that the options name.
    pub(crate) fn new(url: &str, options: &HttpOptions) -> Result<Self, ConfigError> {
        let uri = parse(url)?;
        if !uri.is_secure() && !is_loopback(uri.host()) && !options.allow_clear_text {
            let problem = "is `http`, in clear text; use `https`, or allow it by \
                           `allow_clear_text`";
            return Err(ConfigError::new(shown(&uri), problem));
        }
        for (name, timeout) in [
            ("`connect_timeout`", options.connect_timeout),
            ("`request_timeout`", options.request_timeout),
        ] {
            if timeout.is_zero() {
                return Err(ConfigError::new(name, "is zero, so that nothing can be in time"));
            }
        }
        let mut headers = Headers::new();
        for (name, value) in &options.headers {
            let added = headers.append(name, value.expose_secret());
            added.map_err(|misuse| ConfigError::new("`header`", misuse))?;
        }
        let secure = if uri.is_secure() {
            let name = ServerName::try_from(uri.host().to_owned());
            let name = name.map_err(|_| ConfigError::new(shown(&uri), "has no name for TLS"))?;
            Some((tls::config(options)?, name))
        } else {
            None
        };
        Ok(Self { url: shown(&uri).into(), uri, secure, headers, options: options.clone() })
    }

    /// The URL without its query.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The longest that a request may take, without what credentials of its own take.
    pub(crate) const fn request_timeout(&self) -> Duration {
        self.options.request_timeout
    }

    /// Asks for what is there.
    pub(crate) fn get(&self) -> Result<Answer, EndpointError> {
        self.send(None, None)
    }

    /// Sends a form, `application/x-www-form-urlencoded` already, with the value of
    /// `Authorization`, if any.
    pub(crate) fn post_form(
        &self,
        form: &SecretString,
        authorization: Option<&SecretString>,
    ) -> Result<Answer, EndpointError> {
        self.send(Some(form), authorization)
    }

    fn send(
        &self,
        form: Option<&SecretString>,
        authorization: Option<&SecretString>,
    ) -> Result<Answer, EndpointError> {
        let mut headers = self.headers.clone();
        let credentials = self.options.credentials.as_deref().filter(|_| authorization.is_none());
        if let Some(authorization) = authorization {
            let set = headers.set("Authorization", authorization.expose_secret());
            set.map_err(|misuse| self.credentials(misuse.into()))?;
        }
        if let Some(credentials) = credentials {
            let given = credentials.headers(&self.uri, &mut headers);
            given.map_err(|error| self.credentials(error))?;
        }
        let deadline = after(self.options.request_timeout);
        let answer = self.attempt(&headers, form, deadline)?;
        match credentials {
            Some(credentials)
                if answer.status == 401 && credentials.refused(&self.uri, &headers) =>
            {
                let given = credentials.headers(&self.uri, &mut headers);
                given.map_err(|error| self.credentials(error))?;
                self.attempt(&headers, form, deadline)
            }
            _ => Ok(answer),
        }
    }

    fn attempt(
        &self,
        headers: &Headers,
        form: Option<&SecretString>,
        deadline: Instant,
    ) -> Result<Answer, EndpointError> {
        let request = self.request(headers, form);
        let connecting = after(self.options.connect_timeout).min(deadline);
        let is_own = connecting < deadline;
        let connected = |error| self.io(error, is_own);
        let stream = dial::connect(self.uri.host(), self.uri.port(), connecting);
        let mut stream = Timed::new(stream.map_err(connected)?, connecting);
        let received = match &self.secure {
            None => {
                stream.deadline = deadline;
                exchange(stream, request.as_bytes())
            }
            Some((config, name)) => {
                let config = Arc::clone(config);
                let mut connection = ClientConnection::new(config, name.clone())
                    .map_err(|error| self.io(io::Error::other(error), false))?;
                connection.complete_io(&mut stream).map_err(connected)?;
                stream.deadline = deadline;
                exchange(StreamOwned::new(connection, stream), request.as_bytes())
            }
        };
        let received = received.map_err(|failure| self.failure(failure))?;
        match received.status {
            status @ 300..=399 => Err(EndpointError::Redirect { url: self.url.clone(), status }),
            _ => Ok(Answer::of(received)),
        }
    }

    fn request(&self, headers: &Headers, form: Option<&SecretString>) -> Zeroizing<String> {
        let form = form.map(SecretString::expose_secret);
        let length = form.map(|form| form.len().to_string());
        let method = if form.is_some() { "POST" } else { "GET" };
        let mut fields = vec![
            ("Host", self.uri.authority()),
            ("Connection", "close"),
            ("User-Agent", concat!("wirewright/", env!("CARGO_PKG_VERSION"))),
            ("Accept", "application/json, */*;q=0.5"),
        ];
        if let Some(length) = &length {
            fields.push(("Content-Type", "application/x-www-form-urlencoded"));
            fields.push(("Content-Length", length));
        }
        fields.retain(|(name, _)| headers.get(name).is_none());
        fields.extend(headers.iter());
        // Room for all of it, so that no copy stays behind when it grows.
        let size = fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
        let target = self.uri.path_and_query();
        let body = form.unwrap_or_default();
        let size = size + target.len() + body.len() + 32;
        let mut request = Zeroizing::new(String::with_capacity(size));
        // Writing to a string does not fail.
        let _ = write!(request, "{method} {target} HTTP/1.1\r\n");
        for (name, value) in fields {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body);
        request
    }

    fn failure(&self, failure: Failure) -> EndpointError {
        let url = self.url.clone();
        match failure {
            Failure::Io(error) => self.io(error, false),
            Failure::Protocol(problem) => EndpointError::Protocol { url, problem },
            Failure::TooLarge(status) => EndpointError::TooLarge { url, status, max: MAX_BODY },
        }
    }

    fn io(&self, error: io::Error, is_connecting: bool) -> EndpointError {
        let url = self.url.clone();
        if error.kind() == io::ErrorKind::TimedOut {
            let (option, limit) = match is_connecting {
                true => ("connect_timeout", self.options.connect_timeout),
                false => ("request_timeout", self.options.request_timeout),
            };
            return EndpointError::Timeout { url, limit, option };
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(inner) => {
                let transient = !is_lasting(inner);
                EndpointError::Tls { url, problem: inner.to_string(), transient }
            }
            None => EndpointError::Network { url, source: Arc::new(error) },
        }
    }

    fn credentials(&self, error: CredentialsError) -> EndpointError {
        EndpointError::Credentials { url: self.url.clone(), source: Arc::new(error) }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.url)
    }
}

/// A moment that is `timeout` from now, or as good as never.
fn after(timeout: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    Instant::now() + timeout.min(YEAR)
}

/// Whether TLS would fail again: for who the peer is or who we are, and for what either can do.
const fn is_lasting(error: &rustls::Error) -> bool {
    use rustls::Error;
    matches!(
        error,
        Error::InvalidCertificate(_)
            | Error::NoCertificatesPresented
            | Error::PeerIncompatible(_)
            | Error::AlertReceived(_)
    )
}
