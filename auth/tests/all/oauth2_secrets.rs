//! Secrets show nowhere: not in errors, not in `Debug`, not in the log at any level (S-48).

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wirewright_auth::{ClientAuthentication, HttpOptions, OAuth2Grant, TokenResponse};
use wirewright_core::handshake::{Credentials, CredentialsError, Headers};

use super::http_server::{Server, answer, json};
use super::oauth2_requests::uri;

/// All that is logged, at all levels.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<String>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An error with all of its sources.
pub(crate) fn whole(error: &CredentialsError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        write!(text, " {error} {error:?}").unwrap();
        source = error.source();
    }
    text
}

const CANARY: &str = "canary-8d1f";

/// Every secret that a client can be given holds the canary.
fn grants(url: &str) -> Vec<OAuth2Grant> {
    let secret = |name: &str| format!("{name}-{CANARY}");
    let url = &format!("{url}?key={CANARY}");
    let grants = [
        OAuth2Grant::client_credentials(url, "id", secret("client")),
        OAuth2Grant::password(url, "user", secret("password")).client("id", secret("client")),
        OAuth2Grant::refresh_token(url, secret("refresh")).client("id", secret("client")),
        OAuth2Grant::jwt_bearer(url, secret("assertion")),
    ];
    let with_all = |grant: OAuth2Grant| {
        let headers = HttpOptions::new().header("X-Api-Key", secret("header"));
        let grant = grant.parameter("extra", secret("parameter")).http(headers);
        grant.payload(format!("payload=payload-{CANARY}"))
    };
    grants.into_iter().map(with_all).collect()
}

#[test]
fn s48_secrets_show_nowhere() {
    // Servers that say back all they heard, in every place that a client may look at.
    let echo = |status: u16| {
        move |said: &str| {
            let body = format!(
                r#"{{"error":"{said}","error_description":"got {said}","error_uri":"{said}"}}"#
            );
            json(status, &body)
        }
    };
    type Said = Box<dyn Fn(&str) -> String + Send + Sync>;
    let answers: Vec<Said> = vec![
        Box::new(echo(400)),
        Box::new(echo(200)),
        Box::new(echo(503)),
        Box::new(|said| answer(302, &format!("Location: https://example.com/{said}\r\n"), said)),
        Box::new(|said| answer(500, &format!("X-Echo: {said}\r\n"), said)),
        Box::new(|said| json(200, &format!(r#"{{"access_token":{{"{said}":1}}}}"#))),
        Box::new(|said| {
            json(200, &format!(r#"{{"access_token":"{said}","expires_in":"{said}"}}"#))
        }),
        Box::new(|said| json(200, &format!(r#"{{"access_token":"{said} {said}"}}"#))),
        Box::new(|said| json(200, &format!(r#"{{"access_token":"{said}","expires_in":1}}"#))),
        Box::new(|said| format!("{said}\r\n\r\n")),
    ];
    for respond in answers {
        let respond = Arc::new(respond);
        for number in 0..4 {
            let respond = Arc::clone(&respond);
            let server = Server::saying(move |seen, _| {
                let secrets = ["client_secret", "password", "refresh_token", "assertion", "extra"];
                let said = secrets.iter().find_map(|name| seen.parameter(name));
                respond(&said.unwrap())
            });
            let grant = grants(&server.url("/token")).swap_remove(number);
            let log = Log::default();
            let (shown, header) = tracing::subscriber::with_default(log.clone(), || {
                let mut shown = format!("{grant:?}");
                let grant = grant.client_authentication(ClientAuthentication::Body);
                let credentials = grant.build().unwrap();
                let mut headers = Headers::new();
                match credentials.headers(&uri("wss://example.com/"), &mut headers) {
                    Ok(()) => {}
                    Err(error) => shown.push_str(&whole(&error)),
                }
                write!(shown, "{credentials:?} {headers:?}").unwrap();
                (shown, headers)
            });
            assert!(server.seen()[0].body.contains(CANARY), "it was sent");
            assert!(!log.text().is_empty(), "something is logged");
            assert!(header.get("Authorization").is_none_or(|it| it.contains(CANARY)));
            let shown = shown + &log.text();
            assert!(!shown.contains(CANARY), "{shown}");
            assert!(!shown.contains("8d1f"), "{shown}");
        }
    }
}

#[test]
fn s48_debug_of_options_and_answers_shows_no_secret() {
    let options = HttpOptions::new().header("X-Api-Key", CANARY);
    let body = format!(r#"{{"access_token":"{CANARY}","refresh_token":"{CANARY}"}}"#);
    let response = TokenResponse::parse(body.as_bytes()).unwrap();
    let shown = format!("{options:?} {response:?}");
    assert!(shown.contains("X-Api-Key") && !shown.contains(CANARY), "{shown}");
    // Errors of parsing show where, and not what.
    for body in [format!(r#"{{"access_token":["{CANARY}"]}}"#), format!("{CANARY}{{")] {
        let error = TokenResponse::parse(body.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
    }
}
