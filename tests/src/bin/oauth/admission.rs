//! End to end: a client with the server's tokens, over TLS, and a listener that asks the server.

use std::thread;
use std::time::Duration;

use secrecy::ExposeSecret;
use wirewright::auth::{
    Bearer, BearerScheme, JwksEndpoint, JwtAlgorithm, JwtValidator, OAuth2Credentials,
    OAuth2Introspection, OAuth2IntrospectionBuilder,
};
use wirewright::tls::{ClientTls, Identity, ServerTls, Trust};
use wirewright::{
    Authenticator, Caller, Client, ClientError, Credentials, Listener, Outcome as Handled, Reply,
    Service, UpgradeRequest,
};

use crate::server::{FEED, Server, secret};
use crate::{Case, Outcome, same, told};

pub(crate) const CASES: &[Case] = &[
    ("a JWT, validated with the published keys", jwt),
    ("a JWT of a scope that is not enough", |server| {
        let listener = listener(server, validator(server, &["feed:write"])?)?;
        refused(server, &listener, jwt_credentials(server)?, 403)
    }),
    ("a JWT for another audience", |server| {
        let validator = JwtValidator::builder()
            .algorithms([JwtAlgorithm::Es256])
            .issuer(&server.issuer)
            .audience(["https://elsewhere.example"])
            .jwks(jwks(server, "/jwks"));
        let listener = listener(server, validator.build().map_err(told)?)?;
        refused(server, &listener, jwt_credentials(server)?, 401)
    }),
    ("keys that change while a listener runs", rotation),
    ("published keys that are out of reach", |server| {
        let validator = JwtValidator::builder()
            .algorithms([JwtAlgorithm::Es256])
            .issuer(&server.issuer)
            .audience([FEED])
            .jwks(jwks(server, "/faulty/503"));
        let listener = listener(server, validator.build().map_err(told)?)?;
        refused(server, &listener, jwt_credentials(server)?, 503)
    }),
    ("an opaque token, introspected", |server| {
        let listener = listener(server, introspection(server, "/token/introspection")?)?;
        same(&who(server, &listener, opaque_credentials(server)?)?, &"feed [feed:read]".into())
    }),
    ("a token that nobody has issued, introspected", |server| {
        let listener = listener(server, introspection(server, "/token/introspection")?)?;
        refused(server, &listener, Bearer::new("unheard-of").map_err(told)?, 401)
    }),
    ("a token that is revoked, and another after the 401", revoked),
    ("an introspection endpoint that does not answer", |server| {
        let builder = introspection_builder(server, "/faulty/slow");
        let http = server.http().request_timeout(Duration::from_millis(300));
        let listener = listener(server, builder.http(http).build().map_err(told)?)?;
        refused(server, &listener, opaque_credentials(server)?, 503)
    }),
    ("an introspection endpoint that is down", |server| {
        let listener = listener(server, introspection(server, "/token/introspection")?)?;
        let credentials = opaque_credentials(server)?;
        credentials.access_token().map_err(told)?;
        server.order("down")?;
        let outcome = refused(server, &listener, credentials, 503);
        server.order("up")?;
        outcome
    }),
    ("an introspection endpoint with a page of HTML", |server| {
        let listener = listener(server, introspection(server, "/faulty/html")?)?;
        refused(server, &listener, opaque_credentials(server)?, 503)
    }),
    ("an introspection endpoint that is asked too often", |server| {
        let listener = listener(server, introspection(server, "/faulty/429")?)?;
        refused(server, &listener, opaque_credentials(server)?, 503)
    }),
    ("an introspection endpoint with 5 MB", |server| {
        let listener = listener(server, introspection(server, "/faulty/large")?)?;
        refused(server, &listener, opaque_credentials(server)?, 503)
    }),
    ("a token endpoint that is down, while a client connects", |server| {
        let listener = listener(server, introspection(server, "/token/introspection")?)?;
        let credentials = opaque_credentials(server)?;
        server.order("down")?;
        let connected = connect(server, &listener, credentials);
        server.order("up")?;
        match connected {
            Err(ClientError::Credentials(error)) if error.is_transient() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }),
];

// --- both ends -----------------------------------------------------------------------------------

/// Says who is there.
struct Who;

impl Service for Who {
    fn on_open(&mut self, caller: &Caller) -> Handled {
        let Some(identity) = caller.identity() else { return Ok(Reply::Text("nobody".into())) };
        Ok(Reply::Text(format!("{} [{}]", identity.name, identity.scopes.join(" "))))
    }
}

fn listener(
    server: &Server,
    authenticator: impl Authenticator + 'static,
) -> Result<Listener, String> {
    let identity = Identity::pem_files(server.file("server.pem"), server.file("server.key"));
    let tls = ServerTls::builder().identity(identity).build().map_err(told)?;
    Listener::builder()
        .tls(tls)
        .authenticator(authenticator)
        .start("127.0.0.1:0", |_: &UpgradeRequest| Ok(Who))
        .map_err(told)
}

fn connect(
    server: &Server,
    listener: &Listener,
    credentials: impl Credentials + 'static,
) -> Result<Client, ClientError> {
    let tls = ClientTls::builder().trust(Trust::pem_file(server.file("ca.pem")));
    Client::builder(&format!("wss://localhost:{}", listener.local_addr().port()))
        .tls(tls.build().expect("an authority"))
        .credentials(credentials)
        .read_timeout(Some(Duration::from_secs(10)))
        .connect()
}

fn who(
    server: &Server,
    listener: &Listener,
    credentials: impl Credentials + 'static,
) -> Result<String, String> {
    let client = connect(server, listener, credentials).map_err(told)?;
    let who = client.read_text().map_err(told)?;
    client.close().map_err(told)?;
    Ok(who)
}

fn refused(
    server: &Server,
    listener: &Listener,
    credentials: impl Credentials + 'static,
    status: u16,
) -> Outcome {
    match connect(server, listener, credentials) {
        Err(ClientError::Refused(refused)) => same(&refused.status(), &status),
        Err(error) => Err(told(error)),
        Ok(_) => Err("let in".into()),
    }
}

// --- JWT -----------------------------------------------------------------------------------------

fn jwks(server: &Server, path: &str) -> JwksEndpoint {
    let interval = Duration::from_millis(50);
    JwksEndpoint::new(server.url(path)).http(server.http()).refresh_interval(interval)
}

fn validator(server: &Server, scopes: &[&str]) -> Result<JwtValidator, String> {
    let scheme = BearerScheme::default().scopes(scopes.to_vec()).map_err(told)?;
    JwtValidator::builder()
        .algorithms([JwtAlgorithm::Es256])
        .issuer(&server.issuer)
        .audience([FEED])
        .jwks(jwks(server, "/jwks"))
        .scheme(scheme)
        .build()
        .map_err(told)
}

fn jwt_credentials(server: &Server) -> Result<OAuth2Credentials, String> {
    server.client_credentials("feed").parameter("resource", FEED).build().map_err(told)
}

fn jwt(server: &Server) -> Outcome {
    let listener = listener(server, validator(server, &["feed:read"])?)?;
    same(&who(server, &listener, jwt_credentials(server)?)?, &"feed [feed:read]".into())
}

/// Tokens of before and after are let in while both keys are published, and only the latter once
/// the old key is gone.
fn rotation(server: &Server) -> Outcome {
    let listener = listener(server, validator(server, &["feed:read"])?)?;
    let before = jwt_credentials(server)?.access_token().map_err(told)?;
    let before = || Bearer::new(before.expose_secret()).map_err(told);
    who(server, &listener, before()?)?;
    server.order("rotate")?;
    let after = jwt_credentials(server)?;
    same(&who(server, &listener, after.clone())?, &"feed [feed:read]".into())?;
    who(server, &listener, before()?)?;
    server.order("drop")?;
    server.order("rotate")?;
    // Its key is not known yet; with it comes that the first one is no longer there.
    thread::sleep(Duration::from_millis(100));
    who(server, &listener, jwt_credentials(server)?)?;
    who(server, &listener, after)?;
    refused(server, &listener, before()?, 401)
}

// --- introspection -------------------------------------------------------------------------------

fn introspection_builder(server: &Server, path: &str) -> OAuth2IntrospectionBuilder {
    OAuth2Introspection::builder(server.url(path))
        .client("poster", secret("poster"))
        .http(server.http())
}

fn introspection(server: &Server, path: &str) -> Result<OAuth2Introspection, String> {
    introspection_builder(server, path).cache_capacity(0).build().map_err(told)
}

fn opaque_credentials(server: &Server) -> Result<OAuth2Credentials, String> {
    server.client_credentials("feed").build().map_err(told)
}

/// A client's credentials hold a token that is no longer good: it gets another by itself.
fn revoked(server: &Server) -> Outcome {
    let listener = listener(server, introspection(server, "/token/introspection")?)?;
    let credentials = opaque_credentials(server)?;
    who(server, &listener, credentials.clone())?;
    let token = credentials.access_token().map_err(told)?;
    server.order(&format!("revoke {}", token.expose_secret()))?;
    refused(server, &listener, Bearer::new(token.expose_secret()).map_err(told)?, 401)?;
    same(&who(server, &listener, credentials)?, &"feed [feed:read]".into())
}
