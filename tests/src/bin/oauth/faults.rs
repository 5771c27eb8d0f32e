//! A token endpoint that is slow, down, busy or somebody else.

use std::thread;
use std::time::{Duration, Instant};

use wirewright::auth::{EndpointError, HttpOptions, OAuth2Error, OAuth2Grant, TokenResponseError};

use crate::server::{Server, secret};
use crate::{Case, Outcome, told};

pub(crate) const CASES: &[Case] = &[
    ("a token endpoint that does not answer", slow),
    ("a token endpoint that is down, and up again", down),
    ("a token endpoint with a page of HTML", |server| {
        failed(server, "/faulty/html", true, |error| {
            matches!(
                error,
                OAuth2Error::Response { source: TokenResponseError::NotJson { .. }, .. }
            )
        })
    }),
    ("a token endpoint that is asked too often", |server| {
        failed(server, "/faulty/429", true, |error| error.to_string().contains("answers 429"))
    }),
    ("a token endpoint that is busy", |server| {
        failed(server, "/faulty/503", true, |error| error.to_string().contains("answers 503"))
    }),
    ("a token endpoint with 5 MB", |server| {
        failed(server, "/faulty/large", false, |error| {
            matches!(error, OAuth2Error::Endpoint(EndpointError::TooLarge { .. }))
        })
    }),
    ("a token endpoint that redirects", |server| {
        failed(server, "/faulty/redirect", false, |error| {
            matches!(error, OAuth2Error::Endpoint(EndpointError::Redirect { status: 307, .. }))
        })
    }),
    ("a token endpoint whose authority is not trusted", |server| {
        let http = HttpOptions::new().roots_file(server.file("other-ca.pem"));
        check(grant(server, "/token").http(http), false, |error| {
            matches!(error, OAuth2Error::Endpoint(EndpointError::Tls { .. }))
        })
    }),
];

fn grant(server: &Server, path: &str) -> OAuth2Grant {
    OAuth2Grant::client_credentials(server.url(path), "feed", secret("feed")).http(server.http())
}

fn failed(
    server: &Server,
    path: &str,
    transient: bool,
    is_expected: fn(&OAuth2Error) -> bool,
) -> Outcome {
    check(grant(server, path), transient, is_expected)
}

fn check(grant: OAuth2Grant, transient: bool, is_expected: fn(&OAuth2Error) -> bool) -> Outcome {
    match grant.build().map_err(told)?.access_token() {
        Err(error) if is_expected(&error) && error.is_transient() == transient => Ok(()),
        Err(error) => Err(format!("{error} ({error:?})")),
        Ok(_) => Err("granted".into()),
    }
}

fn slow(server: &Server) -> Outcome {
    let http = server.http().request_timeout(Duration::from_millis(300));
    let start = Instant::now();
    check(grant(server, "/faulty/slow").http(http), true, |error| {
        matches!(error, OAuth2Error::Endpoint(EndpointError::Timeout { .. }))
    })?;
    let took = start.elapsed();
    if took < Duration::from_secs(5) { Ok(()) } else { Err(format!("after {took:?}")) }
}

fn down(server: &Server) -> Outcome {
    let credentials = server.client_credentials("feed").build().map_err(told)?;
    server.order("down")?;
    let refused = credentials.access_token();
    server.order("up")?;
    match refused {
        Err(error @ OAuth2Error::Endpoint(EndpointError::Network { .. }))
            if error.is_transient() => {}
        other => return Err(format!("{other:?}")),
    }
    // It is left alone for a while, and then asked again.
    let start = Instant::now();
    loop {
        match credentials.access_token() {
            Err(error) if error.is_transient() && start.elapsed() < Duration::from_secs(10) => {
                thread::sleep(Duration::from_millis(50));
            }
            outcome => return outcome.map(drop).map_err(told),
        }
    }
}
