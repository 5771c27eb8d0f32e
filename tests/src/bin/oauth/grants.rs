//! The four grants.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use secrecy::ExposeSecret;
use wirewright::CredentialsError;
use wirewright::auth::{
    ClientAuthentication, JwtAlgorithm, JwtIssuer, OAuth2Error, OAuth2Grant, SigningKey,
    TokenResponseError,
};

use crate::server::{FEED, Server, secret};
use crate::{Case, Outcome, same, told};

pub(crate) const CASES: &[Case] = &[
    ("client credentials, in the header", |server| token(server.client_credentials("feed"))),
    ("client credentials, in the body", |server| {
        let how = ClientAuthentication::Body;
        token(server.client_credentials("poster").client_authentication(how))
    }),
    ("client credentials, a token held until it is over", held),
    ("client credentials, a wrong secret", |server| {
        let grant = OAuth2Grant::client_credentials(server.url("/token"), "feed", "guess");
        refused(grant.http(server.http()), "invalid_client")
    }),
    ("client credentials, a scope that is not to be had", |server| {
        refused(server.client_credentials("feed").scopes(["admin"]), "invalid_scope")
    }),
    ("password", |server| token(password(server, "pass & word"))),
    ("password, a wrong one", |server| refused(password(server, "guess"), "invalid_grant")),
    ("refresh token, rotated each time", rotated),
    ("refresh token, an unknown one", |server| {
        let grant = OAuth2Grant::refresh_token(server.url("/token"), "unknown");
        refused(grant.client("brief", secret("brief")).http(server.http()), "invalid_grant")
    }),
    ("JWT bearer, an assertion for each request", assertion),
    ("JWT bearer, an assertion for somebody else", |server| {
        let grant = jwt_bearer(server, "https://elsewhere.example/token")?;
        refused(grant, "invalid_grant")
    }),
];

fn token(grant: OAuth2Grant) -> Outcome {
    let token = grant.build().map_err(told)?.access_token().map_err(told)?;
    if token.expose_secret().len() > 20 { Ok(()) } else { Err("no token of this server's".into()) }
}

fn refused(grant: OAuth2Grant, expected: &str) -> Outcome {
    match grant.build().map_err(told)?.access_token() {
        Err(error @ OAuth2Error::Response { .. }) if !error.is_transient() => {
            let OAuth2Error::Response { source: TokenResponseError::Refused { code, .. }, .. } =
                &error
            else {
                return Err(told(error));
            };
            same(&code.as_str(), &expected)
        }
        Err(error) => Err(told(error)),
        Ok(_) => Err("granted".into()),
    }
}

/// Tokens of this client's last for two seconds, less a tenth.
fn held(server: &Server) -> Outcome {
    let credentials = server.client_credentials("brief").build().map_err(told)?;
    let first = credentials.access_token().map_err(told)?;
    let again = credentials.access_token().map_err(told)?;
    same(&first.expose_secret(), &again.expose_secret())?;
    thread::sleep(Duration::from_secs(2));
    let next = credentials.access_token().map_err(told)?;
    if next.expose_secret() == first.expose_secret() { Err("the old one".into()) } else { Ok(()) }
}

fn password(server: &Server, password: &str) -> OAuth2Grant {
    OAuth2Grant::password(server.url("/token"), "ürsula", password)
        .client("feed", secret("feed"))
        .http(server.http())
}

/// The server revokes everything when a refresh token comes a second time.
fn rotated(server: &Server) -> Outcome {
    let (tell, told_of) = mpsc::channel();
    let credentials =
        OAuth2Grant::refresh_token(server.url("/token"), server.order("refresh-token")?)
            .client("brief", secret("brief"))
            .parameter("resource", FEED)
            .http(server.http())
            .on_refresh_token(move |token| {
                let _ = tell.send(token.expose_secret().to_owned());
            })
            .build()
            .map_err(told)?;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let token = credentials.access_token().map_err(told)?.expose_secret().to_owned();
        if seen.contains(&token) {
            return Err("the old one".into());
        }
        seen.push(token);
        thread::sleep(Duration::from_secs(2));
    }
    let mut given: Vec<String> = told_of.try_iter().collect();
    given.dedup();
    same(&given.len(), &3)
}

fn jwt_bearer(server: &Server, audience: &str) -> Result<OAuth2Grant, String> {
    let key = SigningKey::from_pem_file(server.file("client.key"), None).map_err(told)?;
    let issuer = JwtIssuer::builder()
        .signature(JwtAlgorithm::Es256, key)
        .issuer("gateway 7")
        .subject("ursula")
        .audience([audience])
        .lifetime(Duration::from_secs(60))
        .unique_jwt_id()
        .build()
        .map_err(told)?;
    let assertion = move || issuer.issue(SystemTime::now()).map_err(CredentialsError::transient);
    Ok(OAuth2Grant::jwt_bearer_with(server.url("/token"), assertion)
        .client("feed", secret("feed"))
        .http(server.http()))
}

fn assertion(server: &Server) -> Outcome {
    token(jwt_bearer(server, &server.url("/token"))?)
}
